#include "launch/job_loading.h"

#include <gmock/gmock.h>

#include "base/file.h"
#include "base/job_file.h"
#include "base/manifest.h"
#include "launch/job_data.h"
#include "launch/temporary_dir.h"

namespace sherd {
namespace {

using Command = JobRequest::Command;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kJob[] = R"(name: "toy" data { format: CRITEO_TSV train: "a.tsv" }
feature { column: "C1..C3" categorical {} } model { name: "lr" })";

proto::Job Job() { return ParseJob(kJob, "j").value(); }

TEST(FindContradictions, AGoodJobHasNone) { EXPECT_THAT(FindContradictions(Job(), Command::kTrain), IsEmpty()); }

TEST(FindContradictions, AllAtOnce) {
  proto::Job job = Job();
  job.mutable_data()->clear_train();
  job.mutable_evaluation()->set_patience(3);
  job.mutable_evaluation()->set_test_each_epoch(true);
  job.mutable_evaluation()->set_metric(proto::Evaluation::HIT_RATE);
  job.mutable_model()->set_name("transformer");
  const auto problems = FindContradictions(job, Command::kTrain);
  for (const char* part : {"data.train: is required", "evaluation.patience: there is no eval set",
                           "there is no test set", "HIT_RATE needs candidate lists", "transformer"}) {
    EXPECT_THAT(problems, testing::Contains(HasSubstr(part)));
  }
}

TEST(FindContradictions, DependOnTheCommand) {
  proto::Job job = Job();
  EXPECT_THAT(FindContradictions(job, Command::kEvaluate), testing::Contains(HasSubstr("neither an eval nor a test")));
  job.mutable_data()->clear_train();
  job.mutable_data()->add_test("t.tsv");
  EXPECT_THAT(FindContradictions(job, Command::kEvaluate), IsEmpty());
}

TEST(FindContradictions, AllWeightsOfBspAreOfOneClock) {
  proto::Job job = Job();
  job.mutable_train()->set_dense_staleness(0);
  EXPECT_THAT(FindContradictions(job, Command::kTrain), IsEmpty());
  job.mutable_train()->set_consistency(proto::Train::BSP);
  EXPECT_THAT(FindContradictions(job, Command::kTrain),
              testing::ElementsAre(HasSubstr("train.dense_staleness: in BSP")));
  job.mutable_train()->set_row_cache_clocks(1);
  EXPECT_THAT(FindContradictions(job, Command::kTrain),
              testing::ElementsAre(HasSubstr("train.dense_staleness"), HasSubstr("train.row_cache_clocks: in BSP")));
}

TEST(FindContradictions, WhatCanNotBeExplainedOrRecommended) {
  const auto problems = [](const std::string& user_item, const std::string& features, const std::string& rest) {
    const std::string job = R"(name: "j" data { format: USER_ITEM train: "a" )" + user_item + " } " + features + rest;
    return FindContradictions(ParseJob(job, "j").value(), Command::kRecommend);
  };
  const std::string pairs = R"(feature { column: "user" table: "user" categorical {} }
                               feature { column: "item" table: "item" categorical {} } )";
  const std::string explain = " recommend { explain: true }";
  const std::string two_tower = R"(model { name: "two_tower" loss: IN_BATCH_SOFTMAX )";
  const std::string none = "user_item { negatives: 0 }";
  EXPECT_THAT(problems(none, pairs, two_tower + "}" + explain), IsEmpty());
  EXPECT_THAT(problems(none, pairs, two_tower + "tower { unit_length: true } }" + explain),
              testing::ElementsAre(HasSubstr("recommend.explain: with model.tower.unit_length")));
  EXPECT_THAT(problems(none, pairs, two_tower + "} recommend { explain: true subject: ITEMS }"),
              testing::ElementsAre(HasSubstr("recommend.explain: is of users' items")));
  EXPECT_THAT(problems("user_item { }", pairs, R"(model { name: "lightgcn" loss: BPR })" + explain),
              testing::ElementsAre(HasSubstr("recommend.explain: a score of lightgcn")));
  EXPECT_THAT(problems("user_item { rating_column: 2 bags { of: USER } }",
                       R"(feature { column: "history" table: "read" categorical {} }
                          feature { column: "targets" table: "told" categorical {} } )",
                       R"(model { name: "autorec" loss: SQUARED_ERROR tower { hidden: 4 } } recommend { })"),
              testing::ElementsAre(HasSubstr("recommend: autorec predicts ratings of bags")));
}

