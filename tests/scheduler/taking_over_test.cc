// A scheduler that goes on where another one was, by its journal and by what the ranks say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/leadership.h"
#include "scheduler/journal.h"
#include "tests/scheduler/fake_job.h"

namespace sherd {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr std::uint64_t kOfChunk = std::uint64_t{kMinibatches} * kRows;

proto::ChunkPosition Position(std::uint64_t chunk, std::uint32_t minibatches) {
  proto::ChunkPosition position;
  position.mutable_chunk()->set_id(chunk);
  position.mutable_chunk()->set_begin(chunk * kOfChunk);
  position.mutable_chunk()->set_end((chunk + 1) * kOfChunk);
  position.mutable_chunk()->set_in_memory(true);
  position.set_minibatches(minibatches);
  position.set_done(minibatches == kMinibatches);
  position.set_rows(std::uint64_t{minibatches} * kRows);
  position.set_read_rows(position.rows());
  return position;
}

class TakingOver : public testing::Test {
 protected:
  TakingOver() : job_(2, 2), dir_(job_.options.checkpoint_dir + "/scheduler") {
    EXPECT_TRUE(MakeDirectory(dir_).ok());
    job_.options.term = 2;
    job_.options.job.mutable_cluster()->set_heartbeat_timeout(0.5);
    job_.options.on_verdict = [this](const Status& status) { verdicts_.push_back(status.ok() ? "ok" : status.text()); };
    job_.before_run = [this](Scheduler* scheduler) {
      leadership_ = Claim(2);
      scheduler->Lead(leadership_.get(), dir_);
    };
    for (std::uint32_t i = 0; i < 2; ++i) {
      proto::Placement::Shard* const shard = state_.mutable_placement()->add_shard();
      shard->mutable_primary()->set_role(proto::SERVER);
      shard->mutable_primary()->set_index(i);
      shard->mutable_primary()->set_endpoint("inproc://shard" + std::to_string(i));
    }
    state_.mutable_placement()->set_epoch(1);
  }

  std::unique_ptr<Leadership> Claim(std::uint32_t term) {
    proto::Leader leader;
    leader.set_job(job_.options.job_id);
    leader.set_term(term);
    leader.set_endpoint("inproc://scheduler");
    return Leadership::Claim(dir_, leader, std::chrono::milliseconds(10)).value();
  }
  Status Run() {
    EXPECT_TRUE(Journal(dir_, 1).Begin(state_).ok());
    return job_.Run();
  }
  // In the second epoch of two, which has six chunks.
  void BeginEpoch() {
    job_.options.job.mutable_train()->set_epochs(2);
    state_.mutable_job()->set_epoch(1);
    state_.mutable_job()->set_rows(6 * kOfChunk);
    state_.mutable_started()->set_epoch(1);
    state_.mutable_started()->set_clock(40);
    for (const std::uint32_t worker : {0, 1}) state_.mutable_started()->add_worker(worker);
    for (std::uint64_t chunk = 0; chunk < 6; ++chunk) *state_.mutable_job()->add_chunk() = Position(chunk, 0);
  }

