#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include "tests/worker/data/data_testing.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;
using Rating = std::tuple<std::string, std::string, float>;  // user, item, rating

Key KeyOf(const std::string& feature, const std::string& token) { return HashBytes(token, HashBytes(feature)); }

// Forty users' ratings of thirty items, u0 of all; some are only in the test file.
class BagDatasetTest : public ::testing::Test {
 protected:
  BagDatasetTest() {
    TestRandom random(3);
    for (int user = 0; user < 40; ++user) {
      for (int item = 0; item < 30; ++item) {
        if (user > 0 && random.Next(4) > 0) continue;
        const Rating rating("u" + std::to_string(user), "i" + std::to_string(item), 1.0f + 0.5f * random.Next(9));
        (random.Next(5) == 0 ? test_ : train_).push_back(rating);
      }
    }
    test_.emplace_back("nobody", "i3", 2.5f);  // a user without a history
    folder_.Write("train", TextOf(train_));
    folder_.Write("test", TextOf(test_));
  }

  static std::string TextOf(const std::vector<Rating>& ratings) {
    std::string text;
    for (const auto& [user, item, rating] : ratings) text += user + "\t" + item + "\t" + std::to_string(rating) + "\n";
    return text;
  }

  proto::Job Job(const std::string& of, const std::string& more = "") const {
    return ParseTestJob("data { format: USER_ITEM data_dir: '" + folder_.path() +
                        "' train: 'train' test: 'test' user_item { rating_column: 2 bags { of: " + of +
                        " } } } feature { column: 'history' table: 'h' } feature { column: 'targets' table: 't' } "
                        "model { loss: SQUARED_ERROR } train { batch_size: 7 } " +
                        more);
  }

  // Checks that each row has its owner's ratings of training as history, and all those of `targets` are told once.
  void Check(OpenedData* data, proto::Chunk::Set set, std::uint32_t epoch, std::uint32_t workers, bool by_user) {
    std::map<Key, std::string> tokens;
    std::map<std::string, std::map<Key, float>> histories;  // by owner
    for (const auto* ratings : {&train_, &test_}) {
      for (const auto& [user, item, rating] : *ratings) {
        const std::string& token = by_user ? item : user;
        tokens[KeyOf("targets", token)] = token;
        if (ratings == &train_) histories[by_user ? user : item][KeyOf("history", token)] = rating;
      }
    }
    std::vector<Rating> told;
    for (const proto::Chunk& chunk : data->Chunks(set, epoch, workers)) {
      for (const Minibatch& minibatch : data->Read(chunk, epoch)) {
        EXPECT_LE(minibatch.rows, 7u);
        const TableKeys &history = minibatch.tables[0], &targets = minibatch.tables[1];
        ASSERT_EQ(history.offsets.size(), minibatch.rows + 1);
        ASSERT_EQ(minibatch.labels.size(), targets.keys.size());
        EXPECT_EQ(minibatch.examples(), targets.keys.size());
        EXPECT_TRUE(std::all_of(targets.weights.begin(), targets.weights.end(), [](float w) { return w == 1; }));
        for (std::uint32_t r = 0; r < minibatch.rows; ++r) {
          std::map<Key, float> read;
          for (std::uint32_t i = history.offsets[r]; i < history.offsets[r + 1]; ++i)
            read[history.keys[i]] = history.weights[i];
          std::string owner;
          for (const auto& [name, entries] : histories) {
            if (entries == read) owner = name;
          }
          if (read.empty()) owner = "nobody";
          for (std::uint32_t k = targets.offsets[r]; k < targets.offsets[r + 1]; ++k) {
            const std::string& token = tokens.at(targets.keys[k]);
            told.emplace_back(by_user ? owner : token, by_user ? token : owner, minibatch.labels[k]);
          }
        }
      }
    }
    std::vector<Rating> expected = set == proto::Chunk::TRAIN ? train_ : test_;
    std::sort(told.begin(), told.end());
    std::sort(expected.begin(), expected.end());
    EXPECT_EQ(told, expected);
  }

  TemporaryFolder folder_;
  std::vector<Rating> train_, test_;
};

TEST_F(BagDatasetTest, EachEpochTellsEveryRatingOnceBesideItsOwnersHistory) {
  for (const bool by_user : {true, false}) {
    OpenedData data(Job(by_user ? "USER" : "ITEM"));
    for (const std::uint32_t workers : {1u, 3u}) {
      Check(&data, proto::Chunk::TRAIN, workers, workers, by_user);
      Check(&data, proto::Chunk::TEST, 0, workers, by_user);
    }
    EXPECT_EQ(data->counts().rows, train_.size() + test_.size());
  }
}

