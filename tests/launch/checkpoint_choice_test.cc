#include "launch/checkpoint_choice.h"

#include <gmock/gmock.h>

#include "base/file.h"
#include "base/job_file.h"
#include "base/manifest.h"
#include "launch/temporary_dir.h"

namespace sherd {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr char kJob[] = R"(name: "toy" data { format: CRITEO_TSV train: "a.tsv" train: "days/b.tsv" }
feature { column: "C1..C3" categorical {} } model { name: "lr" } train { batch_size: 256 seed: 7 })";

proto::Job Job() { return ParseJob(kJob, "j").value(); }

// Of Job(), in the middle of its third epoch.
proto::Manifest Inside() {
  proto::Manifest manifest;
  manifest.set_job_text(kJob);
  manifest.set_seed(7);
  manifest.mutable_state()->set_epoch(2);
  manifest.mutable_state()->add_chunk()->set_done(true);
  manifest.mutable_state()->add_chunk()->set_minibatches(5);
  return manifest;
}

// Of Job(), where an epoch has ended.
proto::Manifest Between() {
  proto::Manifest manifest = Inside();
  manifest.mutable_state()->mutable_chunk(1)->set_done(true);
  return manifest;
}

TEST(CheckSamePositions, TheSameJobGoesOn) {
  proto::Job job = Job();
  job.mutable_data()->set_data_dir("/elsewhere");
  job.mutable_data()->set_train(0, "moved/a.tsv");
  job.mutable_train()->set_epochs(9);
  EXPECT_TRUE(CheckSamePositions(Inside(), job, "c").ok());
}

TEST(CheckSamePositions, AnotherSeedIsRefusedWhereverItStands) {
  proto::Job job = Job();
  job.mutable_train()->set_seed(8);
  for (const proto::Manifest& manifest : {Inside(), Between()}) {
    const Status status = CheckSamePositions(manifest, job, "c");
    EXPECT_EQ(status.code(), ErrorCode::kInvalid);
    EXPECT_THAT(status.text(), HasSubstr("train.seed 7 (here 8)"));
  }
}

TEST(CheckSamePositions, OtherRowsAreRefusedInsideAnEpochByName) {
  proto::Job job = Job();
  job.mutable_train()->set_batch_size(512);
  job.mutable_data()->mutable_train()->RemoveLast();
  job.mutable_data()->set_eval_fraction(0.1);
  job.mutable_data()->set_in_memory_bytes(0);
  job.mutable_data()->set_negative_rate(0.5);
  job.mutable_data()->mutable_user_item()->set_negatives(5);
  const Status status = CheckSamePositions(Inside(), job, "c");
  EXPECT_EQ(status.code(), ErrorCode::kInvalid);
  EXPECT_THAT(status.text(), AllOf(HasSubstr("checkpoint c stands inside epoch 3, which can only go on with "
                                             "train.batch_size 256 (here 512); data.train 2 files: a.tsv b.tsv (here "
                                             "1 files: a.tsv); data.eval_fraction 0 (here 0.1); "),
                                   HasSubstr("data.in_memory_bytes 268435456 (here 0); "
                                             "data.negative_rate 1 (here 0.5); data.user_item.negatives 4 (here 5)")));
  EXPECT_TRUE(CheckSamePositions(Between(), job, "c").ok());
}

TEST(CheckSamePositions, AnEvalFractionBesideEvalFilesKeepsNoRowsOut) {
  proto::Job job = Job();
  job.mutable_data()->add_eval("e.tsv");
  job.mutable_data()->set_eval_fraction(0.1);
  EXPECT_TRUE(CheckSamePositions(Inside(), job, "c").ok());
}

TEST(CheckSamePositions, AJobThatCanNotBeReadIsNoReasonBetweenEpochs) {
  proto::Manifest manifest = Inside();
  manifest.set_job_text("name:");
  EXPECT_THAT(CheckSamePositions(manifest, Job(), "c").text(), HasSubstr("stands inside epoch 3"));
  manifest.mutable_state()->clear_chunk();
  EXPECT_TRUE(CheckSamePositions(manifest, Job(), "c").ok());
}

TEST(ChooseCheckpoint, TheNewestWholeOneAndThoseBefore) {
  const auto dir = TemporaryDir::Make().value();
  for (const std::string name : {"checkpoint-000009", "checkpoint-000010", "checkpoint-000011", "checkpoint-000012"}) {
    ASSERT_TRUE(MakeDirectory(JoinPath(dir->path(), name)).ok());
    proto::Manifest manifest = Between();
    if (name.ends_with("11")) manifest.add_file()->set_name("lost");
    if (name.ends_with("12")) continue;
    ASSERT_TRUE(WriteManifest(JoinPath(dir->path(), name), manifest).ok());
  }
  const CheckpointChoice choice = ChooseCheckpoint(dir->path());
  EXPECT_EQ(choice.dir, JoinPath(dir->path(), "checkpoint-000010"));
  ASSERT_EQ(choice.before.size(), 1u);
  EXPECT_EQ(choice.before[0].dir, JoinPath(dir->path(), "checkpoint-000009"));
  ASSERT_EQ(choice.passed_over.size(), 2u);
  EXPECT_THAT(choice.passed_over[0], HasSubstr("checkpoint-000012/manifest: no such file"));
  EXPECT_THAT(choice.passed_over[1], HasSubstr("lost: no such file"));
  EXPECT_EQ(ChooseCheckpoint(dir->path() + "/nowhere").dir, "");
}

TEST(TrainingDifferences, NamesWhatMayDifferOnceTheModelIsTheSame) {
  proto::Job there = Job(), here = Job();
  here.mutable_train()->set_epochs(9);
  here.mutable_model()->mutable_dense_optimizer()->mutable_adam()->set_learning_rate(0.5);
  here.mutable_cluster()->set_servers(7);
  there.mutable_model()->mutable_dense_optimizer()->mutable_adam();
  EXPECT_THAT(TrainingDifferences(there, here),
              testing::UnorderedElementsAre("model.dense_optimizer.adam.learning_rate: default there, 0.5 here",
                                            "train.epochs: default there, 9 here"));
  EXPECT_THAT(TrainingDifferences(here, here), testing::IsEmpty());
}

}  // namespace
}  // namespace sherd
