#include "worker/data/row_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>

#include "base/file.h"
#include "base/file_system.h"
#include "tests/base/faulty_file_system.h"
#include "tests/worker/data/data_testing.h"
#include "tests/worker/data/row_file_bytes.h"
#include "worker/data/row_file_writer.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;

proto::RowFileSchema AllKinds() {
  proto::RowFileSchema schema;
  schema.set_weighted(true);
  const auto add = [&](const std::string& name, proto::RowFileColumn::Kind kind) {
    proto::RowFileColumn* column = schema.add_column();
    column->set_name(name);
    column->set_kind(kind);
    return column;
  };
  add("n", proto::RowFileColumn::NUMBER);
  add("token", proto::RowFileColumn::TOKEN);
  add("key", proto::RowFileColumn::KEY);
  proto::RowFileColumn* list = add("list", proto::RowFileColumn::TOKEN);
  list->set_list(true);
  list->set_separator("|");
  proto::RowFileColumn* features = add("features", proto::RowFileColumn::KEY);
  features->set_list(true);
  features->set_valued(true);
  return schema;
}

// Rows of every kind of value; their texts live as long as this.
class SampleRows {
 public:
  explicit SampleRows(int rows) {
    for (int i = 0; i < rows; ++i) texts_.push_back("t" + std::to_string(i % 7));
    for (int i = 0; i < rows; ++i) {
      Row row;
      row.label = static_cast<float>(i % 2);
      row.weight = 0.5f * static_cast<float>(i % 3);
      row.values = {{i % 5 == 0 ? "" : "n", i * 10.0 - 20},
                    {texts_[i], 0},
                    {texts_[i], 0},
                    {i % 3 == 0   ? ""
                     : i % 3 == 1 ? "a|b||c"
                                  : "d",
                     0}};
      if (i % 4 > 0) row.occurrences = {{texts_[i], 1.5f}, {"x", static_cast<float>(i)}};
      rows_.push_back(row);
    }
  }
  const std::vector<Row>& rows() const { return rows_; }

 private:
  std::vector<std::string> texts_;
  std::vector<Row> rows_;
};

Status Write(const std::string& path, const proto::RowFileSchema& schema, const std::vector<Row>& rows,
             std::uint32_t block_rows) {
  RowFileWriter::Options options;
  options.block_rows = block_rows;
  for (int i = 0; i < schema.column_size(); ++i) {
    options.sources.push_back(schema.column(i).name() == "features" ? RowFileWriter::kOccurrences : i);
  }
  ASSIGN_OR_RETURN(const auto writer, RowFileWriter::Create(path, schema, options));
  for (const Row& row : rows) RETURN_IF_ERROR(writer->Append(row));
  RETURN_IF_ERROR(writer->Finish());
  EXPECT_EQ(writer->rows(), rows.size());
  EXPECT_EQ(writer->bytes(), std::filesystem::file_size(path));
  return {};
}

std::vector<double> NumbersOf(const RowFile& file, const RowBlock& block, int stream) {
  std::vector<double> numbers;
  EXPECT_TRUE(ReadNumbers(file, block, stream, &numbers).ok());
  return numbers;
}

RowBlock ReadBlock(const RowFile& file, std::uint32_t index) {
  RowBlock block;
  const auto reader = RowFileReader::Open(&file, std::vector<bool>(file.streams().count, true)).value();
  const Status status = reader->Read(index, &block);
  EXPECT_TRUE(status.ok()) << status.text();
  return block;
}

class RowFileFormat : public ::testing::Test {
 protected:
  const TemporaryFolder folder_;
  const std::string path_ = folder_.path() + "/rows";
};

TEST_F(RowFileFormat, BlocksHoldWhatWasWritten) {
  const SampleRows sample(25);
  ASSERT_TRUE(Write(path_, AllKinds(), sample.rows(), 10).ok());
  const auto file = RowFile::Open(path_).value();
  EXPECT_EQ(file->rows(), 25u);
  ASSERT_EQ(file->blocks(), 3u);
  EXPECT_EQ(file->first_row(2), 20u);
  EXPECT_EQ(file->BlockAt(10), 1u);
  EXPECT_EQ(file->BlockAt(11), 3u);
  std::uint32_t i = 0;
  for (std::uint32_t b = 0; b < file->blocks(); ++b) {
    const RowBlock block = ReadBlock(*file, b);
    const RowFileStreams& streams = file->streams();
    const auto labels = NumbersOf(*file, block, RowFileStreams::kLabel),
               weights = NumbersOf(*file, block, streams.weight);
    const auto numbers = NumbersOf(*file, block, streams.columns[0].values);
    std::vector<std::string> tokens;
    ForEachText(block.streams[streams.columns[1].values],
                [&](std::uint32_t, std::string_view text) { tokens.emplace_back(text); });
    for (std::uint32_t r = 0; r < block.rows; ++r, ++i) {
      const Row& row = sample.rows()[i];
      EXPECT_EQ(labels[r], row.label);
      EXPECT_EQ(weights[r], row.weight);
      EXPECT_EQ(std::isnan(numbers[r]), row.values[0].text.empty());
      if (!std::isnan(numbers[r])) {
        EXPECT_EQ(numbers[r], row.values[0].number);
      }
      EXPECT_EQ(tokens[block.streams[streams.columns[1].values].id(r)], row.values[1].text);
    }
  }
  EXPECT_EQ(i, 25u);
}

