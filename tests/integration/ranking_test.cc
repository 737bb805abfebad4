#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <set>

#include "base/hash.h"
#include "models/metrics/full_ranking.h"
#include "tests/integration/job_run.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int kUsers = 40, kItems = 60;

// Users of two tastes, each with items of its own half of the catalogue for the most part, in a file for training and
// one for the test. Items 58 and 59 are in the test file alone.
class FullRankingTest : public ::testing::TestWithParam<const char*> {
 protected:
  FullRankingTest() : test_("movielens_bpr_mf") {
    std::string train, held_out;
    for (int user = 0; user < kUsers; ++user) {
      for (int item = 0; item < kItems; ++item) {
        const double chance = item % 2 == user % 2 ? 0.5 : 0.1;
        if (UnitDouble(Mix(user, item)) >= chance) continue;
        const bool to_test = item >= 58 || UnitDouble(Mix(user, item, 1)) < 0.3;
        (to_test ? held_out : train) += "u" + std::to_string(user) + "\ti" + std::to_string(item) + "\n";
        (to_test ? relevant_ : seen_)[user].insert(item);
      }
    }
    WriteOrDie(test_.Path("train"), train);
    WriteOrDie(test_.Path("test"), held_out);
    proto::Job& job = test_.job();
    job.mutable_data()->clear_user_item();
    job.mutable_data()->mutable_user_item()->set_negatives(4);
    job.mutable_data()->set_train(0, test_.Path("train"));
    job.mutable_data()->add_test(test_.Path("test"));
    job.mutable_model()->set_name(GetParam());
    job.mutable_model()->set_loss(GetParam() == std::string("bpr_mf") ? proto::Model::BPR : proto::Model::LOG_LOSS);
    job.mutable_model()->set_embedding_dim(5);
    job.mutable_model()->mutable_embedding_initializer()->set_scale(0.5);
    if (GetParam() == std::string("sasrec")) RankSequences(&job);
    job.mutable_train()->set_epochs(5);
    job.mutable_train()->set_batch_size(64);
    job.mutable_evaluation()->clear_patience();
    job.mutable_checkpoint()->set_dir(test_.Path("checkpoints"));
  }

  // Users' items in the order of the files.
  static void RankSequences(proto::Job* job) {
    job->mutable_data()->mutable_user_item()->set_negatives(0);
    job->mutable_data()->mutable_user_item()->mutable_sequences()->set_max_length(6);
    job->mutable_feature(0)->set_column("history");
    job->mutable_feature(0)->set_table("item");
    job->mutable_model()->set_loss(proto::Model::IN_BATCH_SOFTMAX);
  }

  // By the scores of all pairs, as `sherd predict` gives them, sorted.
  std::map<std::string, double> BruteForce() {
    std::string pairs;
    for (int user = 0; user < kUsers; ++user) {
      for (int item = 0; item < kItems; ++item) {
        pairs += "u" + std::to_string(user) + "\ti" + std::to_string(item) + "\n";
      }
    }
    WriteOrDie(test_.Path("pairs"), pairs);
    const ProcessResult run = RunProcess(
        OneProcess({"predict", file_, "--input=" + test_.Path("pairs"), "--output=" + test_.Path("scores")}), 60);
    EXPECT_EQ(run.exit_code, 0) << run.err;
    const std::vector<std::string> scores = Lines(ReadOrDie(test_.Path("scores")));
    EXPECT_EQ(scores.size(), std::size_t{kUsers} * kItems);
    FullRankingQuality quality({10, 50});
    ItemPopularity popularity = {std::vector<std::uint32_t>(kItems), 0};
    for (const auto& [user, items] : seen_) {
      for (const int item : items) ++popularity.users_of[item];
      popularity.users += items.empty() ? 0 : 1;
    }
    for (int user = 0; user < kUsers; ++user) {
      if (relevant_[user].empty()) continue;
      std::vector<std::pair<double, int>> order;
      for (int item = 0; item < kItems; ++item) {
        if (seen_[user].contains(item)) continue;
        order.emplace_back(-std::atof(scores[user * kItems + item].c_str()), item);
      }
      std::sort(order.begin(), order.end());
      std::vector<std::uint32_t> hits;
      for (std::uint32_t place = 0; place < order.size(); ++place) {
        if (relevant_[user].contains(order[place].second)) hits.push_back(place);
      }
      quality.Add(hits, relevant_[user].size());
      std::vector<RankedItem> list;
      for (const auto& [score, item] : order) list.push_back({static_cast<std::uint32_t>(item), 0});
      list.resize(std::min<std::size_t>(list.size(), 50));
      quality.AddList(list, popularity, {});
    }
    return quality.Figures();
  }

