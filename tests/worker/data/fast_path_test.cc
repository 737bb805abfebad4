// What was made fast against the plain way of doing the same.
#include <gtest/gtest.h>

#include "base/simd.h"
#include "tests/worker/data/data_testing.h"
#include "worker/data/log_bucket.h"
#include "worker/data/number_text.h"
#include "worker/data/token_hasher.h"

namespace sherd {
namespace {

TEST(LogBucketsTest, AreThoseOfTheLogarithm) {
  const LogBuckets& buckets = LogBuckets::Shared();
  for (std::int64_t i = -3000; i < 300'000; ++i)
    ASSERT_EQ(buckets.Of(static_cast<double>(i)), LogBucket(static_cast<double>(i)));
  TestRandom random(1);
  for (int i = 0; i < 300'000; ++i) {
    const std::uint64_t bits = std::uint64_t{random.Next(1u << 31)} << 31 | random.Next(1u << 31);
    const auto integer = static_cast<double>(bits >> random.Next(62));
    ASSERT_EQ(buckets.Of(integer), LogBucket(integer)) << integer;
    ASSERT_EQ(buckets.Of(integer / 7), LogBucket(integer / 7)) << integer / 7;
  }
  for (std::int64_t bucket = 48; bucket < 700; ++bucket) {  // where one bucket ends
    const double edge = std::floor(std::exp(std::sqrt(static_cast<double>(bucket))));
    for (double x = edge - 2; x <= edge + 2; ++x) ASSERT_EQ(buckets.Of(x), LogBucket(x)) << x;
  }
  for (const double x : {-1e300, -0.0, 0x1p40 - 1, 0x1p40, 0x1p40 + 1, 1e18, 1e300})
    EXPECT_EQ(buckets.Of(x), LogBucket(x));
}

TEST(ParseDigitsTest, IsParseIntegerOfUpToEightDigits) {
  TestRandom random(1);
  constexpr std::string_view kBytes = "0123456789012345678901234567890123456789-+/:. \t\xb0\x01";
  for (int i = 0; i < 500'000; ++i) {
    char text[16];
    for (char& c : text) c = kBytes[random.Next(random.Next(4) ? 40 : static_cast<std::uint32_t>(kBytes.size()))];
    const std::size_t size = 1 + random.Next(8);
    std::int64_t fast = -1, plain = -1;
    const bool signless = text[0] != '-' && text[0] != '+';
    const bool expected = signless && ParseInteger({text, size}, &plain);
    ASSERT_EQ(ParseDigits(text, size, &fast), expected) << std::string(text, size);
    if (expected) {
      ASSERT_EQ(fast, plain);
    }
  }
}

class TokenHasherTest : public ::testing::Test {
 protected:
  ~TokenHasherTest() override { CHECK(UseSimd(BestSimd()).ok()); }
};

TEST_F(TokenHasherTest, KeysAreThoseOfTokenKeyOnEveryTarget) {
  TestRandom random(1);
  for (const std::string target : {"sse4", "avx2", "avx512"}) {
    if (!UseSimd(target).ok()) continue;
    for (int round = 0; round < 300; ++round) {
      const std::size_t fields = 1 + random.Next(40);
      std::vector<std::string> texts(fields + 3);
      std::vector<Value> values;
      for (std::string& text : texts) {
        const std::size_t size = random.Next(3) == 0 ? random.Next(300) : random.Next(round % 2 == 0 ? 12 : 9);
        for (std::size_t i = 0; i < size; ++i) text += static_cast<char>(random.Next(256));
      }
      for (const std::string& text : texts) values.push_back({text, 0});
      TokenHasher hasher;
      std::vector<Key> expected, keys(fields + TokenHasher::kSlack);
      for (std::size_t i = 0; i < fields; ++i) {
        const auto column = random.Next(static_cast<std::uint32_t>(texts.size()));
        const std::uint64_t hash = HashBytes(std::to_string(random.Next(1000)));
        hasher.AddField(static_cast<int>(column), hash);
        expected.push_back(TokenKey(hash, texts[column]));
      }
      hasher.Hash(values, keys.data());
      keys.resize(fields);
      ASSERT_EQ(keys, expected);
    }
  }
}

TEST(CriteoStreamTest, StreamedRowsAreThoseOfAPlainReading) {
  const TemporaryFolder folder;
  TestRandom random(1);
  std::string text;
  std::vector<std::vector<std::string>> rows;
  for (int i = 0; i < 3000; ++i) {
    std::vector<std::string> row = {std::to_string(random.Next(2))};
    for (int c = 0; c < 13; ++c) {
      const std::string digits = std::to_string(random.Next(1u << (1 + random.Next(30))));
      const std::string forms[] = {"", digits, digits, "-" + digits, "+" + digits, "000" + digits, digits + "00000000"};
      row.push_back(forms[random.Next(7)]);
    }
    for (int c = 0; c < 26; ++c)
      row.push_back(std::string(random.Next(8) ? 8 : random.Next(12), static_cast<char>('a' + random.Next(26))));
    for (std::size_t c = 0; c < row.size(); ++c) text += (c == 0 ? "" : "\t") + row[c];
    text += "\n";
    rows.push_back(std::move(row));
  }
  folder.Write("t", text);
  proto::Job job = ParseTestJob("data { format: CRITEO_TSV data_dir: '" + folder.path() +
                                "' test: 't' in_memory_bytes: 0 } train { batch_size: 100 } "
                                "feature { column: 'I1..I13' bucket {} } feature { column: 'C1..C26' }");
  OpenedData data(job);
  const std::vector<ReadRow> read = data.ReadAll(proto::Chunk::TEST);
  ASSERT_EQ(read.size(), rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    ASSERT_EQ(read[i].label, std::stof(rows[i][0]));
    for (int c = 1; c <= 39; ++c) {
      const std::uint64_t hash = HashBytes((c <= 13 ? "I" : "C") + std::to_string(c <= 13 ? c : c - 13));
      Key key = TokenKey(hash, rows[i][c]);
      if (c <= 13) {
        const std::uint64_t bucket =
            rows[i][c].empty() ? std::uint64_t{1} << 63
                               : static_cast<std::uint64_t>(LogBucket(static_cast<double>(std::stoll(rows[i][c]))));
        key = IntegerKey(hash, bucket);
      }
      ASSERT_EQ(read[i].keys[0][c - 1][0], key) << i << " " << c << " " << rows[i][c];
    }
  }
}

}  // namespace
}  // namespace sherd
