#include "worker/data/row_block_encoder.h"

#include <cstring>
#include <limits>
#include <utility>

#include "worker/data/feature_encoder.h"
#include "worker/data/row_file_columns.h"
#include "worker/data/token_list.h"

namespace sherd {
namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

}  // namespace

// The values of a block, column by column.
class RowBlockEncoder::ColumnBuffer {
 public:
  ColumnBuffer(const proto::RowFileColumn& config, int source)
      : config_(config), source_(source), field_hash_(HashBytes(config.name())) {}

  // Tells how many bytes it took; those of a list of more than kMaxFeatures are too many.
  std::size_t Add(const Row& row) {
    if (source_ == kOccurrences) return AddOccurrences(row);
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

RowBlockEncoder::RowBlockEncoder(const proto::RowFileSchema& schema, const std::vector<int>& sources, int zstd_level)
    : weighted_(schema.weighted()), streams_(RowFileStreams(schema).count), encoder_(zstd_level) {
  for (int i = 0; i < schema.column_size(); ++i) {
    columns_.emplace_back(schema.column(i), sources.empty() ? i : sources[i]);
  }
}

RowBlockEncoder::~RowBlockEncoder() = default;

Status RowBlockEncoder::Add(const Row& row) {
  labels_.push_back(row.label);
  weights_.push_back(row.weight);
  for (ColumnBuffer& column : columns_) {
    value_bytes_ += column.Add(row);
    if (column.last_count() > kMaxFeatures) {
      return Status::BadData("a list of " + std::to_string(column.last_count()) + " tokens; " +
                             std::to_string(kMaxFeatures) + " are the most");
    }
  }
  return {};
}

void RowBlockEncoder::Encode(EncodedBlock* block) {
  headers_.clear();
  std::string& bytes = block->bytes;
  bytes.assign(sizeof(BlockHead) + streams_ * sizeof(StreamHeader), '\0');
  headers_.push_back(encoder_.AddNumbers(labels_, &bytes));
  if (weighted_) headers_.push_back(encoder_.AddNumbers(weights_, &bytes));
  for (ColumnBuffer& column : columns_) column.Encode(&encoder_, &headers_, &bytes);
  CHECK_EQ(headers_.size(), streams_);

  BlockHead head = {.rows = rows(), .crc = 0};
  const auto headers = std::as_bytes(std::span(headers_));
  head.crc = Crc32c(headers, Crc32c(std::as_bytes(std::span(&head.rows, 1))));
  std::memcpy(bytes.data(), &head, sizeof(head));
  std::memcpy(bytes.data() + sizeof(head), headers.data(), headers.size());
  block->rows = rows();
  block->payload_bytes = 0;
  for (const StreamHeader& header : headers_) block->payload_bytes += header.payload_bytes;
  labels_.clear();
  weights_.clear();
  value_bytes_ = 0;
}

}  // namespace sherd
