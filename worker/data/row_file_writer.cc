#include "worker/data/row_file_writer.h"

#include <cstring>
#include <limits>
#include <utility>

#include "base/file.h"
#include "base/file_system.h"
#include "worker/data/feature_encoder.h"
#include "worker/data/row_file_columns.h"
#include "worker/data/row_file_format.h"
#include "worker/data/stream_encoder.h"
#include "worker/data/token_list.h"

namespace sherd {
namespace {

constexpr std::size_t kBlockBytes = 256 << 20;  // of the values of a block at most, and one row
constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

template <typename T>
std::span<const std::byte> BytesOf(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

// The values of a block, column by column.
class ColumnBuffer {
 public:
  ColumnBuffer(const proto::RowFileColumn& config, int source)
      : config_(config), source_(source), field_hash_(HashBytes(config.name())) {}

  // Tells how many bytes it took; those of a list of more than kMaxFeatures are too many.
  std::size_t Add(const Row& row) {
    if (source_ == RowFileWriter::kOccurrences) return AddOccurrences(row);
    const Value& value = row.values[source_];
    if (config_.kind() == proto::RowFileColumn::NUMBER) {
      numbers_.push_back(value.text.empty() ? kMissing : value.number);
      return sizeof(double);
    }
    if (config_.list()) return AddTokens(value);
    if (config_.valued()) beside_.push_back(value.text.empty() ? 0 : value.number);
    return AddToken(value.text);
  }

  std::size_t last_count() const { return counts_.empty() ? 0 : static_cast<std::size_t>(counts_.back()); }

  void Encode(StreamEncoder* encoder, std::vector<StreamHeader>* headers, std::string* stored) {
    if (config_.list()) headers->push_back(encoder->AddNumbers(counts_, stored));
    switch (config_.kind()) {
      case proto::RowFileColumn::NUMBER:
        headers->push_back(encoder->AddNumbers(numbers_, stored));
        break;
      case proto::RowFileColumn::KEY:
        headers->push_back(encoder->AddKeys(keys_, stored));
        break;
      case proto::RowFileColumn::TOKEN:
        headers->push_back(encoder->AddTexts(tokens_, stored));
        break;
    }
    if (config_.valued()) headers->push_back(encoder->AddNumbers(beside_, stored));
    counts_.clear();
    numbers_.clear();
    keys_.clear();
    beside_.clear();
    tokens_.Clear();
  }

 private:
  std::size_t AddToken(std::string_view token) {
    if (config_.kind() == proto::RowFileColumn::KEY) {
      keys_.push_back(CategoricalKey(field_hash_, config_.token_is_key(), token));
      return sizeof(Key);
    }
    tokens_.Add(token);
    return token.size() + sizeof(std::uint32_t);
  }

  // As FeatureEncoder takes them: empty tokens are none, and with none left there is the empty one.
  std::size_t AddTokens(const Value& value) {
    std::size_t count = 0, bytes = 0;
    ForEachToken(value.text, config_.separator(), [&](std::string_view token) {
      bytes += AddToken(token);
      ++count;
    });
    counts_.push_back(static_cast<double>(count));
    return bytes + sizeof(double);
  }

  std::size_t AddOccurrences(const Row& row) {
    std::size_t bytes = sizeof(double);
    for (const Occurrence& one : row.occurrences) {
      bytes += AddToken(one.token);
      if (config_.valued()) beside_.push_back(one.value);
    }
    counts_.push_back(static_cast<double>(row.occurrences.size()));
    return bytes;
  }

  const proto::RowFileColumn config_;
  const int source_;
  const std::uint64_t field_hash_;
  std::vector<double> counts_, numbers_, beside_;
  std::vector<Key> keys_;
  Texts tokens_;
};

class BlockWriter : public RowFileWriter {
 public:
  BlockWriter(std::string path, const proto::RowFileSchema& schema, const Options& options,
              std::unique_ptr<FileWriter> file)
      : path_(std::move(path)),
        schema_(schema),
        block_rows_(options.block_rows),
        encoder_(options.zstd_level),
        file_(std::move(file)) {
    for (int i = 0; i < schema.column_size(); ++i) {
      columns_.emplace_back(schema.column(i), options.sources.empty() ? i : options.sources[i]);
    }
  }

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
    labels_.push_back(row.label);
    weights_.push_back(row.weight);
    for (ColumnBuffer& column : columns_) {
      buffered_ += column.Add(row);
      if (column.last_count() > kMaxFeatures) {
        return Status::BadData(path_ + ": row " + std::to_string(rows_ + 1) + " has a list of " +
                               std::to_string(column.last_count()) + " tokens; " + std::to_string(kMaxFeatures) +
                               " are the most");
      }
    }
    ++rows_;
    return labels_.size() < block_rows_ && buffered_ < kBlockBytes ? Status() : WriteBlock();
  }

  Status Finish() override {
    if (!labels_.empty()) RETURN_IF_ERROR(WriteBlock());
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

  std::uint64_t rows() const override { return rows_; }
  std::uint64_t bytes() const override { return bytes_; }

 private:
  Status WriteBlock() {
    headers_.clear();
    stored_.clear();
    BlockHead head = {.rows = static_cast<std::uint32_t>(labels_.size()), .crc = 0};
    headers_.push_back(encoder_.AddNumbers(labels_, &stored_));
    if (schema_.weighted()) headers_.push_back(encoder_.AddNumbers(weights_, &stored_));
    for (ColumnBuffer& column : columns_) column.Encode(&encoder_, &headers_, &stored_);
    labels_.clear();
    weights_.clear();
    buffered_ = 0;
    const auto headers = std::as_bytes(std::span(headers_));
    head.crc = Crc32c(headers, Crc32c(BytesOf(head.rows)));
    BlockEntry entry = {.offset = file_->size(), .stored_bytes = 0, .payload_bytes = 0, .rows = head.rows, .unused = 0};
    entry.stored_bytes = static_cast<std::uint32_t>(sizeof(head) + headers.size() + stored_.size());
    for (const StreamHeader& header : headers_) entry.payload_bytes += header.payload_bytes;
    index_.push_back(entry);
    RETURN_IF_ERROR(file_->Append(BytesOf(head)));
    RETURN_IF_ERROR(file_->Append(headers));
    return file_->Append(std::as_bytes(std::span(stored_)));
  }

  const std::string path_;
  const proto::RowFileSchema schema_;
  const std::uint32_t block_rows_;
  StreamEncoder encoder_;
  std::unique_ptr<FileWriter> file_;
  std::uint32_t schema_crc_ = 0;
  std::vector<ColumnBuffer> columns_;
  std::vector<double> labels_, weights_;
  std::size_t buffered_ = 0;  // bytes of values
  std::vector<StreamHeader> headers_;
  std::string stored_;
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
