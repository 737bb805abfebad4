#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"
#include "worker/data/byte_source.h"
#include "worker/data/click_log/best_possible.h"
#include "worker/data/click_log/click_log.h"
#include "worker/data/click_log/text.h"

namespace sherd {

struct ClickLogFile {
  std::string path = {};  // empty: figures alone
  ClickLogFormat format = ClickLogFormat::kCriteoTsv;
  Compression compression = Compression::kNone;  // in members or frames of 16,384 rows; row files have their own
  bool keep_tokens = false;                      // in row files, in place of their keys
  std::uint64_t first_row = 0, rows = 0;
  std::uint32_t threads = 1;  // the file is the same for any number
};

struct WrittenClickLog {
  std::uint64_t bytes = 0;
  BestFigures best;
};

// Writes rows of a log as a file that stands under its name only when it is complete: it is path.partial before, which
// is removed when writing fails.
Result<WrittenClickLog> WriteClickLog(const ClickLog& log, const ClickLogFile& file);

}  // namespace sherd
