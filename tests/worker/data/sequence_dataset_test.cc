#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

#include "tests/worker/data/data_testing.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;
using Items = std::vector<Key>;

Key UserKey(const std::string& user) { return HashBytes(user, HashBytes("user")); }

constexpr char kFeatures[] =
    "feature { column: 'user' table: 'user' } feature { column: 'history' table: 'item' categorical { token_is_key: "
    "true } } feature { column: 'item' table: 'item' categorical { token_is_key: true } } ";
constexpr char kModel[] = "model { name: 'caser' loss: IN_BATCH_SOFTMAX } evaluation { full_ranking { } } ";

struct Sequence {
  Items history, items;
  bool operator==(const Sequence&) const = default;
};

class SequenceDatasetTest : public ::testing::Test {
 protected:
  proto::Job Job(const std::string& data, const std::string& user_item, int batch = 2) const {
    return ParseTestJob("data { format: USER_ITEM data_dir: '" + folder_.path() + "' " + data +
                        " user_item { negatives: 0 " + user_item + " } } " + kFeatures + kModel +
                        "train { batch_size: " + std::to_string(batch) + " }");
  }
  // A line for each user.
  proto::Job ListJob(const std::string& more = "sequences { }", int batch = 2) const {
    return Job("train: 'lists'", "delimiter: ' ' item_list: true leave_one_out: true " + more, batch);
  }

  // The keys of the users' field, of the histories' and of the items'.
  enum Field { kUser, kHistory, kItem };
  static Items Keys(const Minibatch& minibatch, std::uint32_t row, Field field) {
    const TableKeys& table = minibatch.tables[field == kUser ? 0 : 1];
    const std::size_t cell = field == kUser ? row : 2 * row + (field == kItem);
    EXPECT_TRUE(table.weights.empty());
    return {table.keys.begin() + table.offsets[cell], table.keys.begin() + table.offsets[cell + 1]};
  }

  // By user, of all minibatches of a set.
  static std::map<Key, Sequence> Sequences(OpenedData* data, std::uint32_t epoch = 0, std::uint32_t workers = 1) {
    std::map<Key, Sequence> sequences;
    for (const proto::Chunk& chunk : data->Chunks(proto::Chunk::TRAIN, epoch, workers)) {
      for (const Minibatch& minibatch : data->Read(chunk, epoch)) {
        EXPECT_LE(minibatch.rows, (*data)->max_rows());
        EXPECT_EQ(minibatch.labels.size(), minibatch.candidates.size());
        EXPECT_EQ(minibatch.labels.size(), minibatch.log_shares.size());
        std::size_t targets = 0;
        for (std::uint32_t row = 0; row < minibatch.rows; ++row) {
          const Sequence sequence = {Keys(minibatch, row, kHistory), Keys(minibatch, row, kItem)};
          const bool added = sequences.emplace(Keys(minibatch, row, kUser).at(0), sequence).second;
          EXPECT_TRUE(added) << "a user twice in an epoch";
          targets += sequence.items.size();
        }
        EXPECT_EQ(minibatch.labels.size(), targets) << "a label for each target, in their order";
      }
    }
    return sequences;
  }

  // By user, of a set that is ranked; that rows of items have no history is looked at besides.
  static std::map<Key, Items> Histories(OpenedData* data, proto::Chunk::Set set, std::set<Key>* items) {
    std::map<Key, Items> histories;
    for (const proto::Chunk& chunk : data->Chunks(set)) {
      for (const Minibatch& minibatch : data->Read(chunk)) {
        for (std::uint32_t row = 0; row < minibatch.rows; ++row) {
          EXPECT_EQ(Keys(minibatch, row, kItem).size(), 1u);
          if (minibatch.ranking.kind == RankingPart::Kind::kUsers) {
            histories[Keys(minibatch, row, kUser).at(0)] = Keys(minibatch, row, kHistory);
          } else {
            EXPECT_EQ(minibatch.ranking.kind, RankingPart::Kind::kItems);
            EXPECT_TRUE(Keys(minibatch, row, kHistory).empty());
            items->insert(Keys(minibatch, row, kItem).at(0));
          }
        }
      }
    }
    return histories;
  }

  TemporaryFolder folder_;
};

