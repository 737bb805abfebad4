#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "worker/data/line_reader.h"

namespace sherd {

// TFRecord (tensorflow.org/tutorials/load_data/tfrecord): records one after another, each
//   uint64 length, uint32 masked CRC32C of it, `length` bytes, uint32 masked CRC32C of them
// in little-endian order. A masked checksum is (crc >> 15 | crc << 17) + 0xa282ead8.
inline constexpr std::size_t kTfHeaderBytes = 12, kTfFooterBytes = 4;

// The length that a header tells; false when its checksum does not fit.
bool ReadTfHeader(const char* header, std::uint64_t* length);
// Takes the footer off: `framed` is a record with its footer. False when the checksum does not fit.
bool CheckTfRecord(std::string_view framed, std::string_view* record);
void AppendTfRecord(std::string_view record, std::string* out);

// Makes a tf.Example of the values of one row, to be written as a record. Confined to one thread.
class TfExampleWriter {
 public:
  TfExampleWriter();
  ~TfExampleWriter();
  void Add(std::string_view name, std::string_view bytes);
  void Add(std::string_view name, float number);
  void Add(std::string_view name, std::int64_t integer);
  // Appends the row as a record to `out`, and begins the next one.
  void Finish(std::string* out);

 private:
  struct Example;
  const std::unique_ptr<Example> example_;
};

// Gives the records of a file as if they were lines: their texts are the records with their footers, whose checksum is
// the row parser's to check; offsets are those of their headers. A header whose checksum does not fit, and a record
// that the file does not have whole, are BadData: where the next one would begin is not known.
class TfRecordReader : public LineReader {
 public:
  // `path` for errors.
  TfRecordReader(std::unique_ptr<ByteSource> source, std::string path, std::uint64_t offset, std::uint64_t record)
      : LineReader(std::move(source), offset, record), path_(std::move(path)) {}
  Result<bool> Next(Line* line) override;

 private:
  Status CutShort() const;
  const std::string path_;
};

}  // namespace sherd
