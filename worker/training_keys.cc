#include "worker/training_keys.h"

#include <algorithm>
#include <memory>
#include <unordered_set>

namespace sherd {

Result<std::vector<std::vector<Key>>> FindTrainingKeys(Dataset* dataset, std::size_t tables) {
  std::vector<std::unordered_set<Key>> found(tables);
  ASSIGN_OR_RETURN(const std::vector<proto::Chunk> chunks, dataset->Chunks(proto::Chunk::TRAIN, 0, 1));
  Minibatch minibatch;
  for (const proto::Chunk& chunk : chunks) {
    ASSIGN_OR_RETURN(const std::unique_ptr<ChunkReader> reader, dataset->Read(chunk, 0, 0));
    for (;;) {
      ASSIGN_OR_RETURN(const bool more, reader->Next(&minibatch));
      if (!more) break;
      for (std::size_t t = 0; t < tables; ++t) {
        found[t].insert(minibatch.tables[t].keys.begin(), minibatch.tables[t].keys.end());
      }
    }
  }
  std::vector<std::vector<Key>> keys;
  for (const auto& set : found) {
    keys.emplace_back(set.begin(), set.end());
    std::ranges::sort(keys.back());
  }
  return keys;
}

}  // namespace sherd
