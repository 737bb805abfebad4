#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "tests/worker/data/data_testing.h"
#include "worker/data/candidate_lists.h"
#include "worker/data/user_items.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;
using Pair = std::pair<std::string, std::string>;

constexpr int kUsers = 20, kItems = 50;

Key UserKey(const std::string& user) { return HashBytes(user, HashBytes("user")); }
Key ItemKey(const std::string& item) { return HashBytes(item, HashBytes("item")); }

class InteractionsTest : public ::testing::Test {
 protected:
  // Users with 1 to 20 of the items each, in random order, some pairs twice.
  InteractionsTest() {
    TestRandom random(1);
    for (int user = 0; user < kUsers; ++user) {
      for (int n = 0; n <= user; ++n)
        rows_.emplace_back("u" + std::to_string(user), "i" + std::to_string(random.Next(kItems)));
    }
    for (int item = 0; item < kItems; ++item) rows_.emplace_back("u5", "i" + std::to_string(item));  // has everything
    for (std::size_t i = rows_.size(); i > 1; --i) std::swap(rows_[i - 1], rows_[random.Next(i)]);
    for (int item = 0; item < kItems; ++item) names_[ItemKey("i" + std::to_string(item))] = "i" + std::to_string(item);
    for (int user = 0; user < kUsers; ++user) names_[UserKey("u" + std::to_string(user))] = "u" + std::to_string(user);
    std::string text;
    for (const Pair& row : rows_) text += row.first + "\t" + row.second + "\n";
    folder_.Write("train", text);
  }

  proto::Job Job(const std::string& data, const std::string& more = "") const {
    return ParseTestJob("data { format: USER_ITEM data_dir: '" + folder_.path() + "' " + data +
                        " } feature { column: 'user' } feature { column: 'item' table: 'items' } " + more);
  }

  Pair NameOf(const ReadRow& row) const { return {names_.at(row.keys[0][0][0]), names_.at(row.keys[1][0][0])}; }

  TemporaryFolder folder_;
  std::vector<Pair> rows_;
  std::map<Key, std::string> names_;
};

TEST_F(InteractionsTest, EachEpochHasEveryPositiveOnceAndItsNegatives) {
  OpenedData data(Job("train: 'train' user_item { negatives: 3 }", "train { batch_size: 10 }"));
  const std::set<Pair> known(rows_.begin(), rows_.end());
  std::vector<Pair> sorted = rows_;
  std::sort(sorted.begin(), sorted.end());
  const std::size_t of_u5 =
      std::count_if(rows_.begin(), rows_.end(), [](const Pair& row) { return row.first == "u5"; });
  for (const std::uint32_t workers : {1, 2, 3, 5}) {
    std::vector<Pair> positives;
    std::map<std::string, int> negatives;
    std::set<std::uint64_t> ids;
    for (const ReadRow& row : data.ReadAll(proto::Chunk::TRAIN, workers, workers)) {
      ids.insert(row.id);
      if (row.label == 1) {
        positives.push_back(NameOf(row));
      } else {
        EXPECT_FALSE(known.count(NameOf(row)));
        ++negatives[NameOf(row).first];
      }
    }
    std::sort(positives.begin(), positives.end());
    EXPECT_EQ(positives, sorted);
    std::size_t drawn = 0;
    for (const auto& [user, count] : negatives) {
      EXPECT_EQ(count,
                3 * std::count_if(rows_.begin(), rows_.end(), [&](const Pair& row) { return row.first == user; }));
      drawn += count;
    }
    EXPECT_EQ(drawn, 3 * (rows_.size() - of_u5));  // a user who has every item has no negatives
    EXPECT_EQ(ids.size(), positives.size() + drawn);
  }
}

