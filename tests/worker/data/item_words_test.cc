#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "base/hash.h"
#include "tests/worker/data/data_testing.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;

constexpr char kFeatures[] = "feature { column: 'user' table: 'user' } ";
constexpr char kWords[] = "feature { column: 'item' table: 'item' categorical { separator: ' ' } } ";

// Items that are lists of words, in format USER_ITEM.
class ItemWordsTest : public ::testing::Test {
 protected:
  proto::Job Job(const std::string& lines, const std::string& features, const std::string& more = "",
                 const std::string& format = "negatives: 0") const {
    folder_.Write("train", lines);
    return ParseTestJob("data { format: USER_ITEM data_dir: '" + folder_.path() + "' train: 'train' user_item { " +
                        format + " } } " + kFeatures + features + more);
  }

  static Key WordKey(const std::string& word) { return HashBytes(word, HashBytes("item")); }

  // By user: the words of his item with their weights.
  using Words = std::map<Key, float>;
  static std::map<Key, Words> WordsByUser(const std::vector<ReadRow>& rows) {
    std::map<Key, Words> words;
    for (const ReadRow& row : rows) {
      for (std::size_t i = 0; i < row.keys[1][0].size(); ++i) {
        words[row.keys[0][0][0]][row.keys[1][0][i]] = row.weights[1][0][i];
      }
    }
    return words;
  }
  static Key UserKey(const std::string& user) { return HashBytes(user, HashBytes("user")); }

  TemporaryFolder folder_;
};

TEST_F(ItemWordsTest, EachWordHasItsKeyAndWeight) {
  OpenedData data(Job("u1\t#1 toy:0.25  story\nu2\t#2 a:b c: :0.5 3:nan\nu3\t#3:-2 toy\n", kWords));
  const auto words = WordsByUser(data.ReadAll(proto::Chunk::TRAIN));
  ASSERT_EQ(words.size(), 3u);
  EXPECT_EQ(words.at(UserKey("u1")), (Words{{WordKey("#1"), 1}, {WordKey("toy"), 0.25f}, {WordKey("story"), 1}}));
  EXPECT_EQ(
      words.at(UserKey("u2")),
      (Words{{WordKey("#2"), 1}, {WordKey("a:b"), 1}, {WordKey("c:"), 1}, {WordKey(":0.5"), 1}, {WordKey("3:nan"), 1}}))
      << "no weights";
  EXPECT_EQ(words.at(UserKey("u3")), (Words{{WordKey("#3"), -2}, {WordKey("toy"), 1}}));
}

TEST_F(ItemWordsTest, MeanDividesByTheNumberOfWordsAndAnEmptyDocumentIsTheEmptyWord) {
  OpenedData data(Job("u1\t#1 toy:0.5\nu2\t  \n",
                      "feature { column: 'item' table: 'item' categorical { separator: ' ' pooling: MEAN } } "));
  const auto words = WordsByUser(data.ReadAll(proto::Chunk::TRAIN));
  EXPECT_EQ(words.at(UserKey("u1")), (Words{{WordKey("#1"), 0.5f}, {WordKey("toy"), 0.25f}}));
  EXPECT_EQ(words.at(UserKey("u2")), (Words{{WordKey(""), 1}}));
}

// Negatives and candidates are items with words of their own, and a feature of one key may stand beside the list.
TEST_F(ItemWordsTest, DrawnItemsHaveTheirOwnWords) {
  std::string lines;
  for (int i = 0; i < 30; ++i) {
    lines += "u" + std::to_string(i % 5) + "\titem" + std::to_string(i) + " w" + std::to_string(i) + ":0.5\n";
  }
  folder_.Write("test", "u1\titem99 w99:0.5\nu2\titem98 w98:0.5\n");
  proto::Job job = Job(lines, std::string(kWords) + "feature { name: 'whole' column: 'item' table: 'item' } ",
                       "train { batch_size: 7 }", "negatives: 3");
  job.mutable_data()->add_test("test");
  OpenedData data(job);
  std::map<Key, std::pair<Key, Key>> expected;  // by the item's word: the other one, and the text as a whole
  for (const int i : {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                      16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 98, 99}) {
    const std::string n = std::to_string(i);
    expected[WordKey("item" + n)] = {WordKey("w" + n), HashBytes("item" + n + " w" + n + ":0.5", HashBytes("whole"))};
  }
  for (const auto set : {proto::Chunk::TRAIN, proto::Chunk::TEST}) {
    std::size_t rows = 0, positives = 0;
    for (const ReadRow& row : data.ReadAll(set)) {
      ASSERT_EQ(row.keys[1].size(), 2u);
      ASSERT_EQ(row.keys[1][0].size(), 2u);
      ASSERT_EQ(row.keys[1][1].size(), 1u);
      const auto& [word, whole] = expected.at(row.keys[1][0][0]);
      EXPECT_EQ(row.keys[1][0][1], word);
      EXPECT_EQ(row.keys[1][1][0], whole);
      EXPECT_EQ(row.weights[1][0], (std::vector<float>{1, 0.5f}));
      EXPECT_EQ(row.weights[1][1], (std::vector<float>{1}));
      ++rows;
      positives += row.label == 1;
    }
    EXPECT_EQ(positives, set == proto::Chunk::TRAIN ? 30u : 2u);
    EXPECT_GE(rows, 4 * positives);
  }
}

TEST_F(ItemWordsTest, AnItemOfTooManyWordsIsABadRow) {
  std::string many = "#1";
  for (int i = 0; i < 4096; ++i) many += " w";
  proto::Job job = Job("u1\t#2 toy\nu2\t" + many + "\n", kWords);
  job.mutable_data()->set_max_bad_fraction(1);
  OpenedData data(job);
  EXPECT_EQ(data.ReadAll(proto::Chunk::TRAIN).size(), 1u);
  EXPECT_EQ(data->counts().bad_rows, 1u);
}

TEST_F(ItemWordsTest, WhatHasNoListsOfWordsSaysSo) {
  const std::string lines = "u1\t1\t3\nu1\t2\t4\nu1\t3\t5\n";
  const std::string history = "feature { column: 'history' table: 'item' } ";
  EXPECT_THAT(OpenError(Job(lines, kWords + history, "", "negatives: 0 sequences { }")).text(),
              HasSubstr("feature item: with bags, sequences and lightgcn user and item are one token each"));
  EXPECT_THAT(OpenError(Job(lines, kWords, "model { name: 'lightgcn' }")).text(), HasSubstr("without a separator"));
  EXPECT_THAT(OpenError(Job(lines,
                            "feature { column: 'item' table: 'item' categorical { separator: ' ' "
                            "token_is_key: true } }"))
                  .text(),
              HasSubstr("separator and token_is_key exclude one another"));
}

}  // namespace
}  // namespace sherd
