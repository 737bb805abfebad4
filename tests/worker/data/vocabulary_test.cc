// Features whose tokens have numbers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/hash.h"
#include "tests/worker/data/data_testing.h"
#include "tests/worker/data/row_file_testing.h"
#include "worker/data/feature_encoder.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;

Key NumberOf(const std::string& feature, std::uint64_t number) { return IntegerKey(HashBytes(feature), number); }
Key MissingOf(const std::string& feature) { return TokenKey(HashBytes(feature), ""); }

proto::Job JobOn(const TemporaryFolder& folder, const std::string& features, const std::string& data = "") {
  return ParseTestJob("data { format: DELIMITED data_dir: '" + folder.path() +
                      "' train: 'train' test: 'test' delimited { label: 'y' column { name: 'y' } column { name: 'a' } "
                      "column { name: 'l' } column { name: 'n' type: FLOAT } } " +
                      data + " } " + features);
}

// By row: the keys of field 0 of table 0.
std::vector<std::vector<Key>> FirstField(OpenedData* data) {
  std::vector<std::vector<Key>> keys;
  for (const ReadRow& row : data->ReadAll(proto::Chunk::TEST)) keys.push_back(row.keys[0][0]);
  return keys;
}

class VocabularyTest : public ::testing::Test {
 protected:
  VocabularyTest() {
    folder_.Write("train",
                  "0,x,p|q,1\n1,y,p,2\n0,x,,3\n1,z,p|r,4\n0,y,q|p,5\n1,x,p,6\n0,w,s,7\n1,,p||q,8\nbad,w,s,9\n");
    folder_.Write("test", "0,x,p|never|q,1\n1,w,s,1\n0,never,,1\n1,,r|p,1\n0,y,q,1\n");
  }
  const TemporaryFolder folder_;
};

TEST_F(VocabularyTest, TokensHaveNumbersByTheirFrequencyAndTheRestShareOne) {
  OpenedData data(JobOn(folder_, "feature { column: 'a' categorical { vocabulary { min_count: 2 } } }"));
  EXPECT_EQ(FirstField(&data), (std::vector<std::vector<Key>>{{NumberOf("a", 1)},
                                                              {NumberOf("a", 0)},  // w comes once; the bad row is none
                                                              {NumberOf("a", 0)},
                                                              {MissingOf("a")},
                                                              {NumberOf("a", 2)}}));
}

TEST_F(VocabularyTest, OfAListEachTokenHasItsNumber) {
  OpenedData data(
      JobOn(folder_, "feature { column: 'l' categorical { separator: '|' vocabulary { max_tokens: 2 } } }"));
  EXPECT_EQ(FirstField(&data), (std::vector<std::vector<Key>>{{NumberOf("l", 1), NumberOf("l", 0), NumberOf("l", 2)},
                                                              {NumberOf("l", 0)},
                                                              {MissingOf("l")},
                                                              {NumberOf("l", 0), NumberOf("l", 1)},
                                                              {NumberOf("l", 2)}}));
}

TEST_F(VocabularyTest, EqualCountsAreOrderedByTheirKeys) {
  OpenedData data(JobOn(folder_, "feature { column: 'a' categorical { vocabulary {} } }"));
  std::vector<std::pair<Key, std::string>> once;
  for (const char* token : {"w", "z"}) once.emplace_back(TokenKey(HashBytes("a"), token), token);
  std::ranges::sort(once);
  EXPECT_EQ(FirstField(&data)[1][0], NumberOf("a", once[0].second == "w" ? 3 : 4));
}

TEST_F(VocabularyTest, OfFieldsOfLibffmTheFeaturesAreCounted) {
  folder_.Write("ffm", "1 0:7:1 0:8:1 1:7:1\n0 0:7:2\n1 0:9:1 1:5:1\n");
  OpenedData data(ParseTestJob(
      "data { format: LIBFFM libffm { fields: 2 } data_dir: '" + folder_.path() +
      "' train: 'ffm' test: 'ffm' } feature { column: 'F0' categorical { vocabulary { min_count: 2 } } }"));
  EXPECT_EQ(FirstField(&data), (std::vector<std::vector<Key>>{
                                   {NumberOf("F0", 1), NumberOf("F0", 0)}, {NumberOf("F0", 1)}, {NumberOf("F0", 0)}}));
}

