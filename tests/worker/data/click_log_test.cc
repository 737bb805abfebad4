#include "worker/data/click_log/click_log.h"

#include <gmock/gmock.h>

#include <bit>
#include <filesystem>

#include "base/file.h"
#include "base/file_system.h"
#include "base/simd.h"
#include "tests/worker/data/data_testing.h"
#include "worker/data/byte_source.h"
#include "worker/data/click_log/file.h"
#include "worker/data/packer.h"

namespace sherd {
namespace {

// Golden values were printed by the program that defined this log, before Sherd had it: `--selftest` (scale .1), and
// `--bayes` with the options of each test. Its --begin is first_row, its --end first_row + rows.

std::string Text(const ClickLog& log, std::uint64_t first_row, std::uint64_t rows,
                 ClickLogFormat format = ClickLogFormat::kCriteoTsv) {
  std::vector<ClickRow> drawn(rows);
  log.Draw(first_row, drawn);
  std::string text;
  AppendClickRows(format, drawn, &text);
  return text;
}

std::uint64_t Fnv1a(const std::string& text) {
  std::uint64_t hash = 1469598103934665603;
  for (const unsigned char c : text) hash = (hash ^ c) * 1099511628211;
  return hash;
}

std::unique_ptr<ClickLog> LogOfScale(double scale) {
  ClickLogOptions options;
  options.scale = scale;
  return ClickLog::Make(options).value();
}

TEST(ClickLog, HasTheRowsThatDefineIt) {
  const auto log = LogOfScale(.1);
  EXPECT_EQ(Fnv1a(Text(*log, 0, 20000)), 0x91961922add3d96a);
  ClickRow last;
  log->Draw(19999, {&last, 1});
  EXPECT_EQ(std::bit_cast<std::uint64_t>(last.probability), 0x3fa792589c8ca6b6);
}

// --seed 7 --scale .5 --first 2 --second .5 --ctr .03 --begin 123456789012 --end 123456789512
TEST(ClickLog, HasThemByOtherOptionsAndFarBehind) {
  const auto log =
      ClickLog::Make({.seed = 7, .scale = .5, .first_order = 2, .second_order = .5, .click_rate = .03}).value();
  EXPECT_EQ(Fnv1a(Text(*log, 123456789012, 500)), 0xb6534b98035afb2d);
}

TEST(ClickLog, RowsAreTheSameOnEachProcessor) {
  const std::string best = CurrentSimd();
  for (const std::string target : {"sse4", "avx2", "avx512"}) {
    if (!UseSimd(target).ok()) continue;
    EXPECT_EQ(Fnv1a(Text(*LogOfScale(.1), 0, 20000)), 0x91961922add3d96a) << target;
  }
  ASSERT_TRUE(UseSimd(best).ok());
}

// --scale .01 --begin 1000000 --end 1200000 --bayes, to the digits that it prints.
TEST(ClickLog, TellsTheBestPossibleFigures) {
  const auto log = LogOfScale(.01);
  ClickLogFile file;
  file.first_row = 1000000;
  file.rows = 200000;
  file.threads = 2;
  const BestFigures best = WriteClickLog(*log, file).value().best;
  EXPECT_EQ(best.rows, 200000u);
  EXPECT_NEAR(best.click_rate, .25069, 5e-6);
  EXPECT_NEAR(best.auc, .83719, 5e-6);
  EXPECT_NEAR(best.log_loss, .40995, 5e-6);
  EXPECT_NEAR(best.expected_auc, .83634, 5e-6);
  EXPECT_NEAR(best.expected_log_loss, .41030, 5e-6);
}

TEST(ClickLog, OptionsOutsideTheirRangesAreRefused) {
  for (const ClickLogOptions& options : std::vector<ClickLogOptions>{
           {.scale = 0}, {.scale = 101}, {.first_order = -1}, {.second_order = 1000}, {.click_rate = 0}}) {
    EXPECT_EQ(ClickLog::Make(options).status().code(), ErrorCode::kInvalid);
  }
  EXPECT_THAT(ClickLog::Make({.click_rate = 1}).status().text(),
              testing::StartsWith("click_rate: 1.000000 is outside"));
}

// The first row of scale .01: I1, I3, I4, C20 and C23, C25 are missing.
TEST(ClickLog, FormatsHaveTheSameValues) {
  const auto log = LogOfScale(.01);
  EXPECT_EQ(Text(*log, 0, 1),
            "0\t\t3\t\t\t5533\t18\t18\t43\t302\t0\t2\t\t1\tdbce01da\ted5d2800\t489af190\t63fb94e7\ta14d7d4f\t65954fdf\t"
            "25f00d88\t73a14471\t8165a7e6\tf2c64c68\t7cdbefa6\t26d27092\tca9059fb\t9297aae0\t6c8c9eca\t39736b0e\t"
            "0e74ea6f\t159b41bc\td9b1b22b\t229014e0\t2219639b\t\te67ab781\t2680b82a\t\t5f98c6f8\n");
  EXPECT_THAT(Text(*log, 0, 1, ClickLogFormat::kDelimited),
              testing::StartsWith("0,,3,,,5533,18,18,43,302,0,2,,1,dbce"));
  // 2 * 2^32 + 3, 5 * 2^32 + 5533; 14 * 2^32 + 0xdbce01da
  EXPECT_THAT(Text(*log, 0, 1, ClickLogFormat::kLibsvm), testing::StartsWith("0 8589934595:1 21474842013:1 "));
  EXPECT_THAT(Text(*log, 0, 1, ClickLogFormat::kLibsvm), testing::HasSubstr(" 63817253338:1 "));
  EXPECT_THAT(Text(*log, 0, 1, ClickLogFormat::kLibffm),
              testing::AllOf(testing::StartsWith("0 2:8589934595:1 5:"), testing::HasSubstr(" 14:63817253338:1 ")));
  EXPECT_THAT(Text(*log, 0, 1, ClickLogFormat::kJsonLines),
              testing::AllOf(testing::StartsWith("{\"label\":0,\"I2\":3,\"I5\":5533,"),
                             testing::HasSubstr(",\"I13\":1,\"C1\":\"dbce01da\",\"C2\":"),
                             testing::EndsWith("\"C26\":\"5f98c6f8\"}\n")));
  EXPECT_THAT(Text(*log, 1, 1, ClickLogFormat::kLibsvm),
              testing::StartsWith("1 12884901887:1 17179869191:1 "));  // I1 none, I2 = -1
}

std::string Written(const ClickLog& log, const TemporaryFolder& folder, ClickLogFile file) {
  file.path = folder.path() + "/log";
  const auto written = WriteClickLog(log, file);
  EXPECT_TRUE(written.ok()) << written.status().text();
  std::string text = ReadFile(file.path).value();
  EXPECT_EQ(written->bytes, text.size());
  return text;
}

TEST(ClickLogFiles, RangesTogetherAreTheWholeWhateverTheThreads) {
  const TemporaryFolder folder;
  const auto log = LogOfScale(.01);
  const std::string whole = Written(*log, folder, {.path = "", .first_row = 100, .rows = 50000, .threads = 1});
  EXPECT_EQ(whole, Text(*log, 100, 50000));
  EXPECT_EQ(Written(*log, folder, {.path = "", .first_row = 100, .rows = 50000, .threads = 5}), whole);
  std::string parts;
  for (const auto& [first, rows] : {std::pair{100, 1}, {101, 20000}, {20101, 29999}}) {
    parts += Written(*log, folder,
                     {.path = "",
                      .first_row = static_cast<std::uint64_t>(first),
                      .rows = static_cast<std::uint64_t>(rows),
                      .threads = 2});
  }
  EXPECT_EQ(parts, whole);
}

std::string Unpacked(const std::string& path) {
  const Compression compression = DetectCompression(path).value();
  const auto source = OpenUnpacked(path, compression, 0).value();
  std::string text, piece(1 << 16, '\0');
  while (const std::size_t n = source->Read(piece.data(), piece.size()).value()) text.append(piece, 0, n);
  return text;
}

TEST(ClickLogFiles, CompressedOnesAreTheSameText) {
  const TemporaryFolder folder;
  const auto log = LogOfScale(.01);
  for (const Compression compression : {Compression::kZstd, Compression::kGzip}) {
    ClickLogFile file{.path = folder.path() + "/log", .compression = compression, .rows = 40000, .threads = 1};
    ASSERT_TRUE(WriteClickLog(*log, file).ok());
    EXPECT_EQ(DetectCompression(file.path).value(), compression);
    EXPECT_EQ(Unpacked(file.path), Text(*log, 0, 40000));
    const std::string one = ReadFile(file.path).value();
    file.threads = 3;
    ASSERT_TRUE(WriteClickLog(*log, file).ok());
    EXPECT_EQ(ReadFile(file.path).value(), one);
  }
}

// A disk on which only so many bytes are left.
class FullDisk : public FileSystem {
 public:
  ssize_t Write(int descriptor, std::span<const std::byte> bytes) override {
    if (left_ < bytes.size()) {
      errno = ENOSPC;
      return -1;
    }
    left_ -= bytes.size();
    return FileSystem::Write(descriptor, bytes);
  }

 private:
  std::size_t left_ = 3 << 20;
};

TEST(ClickLogFiles, AFullDiskLeavesNothingAndTheOldFileStands) {
  const TemporaryFolder folder;
  const std::string path = folder.Write("log", "what was there");
  const auto log = LogOfScale(.01);
  FullDisk disk;
  const FileSystemReplacement replacement(&disk);
  const auto written = WriteClickLog(*log, {.path = path, .rows = 40000, .threads = 2});
  EXPECT_EQ(written.status().code(), ErrorCode::kIo);
  EXPECT_THAT(written.status().text(), testing::HasSubstr("No space left on device"));
  EXPECT_FALSE(std::filesystem::exists(path + ".partial"));
  EXPECT_EQ(ReadFile(path).value(), "what was there");
}

TEST(Packer, XzIsNotWritten) { EXPECT_EQ(MakePacker(Compression::kXz).status().code(), ErrorCode::kInvalid); }

}  // namespace
}  // namespace sherd