  TestJob test_;
  std::string file_;
  std::map<int, std::set<int>> seen_, relevant_;
};
INSTANTIATE_TEST_SUITE_P(Models, FullRankingTest, ::testing::Values("bpr_mf", "gmf", "lightgcn", "sasrec"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(FullRankingTest, EvalAgreesWithSortedPredictionsOnAnyNumberOfWorkers) {
  file_ = test_.Write();
  const std::string metrics = test_.Path("train.jsonl");
  const ProcessResult run = RunProcess(OneProcess({"train", file_, "--metrics=" + metrics}), 60);
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.out + run.err, HasSubstr("ndcg@10"));
  const auto expected = BruteForce();
  ASSERT_THAT(expected, ::testing::SizeIs(12 + 6));
  EXPECT_GT(expected.at("recall@10"), 0.1);
  const bool dot = GetParam() != std::string("gmf");
  EXPECT_EQ(std::isfinite(DoneMetric(metrics, "test", "diversity@10")), dot) << "of models that have vectors of items";
  for (const std::string workers : {"1", "3"}) {
    const std::string file = test_.Path("eval" + workers + ".jsonl");
    const ProcessResult eval = RunProcess(OneProcess({"eval", file_, "--workers=" + workers, "--metrics=" + file}), 60);
    ASSERT_EQ(eval.exit_code, 0) << eval.err;
    for (const auto& [name, value] : expected) EXPECT_NEAR(DoneMetric(file, "test", name), value, 1e-6) << name;
  }
  for (const auto& [name, value] : expected) EXPECT_NEAR(DoneMetric(metrics, "test", name), value, 1e-6) << name;
}

// The popular films first, the same for everyone, are .019 of NDCG@10 and .122 of recall@50.
TEST(MovielensRankingTest, BprRanksAllFilmsUnderMpirun) {
  TestJob job("movielens_bpr_mf");
  job.job().mutable_train()->set_consistency(proto::Train::BSP);  // 671 users: figures of other runs differ by a fifth
  const std::string metrics = job.Path("metrics.jsonl");
  const ProcessResult run =
      RunProcess(UnderMpirun(4, {"train", job.Write(), "--servers=1", "--metrics=" + metrics}), 200);
  ASSERT_EQ(run.exit_code, 0) << run.out << run.err;
  EXPECT_THAT(run.left, IsEmpty());
  EXPECT_GT(DoneMetric(metrics, "test", "ndcg@10"), 0.02);
  EXPECT_GT(DoneMetric(metrics, "test", "recall@50"), 0.15);
  EXPECT_THAT(run.out, HasSubstr("best"));
}

// What was rated last says more of the next film than who rates.
TEST(MovielensRankingTest, SasRecRanksAllFilmsUnderMpirun) {
  TestJob job("movielens_sasrec");
  job.job().mutable_train()->set_epochs(20);
  const std::string metrics = job.Path("metrics.jsonl");
  const ProcessResult run =
      RunProcess(UnderMpirun(4, {"train", job.Write(), "--servers=1", "--metrics=" + metrics}), 200);
  ASSERT_EQ(run.exit_code, 0) << run.out << run.err;
  EXPECT_GT(DoneMetric(metrics, "test", "ndcg@10"), 0.03);  // 0.019: the most popular for everyone
  EXPECT_GT(DoneMetric(metrics, "test", "recall@50"), 0.2);
}

}  // namespace
}  // namespace sherd
