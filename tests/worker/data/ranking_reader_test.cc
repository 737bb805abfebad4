#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/worker/data/data_testing.h"
#include "worker/data/interaction_dataset.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;

Key UserKey(const std::string& user) { return HashBytes(user, HashBytes("user")); }
Key ItemKey(const std::string& item) { return HashBytes(item, HashBytes("item")); }

constexpr char kDot[] = "model { name: 'bpr_mf' loss: BPR }", kOther[] = "model { name: 'gmf' }";

class RankingReaderTest : public ::testing::TestWithParam<const char*> {
 protected:
  RankingReaderTest() {
    folder_.Write("train", "u0\ti0\nu0\ti1\nu1\ti2\nu2\ti3\nu2\ti0\nu3\ti0\n");
    folder_.Write("eval", "u0\ti2\nu1\ti2\nu1\ti0\n");  // u1 has i2 in training
    folder_.Write("test", "u0\ti3\nu0\ti2\nu0\ti4\nu0\ti3\nu3\ti0\nu2\ti4\nu4\ti1\n");
  }

  proto::Job Job(const std::string& more, const std::string& model) const {
    return ParseTestJob("data { format: USER_ITEM data_dir: '" + folder_.path() + "' " + more +
                        " } feature { column: 'user' table: 'user' } feature { column: 'item' table: 'item' }" + model +
                        "evaluation { full_ranking { } } train { batch_size: 2 }");
  }

  TemporaryFolder folder_;
};
INSTANTIATE_TEST_SUITE_P(Models, RankingReaderTest, ::testing::Values(kDot, kOther),
                         [](const auto& info) { return info.param == kDot ? "Dot" : "Other"; });

struct List {
  std::set<Key> seen, relevant;
  bool operator==(const List&) const = default;
};

// What the minibatches of a set say, put together again: the lists by user, each complete over all items.
std::map<Key, List> Lists(OpenedData* data, proto::Chunk::Set set, std::uint32_t workers) {
  std::map<Key, List> lists;
  for (const proto::Chunk& chunk : data->Chunks(set, 0, workers)) {
    std::vector<Key> items, pairs_of;
    for (const Minibatch& minibatch : data->Read(chunk)) {
      EXPECT_LE(minibatch.rows, (*data)->max_rows());
      const RankingPart& part = minibatch.ranking;
      const std::vector<ReadRow> rows = RowsOf(minibatch, data->layout());
      const auto add = [&](Key user, std::size_t place) {
        List& list = lists[user];
        for (const std::uint32_t item : part.SeenBy(place)) list.seen.insert(items.at(item));
        for (const std::uint32_t item : part.RelevantTo(place)) list.relevant.insert(items.at(item));
        EXPECT_EQ(items.size(), part.catalogue);
        EXPECT_EQ(std::set<Key>(items.begin(), items.end()).size(), items.size());
      };
      std::size_t place = 0;
      EXPECT_NE(part.kind, RankingPart::Kind::kNone);
      if (part.kind != RankingPart::Kind::kUsers) {
        EXPECT_EQ(part.first, items.size() % part.catalogue);
      }
      for (const ReadRow& row : rows) {
        const Key user = row.keys[0][0][0], item = row.keys[1][0][0];
        if (part.kind == RankingPart::Kind::kUsers) {
          add(user, place++);
          continue;
        }
        if (items.size() == part.catalogue) items.clear();  // the next user's
        items.push_back(item);
        if (part.kind == RankingPart::Kind::kPairs && items.size() == part.catalogue) add(user, place++);
      }
      EXPECT_EQ(place, part.relevant_end.size());
    }
  }
  return lists;
}

