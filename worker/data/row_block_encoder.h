#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "proto/row_file.pb.h"
#include "worker/data/row_parser.h"
#include "worker/data/stream_encoder.h"

namespace sherd {

// A block of a row file as it stands there: its head, the headers of its streams, the streams. It does not say where it
// stands, so blocks can be made side by side and put one after another.
struct EncodedBlock {
  std::string bytes;
  std::uint32_t rows = 0;
  std::uint32_t payload_bytes = 0;  // of all streams, unpacked
};

// Makes blocks of rows, one at a time; its memory is used again. Thread-compatible.
class RowBlockEncoder {
 public:
  static constexpr int kOccurrences = -1;

  // As RowFileWriter has them: a schema that CheckRowFileSchema has passed, and Options.
  RowBlockEncoder(const proto::RowFileSchema& schema, const std::vector<int>& sources, int zstd_level);
  ~RowBlockEncoder();

  // BadData: a list of more than kMaxFeatures.
  Status Add(const Row& row);
  std::uint32_t rows() const { return static_cast<std::uint32_t>(labels_.size()); }
  std::size_t value_bytes() const { return value_bytes_; }
  // In place of what was in `block`. The next row begins another one.
  void Encode(EncodedBlock* block);

 private:
  class ColumnBuffer;

  const bool weighted_;
  const std::size_t streams_;
  StreamEncoder encoder_;
  std::vector<ColumnBuffer> columns_;
  std::vector<double> labels_, weights_;
  std::size_t value_bytes_ = 0;
  std::vector<StreamHeader> headers_;
};

}  // namespace sherd
