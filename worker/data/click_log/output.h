#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "base/status.h"
#include "worker/data/click_log/click_log.h"
#include "worker/data/click_log/file.h"
#include "worker/data/row_block_encoder.h"

namespace sherd {

// Makes what a file holds of a block of rows. Confined to one thread.
class ClickRowPacker {
 public:
  virtual ~ClickRowPacker() = default;
  // In place of what was in `block`, of which only row files have more than the bytes.
  virtual Status Pack(std::span<const ClickRow> rows, EncodedBlock* block) = 0;
};

// A file of a click log, to which blocks of rows are added in their order, whoever made them. It has its name when it
// is finished, and is path.partial before; without Finish nothing is left. Thread-compatible.
class ClickLogOutput {
 public:
  static Result<std::unique_ptr<ClickLogOutput>> Create(const ClickLogFile& file);
  virtual ~ClickLogOutput() = default;

  // Rows of a block: all but the last have so many.
  virtual std::uint32_t block_rows() const = 0;
  virtual Result<std::unique_ptr<ClickRowPacker>> MakePacker() const = 0;
  virtual Status Append(const EncodedBlock& block) = 0;
  virtual Status Finish() = 0;
  virtual std::uint64_t bytes() const = 0;  // of the finished file
};

// By format; Create chooses.
Result<std::unique_ptr<ClickLogOutput>> CreateRowFileOutput(const ClickLogFile& file);

}  // namespace sherd
