// Criteo's TSV decoded by vectors against a parser and an encoder put together by hand.
#include "worker/data/criteo_decoder.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/simd.h"
#include "tests/worker/data/data_testing.h"
#include "worker/data/text_chunk_reader.h"

namespace sherd {
namespace {

constexpr std::uint32_t kRows = 2000;

std::string Integer(TestRandom* random) {
  const std::string digits = std::to_string(random->Next(1u << (1 + random->Next(31))));
  switch (random->Next(20)) {
    case 0:
      return "-" + digits;
    case 1:
      return "+" + digits;
    case 2:
      return "000" + digits;
    case 3:
      return digits + std::to_string(random->Next(1u << 31));
    case 4:
    case 5:
    case 6:
      return "";
    default:
      return digits;
  }
}

std::string Token(TestRandom* random) {
  const std::uint32_t form = random->Next(12);
  std::string token(form == 0 ? random->Next(20) : form == 1 ? 0 : 8, ' ');
  for (char& c : token) c = "0123456789abcdef"[random->Next(16)];
  if (random->Next(200) == 0 && !token.empty()) token[random->Next(static_cast<std::uint32_t>(token.size()))] = '\0';
  return token;
}

// A row that is good, or has one of the faults that rows have.
std::string Line(TestRandom* random) {
  static const char* const kLabels[] = {"-1", "", "2", "0.5", "x", "01"};
  static const char* const kIntegers[] = {"1x",
                                          "-",
                                          "+-1",
                                          " 1",
                                          "1.5",
                                          "99999999999999999999",
                                          "-9223372036854775808",
                                          "9223372036854775807",
                                          "100000000",
                                          "99999999",
                                          "12345678\xff",
                                          "\x80"};
  std::vector<std::string> fields = {random->Next(2) ? "0" : "1"};
  const bool bare = random->Next(50) == 0;  // shorter than a block of what vectors compare
  for (int i = 0; i < 39; ++i)
    fields.push_back(bare && random->Next(8) ? "" : i < 13 ? Integer(random) : Token(random));
  switch (random->Next(30)) {
    case 0:
      fields[0] = kLabels[random->Next(6)];
      break;
    case 1:
      fields[1 + random->Next(13)] = kIntegers[random->Next(12)];
      break;
    case 2:
      fields.resize(1 + random->Next(40));
      break;
    case 3:
      fields.resize(40 + random->Next(80), "f");
      break;
    case 4:
      fields[14 + random->Next(26)] = std::string(random->Next(300), 'z');
      break;
    case 5:  // more of a list than a row may have
      for (int i = 0; i < 5000; ++i) fields[20] += "xa";
      break;
    default:
      break;
  }
  std::string line;
  for (const std::string& field : fields) line += (&field == &fields[0] ? "" : "\t") + field;
  if (random->Next(40) == 0) line.resize(random->Next(static_cast<std::uint32_t>(line.size() + 1)));
  return line;
}

std::string Text(const RowError& error) { return error.expected + " | " + error.got + " | " + error.column; }

class CriteoDecoderTest : public ::testing::TestWithParam<std::string> {
 protected:
  ~CriteoDecoderTest() override { CHECK(UseSimd(BestSimd()).ok()); }

