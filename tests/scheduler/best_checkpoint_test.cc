#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/manifest.h"
#include "tests/scheduler/fake_job.h"

namespace sherd {
namespace {

TEST(BestCheckpointTest, StaysWhenTheOneThatWasResumedFromIsPruned) {
  FakeJob job;
  job.eval_chunks = 1;
  job.accuracy = {{1, 9}};
  job.options.job.mutable_train()->set_epochs(2);
  job.options.job.mutable_evaluation()->set_restore_best(false);
  job.options.job.mutable_checkpoint()->set_keep(1);
  ASSERT_TRUE(job.Run().ok());
  const std::string last = job.done.checkpoint;
  const proto::Manifest manifest = *ReadManifest(last);
  const std::string best = JoinPath(job.options.checkpoint_dir, manifest.state().best_checkpoint());
  ASSERT_NE(best, last);
  ASSERT_TRUE(ReadManifest(best).ok());

  FakeJob more;
  more.train_chunks = 60;
  more.eval_chunks = 1;
  more.options = job.options;
  more.options.from_checkpoint = last;
  more.options.manifest = manifest;
  more.options.job.mutable_train()->set_epochs(4);
  more.options.job.mutable_checkpoint()->set_every_rows(300);
  ASSERT_TRUE(more.Run().ok());
  EXPECT_FALSE(ReadManifest(last).ok());
  EXPECT_TRUE(ReadManifest(best).ok());
}

}  // namespace
}  // namespace sherd