TEST_F(SequenceDatasetTest, EachEventIsSetBesideTheOneAfterIt) {
  folder_.Write("lists", "a 1 2 3 4 5\nb 6 7 8 9\nc 1 6 2\nd 4 4\ne 5\nf 9 8 7 6 5 4 3 2 1\n");
  for (const std::uint32_t workers : {1u, 3u}) {
    for (const std::uint32_t epoch : {0u, 1u}) {
      OpenedData data(ListJob());
      EXPECT_EQ(Sequences(&data, epoch, workers), (std::map<Key, Sequence>{
                                                      {UserKey("a"), {{1, 2}, {2, 3}}},
                                                      {UserKey("b"), {{6}, {7}}},
                                                      {UserKey("f"), {{9, 8, 7, 6, 5, 4}, {8, 7, 6, 5, 4, 3}}},
                                                  }))
          << "c has one event in training, d and e have one, too, which nothing follows";
    }
  }
}

TEST_F(SequenceDatasetTest, OfALongHistoryTheLastEventsCount) {
  folder_.Write("lists", "a 1 2 3 4 5 6\nb 7 8 9 1 2\n");
  OpenedData data(ListJob("sequences { max_length: 2 }"));
  EXPECT_EQ(Sequences(&data),
            (std::map<Key, Sequence>{{UserKey("a"), {{2, 3}, {3, 4}}}, {UserKey("b"), {{7, 8}, {8, 9}}}}));
  std::set<Key> items;
  EXPECT_EQ(Histories(&data, proto::Chunk::EVAL, &items),
            (std::map<Key, Items>{{UserKey("a"), {3, 4}}, {UserKey("b"), {8, 9}}}));
  EXPECT_EQ(Histories(&data, proto::Chunk::TEST, &items),
            (std::map<Key, Items>{{UserKey("a"), {4, 5}}, {UserKey("b"), {9, 1}}}));
  EXPECT_EQ(items, (std::set<Key>{1, 2, 3, 4, 5, 6, 7, 8, 9}));
}

TEST_F(SequenceDatasetTest, WhatIsToBeReconstructedIsTheHistoryFromItsEnd) {
  folder_.Write("lists", "a 1 2 3 4 5 6\nb 7 8 9 1 2\n");
  proto::Job job = ListJob("sequences { max_length: 3 targets: REVERSED }");
  job.mutable_feature()->DeleteSubrange(0, 1);  // that of users
  job.mutable_model()->set_name("seq2seq");
  job.mutable_model()->mutable_tower()->add_hidden(2);
  OpenedData data(job);
  std::map<Items, Items> reconstructed;
  for (const proto::Chunk& chunk : data.Chunks(proto::Chunk::TRAIN)) {
    for (const Minibatch& minibatch : data.Read(chunk)) {
      const TableKeys& table = minibatch.tables[0];
      const auto list = [&](std::uint32_t cell) {
        return Items(table.keys.begin() + table.offsets[cell], table.keys.begin() + table.offsets[cell + 1]);
      };
      for (std::uint32_t row = 0; row < minibatch.rows; ++row) reconstructed[list(2 * row)] = list(2 * row + 1);
      EXPECT_EQ(minibatch.labels.size(), 3 * minibatch.rows);
    }
  }
  EXPECT_EQ(reconstructed, (std::map<Items, Items>{{{2, 3, 4}, {4, 3, 2}}, {{7, 8, 9}, {9, 8, 7}}}));
}

// The order is that of time, over all files; of equal times that of the files.
TEST_F(SequenceDatasetTest, TimeGoesBeforeTheOrderOfTheFile) {
  folder_.Write("one", "a\t1\t50\na\t2\t10\nb\t3\t7\nb\t4\t7\nb\t5\t7\n");
  folder_.Write("two", "a\t6\t30\na\t7\t-5\n");
  folder_.Write("later", "a\t9\t2\na\t8\t1\nb\t1\t0\n");
  folder_.Write("last", "a\t5\t99\nb\t2\t0\n");
  OpenedData data(Job("train: 'one' train: 'two' eval: 'later' test: 'last'", "time_column: 2 sequences { }"));
  EXPECT_EQ(Sequences(&data),
            (std::map<Key, Sequence>{{UserKey("a"), {{7, 2, 6}, {2, 6, 1}}}, {UserKey("b"), {{3, 4}, {4, 5}}}}));
  std::set<Key> items;
  EXPECT_EQ(Histories(&data, proto::Chunk::TEST, &items),
            (std::map<Key, Items>{{UserKey("a"), {7, 2, 6, 1, 8, 9}}, {UserKey("b"), {3, 4, 5, 1}}}));
}