TEST_P(RankingReaderTest, WhatWasSeenBeforeIsLeftOutAndTheRestIsToBeFound) {
  OpenedData data(Job("train: 'train' eval: 'eval' test: 'test'", GetParam()));
  for (const std::uint32_t workers : {1, 3}) {
    EXPECT_EQ(Lists(&data, proto::Chunk::EVAL, workers),
              (std::map<Key, List>{{UserKey("u0"), {{ItemKey("i0"), ItemKey("i1")}, {ItemKey("i2")}}},
                                   {UserKey("u1"), {{ItemKey("i2")}, {ItemKey("i0")}}}}));
    // Of the test set the eval set's items are left out too; u3 has nothing left to be found; u4 is new.
    EXPECT_EQ(Lists(&data, proto::Chunk::TEST, workers),
              (std::map<Key, List>{
                  {UserKey("u0"), {{ItemKey("i0"), ItemKey("i1"), ItemKey("i2")}, {ItemKey("i3"), ItemKey("i4")}}},
                  {UserKey("u2"), {{ItemKey("i3"), ItemKey("i0")}, {ItemKey("i4")}}},
                  {UserKey("u4"), {{}, {ItemKey("i1")}}}}));
  }
}

TEST_P(RankingReaderTest, ManyUsersAndItemsTakeManyMinibatches) {
  std::string train, test;
  for (int i = 0; i < 2103; ++i) train += "u" + std::to_string(i % 300) + "\ti" + std::to_string(i) + "\n";
  for (int user = 0; user < 300; ++user) test += "u" + std::to_string(user) + "\ti" + std::to_string(user + 1) + "\n";
  folder_.Write("train", train);
  folder_.Write("test", test);
  OpenedData data(Job("train: 'train' test: 'test'", GetParam()));
  EXPECT_GT(data.Chunks(proto::Chunk::TEST, 0, 2).size(), 1u);
  const auto lists = Lists(&data, proto::Chunk::TEST, 2);
  EXPECT_EQ(lists.size(), 300u);
  for (int user = 0; user < 300; ++user) {
    const List& list = lists.at(UserKey("u" + std::to_string(user)));
    EXPECT_EQ(list.relevant, std::set<Key>{ItemKey("i" + std::to_string(user + 1))});
    EXPECT_EQ(list.seen.size(), user < 3 ? 8u : 7u);
  }
  const proto::Chunk chunk = data.Chunks(proto::Chunk::TEST, 0, 2)[0];
  const std::vector<Minibatch> all = data.Read(chunk), tail = data.Read(chunk, 0, 2);
  ASSERT_EQ(tail.size(), all.size() - 2);
  EXPECT_EQ(RowsOf(tail[0], data.layout()), RowsOf(all[2], data.layout()));
  EXPECT_EQ(tail[0].ranking.first, all[2].ranking.first);
}

TEST_P(RankingReaderTest, WithoutAnythingToFindTheJobDoesNotBegin) {
  folder_.Write("test", "u0\ti0\nu3\ti0\n");
  EXPECT_THAT(OpenError(Job("train: 'train' test: 'test'", GetParam())).text(),
              HasSubstr("/test: no user has an item there"));
  EXPECT_THAT(OpenError(Job("test: 'test'", GetParam())).text(), HasSubstr("needs the training files"));
}

