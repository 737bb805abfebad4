// Rows on disk that are asked for before they are needed: used, and the same as without.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <future>
#include <string>
#include <vector>

#include "net/memory_network.h"
#include "net/requester.h"
#include "ps/embedding_table.h"
#include "ps/server.h"
#include "tests/ps/shard_cluster.h"

namespace sherd {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

proto::TableSpec SpillingTable() {
  proto::TableSpec spec;
  spec.set_name("t");
  spec.add_segment()->set_dim(60);
  spec.mutable_storage()->set_at_budget(proto::RowStorage::SPILL);
  return spec;
}

// The same for the same number: 200 distinct keys of 20000.
std::vector<Key> KeysOf(std::uint64_t number) {
  std::vector<Key> keys;
  for (std::uint64_t i = 0; i < 200; ++i) keys.push_back(i * 100 + Mix(number, i) % 100);
  return keys;
}

class TablePrefetchTest : public testing::Test {
 protected:
  TablePrefetchTest() {
    for (EmbeddingTable* table : {&ahead_, &plain_}) table->set_budget(1'000'000);
  }
  void Push(std::uint64_t number) {
    std::vector<float> sums(200 * 60);
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] = UnitFloat(Mix(number, i, 1)) - 0.5f;
    for (EmbeddingTable* table : {&ahead_, &plain_}) {
      ASSERT_TRUE(table->Push(KeysOf(number), sums.data(), {.clock = number}).ok());
    }
  }
  void ExpectSamePull(std::uint64_t number) {
    std::vector<float> values(200 * 60), expected(200 * 60);
    ASSERT_TRUE(ahead_.Pull(KeysOf(number), values.data()).ok());
    ASSERT_TRUE(plain_.Pull(KeysOf(number), expected.data()).ok());
    ASSERT_EQ(values, expected) << number;
  }

  TemporaryFolder folder_;
  EmbeddingTable ahead_{RowLayout::Make(SpillingTable()).value(), 5, 0, kSlots, folder_.path()};
  EmbeddingTable plain_{RowLayout::Make(SpillingTable()).value(), 5, 0, kSlots, folder_.path()};
};

// The prefetches are of what comes next, of what comes after pushes that move rows, or of what never comes.
TEST_F(TablePrefetchTest, GivesTheSameRowsAndServesThoseOnDisk) {
  for (std::uint64_t number = 0; number < 300; ++number) Push(number);
  ASSERT_GT(ahead_.spilled_rows(), 10000u);
  for (std::uint64_t number = 1000; number < 1300; ++number) {
    ahead_.Prefetch(KeysOf(number + number % 3));
    if (number % 7 == 0) Push(number);
    ExpectSamePull(number);
  }
  EXPECT_GT(ahead_.prefetched_rows(), 100 * 100u);
  EXPECT_EQ(plain_.prefetched_rows(), 0u);
  EmbeddingTable::SlotContents contents, expected;
  for (Slot slot = 0; slot < kSlots; ++slot) {
    ASSERT_TRUE(ahead_.ReadSlot(slot, &contents).ok());
    ASSERT_TRUE(plain_.ReadSlot(slot, &expected).ok());
    ASSERT_EQ(contents.rows.size(), expected.rows.size());
    for (std::size_t i = 0; i < contents.rows.size(); ++i) {
      ASSERT_EQ(contents.rows[i].first, expected.rows[i].first);
      ASSERT_EQ(std::memcmp(contents.rows[i].second, expected.rows[i].second, ahead_.layout().row_bytes()), 0);
    }
  }
}

TEST(ShardPrefetchTest, AHeldPullHasItsRowsReadMeanwhile) {
  TemporaryFolder folder;
  ShardCluster cluster({.consistency = proto::Train::BSP, .memory_budget = 2'000'000, .spill_dir = folder.path()});
  ShardCluster twin({.consistency = proto::Train::BSP});
  for (ShardCluster* each : {&cluster, &twin}) each->StartEpoch(0, 0, {0, 1});
  const auto all_keys = [](std::uint64_t number) {
    Gradients gradients{.rows = 3, .tables = {{}, {}}, .dense = {}};
    for (Key key = 0; key < 2000; ++key) gradients.tables[1][number * 2000 + key] = std::vector<float>(5, 1);
    return gradients;
  };
  constexpr std::uint64_t kClocks = 20;
  for (std::uint64_t clock = 0; clock < kClocks; ++clock) {
    for (ShardCluster* each : {&cluster, &twin}) {
      for (std::uint32_t worker : {0, 1}) {
        ASSERT_EQ(each->Code(0, each->Push(0, worker, clock, all_keys(clock))), proto::OK);
      }
    }
  }
  const EmbeddingTable& table = cluster.shard(0).store().table(1);
  ASSERT_GT(table.spilled_rows(), 10000u);
  for (std::uint64_t clock = kClocks; clock < kClocks + 10; ++clock) {
    std::vector<Key> keys;
    for (Key key = 0; key < 500; ++key) keys.push_back(Mix(clock, key) % 50 + key * 60);
    std::vector<Frame> values;
    for (ShardCluster* each : {&cluster, &twin}) {
      EXPECT_EQ(each->Code(0, each->Push(0, 0, clock, {})), proto::OK);
      EXPECT_THAT(each->Send(0, each->Pull(0, 0, clock + 1, keys)), IsEmpty());
      const auto replies = each->Send(0, each->Push(0, 1, clock, all_keys(clock % 10)));
      ASSERT_THAT(replies, SizeIs(2));
      values.push_back(replies[1].message.frames.at(0));
    }
    ASSERT_EQ(values[0].size(), 500 * 5 * sizeof(float));
    EXPECT_EQ(std::memcmp(values[0].bytes().data(), values[1].bytes().data(), values[0].size()), 0) << clock;
  }
  EXPECT_GT(table.prefetched_rows(), 1000u);
  EXPECT_TRUE(cluster.contents() == twin.contents());
}