TEST_F(SequenceDatasetTest, AUserWithoutHistoryAndItemsThatTrainingHasNot) {
  folder_.Write("train", "a\t1\na\t2\na\t3\n");
  folder_.Write("test", "new\t2\na\t77\n");
  OpenedData data(Job("train: 'train' test: 'test'", "sequences { }"));
  EXPECT_EQ(Sequences(&data), (std::map<Key, Sequence>{{UserKey("a"), {{1, 2}, {2, 3}}}}));
  std::set<Key> items;
  EXPECT_EQ(Histories(&data, proto::Chunk::TEST, &items),
            (std::map<Key, Items>{{UserKey("a"), {1, 2, 3}}, {UserKey("new"), {}}}));
  EXPECT_EQ(items, (std::set<Key>{1, 2, 3, 77})) << "all of the job's items are ranked";
}

TEST_F(SequenceDatasetTest, MinibatchesCanBeReadFromAnyOne) {
  std::string lists;
  for (int user = 0; user < 50; ++user) lists += "u" + std::to_string(user) + " 1 2 3 4 5\n";
  folder_.Write("lists", lists);
  OpenedData data(ListJob());
  const proto::Chunk chunk = data.Chunks(proto::Chunk::TRAIN)[0];
  const std::vector<Minibatch> all = data.Read(chunk, 4), tail = data.Read(chunk, 4, 1);
  ASSERT_GT(all.size(), 1u);
  ASSERT_EQ(tail.size(), all.size() - 1);
  EXPECT_EQ(tail[0].row_ids, all[1].row_ids);
  EXPECT_EQ(tail[0].tables[1].keys, all[1].tables[1].keys);
  EXPECT_EQ(tail[0].index, 1u);
  EXPECT_NEAR(all[0].log_shares[0], std::log(1 / 3.0), 1e-6) << "items 1, 2 and 3 are a third each of training";
}

TEST_F(SequenceDatasetTest, BadLinesOfListsAreCountedAndLeftOut) {
  folder_.Write("lists", "a 1 2 3 4\nb\nc 1  2\nd 1 x\n 1 2\ne 2 3 4 5\n");
  proto::Job job = ListJob();
  job.mutable_data()->set_max_bad_fraction(1);
  OpenedData data(job);
  EXPECT_EQ(Sequences(&data), (std::map<Key, Sequence>{{UserKey("a"), {{1}, {2}}}, {UserKey("e"), {{2}, {3}}}}));
  EXPECT_EQ(data->counts().rows, 6u);
  EXPECT_EQ(data->counts().bad_rows, 4u);
}

TEST_F(SequenceDatasetTest, WhatCanNotBeIsRefused) {
  folder_.Write("lists", "a 1 2\nb 3\n");
  folder_.Write("pairs", "a\t1\na\t2\na\t3\n");
  const auto error = [&](const proto::Job& job) { return OpenError(job).text(); };
  EXPECT_THAT(error(ListJob()), HasSubstr("lists: no user has two items to train on"));
  EXPECT_THAT(error(Job("train: 'lists'", "delimiter: ' ' item_list: true")), HasSubstr("history"));
  EXPECT_THAT(error(Job("test: 'pairs'", "sequences { }")), HasSubstr("data.train: the histories of"));
  EXPECT_THAT(error(Job("train: 'pairs' eval_fraction: 0.5", "sequences { }")), HasSubstr("data.eval_fraction"));
  EXPECT_THAT(error(Job("train: 'pairs'", "time_column: 2 item_list: true sequences { }")), HasSubstr("no times"));
  EXPECT_THAT(error(Job("train: 'pairs'", "sequences { } rating_column: 2 bags { of: USER }")),
              HasSubstr("one of bags"));
}

}  // namespace
}  // namespace sherd