TEST_F(RowFileFormat, NumbersAreKeptBitForBit) {
  proto::RowFileSchema schema;
  schema.add_column()->set_name("n");
  schema.mutable_column(0)->set_kind(proto::RowFileColumn::NUMBER);
  const std::vector<std::vector<double>> columns = {{0, 1, 2, 3},
                                                    {-5, -5, -5},
                                                    {9007199254740992.0, -9007199254740992.0, 0},
                                                    {1e18, -1e18, 3},
                                                    {0.5, -0.25, 1e30f},
                                                    {0.1, 1e300, std::numeric_limits<double>::denorm_min()},
                                                    {-0.0, 0.0},
                                                    {std::numeric_limits<float>::denorm_min(), 1}};
  for (const std::vector<double>& numbers : columns) {
    std::vector<Row> rows(numbers.size() + 1);
    for (std::size_t i = 0; i < numbers.size(); ++i) rows[i].values = {{"n", numbers[i]}};
    rows.back().values = {{"", 7}};  // missing
    ASSERT_TRUE(Write(path_, schema, rows, 100).ok());
    const auto file = RowFile::Open(path_).value();
    const auto got = NumbersOf(*file, ReadBlock(*file, 0), file->streams().columns[0].values);
    ASSERT_EQ(got.size(), rows.size());
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      EXPECT_EQ(std::bit_cast<std::uint64_t>(got[i]), std::bit_cast<std::uint64_t>(numbers[i]));
    }
    EXPECT_TRUE(std::isnan(got.back()));
  }
}

// Each single byte changed, and each length cut to, is found out, wherever it is, and named.
TEST_F(RowFileFormat, AnyDamageIsAnErrorThatNamesTheFile) {
  const SampleRows sample(9);
  ASSERT_TRUE(Write(path_, AllKinds(), sample.rows(), 5).ok());
  const std::string good = ReadFile(path_).value();
  EXPECT_TRUE(ReadWholeRowFile(path_).ok());
  int blocks = 0, columns = 0;
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ (1 << i % 8));
    folder_.Write("rows", bad);
    const Status status = ReadWholeRowFile(path_);
    ASSERT_FALSE(status.ok()) << "byte " << i;
    EXPECT_EQ(status.code(), ErrorCode::kBadData);
    EXPECT_THAT(status.text(), HasSubstr(path_));
    blocks += status.text().find(": block ") != std::string::npos;
    columns += status.text().find("column ") != std::string::npos;
    folder_.Write("rows", good.substr(0, i));
    EXPECT_FALSE(ReadWholeRowFile(path_).ok()) << "cut to " << i;
  }
  EXPECT_GT(blocks, 100);
  EXPECT_GT(columns, 50);
  folder_.Write("rows", good + "x");
  EXPECT_FALSE(ReadWholeRowFile(path_).ok());
}

TEST_F(RowFileFormat, DamageOfABlockNamesBlockAndColumn) {
  const SampleRows sample(9);
  ASSERT_TRUE(Write(path_, AllKinds(), sample.rows(), 5).ok());
  std::string bytes = ReadFile(path_).value();
  const auto file = RowFile::Open(path_).value();
  const BlockEntry& second = file->block(1);
  bytes[second.offset + second.stored_bytes - 1] ^= 1;
  folder_.Write("rows", bytes);
  EXPECT_EQ(ReadWholeRowFile(path_).text(), path_ + ": block 1: column features: its checksum is wrong");
}

TEST_F(RowFileFormat, AFileThatShrinksOrVanishesIsNamed) {
  const SampleRows sample(9);
  ASSERT_TRUE(Write(path_, AllKinds(), sample.rows(), 5).ok());
  const auto file = RowFile::Open(path_).value();
  const std::vector<bool> all(file->streams().count, true);
  std::filesystem::resize_file(path_, file->size() / 2);
  EXPECT_THAT(RowFileReader::Open(file.get(), all).status().text(), HasSubstr(path_ + ": ends at byte "));
  std::filesystem::remove(path_);
  EXPECT_THAT(RowFileReader::Open(file.get(), all).status().text(), HasSubstr(path_));
}