TEST(FindContradictions, PrivateRowsStandAlone) {
  proto::Job job = Job();
  job.mutable_train()->mutable_dp()->set_noise_multiplier(1);
  EXPECT_THAT(FindContradictions(job, Command::kTrain), IsEmpty());
  job.mutable_model()->set_name("deepfm");
  job.mutable_model()->mutable_tower()->add_hidden(4);
  job.mutable_model()->mutable_tower()->set_batch_norm(true);
  job.mutable_data()->set_negative_rate(0.5);
  EXPECT_THAT(FindContradictions(job, Command::kTrain),
              testing::ElementsAre(HasSubstr("train.dp: goes with data.negative_rate"),
                                   HasSubstr("train.dp: model.tower.batch_norm mixes the rows")));
}

TEST(FindContradictions, WhatAPolicyIsWorthIsNoFigureOfRows) {
  proto::Job job = Job();
  job.mutable_model()->set_loss(proto::Model::Q_LEARNING);
  job.mutable_train()->mutable_dp()->set_noise_multiplier(1);
  job.mutable_data()->add_test("rows");
  const auto no_set = HasSubstr("data: model.loss Q_LEARNING has no eval or test set");
  const auto no_noise = HasSubstr("train.dp: the target network");
  EXPECT_THAT(FindContradictions(job, Command::kTrain), testing::IsSupersetOf({no_set, no_noise}));
  EXPECT_THAT(FindContradictions(job, Command::kPredict), testing::Not(testing::Contains(no_set)));
}

TEST(FindContradictions, RangesAndMeanErrorsAreOfNumbers) {
  proto::Job job = Job();
  job.mutable_data()->mutable_label_range()->set_min(5);
  job.mutable_data()->mutable_label_range()->set_max(1);
  job.mutable_evaluation()->set_metric(proto::Evaluation::MAE);
  EXPECT_THAT(FindContradictions(job, Command::kTrain),
              testing::ElementsAre(HasSubstr("data.label_range: is for labels that are numbers"),
                                   HasSubstr("min must be less than max"), HasSubstr("MAE needs")));
  job.mutable_model()->set_loss(proto::Model::SQUARED_ERROR);
  job.mutable_data()->mutable_label_range()->set_max(5.5);
  EXPECT_THAT(FindContradictions(job, Command::kTrain), IsEmpty());
}

std::vector<std::string> StorageProblemsOf(const std::string& storage, Command command) {
  return FindContradictions(ParseJob(std::string(kJob) + storage, "j").value(), command);
}

TEST(FindContradictions, StorageThatCanNotBe) {
  const auto of_table = [](const std::string& fields, Command command = Command::kTrain) {
    return StorageProblemsOf("table { name: \"embedding\" storage { " + fields + " } }", command);
  };
  const auto has = [](const std::string& text) {
    return testing::ElementsAre(HasSubstr("table 'embedding': " + text));
  };
  EXPECT_THAT(of_table(""), IsEmpty());
  EXPECT_THAT(of_table("weights: INT8"), has("storage.weights: rows of INT8 can be served"));
  EXPECT_THAT(of_table("state: FP16"), has("storage.state: FP16 is not one of FP32, BF16"));
  EXPECT_THAT(of_table("at_budget: SPILL"), has("storage.at_budget: SPILL needs cluster.spill_dir"));
  EXPECT_THAT(of_table("use: FREQUENT"), has("storage.use: FREQUENT matters only with"));
  EXPECT_THAT(of_table("use: FREQUENT at_budget: EVICT"), IsEmpty());
  EXPECT_THAT(of_table("max_rows: 4095"), has("storage.max_rows: 4095 is less than 4096"));
  EXPECT_THAT(of_table("max_rows: 4096"), IsEmpty());
  EXPECT_THAT(of_table("max_bytes: 4096"), has("storage.max_bytes: 4096 is less than the "));
}

TEST(FindContradictions, RowsOfInt8CanBeServed) {
  proto::Job job = Job();
  job.mutable_data()->add_test("t.tsv");
  job.mutable_model()->mutable_storage()->set_weights(proto::RowStorage::INT8);
  EXPECT_THAT(FindContradictions(job, Command::kEvaluate), IsEmpty());
  EXPECT_THAT(FindContradictions(job, Command::kTrain), testing::ElementsAre(HasSubstr("INT8")));
}

class LoadJobTest : public testing::Test {
 protected:
  JobRequest Request(const std::string& text) {
    JobRequest request;
    request.job_file = JoinPath(dir_->path(), "j.pbtxt");
    CHECK(WriteFileAtomically(request.job_file, text).ok());
    return request;
  }
  const std::unique_ptr<TemporaryDir> dir_ = TemporaryDir::Make().value();
};

TEST_F(LoadJobTest, DataStartsFromTheJobFilesFolder) {
  EXPECT_EQ(LoadJob(Request(kJob), 0)->job.data().data_dir(), dir_->path() + "/");
}

