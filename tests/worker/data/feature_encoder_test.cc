#include "worker/data/feature_encoder.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/worker/data/data_testing.h"

namespace sherd {
namespace {

Key TokenOf(const std::string& feature, const std::string& token) { return HashBytes(token, HashBytes(feature)); }
Key BucketOf(const std::string& feature, std::int64_t bucket) {
  return IntegerKey(HashBytes(feature), static_cast<std::uint64_t>(bucket));
}

// The rows that a delimited text with columns n (FLOAT), a, b and a label gives with these features.
std::vector<ReadRow> Encode(const std::string& features, const std::string& text) {
  const TemporaryFolder folder;
  folder.Write("t", text);
  OpenedData data(ParseTestJob(R"(data { format: DELIMITED test: "t" train: "t" data_dir: ")" + folder.path() + R"("
      delimited { label: "y" column { name: "y" type: INTEGER } column { name: "n" type: FLOAT }
                  column { name: "a" } column { name: "b" } } } )" +
                               features));
  return data.ReadAll(proto::Chunk::TEST);
}

TEST(FeatureEncoderTest, NumbersAreTransformedScaledAndFilledIn) {
  const auto rows = Encode(R"(
      feature { name: "plain" column: "n" number { transform: NONE scale: 2 missing: -7 } }
      feature { name: "log" column: "n" number { transform: LOG } }
      feature { name: "standard" column: "n" number { transform: STANDARDIZE scale: 0.5 } }
      feature { name: "range" column: "n" number { transform: MIN_MAX missing: 0.5 } })",
                           "0,1,a,b\n0,3,a,b\n0,,a,b\n0,-5,a,b\n0,5000,a,b\n");
  // Of 1, 3, -5, 5000: mean and deviation of the population.
  const double mean = 4999.0 / 4, deviation = std::sqrt((1 + 9 + 25 + 25e6) / 4 - mean * mean);
  const double values[] = {1, 3, NAN, -5, 5000};
  for (int i = 0; i < 5; ++i) {
    SCOPED_TRACE(i);
    const bool missing = i == 2;
    ASSERT_EQ(rows[i].numbers.size(), 4u);
    EXPECT_FLOAT_EQ(rows[i].numbers[0], missing ? -7 : 2 * values[i]);
    EXPECT_FLOAT_EQ(rows[i].numbers[1], missing ? 0 : std::log(1 + std::max(values[i], 0.0)));
    EXPECT_NEAR(rows[i].numbers[2], missing ? 0 : 0.5 * (values[i] - mean) / deviation, 1e-6);
    EXPECT_NEAR(rows[i].numbers[3], missing ? 0.5 : (values[i] + 5) / 5005, 1e-6);
  }
}

TEST(FeatureEncoderTest, AColumnOfOneValueStandardisesToZero) {
  for (const ReadRow& row : Encode("feature { name: 's' column: 'n' number {} } feature { name: 'm' column: 'n' "
                                   "number { transform: MIN_MAX } }",
                                   "0,3,a,b\n1,3,a,b\n")) {
    EXPECT_EQ(row.numbers, (std::vector<float>{0, 0}));
  }
}

TEST(FeatureEncoderTest, AColumnOfDenormalsIsOneOfOneValue) {
  for (const ReadRow& row : Encode("feature { name: 'm' column: 'n' number { transform: MIN_MAX } }",
                                   "0,0,a,b\n1,1e-310,a,b\n1,4e-320,a,b\n")) {
    EXPECT_EQ(row.numbers, std::vector<float>{0});
  }
}

TEST(FeatureEncoderTest, BucketsByLogarithmEdgesAndQuantiles) {
  const auto rows = Encode(R"(
      feature { name: "log" column: "n" bucket {} }
      feature { name: "edge" column: "n" bucket { edge: -1 edge: 3 edge: 100 } }
      feature { name: "quantile" column: "n" bucket { quantiles: 2 } })",
                           "0,-3,a,b\n0,2,a,b\n0,3,a,b\n0,100,a,b\n0,,a,b\n0,-1e300,a,b\n0,100000,a,b\n");
  ASSERT_EQ(rows.size(), 6u);                          // -1e300 is no float
  const std::int64_t logs[] = {-3, 2, 3, 23, 0, 134};  // 3 is not in the bucket of 1; floor(ln(100)^2) = 21, of 1e5 132
  const std::int64_t edges[] = {0, 1, 2, 3, 0, 3};
  const std::int64_t halves[] = {0, 0, 1, 1, 0, 1};  // of -3, 2, 3, 100, 100000: the edge is 3
  for (int i = 0; i < 6; ++i) {
    SCOPED_TRACE(i);
    const bool missing = i == 4;
    const std::int64_t gap = static_cast<std::int64_t>(kMissingBucket);
    EXPECT_EQ(rows[i].keys[0][0][0], BucketOf("log", missing ? gap : logs[i]));
    EXPECT_EQ(rows[i].keys[0][1][0], BucketOf("edge", missing ? gap : edges[i]));
    EXPECT_EQ(rows[i].keys[0][2][0], BucketOf("quantile", missing ? gap : halves[i]));
  }
}