TEST_F(RowFileFormat, OtherVersionsAreNamed) {
  ASSERT_TRUE(Write(path_, AllKinds(), SampleRows(1).rows(), 5).ok());
  std::string bytes = ReadFile(path_).value();
  bytes[8] = 9;
  folder_.Write("rows", bytes);
  EXPECT_THAT(ReadWholeRowFile(path_).text(), HasSubstr("version 9 of the row file's format"));
}

TEST_F(RowFileFormat, AFileIsThereWhenItIsWhole) {
  {
    const auto writer =
        RowFileWriter::Create(path_, AllKinds(), {.block_rows = 1, .zstd_level = 1, .sources = {0, 1, 2, 3, -1}})
            .value();
    ASSERT_TRUE(writer->Append(SampleRows(1).rows()[0]).ok());
    EXPECT_FALSE(std::filesystem::exists(path_));
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

// Whichever call of the disk fails, alone or with all after it, the file is not there or whole, and the error says why.
TEST_F(RowFileFormat, AFailingDiskLeavesNoPartOfAFile) {
  const SampleRows sample(40);
  ASSERT_TRUE(Write(path_, AllKinds(), sample.rows(), 10).ok());
  const std::string whole = ReadFile(path_).value();
  int failed = 0;
  for (const bool go_on : {false, true}) {
    bool more = true;
    for (int call = 0; more; ++call) {
      std::filesystem::remove(path_);
      FaultyFileSystem disk;
      disk.fail_at = call;
      disk.go_on = go_on;
      Status status;
      {
        const FileSystemReplacement replacement(&disk);
        status = Write(path_, AllKinds(), sample.rows(), 10);
      }
      more = disk.calls() > call;
      failed += !status.ok();
      EXPECT_TRUE(!status.ok() || std::filesystem::exists(path_)) << "call " << call;
      if (!status.ok()) {
        EXPECT_EQ(status.code(), ErrorCode::kIo);
        EXPECT_THAT(status.text(), ::testing::AllOf(HasSubstr(folder_.path()), HasSubstr("Input/output error")));
      }
      if (std::filesystem::exists(path_)) {
        EXPECT_EQ(ReadFile(path_).value(), whole) << "call " << call;
      }
      if (!go_on) {
        EXPECT_FALSE(std::filesystem::exists(path_ + ".partial")) << "call " << call;
      }
      std::filesystem::remove(path_ + ".partial");  // which can not be removed from a dead disk
    }
  }
  EXPECT_GE(failed, 12);  // create, write, fsync, close, rename, and the folder's fsync, twice each
}

TEST_F(RowFileFormat, AFullDiskIsNamedWhereverItIsFull) {
  const SampleRows sample(40);
  ASSERT_TRUE(Write(path_, AllKinds(), sample.rows(), 10).ok());
  const auto size = static_cast<std::int64_t>(std::filesystem::file_size(path_));
  std::filesystem::remove(path_);
  for (const std::int64_t room : {std::int64_t{0}, std::int64_t{1}, size / 2, size - 1}) {
    FaultyFileSystem disk;
    disk.room = room;
    const FileSystemReplacement replacement(&disk);
    const Status status = Write(path_, AllKinds(), sample.rows(), 10);
    EXPECT_EQ(status.code(), ErrorCode::kIo);
    EXPECT_THAT(status.text(), HasSubstr("write " + path_ + ".partial: No space left on device"));
    EXPECT_TRUE(std::filesystem::is_empty(folder_.path())) << room;
  }
}

TEST_F(RowFileFormat, SchemasThatCannotBeAreRefused) {
  const auto refusal = [&](const std::function<void(proto::RowFileSchema*)>& spoil) {
    proto::RowFileSchema schema = AllKinds();
    spoil(&schema);
    return RowFileWriter::Create(path_, schema, {}).status().text();
  };
  EXPECT_THAT(refusal([](auto* s) { s->mutable_column(1)->set_name("n"); }), HasSubstr("\"n\" stands twice"));
  EXPECT_THAT(refusal([](auto* s) { s->mutable_column(0)->set_list(true); }), HasSubstr("a number is one a row"));
  EXPECT_THAT(refusal([](auto* s) { s->mutable_column(3)->clear_separator(); }), HasSubstr("a list has a separator"));
  EXPECT_THAT(refusal([](auto* s) { s->mutable_column(1)->set_token_is_key(true); }), HasSubstr("only keys"));
}

// The file of tests/worker/data/golden was written by the first program that wrote version 1.
TEST_F(RowFileFormat, VersionOneStaysWhatItIs) {
  const std::string golden = std::string(SHERD_SOURCE_DIR) + "/tests/worker/data/golden/version_1.rows";
  const SampleRows sample(9);
  ASSERT_TRUE(Write(path_, AllKinds(), sample.rows(), 5).ok());
  const Status status = ReadWholeRowFile(golden);
  EXPECT_TRUE(status.ok()) << status.text();
  EXPECT_EQ(ReadFile(path_).value(), ReadFile(golden).value());
}

}  // namespace
}  // namespace sherd
