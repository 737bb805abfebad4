// libFuzzer's entrance: any bytes as results of chunks.
#include <glog/logging.h>

#include "tests/scheduler/result_bytes.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FLAGS_minloglevel = google::GLOG_FATAL;
  sherd::RunResultBytes({data, size});
  return 0;
}
