#include "launch/checkpoint/export.h"

#include <gmock/gmock.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "launch/checkpoint/npy_file.h"
#include "models/model.h"
#include "tests/launch/checkpoint/small_checkpoint.h"

namespace sherd {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Takes an .npy file of version 1.0 apart, by the format's own text.
template <class T>
std::vector<T> ReadNpy(const std::string& bytes, const std::string& type, const std::string& shape) {
  EXPECT_EQ(bytes.substr(0, 8), std::string("\x93NUMPY\x01\x00", 8));
  const std::size_t length = static_cast<unsigned char>(bytes[8]) + 256u * static_cast<unsigned char>(bytes[9]);
  EXPECT_EQ((10 + length) % 64, 0u);
  const std::string header = bytes.substr(10, length);
  EXPECT_THAT(header, HasSubstr("{'descr': '" + type + "', 'fortran_order': False, 'shape': (" + shape + "), }"));
  EXPECT_EQ(header.back(), '\n');
  std::vector<T> values((bytes.size() - 10 - length) / sizeof(T));
  std::memcpy(values.data(), bytes.data() + 10 + length, values.size() * sizeof(T));
  return values;
}

class ExportTest : public testing::Test {
 protected:
  void SetUp() override {
    stores_ = TrainedStores(3);
    WriteCheckpoint(dir_, stores_);
    contents_ = ContentsOfAll(stores_);
    model_ = stores_[0]->model();
  }
  std::size_t RowsOf(int table) const {
    return static_cast<std::size_t>(
        std::ranges::count_if(contents_, [&](const auto& row) { return row.first.first == table; }));
  }

  TemporaryFolder folder_;
  const std::string dir_ = folder_.path() + "/from", out_ = folder_.path() + "/to";
  std::vector<std::unique_ptr<ShardStore>> stores_;
  Contents contents_;
  proto::ModelSpec model_;
};

TEST_F(ExportTest, EveryWeightIsInItsNumpyFile) {
  const Status status = ExportCheckpoint(dir_, out_, {});
  ASSERT_TRUE(status.ok()) << status.text();
  const auto files = FilesIn(out_);
  std::size_t expected_files = static_cast<std::size_t>(model_.tensor_size());
  for (int t = 0; t < model_.table_size(); ++t) {
    const proto::TableSpec& table = model_.table(t);
    const std::size_t rows = RowsOf(t);
    ASSERT_GT(rows, 1000u);
    const auto keys = ReadNpy<Key>(files.at(table.name() + ".keys.npy"), "<u8", std::to_string(rows) + ",");
    ASSERT_EQ(keys.size(), rows);
    std::size_t first = 0;
    for (const auto& segment : table.segment()) {
      const auto values = ReadNpy<float>(files.at(table.name() + "." + segment.name() + ".npy"), "<f4",
                                         std::to_string(rows) + ", " + std::to_string(segment.dim()));
      ASSERT_EQ(values.size(), rows * segment.dim());
      for (std::size_t i = 0; i < rows; ++i) {
        const std::vector<float>& row = contents_.at({t, keys[i]});
        for (std::uint32_t j = 0; j < segment.dim(); ++j) ASSERT_EQ(values[i * segment.dim() + j], row[first + j]);
      }
      first += segment.dim();
    }
    expected_files += 1 + static_cast<std::size_t>(table.segment_size());
  }
  EXPECT_EQ(files.size(), expected_files);
}

TEST_F(ExportTest, DenseTensorsAreWhole) {
  ASSERT_TRUE(ExportCheckpoint(dir_, out_, {}).ok());
  const auto files = FilesIn(out_);
  for (int t = 0; t < model_.tensor_size(); ++t) {
    const proto::TensorSpec& tensor = model_.tensor(t);
    const auto values = ReadNpy<float>(files.at(tensor.name() + ".npy"), "<f4",
                                       std::to_string(tensor.rows()) + ", " + std::to_string(tensor.cols()));
    ASSERT_EQ(values.size(), std::size_t{tensor.rows()} * tensor.cols());
    for (std::size_t i = 0; i < values.size(); ++i) {
      const Key first = i / kDenseBlockFloats * kDenseBlockFloats;
      ASSERT_EQ(values[i], contents_.at({-1 - t, first})[i - first]) << tensor.name() << " " << i;
    }
  }
}

TEST_F(ExportTest, TextReadsBackToTheSameFloats) {
  ASSERT_TRUE(ExportCheckpoint(dir_, out_, {.table = "embedding", .format = ExportOptions::Format::kText}).ok());
  const auto files = FilesIn(out_);
  ASSERT_EQ(files.size(), static_cast<std::size_t>(model_.table(0).segment_size()));
  std::size_t first = 0;
  for (const auto& segment : model_.table(0).segment()) {
    std::istringstream lines(files.at("embedding." + segment.name() + ".txt"));
    std::string line;
    std::getline(lines, line);
    EXPECT_EQ(line, std::to_string(RowsOf(0)) + " " + std::to_string(segment.dim()));
    std::size_t rows = 0;
    for (; std::getline(lines, line); ++rows) {
      std::istringstream words(line);
      Key key = 0;
      words >> key;
      const std::vector<float>& row = contents_.at({0, key});
      for (std::uint32_t j = 0; j < segment.dim(); ++j) {
        std::string word;
        words >> word;
        ASSERT_EQ(std::strtof(word.c_str(), nullptr), row[first + j]);
      }
    }
    EXPECT_EQ(rows, RowsOf(0));
    first += segment.dim();
  }
}

TEST_F(ExportTest, TheFilesDoNotDependOnTheNumberOfShards) {
  const std::string other = folder_.path() + "/other";
  WriteCheckpoint(other, TrainedStores(1));
  for (const auto format : {ExportOptions::Format::kNpy, ExportOptions::Format::kText}) {
    const std::string a = out_ + std::to_string(static_cast<int>(format)), b = a + "b";
    ASSERT_TRUE(ExportCheckpoint(dir_, a, {.table = "", .format = format}).ok());
    ASSERT_TRUE(ExportCheckpoint(other, b, {.table = "", .format = format}).ok());
    EXPECT_TRUE(FilesIn(a) == FilesIn(b));
  }
}

TEST_F(ExportTest, ATableThatIsNotThereIsRefusedWithThoseThatAre) {
  const Status status = ExportCheckpoint(dir_, out_, {.table = "embeding", .format = {}});
  EXPECT_EQ(status.code(), ErrorCode::kInvalid);
  EXPECT_THAT(status.text(), HasSubstr("it has embedding, cross"));
  EXPECT_FALSE(std::filesystem::exists(out_));
}

TEST(NpyHeader, IsOneThatNumpyReads) {
  const std::string header = NpyHeader("<f4", {3, 4});
  EXPECT_EQ(header.size() % 64, 0u);
  const std::string begin("\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }", 69);
  EXPECT_EQ(header.substr(0, begin.size()), begin);
  EXPECT_THAT(NpyHeader("<u8", {7}), HasSubstr("'shape': (7,)"));
}

}  // namespace
}  // namespace sherd
