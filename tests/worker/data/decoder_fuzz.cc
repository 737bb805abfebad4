// libFuzzer's entrance: any bytes into the decoder that the build names.
#include <glog/logging.h>

#include <cstdint>

#include "tests/worker/data/decoder_bytes.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FLAGS_minloglevel = google::GLOG_FATAL;
  sherd::RunDecoder(SHERD_DECODER, {reinterpret_cast<const char*>(data), size});
  return 0;
}