// Whatever the rows are kept as, and in tables with lists and without, crossed and beside features that have none.
TEST_F(VocabularyTest, RowFilesOfKeysAndOfTextsGiveTheSameKeysAsTheText) {
  TestRandom random(7);
  std::string train, test;
  for (int i = 0; i < 3000; ++i) {
    std::string row = std::to_string(random.Next(2)) + ",";
    if (random.Next(9) > 0) row += "t" + std::to_string(random.Next(4) ? random.Next(20) : random.Next(2000));
    row += ",";
    for (std::uint32_t tokens = random.Next(4); tokens > 0; --tokens) row += std::to_string(random.Next(300)) + "|";
    (i < 2500 ? train : test) += row + "," + std::to_string(random.Next(50)) + "\n";
  }
  folder_.Write("train", train);
  folder_.Write("test", test);
  const proto::Job job =
      JobOn(folder_,
            "feature { column: 'a' categorical { vocabulary { min_count: 5 } } } "
            "feature { column: 'n' bucket { quantiles: 5 } } feature { name: 'plain' column: 'a' } "
            "feature { column: 'l' table: 'lists' categorical { separator: '|' pooling: MEAN "
            "vocabulary { min_count: 9 max_tokens: 40 } } } feature { cross { feature: 'a' feature: 'n' } }");
  const auto rows = [](const proto::Job& of) {
    OpenedData data(of);
    std::vector<ReadRow> read = data.ReadAll(proto::Chunk::TEST);
    for (ReadRow& row : read) row.id = 0;
    return read;
  };
  const std::vector<ReadRow> expected = rows(job);
  ASSERT_EQ(expected.size(), 500u);
  for (const bool keys : {true, false}) {
    proto::RowFileSchema schema = SchemaOf(job, keys);
    proto::Job on_rows = OnRowFiles(job);
    if (keys) {  // of a column of keys one feature can be made, the one of its name
      on_rows.mutable_feature()->DeleteSubrange(2, 1);
    }
    for (const std::string set : {"train", "test"}) {
      RowFileWriter::Options options;
      options.block_rows = 300;
      WriteRowFile(job, set, folder_.path() + "/" + set + ".rows", schema, options);
    }
    on_rows.mutable_data()->set_train(0, "train.rows");
    on_rows.mutable_data()->set_test(0, "test.rows");
    std::vector<ReadRow> got = rows(on_rows);
    ASSERT_EQ(got.size(), expected.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      std::vector<std::vector<std::vector<Key>>> wanted = expected[i].keys;
      if (keys) wanted[0].erase(wanted[0].begin() + 2);
      ASSERT_EQ(got[i].keys, wanted) << "row " << i << (keys ? " of keys" : " of tokens");
    }
  }
}

TEST_F(VocabularyTest, WhatCanNotBeIsNamed) {
  const auto layout = [&](const std::string& vocabulary) {
    return FeatureLayout::Make(JobOn(folder_, "feature { column: 'a' categorical { " + vocabulary + " } }")).status();
  };
  EXPECT_THAT(layout("token_is_key: true vocabulary {}").text(),
              HasSubstr("feature 'a': with token_is_key tokens are numbers already; no vocabulary"));
  const proto::Job pairs = ParseTestJob(
      "data { format: USER_ITEM user_item {} train: 'x' } feature { column: 'user' categorical { vocabulary {} } }");
  EXPECT_THAT(FeatureLayout::Make(pairs).status().text(),
              HasSubstr("feature 'user': users and items are all kept by number; no vocabulary"));

  const proto::Job job = JobOn(folder_, "feature { column: 'a' categorical { vocabulary { min_count: 4 } } }");
  const FeatureLayout made = FeatureLayout::Make(job).value();
  const auto data = Dataset::Open(job, made, {}).value();
  const Status rare = data->ComputeStatistics().status();
  EXPECT_EQ(rare.code(), ErrorCode::kBadData);
  EXPECT_THAT(rare.text(),
              HasSubstr("feature a: none of the 4 tokens in the training rows comes vocabulary.min_count = "
                        "4 times"));
  data->SetStatistics({});
  const auto chunk = data->Chunks(proto::Chunk::TEST, 0, 1)->front();
  EXPECT_THAT(data->Read(chunk, 0, 0).status().text(), HasSubstr("feature a: needs statistics of the training rows"));
}

}  // namespace
}  // namespace sherd
