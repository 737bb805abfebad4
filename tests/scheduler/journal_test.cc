#include "scheduler/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "base/file.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;

proto::SchedulerState FirstState() {
  proto::SchedulerState state;
  state.mutable_job()->set_epoch(3);
  state.mutable_job()->set_rows(1000);
  state.mutable_job()->add_chunk()->mutable_chunk()->set_end(77);
  state.mutable_started()->set_clock(12);
  state.set_best_dir("/checkpoints/checkpoint-000004");
  return state;
}

// One of each kind.
std::vector<proto::JournalRecord> Events() {
  std::vector<proto::JournalRecord> events(7);
  events[0].mutable_lost()->set_role(proto::SERVER);
  events[0].mutable_lost()->set_index(1);
  events[1].mutable_placement()->set_epoch(5);
  events[1].mutable_placement()->add_shard()->mutable_primary()->set_endpoint("ipc:///a");
  events[2].mutable_done()->add_position()->set_rows(64);
  events[3].mutable_lost()->set_role(proto::WORKER);
  events[3].mutable_lost()->set_successor(2);
  events[4].mutable_finished()->set_text("stopped");
  events[5].mutable_restore_point()->mutable_load()->set_dir("/checkpoints/checkpoint-000005");
  events[6].mutable_lost_updates()->set_pushes(9);
  return events;
}

class JournalTest : public testing::Test {
 protected:
  JournalTest() : dir_(testing::TempDir() + "/journal_test_XXXXXX") { EXPECT_NE(mkdtemp(dir_.data()), nullptr); }
  ~JournalTest() override { EXPECT_TRUE(RemoveTree(dir_).ok()); }

  std::string dir_;
};

TEST_F(JournalTest, WhatIsReadIsWhatWasWritten) {
  Journal journal(dir_, 1);
  proto::SchedulerState state = FirstState();
  ASSERT_TRUE(journal.Begin(state).ok());
  for (const proto::JournalRecord& event : Events()) {
    ASSERT_TRUE(journal.Add(event).ok());
    Apply(event, &state);
    EXPECT_EQ(ReadJournal(dir_, 2)->SerializeAsString(), state.SerializeAsString());
  }
  EXPECT_EQ(state.lost_size(), 2);
  EXPECT_TRUE(state.lost_in_epoch());
  EXPECT_EQ(state.done_size(), 1);
  EXPECT_EQ(state.placement().epoch(), 5u);
  EXPECT_FALSE(state.finished().ok());
  EXPECT_EQ(state.restore_point().load().dir(), "/checkpoints/checkpoint-000005");
  EXPECT_EQ(state.lost_updates().pushes(), 9u);
  ASSERT_TRUE(journal.Begin(FirstState()).ok());
  EXPECT_EQ(ReadJournal(dir_, 2)->SerializeAsString(), FirstState().SerializeAsString());
}

TEST_F(JournalTest, ALostServerLeavesTheDealingAsItIs) {
  proto::SchedulerState state;
  Apply(Events()[0], &state);
  EXPECT_FALSE(state.lost_in_epoch());
}

// Its writer was killed at any moment: then the last event may be missing, and nothing is ever wrong.
TEST_F(JournalTest, CutAnywhereItIsAStateThatThereWas) {
  Journal journal(dir_, 1);
  ASSERT_TRUE(journal.Begin(FirstState()).ok());
  const std::string path = dir_ + "/journal-000001";
  std::vector<std::string> states = {FirstState().SerializeAsString()};
  std::vector<std::uintmax_t> sizes = {std::filesystem::file_size(path)};
  for (const proto::JournalRecord& event : Events()) {
    ASSERT_TRUE(journal.Add(event).ok());
    sizes.push_back(std::filesystem::file_size(path));
    states.push_back(ReadJournal(dir_, 2)->SerializeAsString());
  }
  std::ostringstream whole;
  whole << std::ifstream(path, std::ios::binary).rdbuf();
  for (std::uintmax_t size = sizes[0]; size <= sizes.back(); ++size) {
    std::ofstream(path, std::ios::binary) << whole.str().substr(0, size);
    std::size_t events = 0;
    while (events + 1 < sizes.size() && sizes[events + 1] <= size) ++events;
    EXPECT_EQ(ReadJournal(dir_, 2)->SerializeAsString(), states[events]) << size;
  }
}

TEST_F(JournalTest, TheNewestTermThatHasOneCounts) {
  EXPECT_EQ(ReadJournal(dir_, 2).status().code(), ErrorCode::kNotFound);
  Journal first(dir_, 1), third(dir_, 3);
  proto::SchedulerState state = FirstState();
  ASSERT_TRUE(first.Begin(state).ok());
  EXPECT_EQ(ReadJournal(dir_, 4)->job().epoch(), 3u);  // terms 2 and 3 were lost before they had taken over
  state.mutable_job()->set_epoch(4);
  ASSERT_TRUE(third.Begin(state).ok());
  EXPECT_EQ(ReadJournal(dir_, 4)->job().epoch(), 4u);
  EXPECT_EQ(ReadJournal(dir_, 3)->job().epoch(), 3u);
  ASSERT_TRUE(RemoveJournalsBefore(dir_, 3).ok());
  EXPECT_FALSE(ReadJournal(dir_, 3).ok());
  EXPECT_EQ(ReadJournal(dir_, 4)->job().epoch(), 4u);
}

TEST_F(JournalTest, NobodyGoesOnFromOneThatIsDiscardedOrDamaged) {
  Journal journal(dir_, 1);
  ASSERT_TRUE(journal.Begin(FirstState()).ok());
  ASSERT_TRUE(journal.Discard().ok());
  ASSERT_TRUE(journal.Add(Events()[2]).ok());  // goes nowhere
  EXPECT_THAT(ReadJournal(dir_, 2).status().text(), HasSubstr("no journal"));
  ASSERT_TRUE(journal.Begin(FirstState()).ok());
  std::fstream(dir_ + "/journal-000001", std::ios::in | std::ios::out | std::ios::binary).seekp(40).put('\x7f');
  EXPECT_EQ(ReadJournal(dir_, 2).status().code(), ErrorCode::kBadData);
}

TEST_F(JournalTest, WithoutAFolderNothingIsWritten) {
  Journal none;
  EXPECT_TRUE(none.Begin(FirstState()).ok());
  EXPECT_TRUE(none.Add(Events()[0]).ok());
  EXPECT_TRUE(none.Discard().ok());
}

}  // namespace
}  // namespace sherd
