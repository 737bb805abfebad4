// The formats of the generated click log are read back, and hold the rows that its TSV holds.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "base/hash.h"
#include "tests/base/faulty_file_system.h"
#include "tests/worker/data/data_testing.h"
#include "worker/data/click_log/click_log.h"
#include "worker/data/click_log/file.h"
#include "worker/data/row_file.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t kFirstRow = 1000, kRows = 3000;

// The columns by name, for the formats that need to be told.
std::string NamedColumns() {
  std::string text = "delimited { label: 'label' column { name: 'label' }";
  for (int i = 1; i <= 13; ++i) text += " column { name: 'I" + std::to_string(i) + "' type: INTEGER }";
  for (int i = 1; i <= 26; ++i) text += " column { name: 'C" + std::to_string(i) + "' }";
  return text + " }";
}

std::vector<ReadRow> WithoutIds(std::vector<ReadRow> rows) {
  for (ReadRow& row : rows) row.id = 0;
  return rows;
}

class ClickLogFormats : public ::testing::Test {
 protected:
  std::string Write(const std::string& name, ClickLogFile file) const {
    file.path = folder_.path() + "/" + name;
    const auto written = WriteClickLog(*log_, file);
    EXPECT_TRUE(written.ok()) << written.status().text();
    if (written.ok()) {
      EXPECT_EQ(written->bytes, std::filesystem::file_size(file.path));
    }
    return file.path;
  }

  // All rows of files that were written so, in their order.
  std::vector<ReadRow> Read(const std::string& data, const std::vector<std::string>& names,
                            const std::string& features = kFeatures) const {
    std::string text = "data { data_dir: '" + folder_.path() + "' max_bad_fraction: 0 " + data;
    for (const std::string& name : names) text += " test: '" + name + "'";
    OpenedData opened(ParseTestJob(text + " } " + features));
    std::vector<ReadRow> rows = WithoutIds(opened.ReadAll(proto::Chunk::TEST));
    EXPECT_EQ(opened->counts().bad_rows, 0u);
    return rows;
  }

  static constexpr char kFeatures[] =
      "feature { column: 'I1..I13' bucket {} } feature { column: 'C1..C26' categorical {} } "
      "feature { name: 'n' column: 'I5' number { transform: NONE missing: -7 } }";

  const TemporaryFolder folder_;
  const std::unique_ptr<ClickLog> log_ = ClickLog::Make({.scale = .01}).value();
};

TEST_F(ClickLogFormats, HoldTheRowsOfTheTsv) {
  Write("tsv", {.first_row = kFirstRow, .rows = kRows});
  const std::vector<ReadRow> expected = Read("format: CRITEO_TSV", {"tsv"});
  ASSERT_EQ(expected.size(), kRows);
  const auto holds_them = [&](const std::string& name, const std::string& data, ClickLogFile file) {
    file.first_row = kFirstRow;
    file.rows = kRows;
    Write(name, file);
    EXPECT_TRUE(Read(data, {name}) == expected) << name;
    // A part of the rows, and those behind it, written by themselves.
    file.rows = 1234;
    Write(name + "1", file);
    file.first_row += file.rows;
    file.rows = kRows - file.rows;
    Write(name + "2", file);
    EXPECT_TRUE(Read(data, {name + "1", name + "2"}) == expected) << name << " in two";
  };
  holds_them("csv", "format: DELIMITED " + NamedColumns(), {.format = ClickLogFormat::kDelimited});
  holds_them("json", "format: JSON_LINES " + NamedColumns(), {.format = ClickLogFormat::kJsonLines});
  holds_them("tf", "format: TF_RECORD " + NamedColumns(), {.format = ClickLogFormat::kTfRecord});
  holds_them("tf.gz", "format: TF_RECORD " + NamedColumns(),
             {.format = ClickLogFormat::kTfRecord, .compression = Compression::kGzip});
  holds_them("keys", "format: ROW_FILE", {.format = ClickLogFormat::kRowFile});
  holds_them("tokens", "format: ROW_FILE", {.format = ClickLogFormat::kRowFile, .keep_tokens = true});
}