// Lists that are to be explained come back with their chunk, and each of their places is a row.
TEST_P(RankingReaderTest, PlacesOfListsAreRowsOfTheirUserAndItem) {
  proto::Job job = Job("train: 'train'", GetParam());
  job.mutable_recommend();
  job.mutable_train()->set_batch_size(2050);  // the rows of a minibatch
  OpenedData data(job);
  proto::Chunk chunk = data.Chunks(proto::Chunk::TEST)[0];
  ASSERT_EQ(chunk.end(), 4u);
  const std::vector<std::uint32_t> lengths = {0, 2000, 0, 1000};
  chunk.mutable_list_length()->Add(lengths.begin(), lengths.end());
  for (std::uint32_t i = 0; i < 3000; ++i) chunk.add_listed(i * i % 4);
  std::vector<ReadRow> rows;
  for (const Minibatch& minibatch : data.Read(chunk)) {
    EXPECT_EQ(minibatch.ranking.kind, RankingPart::Kind::kListed);
    EXPECT_EQ(minibatch.last_of_chunk, !rows.empty());
    for (ReadRow& row : RowsOf(minibatch, data.layout())) rows.push_back(std::move(row));
  }
  ASSERT_EQ(rows.size(), 3000u);
  const auto& dataset = dynamic_cast<const InteractionDataset&>(*data);
  for (std::uint32_t i = 0; i < 3000; ++i) {
    const std::string& user = dataset.recommended()->subjects()[i < 2000 ? 1 : 3].text;
    const std::string& item = dataset.interactions().items.text(i * i % 4);
    EXPECT_EQ(rows[i].keys[0][0][0], UserKey(user)) << i;
    EXPECT_EQ(rows[i].keys[1][0][0], ItemKey(item)) << i;
  }
  proto::Chunk none = chunk;
  none.clear_listed();
  for (std::uint32_t& length : *none.mutable_list_length()) length = 0;
  EXPECT_TRUE(data.Read(none).empty());
  for (const int what : {0, 1, 2}) {
    proto::Chunk torn = chunk;
    if (what == 0) torn.set_listed(7, 4);  // no such item
    if (what == 1) torn.add_listed(1);
    if (what == 2) torn.add_list_length(0);
    EXPECT_THAT(data->Read(torn, 0, 0).status().text(), HasSubstr("lists that are not its users'"));
  }
}

// A pairwise loss gets each positive with its negatives behind it; a user who has every item has no negatives.
TEST(GroupedSamplesTest, NegativesStandBehindTheirPositive) {
  TemporaryFolder folder;
  std::string train;
  for (int user = 0; user < 9; ++user) {
    for (int item = 0; item <= user; ++item) {
      train += "u" + std::to_string(user) + "\ti" + std::to_string(item) + "\n";
    }
  }
  folder.Write("train", train);
  const auto open = [&](int batch) {
    return ParseTestJob("data { format: USER_ITEM data_dir: '" + folder.path() +
                        "' train: 'train' user_item { negatives: 2 } } feature { column: 'user' table: 'user' }"
                        "feature { column: 'item' table: 'item' } model { name: 'bpr_mf' loss: BPR }" +
                        "train { batch_size: " + std::to_string(batch) + " }");
  };
  for (const int batch : {2, 7, 1000}) {  // 2: a group is longer than that
    OpenedData data(open(batch));
    std::set<std::pair<Key, Key>> positives;
    std::size_t groups = 0;
    for (const proto::Chunk& chunk : data.Chunks(proto::Chunk::TRAIN, 0, 2)) {
      for (const Minibatch& minibatch : data.Read(chunk)) {
        EXPECT_EQ(minibatch.group_rows, 3u);
        EXPECT_EQ(minibatch.rows % 3, 0u);
        EXPECT_LE(minibatch.rows, data->max_rows());
        EXPECT_GT(minibatch.rows, 0u);
        const std::vector<ReadRow> rows = RowsOf(minibatch, data.layout());
        for (std::size_t i = 0; i < rows.size(); i += 3, ++groups) {
          positives.emplace(rows[i].keys[0][0][0], rows[i].keys[1][0][0]);
          EXPECT_EQ(rows[i].label, 1);
          for (std::size_t j = i + 1; j < i + 3; ++j) {
            EXPECT_EQ(rows[j].label, 0);
            EXPECT_EQ(rows[j].keys[0], rows[i].keys[0]);
            for (int item = 0; item < 9; ++item) {
              const bool has = rows[j].keys[1][0][0] == ItemKey("i" + std::to_string(item));
              EXPECT_FALSE(has && rows[j].keys[0][0][0] == UserKey("u" + std::to_string(8)));
            }
          }
        }
      }
    }
    EXPECT_EQ(groups, 36u) << "of u0 to u7, each once; u8 has all items";
    EXPECT_EQ(positives.size(), 36u);
  }
}

}  // namespace
}  // namespace sherd