TEST_F(LoadJobTest, ProblemsOfFileAndFlagsComeTogether) {
  JobRequest request = Request(std::string(kJob) + " train { epochs: 0 }");
  request.flags = {{"batch_size", "0"}};
  const Status status = LoadJob(request, 3).status();
  EXPECT_EQ(status.code(), ErrorCode::kInvalid);
  EXPECT_THAT(status.text(), HasSubstr("train.epochs: 0 is outside"));
  EXPECT_THAT(status.text(), HasSubstr("--batch_size: 0 is outside"));
}

TEST_F(LoadJobTest, CheckpointsNeedAFolderForTheirManifests) {
  JobRequest request = Request(std::string(kJob) + " checkpoint { every_minutes: 1 }");
  request.flags = {{"checkpoint_every_rows", "5"}, {"checkpoint_server_dir", "local"}};
  const Status status = LoadJob(request, 0).status();
  for (const char* part : {"checkpoint.every_minutes: there is no checkpoint.dir", "checkpoint.every_rows: there is no",
                           "checkpoint.server_dir: there is no checkpoint.dir for the manifests"}) {
    EXPECT_THAT(status.text(), HasSubstr(part));
  }
  request.flags = {{"checkpoint_server_dir", "local"}, {"checkpoint_dir", "c"}, {"checkpoint_compression", "zstd"}};
  const auto loaded = LoadJob(request, 0);
  ASSERT_TRUE(loaded.ok()) << loaded.status().text();
  EXPECT_EQ(loaded->job.checkpoint().server_dir(), AbsolutePath("local"));
  EXPECT_EQ(loaded->job.checkpoint().compression(), proto::Checkpoint::ZSTD);
}

// What the shards find damaged is passed over for those that the job could resume too.
TEST_F(LoadJobTest, OlderCheckpointsOfTheSameModelAreWhatAResumedJobFallsBackOn) {
  JobRequest request = Request(std::string(kJob) + " checkpoint { dir: \"" + dir_->path() + "/c\" }");
  request.resume = true;
  proto::Manifest manifest;
  manifest.set_seed(1);
  for (const int number : {1, 2, 3, 4}) {
    proto::Job job = Job();
    if (number == 2) job.mutable_model()->set_name("fm");
    manifest.set_job(ModelFingerprint(job));
    manifest.set_seed(number == 1 ? 7 : 1);
    const std::string folder = dir_->path() + "/c/checkpoint-00000" + std::to_string(number);
    ASSERT_TRUE(MakeDirectory(folder).ok());
    ASSERT_TRUE(WriteManifest(folder, manifest).ok());
  }
  const auto loaded = LoadJob(request, 0);
  ASSERT_TRUE(loaded.ok()) << loaded.status().text();
  EXPECT_EQ(loaded->from_checkpoint, dir_->path() + "/c/checkpoint-000004");
  ASSERT_EQ(loaded->fallbacks.size(), 1u);  // another model and another seed are none
  EXPECT_EQ(loaded->fallbacks[0].dir, dir_->path() + "/c/checkpoint-000003");
}

TEST_F(LoadJobTest, AnEmptyInputPathIsRefused) {
  JobRequest request = Request(kJob);
  request.command = Command::kPredict;
  request.input = "a,,b";
  request.output = "o";
  EXPECT_THAT(LoadJob(request, 0).status().text(), HasSubstr("--input: an empty path"));
}

TEST_F(LoadJobTest, WorkersOfTheFlagMatterUnderMpirunThoseOfTheFileDoNot) {
  JobRequest request = Request(std::string(kJob) + " cluster { workers: 9 }");
  EXPECT_EQ(LoadJob(request, 4)->plan.workers, 2u);
  request.flags = {{"workers", "3"}};
  EXPECT_THAT(LoadJob(request, 4).status().text(), HasSubstr("use -np 6"));
  EXPECT_EQ(LoadJob(request, 6)->plan.workers, 3u);
}

// A check looks at first rows alone; statistics would be a pass over them all.
TEST_F(LoadJobTest, OnlyTrainingGathersStatistics) {
  std::string row = "1";
  for (int column = 0; column < 13 + 26; ++column) row += "\t7";
  ASSERT_TRUE(WriteFileAtomically(JoinPath(dir_->path(), "a.tsv"), row + "\n" + row + "\n").ok());
  const JobRequest request = Request(
      "name: \"toy\" data { format: CRITEO_TSV train: \"a.tsv\" } "
      "feature { column: \"I1\" bucket { quantiles: 4 } } model { name: \"lr\" }");
  const auto loaded = LoadJob(request, 0);
  ASSERT_TRUE(loaded.ok()) << loaded.status().text();
  const auto trained = JobData::Open(*loaded, Command::kTrain), checked = JobData::Open(*loaded, Command::kCheck);
  ASSERT_TRUE(trained.ok() && checked.ok()) << trained.status().text() << checked.status().text();
  EXPECT_EQ((*trained)->statistics().column_size(), 1);
  EXPECT_EQ((*checked)->statistics().column_size(), 0);
  EXPECT_TRUE((*checked)->dataset()->CheckFirstRows(10).ok());
}

