#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/status.h"
#include "proto/row_file.pb.h"
#include "worker/data/block_stream.h"
#include "worker/data/row_file_columns.h"
#include "worker/data/row_file_format.h"

struct ZSTD_DCtx_s;

namespace sherd {

// A row file (docs/row_file.md): what it holds, and its blocks one by one. Immutable; thread-safe.
class RowFile {
 public:
  // Reads all but the blocks. BadData names the file and what is wrong with it.
  static Result<std::unique_ptr<RowFile>> Open(const std::string& path);

  const std::string& path() const { return path_; }
  std::uint64_t size() const { return size_; }
  const proto::RowFileSchema& schema() const { return schema_; }
  const RowFileStreams& streams() const { return streams_; }
  std::uint64_t rows() const { return first_rows_.back(); }
  std::uint32_t blocks() const { return static_cast<std::uint32_t>(blocks_.size()); }
  const BlockEntry& block(std::uint32_t i) const { return blocks_[i]; }
  // The number, from 0, of the first row of block i; of i = blocks(): rows().
  std::uint64_t first_row(std::uint32_t i) const { return first_rows_[i]; }
  // The block that begins with this row; blocks() when none does.
  std::uint32_t BlockAt(std::uint64_t first_row) const;

  // BadData: the message names file, block and column.
  Status Damaged(std::uint32_t block, int stream, const std::string& what) const;

 private:
  explicit RowFile(std::string path) : path_(std::move(path)), streams_(schema_) {}
  Status ReadHeader(const FileReader& file, std::uint32_t* schema_crc);
  Status ReadIndex(const FileReader& file, std::uint32_t schema_crc);
  Status CheckIndex(const RowFileFooter& footer);

  const std::string path_;
  std::uint64_t size_ = 0;
  std::uint64_t data_begin_ = 0;
  proto::RowFileSchema schema_;
  RowFileStreams streams_;
  std::vector<BlockEntry> blocks_;
  std::vector<std::uint64_t> first_rows_;
};

// Of a stream of numbers: that of each value; NaN: missing. BadData: it is damaged.
Status ReadNumbers(const RowFile& file, const RowBlock& block, int stream, std::vector<double>* numbers);

// Has the file the first bytes of a row file?
Result<bool> IsRowFile(const std::string& path);

// Reads blocks of one file. Confined to one thread.
class RowFileReader {
 public:
  // `file` must stay. `wanted`, by stream: those that are read.
  static Result<std::unique_ptr<RowFileReader>> Open(const RowFile* file, std::vector<bool> wanted);
  ~RowFileReader();

  // BadData: the message names file, block and column.
  Status Read(std::uint32_t block, RowBlock* out);

 private:
  RowFileReader(const RowFile* file, std::vector<bool> wanted, std::unique_ptr<FileReader> bytes);
  Status ReadHeaders(std::uint32_t block, RowBlock* out);
  Status CheckHeaders(std::uint32_t block) const;
  Status CheckLists(const RowBlock& block) const;
  Status ReadStream(std::uint32_t block, int stream, std::uint64_t offset, std::byte* payload);

  const RowFile* const file_;
  const std::vector<bool> wanted_;
  const std::unique_ptr<FileReader> bytes_;
  ZSTD_DCtx_s* const zstd_;
  std::vector<std::byte> head_, packed_;
  std::vector<StreamHeader> headers_;
};

}  // namespace sherd
