#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>

#include "base/hash.h"
#include "tests/integration/job_run.h"

namespace sherd {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr int kUsers = 30, kItems = 40;

struct Line {
  std::string item, by, title;
  double score = 0;
};
using Lists = std::map<std::string, std::vector<Line>>;  // by user

std::vector<std::string> Fields(const std::string& line) {
  std::vector<std::string> fields;
  for (std::size_t at = 0;;) {
    const std::size_t end = line.find('\t', at);
    fields.push_back(line.substr(at, end - at));
    if (end == std::string::npos) return fields;
    at = end + 1;
  }
}

// Of "user=0.3; item=0.2".
std::map<std::string, double> Shares(std::string text) {
  std::map<std::string, double> shares;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find("; "), text.size()), equals = text.rfind('=', end);
    shares[text.substr(0, equals)] = std::atof(text.c_str() + equals + 1);
    text.erase(0, end + 2);
  }
  return shares;
}

// Two models trained once for all tests of this file, on users with about a third of the items each.
class RecommendTest : public ::testing::TestWithParam<const char*> {
 protected:
  static void SetUpTestSuite() {
    for (const std::string model : {"bpr_mf", "gmf"}) Train(model);
  }
  static void TearDownTestSuite() {
    for (const auto& [model, job] : jobs_) delete job;
  }

  static void Train(const std::string& model) {
    TestJob* test = jobs_[model] = new TestJob("movielens_bpr_mf");
    std::string train, held_out;
    for (int user = 0; user < kUsers; ++user) {
      for (int item = 0; item < kItems; ++item) {
        if (UnitDouble(Mix(user, item)) >= 0.3) continue;
        const bool to_test = item == kItems - 1 || UnitDouble(Mix(user, item, 1)) < 0.2;  // the last item in it alone
        (to_test ? held_out : train) += "u" + std::to_string(user) + "\ti" + std::to_string(item) + "\n";
        seen_[user].insert(item);
        if (!to_test) ++popularity_[item];
      }
    }
    WriteOrDie(test->Path("train"), train);
    WriteOrDie(test->Path("test"), held_out + "late\ti3\n");
    proto::Job& job = test->job();
    job.mutable_data()->clear_user_item();
    job.mutable_data()->mutable_user_item()->set_negatives(2);
    job.mutable_data()->set_train(0, test->Path("train"));
    job.mutable_data()->add_test(test->Path("test"));
    job.mutable_model()->set_name(model);
    job.mutable_model()->set_loss(model == "bpr_mf" ? proto::Model::BPR : proto::Model::LOG_LOSS);
    job.mutable_model()->set_embedding_dim(4);
    job.mutable_model()->mutable_embedding_initializer()->set_scale(0.5);
    job.mutable_train()->set_epochs(3);
    job.mutable_train()->set_batch_size(60);
    job.mutable_evaluation()->clear_patience();
    job.mutable_checkpoint()->set_dir(test->Path("checkpoints"));
    files_[model] = test->Write();
    const ProcessResult run = RunProcess(OneProcess({"train", files_[model]}), 60);
    ASSERT_EQ(run.exit_code, 0) << run.err;
  }

  TestJob& test() const { return *jobs_.at(GetParam()); }
  std::string Output() const { return test().Path("lists"); }

