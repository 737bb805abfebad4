// What was made fast against the plain way of doing the same.
#include <gtest/gtest.h>

#include "base/simd.h"
#include "tests/worker/data/data_testing.h"
#include "worker/data/field_ends.h"
#include "worker/data/integer_fields.h"
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

// Lines of any fields, of many lengths about that of what vectors compare at once.
std::string AnyLine(TestRandom* random, char delimiter, std::size_t fields) {
  std::string line;
  for (std::size_t i = 0; i < fields; ++i) {
    if (i > 0) line += delimiter;
    for (std::uint32_t size = random->Next(random->Next(6) ? 9 : 80); size > 0; --size) {
      line += static_cast<char>(random->Next(256));
      if (line.back() == delimiter) line.back() = 'x';
    }
  }
  return line;
}

class VectorPathTest : public TokenHasherTest {
 protected:
  // Calls `test` with each target that the processor has.
  template <typename Test>
  void OnEveryTarget(const Test& test) {
    for (const std::string target : {"sse4", "avx2", "avx512"}) {
      SCOPED_TRACE(target);
      if (UseSimd(target).ok()) test();
    }
  }
};

TEST_F(VectorPathTest, FieldsEndAtDelimitersAndAtTheLinesEnd) {
  OnEveryTarget([] {
    TestRandom random(1);
    for (int round = 0; round < 2000; ++round) {
      const char delimiter = "\t,\0"[random.Next(3)];
      const std::string line = AnyLine(&random, delimiter, 1 + random.Next(random.Next(8) ? 50 : 300));
      std::vector<std::uint32_t> expected;
      for (std::size_t i = 0; i < line.size(); ++i) {
        if (line[i] == delimiter) expected.push_back(static_cast<std::uint32_t>(i));
      }
      expected.push_back(static_cast<std::uint32_t>(line.size()));
      const int most = 40;
      constexpr std::uint32_t kUntouched = 0xabababab;
      std::vector<std::uint32_t> ends(most + kFieldEndsSlack + 1, kUntouched);
      ASSERT_EQ(FindFieldEnds(line, delimiter, most, ends.data()), static_cast<int>(expected.size()));
      ASSERT_EQ(ends.back(), kUntouched);
      const std::size_t kept = std::min<std::size_t>(expected.size(), most);
      ends.resize(kept);
      expected.resize(kept);
      ASSERT_EQ(ends, expected);
    }
  });
}

TEST_F(VectorPathTest, KeysOfTokensInALineAreThoseOfTokenKey) {
  OnEveryTarget([] {
    TestRandom random(2);
    for (int round = 0; round < 1000; ++round) {
      const std::string line = "12345678" + AnyLine(&random, '\t', 40);
      std::uint32_t ends[40 + kFieldEndsSlack];
      ASSERT_EQ(FindFieldEnds(line, '\t', 40, ends), 40);
      TokenHasher hasher;
      std::vector<Key> expected, keys(30 + TokenHasher::kSlack);
      const std::size_t fields = 1 + random.Next(30);
      for (std::size_t i = 0; i < fields; ++i) {
        const std::uint32_t column = 1 + (round % 2 == 0 ? static_cast<std::uint32_t>(i) : random.Next(39));
        const std::uint64_t hash = HashBytes(std::to_string(random.Next(1000)));
        hasher.AddField(static_cast<int>(column), hash);
        const std::uint32_t begin = ends[column - 1] + 1;
        expected.push_back(TokenKey(hash, std::string_view(line).substr(begin, ends[column] - begin)));
      }
      hasher.HashFields(line.data(), ends, keys.data());
      keys.resize(fields);
      ASSERT_EQ(keys, expected);
    }
  });
}

TEST_F(VectorPathTest, IntegersAreReadAndHaveTheKeysOfTheirBuckets) {
  OnEveryTarget([] {
    TestRandom random(3);
    LogBucketKeys buckets;
    const int features[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 12, 3};
    for (const int field : features) buckets.AddFeature(field, HashBytes(std::to_string(buckets.features())));
    std::vector<Key> keys(buckets.features() + LogBucketKeys::kSlack);
    for (int round = 0; round < 5000; ++round) {
      std::string line = "0";
      std::vector<std::string> texts;
      for (int i = 0; i < 13; ++i) {
        const std::string digits = std::to_string(random.Next(1u << (1 + random.Next(31))));
        const std::string forms[] = {"",           digits,       digits,       digits,
                                     "0" + digits, "-" + digits, digits + ":", digits + "\xb9"};
        texts.push_back(forms[random.Next(round % 2 ? 8 : 5)]);
        line += "\t" + texts.back();
      }
      line += std::string(26, '\t');
      std::uint32_t ends[40 + kFieldEndsSlack];
      ASSERT_EQ(FindFieldEnds(line, '\t', 40, ends), 40);
      IntegerFields fields;
      ReadIntegers(line.data(), ends, 1, 13, &fields);
      for (int i = 0; i < 13; ++i) {
        std::int64_t value = IntegerFields::kMissing;
        const bool read =
            texts[i].empty() || (texts[i].size() <= 8 && texts[i][0] != '-' && ParseInteger(texts[i], &value));
        ASSERT_EQ(fields.unread >> i & 1, !read) << texts[i];
        if (!read)
          fields.values[i] = value = static_cast<std::int64_t>(random.Next(1u << 31)) * (round % 3 - 1)
                                     << random.Next(20);
        ASSERT_EQ(fields.values[i], value) << texts[i];
      }
      buckets.Find(fields, keys.data());
      for (std::size_t f = 0; f < buckets.features(); ++f) {
        const std::int64_t value = fields.values[features[f]];
        const std::uint64_t bucket = value == IntegerFields::kMissing
                                         ? kMissingBucket
                                         : static_cast<std::uint64_t>(LogBucket(static_cast<double>(value)));
        ASSERT_EQ(keys[f], IntegerKey(HashBytes(std::to_string(f)), bucket)) << value;
      }
    }
  });
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
