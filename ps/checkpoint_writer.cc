#include "ps/checkpoint_writer.h"

#include "ps/cut_writer.h"

namespace sherd {

Result<proto::ShardFile> WriteShardFile(ShardStore* store, const std::string& dir, bool compress) {
  return CutWriter(store, {.dir = dir, .compress = compress, .wake = {}}).Run();
}

}  // namespace sherd