  ProcessResult Run(const std::vector<std::string>& more, int ranks = 0) const {
    std::vector<std::string> arguments = {"recommend", files_.at(GetParam()), "--output=" + Output()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunProcess(ranks == 0 ? OneProcess(arguments) : UnderMpirun(ranks, arguments), 90);
  }

  // The file, whose places must count up from 1.
  Lists Read() const {
    Lists lists;
    const std::vector<std::string> lines = Lines(ReadOrDie(Output()));
    for (std::size_t i = 1; i < lines.size(); ++i) {
      const std::vector<std::string> fields = Fields(lines[i]);
      EXPECT_GE(fields.size(), 5u) << lines[i];
      std::vector<Line>& list = lists[fields[0]];
      list.push_back({fields[2], fields[4], fields.size() > 5 ? fields[5] : "", std::atof(fields[3].c_str())});
      EXPECT_EQ(fields[1], std::to_string(list.size()));
    }
    return lists;
  }

  // What the model scores best, by `sherd predict` of all pairs, of the items that `may` admits.
  template <typename May>
  std::map<std::string, std::vector<std::string>> BruteForce(std::size_t k, May may) const {
    std::string pairs;
    for (int user = 0; user < kUsers; ++user) {
      for (int item = 0; item < kItems; ++item) {
        pairs += "u" + std::to_string(user) + "\ti" + std::to_string(item) + "\n";
      }
    }
    WriteOrDie(test().Path("pairs"), pairs);
    const ProcessResult run =
        RunProcess(OneProcess({"predict", files_.at(GetParam()), "--input=" + test().Path("pairs"),
                               "--output=" + test().Path("scores")}),
                   60);
    EXPECT_EQ(run.exit_code, 0) << run.err;
    const std::vector<std::string> scores = Lines(ReadOrDie(test().Path("scores")));
    std::map<std::string, std::vector<std::string>> best;
    for (int user = 0; user < kUsers; ++user) {
      std::vector<std::pair<double, int>> order;
      for (int item = 0; item < kItems; ++item) {
        if (seen_[user].contains(item) || !may(item)) continue;
        order.emplace_back(-std::atof(scores[user * kItems + item].c_str()), item);
      }
      std::sort(order.begin(), order.end());
      order.resize(std::min(k, order.size()));
      for (const auto& [score, item] : order) best["u" + std::to_string(user)].push_back("i" + std::to_string(item));
    }
    return best;
  }

  static std::vector<std::string> Items(const std::vector<Line>& list) {
    std::vector<std::string> items;
    for (const Line& line : list) items.push_back(line.item);
    return items;
  }

  static inline std::map<std::string, TestJob*> jobs_;
  static inline std::map<std::string, std::string> files_;
  static inline std::map<int, std::set<int>> seen_;
  static inline std::map<int, int> popularity_;
};
INSTANTIATE_TEST_SUITE_P(Models, RecommendTest, ::testing::Values("bpr_mf", "gmf"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(RecommendTest, EveryUserGetsWhatTheModelScoresBestOnAnyNumberOfRanks) {
  const auto expected = BruteForce(7, [](int) { return true; });
  for (const int ranks : {0, 4}) {
    const ProcessResult run = Run({"--at=7"}, ranks);
    ASSERT_EQ(run.exit_code, 0) << run.err;
    EXPECT_THAT(run.left, IsEmpty());
    EXPECT_THAT(run.out, HasSubstr("31 lists in " + Output() + "; 1 of them by popularity"));
    const Lists lists = Read();
    EXPECT_THAT(lists, SizeIs(kUsers + 1)) << "one user stands in the test file alone";
    for (const auto& [user, items] : expected) EXPECT_EQ(Items(lists.at(user)), items) << user;
    for (const auto& [user, list] : lists) {
      for (std::size_t i = 0; i < list.size(); ++i) {
        EXPECT_EQ(list[i].by, user == "late" ? "popularity" : "model");
        if (i > 0) {
          EXPECT_LE(list[i].score, list[i - 1].score);
        }
      }
    }
    EXPECT_THAT(Items(lists.at("late")), Not(Contains("i3"))) << "he has it";
  }
}

TEST_P(RecommendTest, UsersOfAFileInItsOrderAndTheUnknownByPopularity) {
  WriteOrDie(test().Path("users"), "u7\nnobody\nu3\nu7\n");
  WriteOrDie(test().Path("titles.csv"), "item,title\ni5,\"Five, \"\"the\"\" fifth\"\ni6,Six\n");
  const ProcessResult run =
      Run({"--at=40", "--input=" + test().Path("users"), "--titles=" + test().Path("titles.csv")});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("4 lists in"));
  EXPECT_THAT(run.out, HasSubstr("1 of them by popularity, of users that training has not seen"));
  EXPECT_THAT(run.out, HasSubstr("4 of them shorter than 40")) << "K is larger than what is left of the catalogue";
  std::vector<std::string> order;
  int titles = 0;
  std::vector<double> counts;
  for (const std::string& line : Lines(ReadOrDie(Output()))) {
    const std::vector<std::string> fields = Fields(line);
    ASSERT_THAT(fields, SizeIs(6));
    if (fields[1] == "1") order.push_back(fields[0]);
    if (fields[2] == "i5") titles += fields[5] == "Five, \"the\" fifth";
    if (fields[2] == "i8") {
      EXPECT_EQ(fields[5], "");
    }
    if (fields[0] == "nobody") {
      EXPECT_EQ(fields[4], "popularity");
      EXPECT_EQ(std::atof(fields[3].c_str()), popularity_.at(std::atoi(fields[2].c_str() + 1)) / 2);  // two trainings
      counts.push_back(std::atof(fields[3].c_str()));
    }
  }
  EXPECT_EQ(order, (std::vector<std::string>{"u7", "nobody", "u3", "u7"}));
  EXPECT_GT(titles, 0);
  EXPECT_THAT(counts, SizeIs(kItems - 1)) << "all that training has seen";
  EXPECT_TRUE(std::is_sorted(counts.rbegin(), counts.rend()));
}

TEST_P(RecommendTest, AllowAndDenySayWhatMayBeInAList) {
  std::string allow, deny = "i4\nno such item\n";
  for (int item = 0; item < kItems; item += 2) allow += "i" + std::to_string(item) + "\n";
  WriteOrDie(test().Path("allow"), allow);
  WriteOrDie(test().Path("deny"), deny);
  const ProcessResult run =
      Run({"--at=5", "--allow=" + test().Path("allow"), "--deny=" + test().Path("deny"), "--workers=2"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const Lists lists = Read();
  for (const auto& [user, items] : BruteForce(5, [](int item) { return item % 2 == 0 && item != 4; })) {
    EXPECT_EQ(Items(lists.at(user)), items) << user;
  }
  for (const Line& line : lists.at("late")) {
    EXPECT_EQ(std::atoi(line.item.c_str() + 1) % 2, 0) << "the popular ones too";
    EXPECT_NE(line.item, "i4");
  }
}

TEST_P(RecommendTest, SimilarItemsNeedVectors) {
  const ProcessResult run = Run({"--subject=items", "--at=100"});
  if (GetParam() == std::string("gmf")) {
    EXPECT_EQ(run.exit_code, 2);
    EXPECT_THAT(run.err, HasSubstr("gmf has no vectors of items that could be compared"));
    return;
  }
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const Lists lists = Read();
  EXPECT_THAT(lists, SizeIs(kItems));
  std::map<std::pair<std::string, std::string>, double> cosines;
  for (const auto& [item, list] : lists) {
    if (list[0].by == "popularity") continue;  // an item that training has not seen
    EXPECT_THAT(list, SizeIs(kItems - 1)) << "all but itself";
    for (const Line& line : list) cosines[{item, line.item}] = line.score;
  }
  for (const auto& [pair, cosine] : cosines) {
    EXPECT_NE(pair.first, pair.second);
    EXPECT_LE(std::abs(cosine), 1.00001);
    const auto turned = cosines.find({pair.second, pair.first});
    if (turned != cosines.end()) {
      EXPECT_NEAR(turned->second, cosine, 1e-6);
    }
  }
}

TEST_P(RecommendTest, MarginalRelevanceMakesListsLessAlike) {
  ASSERT_EQ(Run({"--at=5"}).exit_code, 0);
  const Lists best = Read();
  const ProcessResult run = Run({"--at=5", "--mmr=1"});
  if (GetParam() == std::string("gmf")) {
    EXPECT_EQ(run.exit_code, 2);
    EXPECT_THAT(run.err, HasSubstr("recommend.mmr: gmf has no vectors of items that could be compared"));
    return;
  }
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const Lists same = Read();
  ASSERT_EQ(Run({"--at=40"}).exit_code, 0);
  const Lists all = Read();
  ASSERT_EQ(Run({"--at=5", "--mmr=0.3", "--workers=3"}).exit_code, 0);
  int changed = 0;
  for (const auto& [user, list] : Read()) {
    EXPECT_EQ(Items(same.at(user)), Items(best.at(user))) << "by score alone";
    EXPECT_THAT(list, SizeIs(5));
    if (user == "late") continue;
    EXPECT_EQ(list[0].item, best.at(user)[0].item);
    changed += Items(list) != Items(best.at(user)) ? 1 : 0;
    std::map<std::string, double> scores;
    for (const Line& line : all.at(user)) scores[line.item] = line.score;
    for (const Line& line : list) EXPECT_EQ(line.score, scores.at(line.item)) << "the score is still the model's";
  }
  EXPECT_GT(changed, kUsers / 2);
}

// Of these models, products of a user's and an item's row, each has half of the score.
TEST_P(RecommendTest, SharesOfUserAndItemAddUpToTheScore) {
  ASSERT_EQ(Run({"--at=5"}).exit_code, 0);
  const std::vector<std::string> plain = Lines(ReadOrDie(Output()));
  for (const int ranks : {0, 4}) {
    const ProcessResult run = Run({"--at=5", "--explain"}, ranks);
    ASSERT_EQ(run.exit_code, 0) << run.err;
    EXPECT_THAT(run.out, Not(HasSubstr("do not add up")));
    const std::vector<std::string> lines = Lines(ReadOrDie(Output()));
    ASSERT_THAT(lines, SizeIs(plain.size()));
    EXPECT_EQ(lines[0], plain[0] + "\tbaseline\tshares");
    for (std::size_t i = 1; i < lines.size(); ++i) {
      EXPECT_TRUE(lines[i].starts_with(plain[i] + "\t")) << lines[i];
      const std::vector<std::string> fields = Fields(lines[i]);
      ASSERT_THAT(fields, SizeIs(7));
      const std::map<std::string, double> shares = Shares(fields[6]);
      if (fields[4] == "popularity") {
        EXPECT_THAT(shares, IsEmpty());
        continue;
      }
      const double added = std::atof(fields[3].c_str()) - std::atof(fields[5].c_str());
      ASSERT_THAT(shares, SizeIs(2));
      EXPECT_NEAR(shares.at("user"), added / 2, 1e-4 * (1 + std::abs(added)));
      EXPECT_NEAR(shares.at("item"), added / 2, 1e-4 * (1 + std::abs(added)));
    }
  }
}

TEST_P(RecommendTest, WhatCanNotBeRecommendedFromIsSaid) {
  const struct {
    std::string flag, says;
    int code;
  } kCases[] = {{"--input=/no/such/file", "--input: ", 1},   {"--deny=/no/such/file", "--deny: ", 1},
                {"--titles=/no/such/file", "--titles: ", 1}, {"--at=0", "--at: 0 is outside 1..10000", 2},
                {"--allow=", "--allow: an empty path", 2},   {"--subject=films", "--subject: ", 2}};
  for (const auto& [flag, says, code] : kCases) {
    const ProcessResult run = Run({flag});
    EXPECT_EQ(run.exit_code, code) << flag << run.err;
    EXPECT_THAT(run.err, HasSubstr(says));
  }
  const std::string job = files_.at(GetParam());
  EXPECT_THAT(RunProcess(OneProcess({"recommend", job}), 30).err, HasSubstr("--output: is required to recommend"));
  EXPECT_THAT(RunProcess(OneProcess({"eval", job, "--at=5"}), 30).err, HasSubstr("--at is for recommend"));
}

TEST(RecommendFromTest, AFormatWithoutItemsHasNone) {
  TestJob test("adult_wide_deep");
  test.job().mutable_checkpoint()->set_dir(test.Path("checkpoints"));
  const ProcessResult run = RunProcess(OneProcess({"recommend", test.Write(), "--output=" + test.Path("lists")}), 30);
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.err, HasSubstr("format DELIMITED has no items that could be recommended to users"));
}

}  // namespace
}  // namespace sherd