TEST_F(LoadJobTest, ResumingWithoutACheckpointSaysSo) {
  JobRequest request = Request(kJob);
  request.resume = true;
  EXPECT_THAT(LoadJob(request, 0).status().text(), HasSubstr("the job has no checkpoint.dir"));
  request.flags = {{"checkpoint_dir", dir_->path()}};
  const auto loaded = LoadJob(request, 0);
  ASSERT_TRUE(loaded.ok()) << loaded.status().text();
  EXPECT_TRUE(loaded->from_checkpoint.empty());
  EXPECT_THAT(loaded->notes, testing::Contains(HasSubstr("starting from nothing")));
}

TEST_F(LoadJobTest, ATornCheckpointIsPassedOverAloud) {
  ASSERT_TRUE(MakeDirectory(JoinPath(dir_->path(), "checkpoint-000007")).ok());
  JobRequest request = Request(kJob);
  request.resume = true;
  request.flags = {{"checkpoint_dir", dir_->path()}};
  const auto loaded = LoadJob(request, 0);
  ASSERT_TRUE(loaded.ok());
  EXPECT_THAT(loaded->notes, testing::Contains(testing::AllOf(HasSubstr("passing over"), HasSubstr("000007"))));
}

TEST_F(LoadJobTest, TheSeedIsTheCheckpoints) {
  JobRequest request = Request(std::string(kJob) + " train { seed: 5 }");
  proto::Manifest manifest;
  manifest.set_version(1);
  manifest.set_job(ModelFingerprint(Job()));
  manifest.set_seed(7);
  const std::string checkpoint = JoinPath(dir_->path(), "checkpoint-000001");
  ASSERT_TRUE(MakeDirectory(checkpoint).ok());
  ASSERT_TRUE(WriteManifest(checkpoint, manifest).ok());
  request.flags = {{"checkpoint_dir", dir_->path()}};
  request.resume = true;
  EXPECT_THAT(LoadJob(request, 0).status().text(), HasSubstr("train.seed 7 (here 5)"));

  request.resume = false;
  request.command = Command::kPredict;
  request.checkpoint = checkpoint;
  request.input = "a.tsv";
  const auto loaded = LoadJob(request, 0);
  ASSERT_TRUE(loaded.ok()) << loaded.status().text();
  EXPECT_EQ(loaded->job.train().seed(), 7u);
}

TEST_F(LoadJobTest, CheckpointsOfOtherModelsOrStatisticsCanNotBeComparedWith) {
  const auto write = [&](const std::string& name, const proto::Job& job, std::uint64_t rows) {
    proto::Manifest manifest;
    manifest.set_version(1);
    manifest.set_job(ModelFingerprint(job));
    manifest.mutable_statistics()->add_column()->set_count(rows);
    const std::string folder = JoinPath(dir_->path(), name);
    CHECK(MakeDirectory(folder).ok() && WriteManifest(folder, manifest).ok());
    return folder;
  };
  proto::Job other = Job();
  other.mutable_model()->set_name("fm");
  JobRequest request = Request(kJob);
  request.command = Command::kEvaluate;
  request.flags = {{"test", "a.tsv"}};
  request.checkpoint = write("checkpoint-000001", Job(), 10);
  request.against = write("checkpoint-000002", other, 10);
  EXPECT_EQ(LoadJob(request, 0).status().code(), ErrorCode::kInvalid);
  EXPECT_THAT(LoadJob(request, 0).status().text(), HasSubstr("--against"));
  request.against = write("checkpoint-000003", Job(), 11);
  EXPECT_THAT(LoadJob(request, 0).status().text(), HasSubstr("other statistics of the training rows"));
  request.against = write("checkpoint-000004", Job(), 10);
  const auto loaded = LoadJob(request, 0);
  ASSERT_TRUE(loaded.ok()) << loaded.status().text();
  EXPECT_EQ(loaded->against, request.against);
}

TEST_F(LoadJobTest, MoreServersThanRanksAreRefused) {
  JobRequest request = Request(kJob);
  request.flags = {{"servers", "9"}};
  EXPECT_THAT(LoadJob(request, 4).status().text(), HasSubstr("use -np 11 or more"));
  EXPECT_TRUE(LoadJob(request, 0).ok());  // in one process they are threads
}

}  // namespace
}  // namespace sherd
