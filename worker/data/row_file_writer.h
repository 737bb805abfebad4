#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "proto/row_file.pb.h"
#include "worker/data/row_block_encoder.h"
#include "worker/data/row_parser.h"

namespace sherd {

// Writes a row file (docs/row_file.md), block by block. It stands beside `path`, as `path`.partial, until Finish moves
// it there: a file that is there is whole. Thread-compatible; in memory there is one block.
class RowFileWriter {
 public:
  static constexpr int kOccurrences = RowBlockEncoder::kOccurrences;

  struct Options {
    std::uint32_t block_rows = 1 << 16;  // 1 to 1 << 20; more rows make smaller files, and larger chunks
    int zstd_level = 1;                  // -5 to 19
    // By column of the schema: which of Row::values it holds; kOccurrences: Row::occurrences. Empty: column i holds
    // value i.
    std::vector<int> sources;
  };

  // Invalid names the column that can not be. Errors of files name `path`.
  static Result<std::unique_ptr<RowFileWriter>> Create(const std::string& path, const proto::RowFileSchema& schema,
                                                       Options options);
  // Without Finish nothing is left.
  virtual ~RowFileWriter() = default;

  // A row as RowParser gives it: numbers checked, texts as they stood in the file. Keys are hashed, and lists cut into
  // tokens, here. BadData: a list of more than kMaxFeatures.
  virtual Status Append(const Row& row) = 0;
  // One that was made elsewhere, by this schema. None may be begun by Append and not be full.
  virtual Status AppendBlock(const EncodedBlock& block) = 0;
  // fsyncs the file and gives it its name. Nothing may be called after it. A file may have no rows, but none reads it.
  virtual Status Finish() = 0;

  virtual std::uint64_t rows() const = 0;
  // Of the finished file.
  virtual std::uint64_t bytes() const = 0;
};

}  // namespace sherd
