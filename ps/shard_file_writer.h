#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/status.h"
#include "proto/checkpoint.pb.h"
#include "proto/model_spec.pb.h"
#include "ps/shard_file.h"

namespace sherd {

// One block on its way to a file. Who fills it sets all of `header` but payload_bytes, stored_bytes and crc.
struct FileBlock {
  BlockHeader header;
  std::size_t bytes = 0;  // of the payload, that are there
  std::uint32_t crc = 0;  // of the payload, unless it is to be compressed

  std::byte* payload() { return memory.data(); }  // with room for kBlockBytes
  // Room for a payload of so many bytes, where one row is larger than a block. What was in it is lost.
  std::span<std::byte> Reserve(std::size_t bytes) {
    if (bytes > memory.size()) memory.Resize(bytes);
    return memory.span().first(bytes);
  }

  AlignedBuffer<std::byte> memory{kBlockBytes};
};

// Writes a shard's file in a thread of its own, which compresses, writes and fsyncs, in 15 MB of memory.
// Blocks come by ascending slot; ps/shard_file.h says in which order within one. Thread-compatible.
class ShardFileWriter {
 public:
  struct Options {
    std::string dir;  // made if need be
    std::uint32_t shard = 0;
    Slot first_slot = 0, end_slot = 0;
    bool delta = false;
    bool compress = false;
    // Called by the thread when Take has failed or busy() was true and neither is so any more, and when Outcome is
    // there.
    std::function<void()> wake = {};
  };

  // Never fails: errors come by Outcome.
  static std::unique_ptr<ShardFileWriter> Start(const proto::ModelSpec& model, Options options);
  // Unless the file was finished, what there is of it is removed, and its folder if nothing else is there.
  ~ShardFileWriter();

  // An empty block. nullptr while all are on their way to disk, unless it is to wait, and after an error.
  FileBlock* Take(bool wait = false);
  // More than half of the blocks are on their way: who has other work does that until woken.
  bool busy() const;
  // Waits until it is not busy, or the outcome is there.
  void AwaitRoom();
  // To be written behind those given before. The block is the writer's again.
  void Give(FileBlock* block);
  // There will be no more blocks.
  void Finish();

  // What came of it: after an error at once, else after Finish when the file is on disk. nullopt: still at it.
  std::optional<Result<proto::ShardFile>> Outcome();
  // Waits for it. After Finish.
  Result<proto::ShardFile> Wait();

 private:
  ShardFileWriter(const proto::ModelSpec& model, Options options);

  // In the thread.
  void Run();
  Result<proto::ShardFile> Write();
  Status WriteHeader();
  Status WriteBlocks();
  Status WriteBlock(FileBlock* block);
  Status WriteEnd();
  std::span<const std::byte> Compress(std::span<const std::byte> payload);
  // The next block; nullptr: all are written.
  Result<FileBlock*> Next();
  void TakeBack(FileBlock* block);

  const std::string spec_;
  const Options options_;
  const std::string path_;
  std::vector<std::unique_ptr<FileBlock>> blocks_;

  // Of the thread.
  std::unique_ptr<FileWriter> file_;
  std::vector<SlotEntry> index_;
  std::vector<TableCounts> counts_;
  std::uint32_t written_blocks_ = 0;
  struct Zstd;
  std::unique_ptr<Zstd> zstd_;

  mutable std::mutex mutex_;
  std::condition_variable given_, changed_;  // for the thread; for the caller
  std::deque<FileBlock*> queue_;
  std::vector<FileBlock*> free_;
  mutable bool hungry_ = false;  // Take has failed, or busy() was true
  bool finished_ = false, cancelled_ = false;
  std::optional<Result<proto::ShardFile>> outcome_;

  std::thread thread_;
};

}  // namespace sherd