TEST(ShardPrefetchTest, WhateverIsExpectedNothingChanges) {
  TemporaryFolder folder;
  ShardCluster cluster({.shards = 2, .memory_budget = 1'000'000, .spill_dir = folder.path()});
  cluster.StartEpoch(0, 0, {0});
  for (std::uint64_t clock = 0; clock < 10; ++clock) {
    Gradients gradients{.rows = 3, .tables = {{}, {}}, .dense = {}};
    for (Key key = 0; key < 4000; ++key) gradients.tables[1][clock * 4000 + key] = std::vector<float>(5, 1);
    for (const std::uint32_t shard : {0, 1}) {
      ASSERT_EQ(cluster.Code(shard, cluster.Push(shard, 0, clock, gradients)), proto::OK);
    }
  }
  std::vector<Key> mine, any;
  for (Key key = 0; key < 4000; ++key) {
    any.push_back(key / 2);  // of both shards, each twice
    if (ShardOf(key, 2) == 0) mine.push_back(key);
  }
  const Contents before = cluster.contents();
  ASSERT_EQ(cluster.Code(0, cluster.Pull(0, 0, 10, mine)), proto::OK);
  Message wrong = cluster.Pull(0, 0, 10, mine);
  wrong.frames.clear();
  for (const Message& message : {cluster.Pull(0, 0, 10, any), wrong, cluster.Push(0, 0, 10, {})}) {
    cluster.shard(0).Expect(message);
    ASSERT_EQ(cluster.Code(0, cluster.Pull(0, 0, 10, mine)), proto::OK);
  }
  EXPECT_TRUE(cluster.contents() == before);
}

// A shard's thread looks at the request behind the one it works on.
TEST(ServerPrefetchTest, RequestsThatQueueHaveTheirRowsRead) {
  TemporaryFolder folder;
  MemoryNetwork network({.job = 77});
  ServerOptions options;
  options.job = 77;
  options.servers = options.shards_per_server = 1;
  *options.model.add_table() = SpillingTable();
  options.memory_budget = 1'000'000;
  options.spill_dir = folder.path();
  options.scheduler_endpoint = "inproc://scheduler";
  options.bind_endpoints = {"inproc://shard"};
  const auto scheduler = network.Open();
  ASSERT_TRUE(scheduler->Bind("inproc://scheduler").ok());
  auto server = std::async(std::launch::async, [&] { return RunServer(&network, options); });
  const auto registration = scheduler->Receive(Clock::now() + std::chrono::seconds(10));
  ASSERT_TRUE(registration.has_value());
  proto::Welcome welcome;
  welcome.mutable_map()->set_epoch(1);
  welcome.mutable_map()->add_endpoint("inproc://shard");
  ASSERT_TRUE(scheduler->Send(registration->from, MakeReply(registration->message.header, welcome)).ok());

  const auto mailbox = network.Open();
  const Peer shard = mailbox->Connect("inproc://shard").value();
  Requester requester(mailbox.get(), {});
  const auto message = [](proto::Kind kind, std::uint64_t number) {
    Message message;
    message.header.set_kind(kind);
    message.header.set_role(proto::WORKER);
    message.header.set_map_epoch(1);
    message.header.set_clock(number);
    message.header.set_rows(1);
    proto::Section* section = message.header.add_section();
    section->set_count(200);
    message.frames.push_back(FrameOf(KeysOf(number)));
    if (kind == proto::PULL) return message;
    message.header.set_sequence(number + 1);
    section->set_floats(200 * 60);
    message.frames.push_back(FrameOf(std::vector<float>(200 * 60, 1)));
    return message;
  };
  proto::StartEpoch start;
  start.add_worker(0);
  ASSERT_TRUE(requester.Call(shard, MakeControl(proto::START_EPOCH, start), "start").ok());
  for (std::uint64_t i = 0; i < 300; ++i) ASSERT_TRUE(requester.Call(shard, message(proto::PUSH, i), "push").ok());
  for (std::uint64_t i = 1000; i < 1100; ++i) requester.Send(shard, message(proto::PULL, i), "pull");
  while (requester.waiting() > 0) {
    auto reply = mailbox->Receive(Clock::now() + std::chrono::seconds(10));
    ASSERT_TRUE(reply.has_value());
    EXPECT_EQ(reply->message.header.code(), proto::OK) << reply->message.header.text();
    requester.Match(std::move(*reply));
  }
  const auto told = requester.Call(shard, MakeControl(proto::SHARD_STATUS, proto::Heartbeat()), "status");
  proto::ShardStatus status;
  ASSERT_TRUE(told.ok() && ParseBody(*told, &status).ok());
  EXPECT_GT(status.table(0).prefetched_rows(), 200u);
  Message stop;
  stop.header.set_kind(proto::STOP);
  EXPECT_TRUE(requester.Call(shard, stop, "stop").ok());
  EXPECT_TRUE(server.get().ok());
}

}  // namespace
}  // namespace sherd
