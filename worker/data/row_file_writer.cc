#include "worker/data/row_file_writer.h"

#include <cstring>
#include <utility>

#include "base/file.h"
#include "base/file_system.h"
#include "worker/data/row_file_columns.h"
#include "worker/data/row_file_format.h"

namespace sherd {
namespace {

constexpr std::size_t kBlockBytes = 256 << 20;  // of the values of a block at most, and one row

template <typename T>
std::span<const std::byte> BytesOf(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

class BlockWriter : public RowFileWriter {
 public:
  BlockWriter(std::string path, const proto::RowFileSchema& schema, const Options& options,
              std::unique_ptr<FileWriter> file)
      : path_(std::move(path)),
        schema_(schema),
        block_rows_(options.block_rows),
        encoder_(schema, options.sources, options.zstd_level),
        file_(std::move(file)) {}

  ~BlockWriter() override {
    if (file_ == nullptr) return;
    file_.reset();
    (void)FileSystem::Current().Remove(PartialPath(path_));
  }

  static std::string PartialPath(const std::string& path) { return path + ".partial"; }

  Status Begin() {
    std::string text;
    CHECK(schema_.SerializeToString(&text));
    RowFileHeader header = {};
    std::memcpy(header.magic, kRowFileMagic, sizeof(header.magic));
    header.version = kRowFileVersion;
    header.schema_bytes = static_cast<std::uint32_t>(text.size());
    header.schema_crc = schema_crc_ = Crc32c(std::as_bytes(std::span(text)));
    header.crc = Crc32c(BytesOf(header).first(offsetof(RowFileHeader, crc)));
    RETURN_IF_ERROR(file_->Append(BytesOf(header)));
    return file_->Append(std::as_bytes(std::span(text)));
  }

  Status Append(const Row& row) override {
    RETURN_IF_ERROR(encoder_.Add(row).Annotate(path_ + ": row " + std::to_string(rows() + 1)));
    return encoder_.rows() < block_rows_ && encoder_.value_bytes() < kBlockBytes ? Status() : WriteBlock();
  }

  Status AppendBlock(const EncodedBlock& block) override {
    CHECK_EQ(encoder_.rows(), 0u) << "a block amid one that is not full";
    const auto bytes = static_cast<std::uint32_t>(block.bytes.size());
    index_.push_back({file_->size(), bytes, block.payload_bytes, block.rows, 0});
    rows_ += block.rows;
    return file_->Append(std::as_bytes(std::span(block.bytes)));
  }

  Status Finish() override {
    if (encoder_.rows() > 0) RETURN_IF_ERROR(WriteBlock());
    RowFileFooter footer = {};
    const auto index = std::as_bytes(std::span(index_));
    footer.index_offset = file_->size();
    footer.rows = rows_;
    footer.blocks = static_cast<std::uint32_t>(index_.size());
    footer.index_crc = Crc32c(index);
    footer.schema_crc = schema_crc_;
    std::memcpy(footer.magic, kRowFileEnd, sizeof(footer.magic));
    footer.crc = Crc32c(BytesOf(footer).first(offsetof(RowFileFooter, crc)));
    RETURN_IF_ERROR(file_->Append(index));
    RETURN_IF_ERROR(file_->Append(BytesOf(footer)));
    RETURN_IF_ERROR(file_->Finish());
    bytes_ = file_->size();
    if (FileSystem::Current().Rename(PartialPath(path_), path_) != 0) return Status::Io("name " + path_, errno);
    file_.reset();
    return SyncDirectory(DirectoryOf(path_));
  }

  std::uint64_t rows() const override { return rows_ + encoder_.rows(); }
  std::uint64_t bytes() const override { return bytes_; }

 private:
  Status WriteBlock() {
    encoder_.Encode(&block_);
    return AppendBlock(block_);
  }

  const std::string path_;
  const proto::RowFileSchema schema_;
  const std::uint32_t block_rows_;
  RowBlockEncoder encoder_;
  EncodedBlock block_;
  std::unique_ptr<FileWriter> file_;
  std::uint32_t schema_crc_ = 0;
  std::vector<BlockEntry> index_;
  std::uint64_t rows_ = 0, bytes_ = 0;
};

}  // namespace

Result<std::unique_ptr<RowFileWriter>> RowFileWriter::Create(const std::string& path,
                                                             const proto::RowFileSchema& schema, Options options) {
  RETURN_IF_ERROR(CheckRowFileSchema(schema).Annotate("write " + path));
  CHECK(options.block_rows >= 1 && options.block_rows <= kMaxBlockRows);
  CHECK(options.sources.empty() || static_cast<int>(options.sources.size()) == schema.column_size());
  ASSIGN_OR_RETURN(std::unique_ptr<FileWriter> file, FileWriter::Create(BlockWriter::PartialPath(path)));
  auto writer = std::make_unique<BlockWriter>(path, schema, options, std::move(file));
  RETURN_IF_ERROR(writer->Begin());
  return std::unique_ptr<RowFileWriter>(std::move(writer));
}

}  // namespace sherd