TEST(FeatureEncoderTest, KeysAreHashesOfFeatureAndTokenOrTheTokenItself) {
  const auto rows = Encode(R"(
      feature { column: "a" categorical {} }
      feature { name: "other" column: "a" categorical {} }
      feature { name: "id" column: "b" categorical { token_is_key: true } table: "ids" })",
                           "0,1,tok,42\n1,1,,\n");
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].keys[0], (std::vector<std::vector<Key>>{{TokenOf("a", "tok")}, {TokenOf("other", "tok")}}));
  EXPECT_EQ(rows[0].keys[1], (std::vector<std::vector<Key>>{{42}}));
  EXPECT_EQ(rows[1].keys[0], (std::vector<std::vector<Key>>{{TokenOf("a", "")}, {TokenOf("other", "")}}));
  EXPECT_EQ(rows[1].keys[1], (std::vector<std::vector<Key>>{{TokenOf("id", "")}}));
}

TEST(FeatureEncoderTest, SeveralTokensAreSummedOrAveraged) {
  const auto rows = Encode(R"(
      feature { name: "sum" column: "a" categorical { separator: "||" } }
      feature { name: "one" column: "b" categorical {} }
      feature { name: "mean" column: "a" categorical { separator: "||" pooling: MEAN } })",
                           "0,1,x||y||||z,t\n0,1,x,t\n0,1,,t\n");
  ASSERT_EQ(rows.size(), 3u);
  const std::vector<Key> sum = {TokenOf("sum", "x"), TokenOf("sum", "y"), TokenOf("sum", "z")};
  const std::vector<Key> mean = {TokenOf("mean", "x"), TokenOf("mean", "y"), TokenOf("mean", "z")};
  EXPECT_EQ(rows[0].keys[0], (std::vector<std::vector<Key>>{sum, {TokenOf("one", "t")}, mean}));
  EXPECT_EQ(rows[0].weights[0], (std::vector<std::vector<float>>{{1, 1, 1}, {1}, {1 / 3.f, 1 / 3.f, 1 / 3.f}}));
  EXPECT_EQ(rows[1].weights[0], (std::vector<std::vector<float>>{{1}, {1}, {1}}));
  EXPECT_EQ(rows[2].keys[0],
            (std::vector<std::vector<Key>>{{TokenOf("sum", "")}, {TokenOf("one", "t")}, {TokenOf("mean", "")}}));
}

TEST(FeatureEncoderTest, CrossesChainTheKeysOfTheirParts) {
  const auto rows = Encode(R"(
      feature { name: "x" cross { feature: "a" feature: "bucket" feature: "b" } }
      feature { column: "a" categorical {} } feature { column: "b" categorical {} }
      feature { name: "bucket" column: "n" bucket { edge: 10 } })",
                           "0,11,p,q\n");
  ASSERT_EQ(rows.size(), 1u);
  const std::uint64_t x = HashBytes("x");
  const Key expected = CrossKey(x, CrossKey(x, TokenOf("a", "p"), BucketOf("bucket", 1)), TokenOf("b", "q"));
  EXPECT_EQ(rows[0].keys[0], (std::vector<std::vector<Key>>{{expected}}));
}

TEST(FeatureEncoderTest, LibsvmValuesWeightTheirOccurrences) {
  const TemporaryFolder folder;
  folder.Write("t", "1 5:0.5 7:2\n0\n1 9:1\n");
  const std::string data = R"(data { format: LIBSVM train: "t" data_dir: ")" + folder.path() + "\"";
  OpenedData list(ParseTestJob(data + R"( } feature { column: "features" categorical { token_is_key: true } }
                                           train { batch_size: 8 })"));
  std::map<std::vector<Key>, std::vector<float>> got;
  for (const ReadRow& row : list.ReadAll(proto::Chunk::TRAIN)) got[row.keys[0][0]] = row.weights[0][0];
  EXPECT_EQ(got, (std::map<std::vector<Key>, std::vector<float>>{{{5, 7}, {0.5, 2}}, {{}, {}}, {{9}, {1}}}));

  folder.Write("t", "1 5:0.5 7:2\n");
  OpenedData columns(ParseTestJob(data + R"( libsvm { column: "p" column: "q" } }
                                             feature { column: "q" } feature { column: "p" table: "other" })"));
  const auto rows = columns.ReadAll(proto::Chunk::TRAIN);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].keys[0], (std::vector<std::vector<Key>>{{TokenOf("q", "7")}}));
  EXPECT_EQ(rows[0].weights[0], (std::vector<std::vector<float>>{{2}}));
  EXPECT_EQ(rows[0].keys[1], (std::vector<std::vector<Key>>{{TokenOf("p", "5")}}));
  EXPECT_EQ(rows[0].weights[1], (std::vector<std::vector<float>>{{0.5}}));
}

TEST(FeatureEncoderTest, WithoutStatisticsTheReaderSaysWhichFeatureNeedsThem) {
  const TemporaryFolder folder;
  folder.Write("t", "0,1\n");
  const proto::Job job = ParseTestJob(R"(data { format: DELIMITED test: "t" data_dir: ")" + folder.path() + R"("
      delimited { label: "y" column { name: "y" } column { name: "n" type: FLOAT } } } feature { column: "n" number {} })");
  OpenedData data(job);
  const auto reader = data->Read(data.Chunks(proto::Chunk::TEST)[0], 0, 0);
  ASSERT_FALSE(reader.ok());
  EXPECT_NE(reader.status().text().find("feature n: needs statistics"), std::string::npos);
}

}  // namespace
}  // namespace sherd
