#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "net/mailbox.h"
#include "proto/checkpoint.pb.h"
#include "ps/shard_file_writer.h"
#include "ps/shard_store.h"

namespace sherd {

// Writes a shard's file of a cut, a step at a time, while the shard goes on serving: what the file holds is what the
// shard held when the CutWriter was made. Blocks are filled here, in the shard's thread; the ShardFileWriter does the
// rest in its own. Confined to one thread.
class CutWriter {
 public:
  struct Options {
    std::string dir;
    bool delta = false;  // what has changed since the last cut, if all tables can tell
    bool track = false;  // note what changes from now on, for a delta
    bool compress = false;
    std::function<void()> wake;  // when Step may get on again, or Outcome is there; called by another thread
  };
  // The moment of the cut. One at a time of a store.
  CutWriter(ShardStore* store, Options options);
  // Unless it has come to its outcome the file is removed.
  ~CutWriter();

  // Fills blocks until that time, a slot of a table at least. False: nothing can be done until `wake` is called.
  bool Step(Deadline until);
  // nullopt: it is not over. When it is the store may change freely again.
  std::optional<Result<proto::ShardFile>> Outcome();
  // The same without other work in between.
  Result<proto::ShardFile> Run();

  // Of the room for what had to be saved, the part that is used: beyond 1 the writing should go before everything else.
  double pressure() const;

 private:
  struct DenseCopy {
    Slot slot;
    std::uint32_t block;   // of the store's
    std::uint64_t offset;  // in dense_
  };

  void CopyDense();
  BlockHeader HeaderOf(std::uint32_t table, BlockKind kind, std::uint32_t row_bytes) const;
  Status WriteTable(std::uint32_t number);
  void WriteDense();
  void EndCut();
  // Blocks of `count` keys; put(first, count, to) is called for what each block has of them.
  template <class Put>
  void WriteBlocks(BlockHeader header, std::size_t count, const Put& put);

  ShardStore* const store_;
  std::unique_ptr<ShardFileWriter> file_;
  std::vector<float> dense_;
  std::vector<DenseCopy> dense_copies_;  // by slot
  std::size_t next_dense_ = 0;
  Slot slot_;                // to be written next,
  std::uint32_t table_ = 0;  // from this table on
  bool filled_ = false;      // all blocks have been
  Status failure_;
  EmbeddingTable::CutSlot contents_;
};

}  // namespace sherd
