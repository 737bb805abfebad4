#include <gtest/gtest.h>

#include "scheduler/task_desk.h"

namespace sherd {
namespace {

TaskDesk::Request Ask(std::uint64_t number, const Peer& from = "a") {
  Message message;
  message.header.set_kind(proto::NEXT_TASK);
  message.header.set_request(number);
  return {{from, message}, {}, {}};
}

proto::Task TaskOf(proto::Task::Kind kind) {
  proto::Task task;
  task.set_kind(kind);
  return task;
}

proto::Task TaskIn(const Envelope& envelope) {
  proto::Task task;
  EXPECT_TRUE(ParseBody(envelope.message, &task).ok());
  return task;
}

TEST(TaskDesk, ARepeatedRequestGetsTheSameAnswer) {
  TaskDesk desk(2);
  std::optional<Envelope> again;
  ASSERT_TRUE(desk.Take(1, Ask(5), &again));
  EXPECT_EQ(TaskIn(desk.Answer(1, TaskOf(proto::Task::TRAIN))).kind(), proto::Task::TRAIN);
  EXPECT_EQ(desk.waiting(1), nullptr);
  EXPECT_FALSE(desk.Take(1, Ask(5, "b"), &again));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->from, "b");
  EXPECT_EQ(again->message.header.request(), 5u);
  EXPECT_EQ(TaskIn(*again).kind(), proto::Task::TRAIN);
}

TEST(TaskDesk, ARepetitionOfAHeldRequestDoesNotAskTwice) {
  TaskDesk desk(1);
  std::optional<Envelope> again;
  ASSERT_TRUE(desk.Take(0, Ask(1), &again));
  EXPECT_TRUE(desk.Take(0, Ask(1), &again));
  EXPECT_FALSE(again);
  desk.Answer(0, TaskOf(proto::Task::WAIT));
  EXPECT_EQ(desk.waiting(0), nullptr);
}

TEST(TaskDesk, OlderRequestsAreNobodysBusinessAnyMore) {
  TaskDesk desk(1);
  std::optional<Envelope> again;
  desk.Take(0, Ask(8), &again);
  desk.Answer(0, TaskOf(proto::Task::TRAIN));
  EXPECT_FALSE(desk.Take(0, Ask(7), &again));
  EXPECT_FALSE(again);
}

TEST(RequestLog, EachRequestOnceInAnyOrder) {
  RequestLog log;
  EXPECT_TRUE(log.Enter(5));
  EXPECT_TRUE(log.Enter(7));
  EXPECT_FALSE(log.Enter(5));
  EXPECT_TRUE(log.Enter(6));  // overtaken, not repeated
  EXPECT_FALSE(log.Enter(6));
}

TEST(RequestLog, ForgettingNeverLetsAnythingInTwice) {
  RequestLog log;
  const std::uint64_t n = 3 * RequestLog::kRemembered;
  for (std::uint64_t i = 1; i <= n; ++i) EXPECT_TRUE(log.Enter(i));
  for (std::uint64_t i = 1; i <= n; ++i) EXPECT_FALSE(log.Enter(i)) << i;
}

}  // namespace
}  // namespace sherd
