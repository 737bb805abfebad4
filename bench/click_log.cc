#include "bench/click_log.h"

#include <thread>

#include "worker/data/click_log/file.h"

namespace sherd::bench {

Status WriteClickLog(const std::string& path, std::uint64_t rows) {
  ASSIGN_OR_RETURN(const auto log, ClickLog::Make({}));
  ClickLogFile file;
  file.path = path;
  file.rows = rows;
  file.threads = std::max(1u, std::thread::hardware_concurrency());
  return sherd::WriteClickLog(*log, file).status();
}

}  // namespace sherd::bench