// An index is its field * 2^32 + the value.
TEST_F(ClickLogFormats, IndexesStandForTheValues) {
  std::vector<ClickRow> drawn(kRows);
  log_->Draw(kFirstRow, drawn);
  Write("ffm", {.format = ClickLogFormat::kLibffm, .first_row = kFirstRow, .rows = kRows});
  Write("svm", {.format = ClickLogFormat::kLibsvm, .first_row = kFirstRow, .rows = kRows});
  const auto by_field =
      Read("format: LIBFFM libffm { fields: 40 }", {"ffm"}, "feature { column: 'F1..F39' categorical {} }");
  const auto together =
      Read("format: LIBSVM", {"svm"}, "feature { column: 'features' categorical { token_is_key: true } }");
  ASSERT_EQ(by_field.size(), kRows);
  ASSERT_EQ(together.size(), kRows);
  for (std::size_t i = 0; i < kRows; ++i) {
    std::vector<Key> indexes;
    const auto add = [&](std::uint64_t field, std::uint32_t value) {
      indexes.push_back(field << 32 | value);
      const std::string name = "F" + std::to_string(field);
      const auto& keys = by_field[i].keys[0][field - 1];
      ASSERT_EQ(keys.size(), 1u) << i << " " << name;
      EXPECT_EQ(keys[0], TokenKey(HashBytes(name), std::to_string(indexes.back())));
    };
    ForEachClickValue(
        drawn[i], [&](int c, std::int32_t integer) { add(1 + c, static_cast<std::uint32_t>(integer)); },
        [&](int c, std::uint32_t token) { add(14 + c, token); });
    EXPECT_EQ(together[i].keys[0][0], indexes);
    EXPECT_EQ(by_field[i].label, drawn[i].click);
    EXPECT_EQ(together[i].label, drawn[i].click);
  }
}

TEST_F(ClickLogFormats, AreTheSameBytesWhateverTheThreads) {
  for (const ClickLogFormat format : {ClickLogFormat::kTfRecord, ClickLogFormat::kRowFile}) {
    ClickLogFile file{.format = format, .rows = 150'000, .threads = 1};
    const std::string one = ReadFile(Write("one", file)).value();
    file.threads = 4;
    EXPECT_TRUE(ReadFile(Write("four", file)).value() == one);
  }
  const auto rows = RowFile::Open(folder_.path() + "/one").value();
  EXPECT_EQ(rows->rows(), 150'000u);
  EXPECT_EQ(rows->blocks(), 3u);
}

// Whatever call fails, and whether the disk works again or not: an error, or the whole file.
TEST_F(ClickLogFormats, AFailingDiskLeavesNothingOrTheWholeFile) {
  for (const ClickLogFormat format : {ClickLogFormat::kTfRecord, ClickLogFormat::kRowFile}) {
    const ClickLogFile file{.path = folder_.path() + "/out", .format = format, .rows = 2000, .threads = 2};
    const std::string whole = ReadFile(Write("whole", file)).value();
    int failed = 0;
    bool more = true;
    for (int call = 0; more; ++call) {
      FaultyFileSystem disk;
      disk.fail_at = call;
      disk.error = ENOSPC;
      {
        const FileSystemReplacement replacement(&disk);
        const auto written = WriteClickLog(*log_, file);
        failed += !written.ok();
        if (!written.ok()) {
          EXPECT_THAT(written.status().text(), HasSubstr("No space left on device"));
        }
      }
      more = disk.calls() > call;
      if (std::filesystem::exists(file.path)) {
        EXPECT_TRUE(ReadFile(file.path).value() == whole) << "call " << call;
        std::filesystem::remove(file.path);
      }
      EXPECT_FALSE(std::filesystem::exists(file.path + ".partial")) << "call " << call;
    }
    EXPECT_GE(failed, 5);  // create, write, fsync, close, rename
  }
}

}  // namespace
}  // namespace sherd
