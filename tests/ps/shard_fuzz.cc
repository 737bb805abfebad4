// libFuzzer's entrance: any bytes as messages to a shard.
#include <glog/logging.h>

#include "tests/ps/shard_bytes.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FLAGS_minloglevel = google::GLOG_FATAL;
  sherd::RunShardBytes({data, size});
  return 0;
}
