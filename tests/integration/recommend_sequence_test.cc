#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "tests/integration/job_run.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr int kItems = 20, kUsers = 120, kWalk = 6;

std::string Item(int place) { return std::to_string(100 + place % kItems); }

// Users go round the items: whoever has had item i takes i + 1 next. What each had last stands in the test file.
class RecommendNextTest : public ::testing::Test {
 protected:
  RecommendNextTest() : test_("movielens_sasrec") {
    std::string train, last;
    for (int user = 0; user < kUsers; ++user) {
      for (int step = 0; step < kWalk; ++step) {
        (step + 1 < kWalk ? train : last) += "u" + std::to_string(user) + "\t" + Item(user + step) + "\n";
      }
    }
    WriteOrDie(test_.Path("train"), train);
    WriteOrDie(test_.Path("last"), last);
    WriteOrDie(test_.Path("titles.csv"), "item,title\n103,Third; a title\n");
    proto::Job& job = test_.job();
    job.mutable_data()->clear_user_item();
    job.mutable_data()->mutable_user_item()->set_negatives(0);
    job.mutable_data()->mutable_user_item()->mutable_sequences()->set_max_length(4);
    job.mutable_data()->set_train(0, test_.Path("train"));
    job.mutable_data()->add_test(test_.Path("last"));
    job.mutable_train()->set_epochs(20);
    job.mutable_train()->set_batch_size(20);
    job.mutable_model()->mutable_attention()->set_dropout(0);
    job.mutable_evaluation()->clear_patience();
    job.mutable_checkpoint()->set_dir(test_.Path("checkpoints"));
    file_ = test_.Write();
  }

  // The lines of the lists but the header, in fields.
  std::vector<std::vector<std::string>> Recommend(std::vector<std::string> flags) const {
    flags.insert(flags.begin(), {"recommend", file_, "--output=" + test_.Path("lists")});
    const ProcessResult run = RunProcess(OneProcess(flags), 60);
    EXPECT_EQ(run.exit_code, 0) << run.err;
    EXPECT_THAT(run.out, Not(HasSubstr("do not add up")));
    std::vector<std::vector<std::string>> lines;
    for (const std::string& line : Lines(ReadOrDie(test_.Path("lists")))) {
      std::vector<std::string>& fields = lines.emplace_back();
      for (std::size_t at = 0; at <= line.size();) {
        const std::size_t end = std::min(line.find('\t', at), line.size());
        fields.push_back(line.substr(at, end - at));
        at = end + 1;
      }
    }
    lines.erase(lines.begin());
    return lines;
  }

  TestJob test_;
  std::string file_;
};

TEST_F(RecommendNextTest, WhatFollowsTheLastItemAndWhichItemsOfTheHistorySaySo) {
  const ProcessResult run = RunProcess(OneProcess({"train", file_}), 60);
  ASSERT_EQ(run.exit_code, 0) << run.err;

  const auto lists = Recommend({"--at=3", "--workers=2"});
  ASSERT_EQ(lists.size(), std::size_t{3 * kUsers});
  for (std::size_t i = 0; i < lists.size(); i += 3) {
    const int user = std::atoi(lists[i][0].c_str() + 1);
    EXPECT_EQ(lists[i][2], Item(user + kWalk)) << "the test file's item is past as well";
  }

  const auto explained = Recommend({"--at=1", "--explain", "--titles=" + test_.Path("titles.csv")});
  ASSERT_EQ(explained.size(), std::size_t{kUsers});
  int by_last = 0;
  for (const std::vector<std::string>& line : explained) {
    const int user = std::atoi(line[0].c_str() + 1);
    ASSERT_EQ(line.size(), 8u);
    EXPECT_EQ(line[6], "0") << "of two rows of zeros";
    double sum = 0, before = 0;
    std::string first;  // of the history
    int events = 0;
    for (std::size_t at = 0; at < line[7].size();) {
      const std::size_t end = std::min(line[7].find("; ", at), line[7].size()), equals = line[7].rfind('=', end);
      const double share = std::atof(line[7].c_str() + equals + 1);
      const std::string name = line[7].substr(at, equals - at);
      EXPECT_TRUE(at == 0 || share <= before) << line[7];
      before = share;
      sum += share;
      events += name.starts_with("history:") ? 1 : 0;
      if (first.empty() && name.starts_with("history:")) first = name;
      at = end + 2;
    }
    const double score = std::atof(line[3].c_str());
    EXPECT_NEAR(sum, score, 0.01 * std::abs(score)) << line[7];
    EXPECT_EQ(events, 4) << "max_length";
    const std::string last = Item(user + kWalk - 1);
    by_last += first.starts_with("history:" + last) ? 1 : 0;
    if (last == "103") {
      EXPECT_THAT(line[7], HasSubstr("history:103 Third  a title="));
    }
  }
  EXPECT_GT(by_last, kUsers * 3 / 4) << "the last item says it";
}

}  // namespace
}  // namespace sherd
