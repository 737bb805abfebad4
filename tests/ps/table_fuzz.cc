// libFuzzer's entrance: random tables and operations against the model.
#include <glog/logging.h>

#include "tests/ps/table_bytes.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const sherd::Status status = sherd::RunTableBytes({data, size});
  CHECK(status.ok()) << status.text();
  return 0;
}