  FakeJob job_;
  const std::string dir_;
  proto::SchedulerState state_;
  std::unique_ptr<Leadership> leadership_;
  std::vector<std::string> verdicts_;
};

TEST_F(TakingOver, AnEpochIsTrainedToItsEnd) {
  BeginEpoch();
  *state_.add_done() = Position(0, kMinibatches);
  proto::WorkerStand stand;
  stand.set_epoch(1);
  stand.set_clock(44);
  *stand.add_lease()->mutable_position() = Position(1, kMinibatches);
  job_.scripts[1].stand = stand;
  job_.taken.set_cut(7);
  const Status status = Run();
  ASSERT_TRUE(status.ok()) << status.text();
  EXPECT_THAT(job_.record.Of("message"), Contains(HasSubstr("took the job over in epoch 2 after 320 rows")));
  EXPECT_THAT(job_.record.Of("shard 1"), Contains("taken over by term 2, lost: 0, in an epoch"));
  EXPECT_THAT(job_.record.Of("epoch"), ElementsAre(HasSubstr("2 rows 240")));
  EXPECT_EQ(job_.done.rows, 12 * kOfChunk);
  ASSERT_EQ(job_.files.size(), 1u);
  EXPECT_EQ(job_.files[0].trained, 6 * kOfChunk);
  EXPECT_EQ(job_.files[0].read, 6 * kOfChunk);
  for (const char* worker : {"worker 0", "worker 1"}) {
    EXPECT_THAT(job_.record.Of(worker), Not(Contains(::testing::AnyOf("1/0:0", "1/1:0")))) << "they were done";
  }
  EXPECT_THAT(verdicts_, ElementsAre("ok"));
}

// What it had done is known to nobody but the shards: it is counted, and computed where they lack it.
TEST_F(TakingOver, AWorkerThatDoesNotComeIsLost) {
  BeginEpoch();
  job_.scripts[1].missing = true;
  proto::ChunkRange* const range = job_.taken.add_applied();
  range->set_chunk(2);
  range->set_first_minibatch(0);
  range->set_end_minibatch(3);
  const Status status = Run();
  ASSERT_TRUE(status.ok()) << status.text();
  EXPECT_THAT(job_.record.Of("message"),
              Contains(HasSubstr("did not come to the scheduler that took over): worker 1")));
  EXPECT_THAT(job_.record.Of("shard 0"), Contains("taken over by term 2, lost: 1, in an epoch"));
  EXPECT_THAT(job_.record.Of("applied"), ElementsAre("3", "3"));
  EXPECT_EQ(job_.done.rows, 12 * kOfChunk);
  EXPECT_EQ(job_.files[0].trained, 6 * kOfChunk);
}

TEST_F(TakingOver, WhoWasLostBeforeStaysSo) {
  BeginEpoch();
  state_.add_lost()->set_role(proto::WORKER);
  state_.mutable_lost(0)->set_index(0);
  state_.mutable_lost(0)->set_successor(2);
  const Status status = Run();
  ASSERT_TRUE(status.ok()) << status.text();
  EXPECT_THAT(job_.record.Of("refused"), ElementsAre(HasSubstr("taken for lost")));
  EXPECT_THAT(job_.record.Of("worker 0"), IsEmpty());
  EXPECT_EQ(job_.done.rows, 12 * kOfChunk);
}

TEST_F(TakingOver, AWorkerThatHadJoinedIsWaitedForAndGoesOn) {
  BeginEpoch();
  state_.set_worker_places(3);
  state_.mutable_started()->add_worker(2);
  job_.scripts.resize(3);
  ASSERT_TRUE(Run().ok());
  EXPECT_THAT(job_.record.Of("worker 2"), Contains(HasSubstr("1/")));
  EXPECT_THAT(job_.record.Of("shard 0"), Not(Contains(HasSubstr("start 1")))) << "all were in the round";
  EXPECT_EQ(job_.done.rows, 12 * kOfChunk);
}

// The scheduler before was about to let it in.
TEST_F(TakingOver, OneThatWasNotInTheRoundYetIsInTheNext) {
  BeginEpoch();
  state_.set_worker_places(3);
  job_.scripts.resize(3);
  ASSERT_TRUE(Run().ok());
  EXPECT_THAT(job_.record.Of("shard 0"), Contains(HasSubstr("start 1")));
  EXPECT_EQ(job_.done.rows, 12 * kOfChunk);
}

TEST_F(TakingOver, OneThatHadJoinedAndIsGoneIsLost) {
  BeginEpoch();
  state_.set_worker_places(3);
  state_.mutable_started()->add_worker(2);
  ASSERT_TRUE(Run().ok());
  EXPECT_THAT(job_.record.Of("message"), Contains(HasSubstr("that took over): worker 2 (joined)")));
  EXPECT_EQ(job_.done.rows, 12 * kOfChunk);
}

TEST_F(TakingOver, BetweenTwoEpochsTheNextOneBegins) {
  job_.options.job.mutable_train()->set_epochs(2);
  state_.mutable_job()->set_epoch(1);
  state_.mutable_job()->set_clock(30);
  state_.mutable_job()->set_rows(6 * kOfChunk);
  ASSERT_TRUE(Run().ok());
  EXPECT_THAT(job_.record.Of("shard 0"), Contains("taken over by term 2, lost: 0"));
  EXPECT_THAT(job_.record.Of("shard 0"), Contains("start 1 at 30"));
  EXPECT_EQ(job_.done.rows, 12 * kOfChunk);
}

TEST_F(TakingOver, OfAJobThatIsOverOnlyTheVerdictIsLeft) {
  BeginEpoch();
  state_.mutable_finished()->set_text("the loss is not a number");
  state_.mutable_finished()->set_code(static_cast<std::uint32_t>(ErrorCode::kBadData));
  const Status status = Run();
  EXPECT_EQ(status.code(), ErrorCode::kBadData);
  EXPECT_EQ(status.text(), "the loss is not a number");
  EXPECT_THAT(verdicts_, ElementsAre("the loss is not a number"));
  EXPECT_THAT(job_.record.Of("shard 0"), ElementsAre("stop"));
}

TEST_F(TakingOver, AJobThatHadNotBegunBegins) {
  state_ = {};
  state_.set_not_begun(true);
  ASSERT_TRUE(Run().ok());
  EXPECT_THAT(job_.record.Of("shard 0"), Contains("start 0 at 0"));
  EXPECT_EQ(job_.done.rows, 6 * kOfChunk);
}

TEST_F(TakingOver, WithoutAJournalThereIsNothingToGoOnFrom) {
  const Status status = job_.Run();
  EXPECT_THAT(status.text(), HasSubstr("training had not begun"));
}

// It does nothing more, and says nothing in the job's name.
TEST_F(TakingOver, ASchedulerThatIsReplacedLeavesTheJobAlone) {
  BeginEpoch();
  job_.train_chunks = 6;
  std::unique_ptr<Leadership> third;
  job_.on_progress = [&] {
    if (third == nullptr) third = Claim(3);
  };
  for (std::uint64_t chunk = 6; chunk < 400; ++chunk) *state_.mutable_job()->add_chunk() = Position(chunk, 0);
  const Status status = Run();
  EXPECT_THAT(status.text(), HasSubstr("another scheduler has taken the job over"));
  EXPECT_THAT(verdicts_, IsEmpty());
  EXPECT_THAT(job_.record.Of("shard 0"), Not(Contains("stop")));
  EXPECT_TRUE(ReadJournal(dir_, 3).ok()) << "whoever comes next goes on from it";
}

}  // namespace
}  // namespace sherd
