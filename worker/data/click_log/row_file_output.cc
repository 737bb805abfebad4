#include <array>
#include <utility>

#include "worker/data/click_log/output.h"
#include "worker/data/row_file_writer.h"

namespace sherd {
namespace {

constexpr int kColumns = ClickRow::kIntegers + ClickRow::kTokens;

proto::RowFileSchema SchemaOf(const ClickLogFile& file) {
  proto::RowFileSchema schema;
  for (int i = 0; i < kColumns; ++i) {
    const bool integer = i < ClickRow::kIntegers;
    proto::RowFileColumn* const column = schema.add_column();
    column->set_name(integer ? "I" + std::to_string(i + 1) : "C" + std::to_string(i + 1 - ClickRow::kIntegers));
    column->set_kind(integer            ? proto::RowFileColumn::NUMBER
                     : file.keep_tokens ? proto::RowFileColumn::TOKEN
                                        : proto::RowFileColumn::KEY);
  }
  return schema;
}

class RowFilePacker : public ClickRowPacker {
 public:
  RowFilePacker(const proto::RowFileSchema& schema, int zstd_level) : encoder_(schema, {}, zstd_level) {
    row_.values.resize(kColumns);
  }

  Status Pack(std::span<const ClickRow> rows, EncodedBlock* block) override {
    for (const ClickRow& row : rows) {
      Fill(row);
      RETURN_IF_ERROR(encoder_.Add(row_));
    }
    encoder_.Encode(block);
    return {};
  }

 private:
  void Fill(const ClickRow& row) {
    row_.label = row.click;
    for (int i = 0; i < ClickRow::kIntegers; ++i) {
      row_.values[i] = {row.has_integer(i) ? "number" : "", static_cast<double>(row.integers[i])};
    }
    for (int i = 0; i < ClickRow::kTokens; ++i) {
      std::array<char, 8>& text = texts_[i];
      PutClickToken(row.tokens[i], text.data());
      row_.values[ClickRow::kIntegers + i].text = {text.data(), row.has_token(i) ? text.size() : 0};
    }
  }

  RowBlockEncoder encoder_;
  Row row_;
  std::array<std::array<char, 8>, ClickRow::kTokens> texts_;
};

class RowFileOutput : public ClickLogOutput {
 public:
  RowFileOutput(proto::RowFileSchema schema, std::unique_ptr<RowFileWriter> writer)
      : schema_(std::move(schema)), writer_(std::move(writer)) {}

  std::uint32_t block_rows() const override { return RowFileWriter::Options().block_rows; }
  Result<std::unique_ptr<ClickRowPacker>> MakePacker() const override {
    return std::unique_ptr<ClickRowPacker>(
        std::make_unique<RowFilePacker>(schema_, RowFileWriter::Options().zstd_level));
  }
  Status Append(const EncodedBlock& block) override { return writer_->AppendBlock(block); }
  Status Finish() override { return writer_->Finish(); }
  std::uint64_t bytes() const override { return writer_->bytes(); }

 private:
  const proto::RowFileSchema schema_;
  const std::unique_ptr<RowFileWriter> writer_;
};

}  // namespace

Result<std::unique_ptr<ClickLogOutput>> CreateRowFileOutput(const ClickLogFile& file) {
  proto::RowFileSchema schema = SchemaOf(file);
  ASSIGN_OR_RETURN(auto writer, RowFileWriter::Create(file.path, schema, {}));
  return std::unique_ptr<ClickLogOutput>(std::make_unique<RowFileOutput>(std::move(schema), std::move(writer)));
}

}  // namespace sherd
