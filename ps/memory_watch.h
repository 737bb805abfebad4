#pragma once

#include <cstdint>
#include <string>

#include "ps/shard_store.h"

namespace sherd {

// How near a shard is to the memory that it may take. Tables that evict or spill keep to it by themselves; those that
// must not (at_budget STOP) can only be stopped: from 95 % on the shard says so, and from 100 % on it takes no more
// pushes. So it is when the keys of a table that spills, which stay in memory, need more than half of what the others
// leave to it. Thread-compatible.
class MemoryWatch {
 public:
  // Of bytes; 0: there is no limit. The store must outlive it.
  MemoryWatch(const ShardStore* store, std::uint64_t budget);

  // After what may have made the store grow. Cheap enough for each push.
  void Look();

  // "96 % of its 2.0 GiB of memory_budget are used: table embedding 1.7 GiB, dense 3.1 MiB", and what to do about it;
  // empty while there is room. Once said it is not taken back.
  const std::string& full() const { return full_; }
  bool exceeded() const { return exceeded_; }

 private:
  void LookAtKeys(const proto::TableSpec& spec, const EmbeddingTable& table);
  std::string AdviceToGiveWay() const;

  const ShardStore* const store_;
  const std::uint64_t whole_budget_;
  std::uint64_t budget_;  // 0: no table is stopped
  std::uint64_t warn_at_;
  std::string full_;
  bool exceeded_ = false;
};

}  // namespace sherd