TEST_F(InteractionsTest, ChunksRepeatThemselvesAndEpochsDoNot) {
  OpenedData data(Job("train: 'train'", "train { batch_size: 16 }"));
  std::vector<ReadRow> epochs[2];
  for (std::uint32_t epoch = 0; epoch < 2; ++epoch) {
    for (const proto::Chunk& chunk : data.Chunks(proto::Chunk::TRAIN, epoch, 1)) {
      const std::vector<Minibatch> all = data.Read(chunk, epoch);
      for (std::uint32_t first = 0; first <= all.size(); ++first) {
        const std::vector<Minibatch> tail = data.Read(chunk, epoch, first);
        ASSERT_EQ(tail.size(), all.size() - first);
        for (std::size_t i = 0; i < tail.size(); ++i) {
          EXPECT_EQ(RowsOf(tail[i], data.layout()), RowsOf(all[first + i], data.layout()));
        }
      }
      for (const Minibatch& minibatch : all) {
        for (ReadRow& row : RowsOf(minibatch, data.layout())) epochs[epoch].push_back(std::move(row));
      }
    }
    std::sort(epochs[epoch].begin(), epochs[epoch].end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  }
  ASSERT_EQ(epochs[0].size(), epochs[1].size());
  int same = 0, negatives = 0;
  for (std::size_t i = 0; i < epochs[0].size(); ++i) {
    EXPECT_EQ(epochs[0][i].id, epochs[1][i].id);  // the same rows
    negatives += epochs[0][i].label == 0;
    same += epochs[0][i].label == 0 && epochs[0][i] == epochs[1][i];
  }
  EXPECT_LT(same, negatives / 10);
}

TEST_F(InteractionsTest, NegativesAreUniformOverTheOtherItems) {
  OpenedData data(Job("train: 'train' user_item { negatives: 40 }", "train { batch_size: 1000 }"));
  std::map<std::string, int> counts;
  std::set<std::string> known;
  for (const Pair& row : rows_) {
    if (row.first == "u19") known.insert(row.second);
  }
  int draws = 0;
  for (std::uint32_t epoch = 0; epoch < 20; ++epoch) {
    for (const ReadRow& row : data.ReadAll(proto::Chunk::TRAIN, epoch)) {
      if (row.label == 1 || NameOf(row).first != "u19") continue;
      ++counts[NameOf(row).second];
      ++draws;
    }
  }
  const double cells = kItems - static_cast<double>(known.size()), expected = draws / cells;
  double chi_square = 0;
  for (const auto& [item, count] : counts) chi_square += (count - expected) * (count - expected) / expected;
  EXPECT_EQ(counts.size(), cells);
  EXPECT_LT(chi_square, cells + 5 * std::sqrt(2 * cells));
}

TEST_F(InteractionsTest, ChunksFillWholeMinibatches) {
  OpenedData data(Job("train: 'train' user_item { negatives: 4 }", "train { batch_size: 8 }"));
  int shorter = 0;
  std::size_t chunks = 0;
  for (const proto::Chunk& chunk : data.Chunks(proto::Chunk::TRAIN, 0, 1)) {
    for (const Minibatch& minibatch : data.Read(chunk)) shorter += minibatch.rows < 8;
    ++chunks;
  }
  EXPECT_GT(chunks, 4u);
  // Five minibatches hold eight rows with their negatives. Only u5's rows, which have none, leave chunks short.
  EXPECT_LE(shorter, static_cast<int>(chunks));
}

// Lists of a set by true pair: its candidates.
std::map<Pair, std::vector<std::string>> Lists(OpenedData* data, proto::Chunk::Set set,
                                               const std::map<Key, std::string>& names) {
  std::map<Pair, std::vector<std::string>> lists;
  for (const proto::Chunk& chunk : data->Chunks(set)) {
    for (const Minibatch& minibatch : data->Read(chunk)) {
      EXPECT_LE(minibatch.rows, (*data)->max_rows());
      EXPECT_EQ(minibatch.candidates.size(), minibatch.rows);
      const std::vector<ReadRow> rows = RowsOf(minibatch, data->layout());
      for (std::size_t i = 0; i + 1 < minibatch.list_offsets.size(); ++i) {
        const std::uint32_t begin = minibatch.list_offsets[i], end = minibatch.list_offsets[i + 1];
        auto& list = lists[{names.at(rows[begin].keys[0][0][0]), names.at(rows[begin].keys[1][0][0])}];
        EXPECT_EQ(rows[begin].label, 1);
        for (std::uint32_t row = begin + 1; row < end; ++row) {
          EXPECT_EQ(rows[row].label, 0);
          EXPECT_EQ(rows[row].keys[0], rows[begin].keys[0]);
          list.push_back(names.at(rows[row].keys[1][0][0]));
        }
      }
      EXPECT_EQ(minibatch.list_offsets.back(), minibatch.rows);
    }
  }
  return lists;
}

TEST_F(InteractionsTest, CandidateFilesAreMatchedLineByLine) {
  folder_.Write("test", "u1\ti3\t5\t7\nu2\ti4\t5\t7\n");
  folder_.Write("lists", Xz("(u1,i3)\ti1\ti2\ti3\ti1\n(u2,i4)\ti9\n"));
  const std::string files = "train: 'train' test: 'test' user_item { candidates_file: 'lists' }";
  OpenedData data(Job(files));
  EXPECT_EQ(Lists(&data, proto::Chunk::TEST, names_),
            (std::map<Pair, std::vector<std::string>>{{{"u1", "i3"}, {"i1", "i2"}}, {{"u2", "i4"}, {"i9"}}}));
  folder_.Write("lists", "(u1,i3)\ti1\n(u2,i5)\ti9\n");
  EXPECT_THAT(OpenError(Job(files)).text(), HasSubstr("/lists:2: the list is not that of the test row in line 2"));
  folder_.Write("lists", "(u1,i3)\ti1\n");
  EXPECT_THAT(OpenError(Job(files)).text(), HasSubstr("/lists: 1 lists for 2 test rows"));
  folder_.Write("lists", "(u1,i3)\ti1\n(u2,i4)\ti9\n(u2,i4)\ti9\n");
  EXPECT_THAT(OpenError(Job(files)).text(), HasSubstr("/lists:3: more lists than test rows"));
  for (const std::string line : {"u1,i3\ti1", "(u1i3)\ti1", "(u1,i3)", "(", "\t"}) {
    folder_.Write("lists", line + "\n");
    EXPECT_THAT(OpenError(Job(files)).text(), HasSubstr("/lists:1: ")) << line;
  }
}

TEST_F(InteractionsTest, TheListOfABadTestRowIsLeftOutAndTheOthersKeepTheirs) {
  folder_.Write("test", "u1\ti3\nmalformed\nu2\ti4\n\ti9\n");
  folder_.Write("lists", "(u1,i3)\ti1\n(u7,i8)\ti2\n(u2,i4)\ti9\n(u8,i9)\ti1\n");
  OpenedData data(Job("train: 'train' test: 'test' user_item { candidates_file: 'lists' }"));
  EXPECT_EQ(Lists(&data, proto::Chunk::TEST, names_),
            (std::map<Pair, std::vector<std::string>>{{{"u1", "i3"}, {"i1"}}, {{"u2", "i4"}, {"i9"}}}));
  EXPECT_EQ(data->counts().bad_rows, 2u);
}

TEST_F(InteractionsTest, ListsLongerThanTheBatchAreWhole) {
  folder_.Write("test", "u1\ti3\nu1\ti4\n");
  std::string items;
  for (int i = 0; i < 5000; ++i) items += "\tx" + std::to_string(i);
  folder_.Write("lists", "(u1,i3)" + items + "\n(u1,i4)\ti9\n");
  OpenedData data(Job("test: 'test' user_item { candidates_file: 'lists' }", "train { batch_size: 7 }"));
  EXPECT_EQ(data->max_rows(), 5001u);
  std::vector<std::uint32_t> rows;
  for (const proto::Chunk& chunk : data.Chunks(proto::Chunk::TEST)) {
    for (const Minibatch& minibatch : data.Read(chunk)) rows.push_back(minibatch.rows);
  }
  EXPECT_EQ(rows, (std::vector<std::uint32_t>{5001, 2}));
}

TEST_F(InteractionsTest, SampledCandidatesAreDistinctItemsTheUserNeverHad) {
  folder_.Write("test", "u1\ti3\nu2\ti4\nu5\ti7\nu19\ti0\n");
  OpenedData data(Job("train: 'train' test: 'test' user_item { candidates: 20 }"));
  OpenedData other_seed(Job("train: 'train' test: 'test' user_item { candidates: 20 }", "train { seed: 5 }"));
  const auto lists = Lists(&data, proto::Chunk::TEST, names_);
  EXPECT_EQ(lists, Lists(&other_seed, proto::Chunk::TEST, names_));
  const std::set<Pair> known(rows_.begin(), rows_.end());
  ASSERT_EQ(lists.size(), 4u);
  for (const auto& [pair, candidates] : lists) {
    EXPECT_EQ(candidates.size(), pair.first == "u5" ? 0u : 20u);
    EXPECT_EQ(std::set<std::string>(candidates.begin(), candidates.end()).size(), candidates.size());
    for (const std::string& item : candidates) {
      EXPECT_FALSE(known.count({pair.first, item}));
      EXPECT_NE(item, pair.second);
    }
  }
  EXPECT_THAT(OpenError(Job("test: 'test'")).text(), HasSubstr("needs the training files"));
}

TEST_F(InteractionsTest, LeavesTheLastByTimeOutForTestAndTheOneBeforeForEvaluation) {
  folder_.Write("r.csv",
                "user,item,rating,time\n"
                "u1,i1,5,100\nu1,i2,5,300\nu1,i3,5,200\nu1,i4,5,300\n"  // i4 is later in the file than i2
                "u2,i5,5,50\n"                                          // stays in training
                "u3,i6,5,9\nu3,i7,5,8\n");
  const std::string data =
      "train: 'r.csv' user_item { delimiter: ',' header: true time_column: 3 leave_one_out: true "
      "negatives: 0 candidates: 2 }";
  const auto training = [&](OpenedData* opened) {
    std::set<Pair> pairs;
    for (const ReadRow& row : opened->ReadAll(proto::Chunk::TRAIN)) pairs.insert(NameOf(row));
    return pairs;
  };
  const auto truths = [&](OpenedData* opened, proto::Chunk::Set set) {
    std::set<Pair> pairs;
    for (const auto& [pair, list] : Lists(opened, set, names_)) pairs.insert(pair);
    return pairs;
  };
  OpenedData plain(Job(data));
  EXPECT_FALSE(plain->Has(proto::Chunk::EVAL));
  EXPECT_EQ(truths(&plain, proto::Chunk::TEST), (std::set<Pair>{{"u1", "i4"}, {"u3", "i6"}}));
  EXPECT_EQ(training(&plain), (std::set<Pair>{{"u1", "i1"}, {"u1", "i2"}, {"u1", "i3"}, {"u2", "i5"}, {"u3", "i7"}}));
  OpenedData evaluated(Job(data, "evaluation { patience: 1 }"));
  EXPECT_EQ(truths(&evaluated, proto::Chunk::EVAL), (std::set<Pair>{{"u1", "i2"}}));
  EXPECT_EQ(training(&evaluated), (std::set<Pair>{{"u1", "i1"}, {"u1", "i3"}, {"u2", "i5"}, {"u3", "i7"}}));
  OpenedData by_test(Job(data, "evaluation { test_each_epoch: true }"));
  EXPECT_FALSE(by_test->Has(proto::Chunk::EVAL));
}

TEST_F(InteractionsTest, BadRowsAreCountedAndKeepTheirPlaceInPredictions) {
  folder_.Write("t", "u1\ti1\t5\nu2\n\ti3\n\nu4\ti4\tx\nu5\ti5\t7\n");
  const std::string data = "test: 't' user_item { time_column: 2 }";
  OpenedData predict(Job(data), {.predict = true});
  const auto minibatches = predict.Read(predict.Chunks(proto::Chunk::TEST)[0]);
  ASSERT_EQ(minibatches.size(), 1u);
  EXPECT_EQ(minibatches[0].source_rows, (std::vector<std::uint32_t>{0, 4}));
  EXPECT_EQ(minibatches[0].source_rows_read, 5u);
  const ReadCounts counts = predict->counts();
  EXPECT_EQ(counts.rows, 5u);
  EXPECT_EQ(counts.bad_rows, 3u);
  ASSERT_EQ(counts.kinds.size(), 3u);
  EXPECT_EQ(counts.kinds[0].where(), folder_.path() + "/t:2: column item");
  EXPECT_EQ(counts.kinds[2].reason(), "integer expected, got \"x\"");
  folder_.Write("none", "u1\nu2\n");
  EXPECT_THAT(OpenError(Job("train: 'none'")).text(), HasSubstr("/none: no row of the file can be read"));
}

TEST_F(InteractionsTest, CrossesAndOwnKeysOfPairs) {
  folder_.Write("t", "7\t9\n");
  OpenedData data(ParseTestJob(
      "data { format: USER_ITEM data_dir: '" + folder_.path() +
      "' train: 't' user_item { negatives: 0 } } feature { name: 'x' cross { feature: 'item' feature: 'user' } }"
      "feature { column: 'user' categorical { token_is_key: true } } feature { column: 'item' }"));
  const ReadRow row = data.ReadAll(proto::Chunk::TRAIN).at(0);
  EXPECT_EQ(row.keys[0][0][0], CrossKey(HashBytes("x"), ItemKey("9"), 7));
  EXPECT_EQ(row.keys[1], (std::vector<std::vector<Key>>{{7}, {ItemKey("9")}}));
}

TEST(UserItemsTest, OthersAreTheComplementInOrder) {
  TestRandom random(4);
  for (int round = 0; round < 200; ++round) {
    const std::uint32_t items = 1 + random.Next(30);
    std::vector<Interaction> rows;
    std::set<std::uint32_t> has;
    for (std::uint32_t n = random.Next(40); n > 0; --n) {
      rows.push_back({1, random.Next(items), 0});
      has.insert(rows.back().item);
    }
    const std::span<const Interaction> part(rows);
    const UserItems known(3, items, std::span(&part, 1));
    std::vector<std::uint32_t> others;
    for (std::uint32_t n = 0; n < known.Others(1); ++n) others.push_back(known.Other(1, n));
    std::vector<std::uint32_t> expected;
    for (std::uint32_t item = 0; item < items; ++item) {
      EXPECT_EQ(known.Has(1, item), has.count(item) == 1);
      if (!has.count(item)) expected.push_back(item);
    }
    EXPECT_EQ(others, expected);
    EXPECT_EQ(known.Others(0), items);
  }
}

TEST(SampleOthersTest, AllSubsetsAreAlikeLikely) {
  const std::vector<Interaction> rows = {{0, 2, 0}};
  const std::span<const Interaction> part(rows);
  const UserItems known(1, 6, std::span(&part, 1));
  std::map<std::vector<std::uint32_t>, int> counts;
  std::vector<std::uint32_t> sample;
  for (std::uint64_t seed = 0; seed < 10'000; ++seed) {
    SampleOthers(known, 0, 2, Mix(seed), &sample);
    std::sort(sample.begin(), sample.end());
    ++counts[sample];
  }
  EXPECT_EQ(counts.size(), 10u);  // 5 over 2
  for (const auto& [subset, count] : counts) EXPECT_NEAR(count, 1000, 150);
}

}  // namespace
}  // namespace sherd