  // Decodes the same lines both ways.
  void Compare(const proto::Job& job) {
    const FeatureLayout layout = FeatureLayout::Make(job).value();
    const Schema schema = Schema::Make(job, layout).value();
    auto decoder = RowDecoder::Make(job, layout, schema, {}, "t", "", {}).value();
    ASSERT_NE(dynamic_cast<CriteoDecoder*>(decoder.get()), nullptr);
    auto parser = RowParser::Make(job, schema, RowParser::Labels::kNeeded, "t", "").value();
    FeatureEncoder encoder = FeatureEncoder::Make(layout, schema, {}).value();
    Minibatch expected, decoded;
    encoder.Begin(kRows, &expected);
    decoder->Begin(kRows, &decoded);
    TestRandom random(7);
    Row row;
    for (std::uint32_t i = 0; i < kRows; ++i) {
      const std::string line = Line(&random);
      // Of its very size, so that a sanitizer sees who reads past it.
      const auto bytes = std::make_unique<char[]>(line.size());
      std::memcpy(bytes.get(), line.data(), line.size());
      RowError error, expected_error;
      const bool good = parser->Parse(line, &row, &expected_error);
      ASSERT_EQ(decoder->Parse({bytes.get(), line.size()}, &error), good) << line;
      ASSERT_EQ(Text(error), Text(expected_error)) << line;
      if (!good) continue;
      ASSERT_EQ(decoder->label(), row.label) << line;
      encoder.Add(row, &expected);
      decoder->Add(&decoded);
      ++expected.rows;
      ++decoded.rows;
    }
    encoder.End(&expected);
    decoder->End(&decoded);
    ASSERT_GT(expected.rows, kRows / 2);
    EXPECT_EQ(decoded.numbers, expected.numbers);
    ASSERT_EQ(decoded.tables.size(), expected.tables.size());
    for (std::size_t t = 0; t < expected.tables.size(); ++t) {
      EXPECT_EQ(decoded.tables[t].keys, expected.tables[t].keys) << t;
      EXPECT_EQ(decoded.tables[t].offsets, expected.tables[t].offsets) << t;
      EXPECT_EQ(decoded.tables[t].weights, expected.tables[t].weights) << t;
    }
  }
};

proto::Job Job(const std::string& features) { return ParseTestJob("data { format: CRITEO_TSV } " + features); }

TEST_P(CriteoDecoderTest, RowsAreThoseOfParserAndEncoder) {
  if (!UseSimd(GetParam()).ok()) GTEST_SKIP() << "this processor has no " << GetParam();
  const std::string tokens = "feature { column: 'C1..C26' } ", buckets = "feature { column: 'I1..I13' bucket {} } ";
  for (const std::string& features : {
           buckets + tokens,
           tokens + buckets,
           tokens,
           std::string("feature { column: 'I4' bucket {} }"),
           // Columns in another order, twice, and left out.
           std::string(
               "feature { column: 'C26' } feature { column: 'C1..C9' } feature { name: 'again' column: 'C26' } "
               "feature { column: 'I13' bucket {} } feature { column: 'I2' bucket {} table: 'other' } "
               "feature { column: 'C20..C22' table: 'other' } feature { name: 'I2 too' column: 'I2' bucket {} }"),
           // What is not made by vectors, beside what is.
           buckets + tokens +
               "feature { name: 'number' column: 'I1' number { transform: LOG scale: 0.25 missing: -3 } } "
               "feature { name: 'plain' column: 'I13' number { transform: NONE } } "
               "feature { name: 'edges' column: 'I5' bucket { edge: 1 edge: 100 } } "
               "feature { name: 'cross' cross { feature: 'I1' feature: 'C3' feature: 'edges' } } "
               "feature { name: 'list' column: 'C7' categorical { separator: 'a' pooling: MEAN } table: 'lists' }",
       }) {
    SCOPED_TRACE(features);
    Compare(Job(features));
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, CriteoDecoderTest, ::testing::Values("sse4", "avx2", "avx512"));

TEST(CriteoDecoderChoiceTest, JobsThatItDoesNotSuitGoTheGeneralWay) {
  const auto decoder_of = [](const proto::Job& job, RowParser::Labels labels) {
    const FeatureLayout layout = FeatureLayout::Make(job).value();
    const Schema schema = Schema::Make(job, layout).value();
    auto decoder = RowDecoder::Make(job, layout, schema, {}, "t", "", {.labels = labels}).value();
    return dynamic_cast<CriteoDecoder*>(decoder.get()) != nullptr;
  };
  const proto::Job tokens = Job("feature { column: 'C1' }");
  EXPECT_TRUE(decoder_of(tokens, RowParser::Labels::kNeeded));
  EXPECT_FALSE(decoder_of(tokens, RowParser::Labels::kIgnored));  // the label may be missing, which moves all columns
  EXPECT_FALSE(decoder_of(Job("feature { column: 'I1' }"), RowParser::Labels::kNeeded));
  EXPECT_FALSE(
      decoder_of(Job("feature { column: 'C1' categorical { token_is_key: true } }"), RowParser::Labels::kNeeded));
  proto::Job named = tokens;
  named.mutable_data()->mutable_delimited()->add_positive("1");
  EXPECT_FALSE(decoder_of(named, RowParser::Labels::kNeeded));
}

}  // namespace
}  // namespace sherd
