#include "launch/checkpoint/show.h"

#include <gmock/gmock.h>

#include <sstream>

#include "launch/checkpoint/token_key.h"
#include "tests/launch/checkpoint/small_checkpoint.h"
#include "worker/data/feature_encoder.h"

namespace sherd {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<Key> KeysOf(const std::string& feature, const std::string& text, const std::string& table = "embedding") {
  const auto keys = KeysOfText(SmallJob(), {}, feature, text);
  EXPECT_TRUE(keys.ok()) << keys.status().text();
  EXPECT_EQ(keys->first, table);
  return keys->second;
}

// As base/hash.h says how keys are made, and worker/data of what.
TEST(KeysOfText, AreThoseThatTrainingMakes) {
  EXPECT_THAT(KeysOf("C1", "a=b,c"), ElementsAre(TokenKey(HashBytes("C1"), "a=b,c")));
  EXPECT_THAT(KeysOf("C2", ""), ElementsAre(TokenKey(HashBytes("C2"), "")));
  EXPECT_THAT(KeysOf("words", "a bc"),
              ElementsAre(TokenKey(HashBytes("words"), "a"), TokenKey(HashBytes("words"), "bc")));
  const auto bucket = [](const std::string& name, std::uint64_t bucket) { return IntegerKey(HashBytes(name), bucket); };
  EXPECT_THAT(KeysOf("count", "100"), ElementsAre(bucket("count", static_cast<std::uint64_t>(LogBucket(100)))));
  EXPECT_THAT(KeysOf("count", ""), ElementsAre(bucket("count", kMissingBucket)));
  EXPECT_THAT(KeysOf("share", "1"), ElementsAre(bucket("share", 1)));
  EXPECT_THAT(KeysOf("pair", "a,100", "cross"),
              ElementsAre(CrossKey(HashBytes("pair"), TokenKey(HashBytes("C1"), "a"),
                                   bucket("count", static_cast<std::uint64_t>(LogBucket(100))))));
}

TEST(KeysOfText, AMarkForMissingValuesIsNoToken) {
  proto::Job job = SmallJob();
  job.mutable_data()->mutable_delimited()->add_missing("?");
  EXPECT_THAT(KeysOfText(job, {}, "C1", "?")->second, ElementsAre(TokenKey(HashBytes("C1"), "")));
}

TEST(KeysOfText, WhatHasNoKeysSaysWhy) {
  const auto fault = [](const std::string& feature, const std::string& text) {
    const auto keys = KeysOfText(SmallJob(), {}, feature, text);
    EXPECT_EQ(keys.status().code(), ErrorCode::kInvalid);
    return keys.status().text();
  };
  EXPECT_THAT(fault("C4", "a"), HasSubstr("there is no feature C4; there are C1, C2, C3, count, share, words, pair"));
  EXPECT_THAT(fault("count", "many"), HasSubstr("feature count: many is not a number"));
  EXPECT_THAT(fault("pair", "a"), HasSubstr("feature pair: is a cross of 2 features"));
}

class ShowTest : public testing::Test {
 protected:
  void SetUp() override { WriteCheckpoint(dir_, stores_); }
  std::string Rows(const RowQuestion& question, bool found = true) const {
    std::ostringstream text;
    const Status status = ShowRows(dir_, question, text);
    EXPECT_EQ(status.ok(), found) << status.text();
    return text.str() + status.text();
  }

  TemporaryFolder folder_;
  const std::string dir_ = folder_.path() + "/a";
  const std::vector<std::unique_ptr<ShardStore>> stores_ = TrainedStores(2);
};

TEST_F(ShowTest, TablesTensorsAndWhereTheJobStands) {
  std::ostringstream text;
  const Status status = ShowCheckpoint(dir_, text);
  ASSERT_TRUE(status.ok()) << status.text();
  std::uint64_t rows = 0, candidates = 0;
  for (const auto& store : stores_) rows += store->table(1).rows(), candidates += store->table(1).candidates();
  EXPECT_GT(candidates, 0u);
  EXPECT_THAT(text.str(), AllOf(HasSubstr("job       small, model wide_deep, seed 3"), HasSubstr("12,345 rows trained"),
                                HasSubstr("files     2 full of ")));
  std::string count = std::to_string(rows), more = std::to_string(candidates);
  for (std::string* number : {&count, &more}) {
    if (number->size() > 3) number->insert(number->size() - 3, ",");
  }
  EXPECT_THAT(text.str(), HasSubstr("table     cross: " + count + " rows of "));
  EXPECT_THAT(text.str(), HasSubstr("BF16, and " + more + " candidates"));
}

TEST_F(ShowTest, ARowIsFoundByItsTokenAndByItsKey) {
  const Key key = TokenKey(HashBytes("C1"), "42");
  const std::string by_token = Rows({.table = "", .key = {}, .feature = "C1", .text = "42"});
  const std::string by_key = Rows({.table = "embedding", .key = key, .feature = "", .text = ""});
  EXPECT_EQ(by_token, by_key);
  EXPECT_THAT(by_key, HasSubstr("table embedding, key " + std::to_string(key) + ", slot " +
                                std::to_string(SlotOf(key)) + ": a row, FP32"));
  // All its floats, to the last bit, in their order.
  std::istringstream words(by_key.substr(by_key.find('\n')));
  std::vector<float> printed;
  for (std::string word; words >> word;) {
    char* end = nullptr;
    const float value = std::strtof(word.c_str(), &end);
    if (*end == '\0') printed.push_back(value);
  }
  std::vector<float> row = ContentsOfAll(stores_).at({0, key});
  EXPECT_THAT(printed, testing::UnorderedElementsAreArray(row));
}

TEST_F(ShowTest, ARowOfNoPushIsSaidToBeNone) {
  EXPECT_THAT(Rows({.table = "", .key = 12345, .feature = "", .text = ""}, false),
              AllOf(HasSubstr("table embedding, key 12345, slot "), HasSubstr("table cross, key 12345"),
                    HasSubstr("no row"), HasSubstr("there is no such row")));
}

TEST_F(ShowTest, CandidatesAndUseAreShown) {
  EmbeddingTable::SlotContents contents;
  bool candidate = false, row = false;
  for (Slot slot = 0; slot < stores_[0]->end_slot() && !(candidate && row); ++slot) {
    ASSERT_TRUE(stores_[0]->table(1).ReadSlot(slot, &contents).ok());
    if (!contents.candidates.empty()) {
      candidate = true;
      EXPECT_THAT(Rows({.table = "cross", .key = contents.candidates[0].first, .feature = "", .text = ""}),
                  HasSubstr("a candidate, pushed to 1 times"));
    }
    if (!contents.rows.empty()) {
      row = true;
      EXPECT_THAT(Rows({.table = "cross", .key = contents.rows[0].first, .feature = "", .text = ""}),
                  HasSubstr("clock of its last push: "));
    }
  }
  EXPECT_TRUE(candidate && row);
}

TEST_F(ShowTest, AWrongTableIsRefused) {
  std::ostringstream text;
  EXPECT_THAT(ShowRows(dir_, {.table = "x", .key = 1, .feature = "", .text = ""}, text).text(),
              HasSubstr("no table x; it has embedding, cross"));
  EXPECT_THAT(ShowRows(dir_, {.table = "cross", .key = {}, .feature = "C1", .text = "a"}, text).text(),
              HasSubstr("feature C1 has its rows in table embedding"));
}

}  // namespace
}  // namespace sherd
