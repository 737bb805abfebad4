// libFuzzer's entrance: any bytes as messages of a peer.
#include <glog/logging.h>

#include "tests/net/message_bytes.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FLAGS_minloglevel = google::GLOG_FATAL;
  sherd::RunMessageBytes({data, size});
  return 0;
}