TEST_F(BagDatasetTest, MinibatchesAreAFunctionOfTheirPlace) {
  OpenedData data(Job("USER"));
  const auto chunks = data.Chunks(proto::Chunk::TRAIN, 2);
  std::size_t compared = 0;
  for (const proto::Chunk& chunk : chunks) {
    const std::vector<Minibatch> all = data.Read(chunk, 2);
    for (std::uint32_t first = 0; first < all.size(); ++first) {
      const std::vector<Minibatch> rest = data.Read(chunk, 2, first);
      ASSERT_EQ(rest.size(), all.size() - first);
      EXPECT_EQ(rest[0].tables[1].keys, all[first].tables[1].keys);
      EXPECT_EQ(rest[0].row_ids, all[first].row_ids);
      ++compared;
    }
  }
  EXPECT_GE(compared, 6u);
  EXPECT_NE(data.Read(chunks[0], 3)[0].row_ids, data.Read(chunks[0], 2)[0].row_ids)
      << "epochs have orders of their own";
}

TEST_F(BagDatasetTest, PredictingTellsEachRowOfTheFileAndKeepsThePlacesOfBadOnes) {
  folder_.Write("test", "u1\ti2\t3\nu2\nu2\ti4\n");
  proto::Job job = Job("ITEM");
  job.mutable_data()->set_max_bad_fraction(1);
  OpenedData data(job, {.predict = true});
  std::vector<std::uint32_t> places;
  std::vector<Key> targets;
  std::uint32_t read = 0;
  for (const proto::Chunk& chunk : data.Chunks(proto::Chunk::TEST)) {
    for (const Minibatch& minibatch : data.Read(chunk)) {
      for (const std::uint32_t row : minibatch.source_rows)
        places.push_back(static_cast<std::uint32_t>(chunk.begin()) + row);
      targets.insert(targets.end(), minibatch.tables[1].keys.begin(), minibatch.tables[1].keys.end());
      read = static_cast<std::uint32_t>(chunk.begin()) + minibatch.source_rows_read;
    }
  }
  EXPECT_EQ(places, (std::vector<std::uint32_t>{0, 2}));
  EXPECT_EQ(targets, (std::vector<Key>{KeyOf("targets", "u1"), KeyOf("targets", "u2")}));
  EXPECT_EQ(read, 3u);
}

TEST_F(BagDatasetTest, RatingsThatAreNoneOrOutsideTheirRangeAreBadRows) {
  folder_.Write("train", "u1\ti1\t3\nu1\ti2\t5.5\nu1\ti3\tx\nu1\ti4\nu1\ti5\t1\n");
  proto::Job job = Job("USER");
  job.mutable_data()->mutable_label_range()->set_min(1);
  job.mutable_data()->mutable_label_range()->set_max(5);
  OpenedData data(job);
  const ReadCounts counts = data->counts();
  EXPECT_EQ(counts.bad_rows, 3u);
  ASSERT_EQ(counts.kinds.size(), 2u);
  EXPECT_THAT(counts.kinds[0].reason(), HasSubstr("rating within data.label_range expected, got \"5.5\""));
  EXPECT_THAT(counts.kinds[0].where(), HasSubstr("train:2: column rating"));
  EXPECT_THAT(counts.kinds[1].reason(), HasSubstr("number expected as rating, got \"x\""));
}

TEST_F(BagDatasetTest, GroupsAreOfEachTarget) {
  for (const std::string by : {"user", "item"}) {
    OpenedData data(Job("USER", "evaluation { group_by: '" + by + "' }"));
    std::set<std::uint64_t> groups;
    std::size_t targets = 0;
    for (const proto::Chunk& chunk : data.Chunks(proto::Chunk::TEST)) {
      for (const Minibatch& minibatch : data.Read(chunk)) {
        ASSERT_EQ(minibatch.groups.size(), minibatch.labels.size());
        groups.insert(minibatch.groups.begin(), minibatch.groups.end());
        targets += minibatch.groups.size();
      }
    }
    std::set<std::uint64_t> expected;
    for (const auto& [user, item, rating] : test_) expected.insert(HashBytes(by == "user" ? user : item));
    EXPECT_EQ(groups, expected);
    EXPECT_EQ(targets, test_.size());
  }
}

TEST_F(BagDatasetTest, WhatBagsNeed) {
  proto::Job job = Job("USER");
  job.mutable_data()->mutable_user_item()->clear_rating_column();
  EXPECT_THAT(OpenError(job).text(), HasSubstr("data.user_item.rating_column: is required with bags"));
  job = Job("USER");
  job.mutable_data()->clear_train();
  EXPECT_THAT(OpenError(job).text(), HasSubstr("data.train: the histories"));
  job = ParseTestJob(
      "data { format: USER_ITEM user_item { rating_column: 2 } } feature { column: 'user' } "
      "feature { column: 'item' }");
  EXPECT_THAT(OpenError(job).text(), HasSubstr("rating_column: goes with bags"));
}

}  // namespace
}  // namespace sherd
