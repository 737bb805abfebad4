#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/job_run.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;

// The AUC of two workers whose rows are asynchronous, with the flags' bound on dense weights.
double AucWith(const std::vector<std::string>& flags) {
  TestJob job("adult_deepfm");
  job.job().mutable_cluster()->set_workers(2);
  job.job().mutable_checkpoint()->set_dir(job.Path("checkpoints"));
  job.job().mutable_checkpoint()->set_every_rows(20000);
  const std::string metrics = job.Path("metrics.jsonl");
  std::vector<std::string> arguments = {"train", job.Write(), "--epochs=2", "--servers=2", "--metrics=" + metrics};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  const ProcessResult run = RunProcess(OneProcess(arguments), 300);
  EXPECT_EQ(run.exit_code, 0) << run.out << run.err;
  EXPECT_THAT(run.out, HasSubstr("% busy")) << "says where the time goes";
  return DoneMetric(metrics, "test", "auc");
}

// Synchronous dense weights with asynchronous rows, and any bound between that and none, learn the same. Cuts fall
// within.
TEST(DenseStalenessIntegrationTest, AnyBoundReachesTheSameAccuracy) {
  const double unbounded = AucWith({});
  EXPECT_GT(unbounded, 0.900);
  for (const char* bound : {"0", "1", "4"}) {
    EXPECT_NEAR(AucWith({std::string("--dense_staleness=") + bound}), unbounded, 0.004) << bound;
  }
  EXPECT_NEAR(AucWith({"--dense_staleness=0", "--consistency=bounded", "--max_staleness=2"}), unbounded, 0.004);
  EXPECT_NEAR(AucWith({"--dense_staleness=0", "--wire_values=int8"}), unbounded, 0.004);
  EXPECT_NEAR(AucWith({"--row_cache_clocks=4"}), unbounded, 0.004);
}

}  // namespace
}  // namespace sherd
