#include "ps/shard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <set>
#include <vector>

#include "tests/ps/shard_cluster.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr auto kBsp = proto::Train::BSP;
constexpr auto kBounded = proto::Train::BOUNDED;
constexpr auto kAsync = proto::Train::ASYNC;

// One row of "deep" with the same gradient everywhere.
Gradients OneRow(std::uint32_t rows, Key key, float gradient) {
  return {.rows = rows, .tables = {{}, {{key, std::vector<float>(5, gradient)}}}, .dense = {}};
}

// ---- BSP -----------------------------------------------------------------------------------------------------------

TEST(BspTest, AClockIsOneStepOfTheMeanOverAllRows) {
  ShardCluster cluster({.consistency = kBsp});
  cluster.StartEpoch(0, 0, {0, 1});
  const float before = [&] {
    Message reply = cluster.Send(0, cluster.Pull(0, 0, 0, {9}))[0].message;
    return reply.frames[0].As<float>()[4];
  }();
  EXPECT_EQ(cluster.Code(0, cluster.Push(0, 0, 0, OneRow(3, 9, 2))), proto::OK);
  EXPECT_FALSE(cluster.contents().contains({1, 9})) << "queued, not applied";
  EXPECT_EQ(cluster.Code(0, cluster.Push(0, 1, 0, OneRow(1, 9, 6))), proto::OK);
  // The fifth float is trained by SGD with rate 0.1: the mean is (2 + 6) / (3 + 1).
  EXPECT_FLOAT_EQ((cluster.contents()[{1, 9}][4]), before - 0.1f * 2);
}

TEST(BspTest, TheSameBitsForAnyNumberOfShardsAndAnyOrderOfArrival) {
  const auto run = [](std::uint32_t shards, std::uint64_t order) {
    ShardCluster cluster({.shards = shards, .consistency = kBsp});
    cluster.StartEpoch(0, 10, {0, 1, 2});
    for (std::uint64_t clock = 10; clock < 25; ++clock) {
      for (std::uint32_t i = 0; i < 3; ++i) cluster.PushAll((i * (1 + order % 2) + order + clock) % 3, clock);
    }
    return cluster.contents();
  };
  const Contents one = run(1, 0);
  EXPECT_GT(one.size(), 500u);
  for (const std::uint32_t shards : {1u, 2u, 3u, 7u}) {
    for (const std::uint64_t order : {0, 1, 2}) EXPECT_TRUE(run(shards, order) == one) << shards << " " << order;
  }
}

TEST(BspTest, EmptyPushesTakePartAndARetiredWorkersLastPushCounts) {
  ShardCluster cluster({.consistency = kBsp});
  cluster.StartEpoch(0, 0, {0, 1});
  EXPECT_EQ(cluster.Code(0, cluster.Push(0, 0, 0, OneRow(1, 9, 1))), proto::OK);
  EXPECT_EQ(cluster.Code(0, cluster.Retire(0, 0)), proto::OK);
  EXPECT_EQ(cluster.StatusOf(0).table(1).rows(), 0u);
  EXPECT_EQ(cluster.Code(0, cluster.Push(0, 1, 0, {})), proto::OK);  // rows: 0, no sections
  EXPECT_EQ(cluster.StatusOf(0).table(1).rows(), 1u);
  // From here on worker 1 is alone.
  EXPECT_EQ(cluster.Code(0, cluster.Push(0, 1, 1, OneRow(1, 10, 1))), proto::OK);
  EXPECT_EQ(cluster.StatusOf(0).table(1).rows(), 2u);
}

TEST(BspTest, APullWaitsForTheClockBeforeItAndSeesItsUpdate) {
  ShardCluster cluster({.consistency = kBsp});
  cluster.StartEpoch(0, 0, {0, 1});
  cluster.PushAll(0, 0);
  EXPECT_THAT(cluster.Send(0, cluster.Pull(0, 0, 1, {0})), IsEmpty());
  const auto replies = cluster.Send(0, cluster.Push(0, 1, 0, GradientsOf(cluster.model(), 1, 0)));
  ASSERT_THAT(replies, SizeIs(2));  // the push's and the pull's
  EXPECT_EQ(replies[1].from, "w0");
  EXPECT_EQ(replies[1].message.header.clock(), 1u);
  EXPECT_EQ(replies[1].message.frames[0].As<float>()[0], (cluster.contents()[{1, 0}][0]));
  EXPECT_NE(cluster.Code(0, cluster.Push(0, 0, 7, {})), proto::OK) << "a clock out of turn";
}

// ---- once, in order ------------------------------------------------------------------------------------------------

TEST(SequenceTest, EachPushIsAppliedOnceThroughLossRepetitionAndReordering) {
  constexpr int kPushes = 40;
  ShardCluster clean({});
  clean.StartEpoch(0, 0, {0});
  for (int i = 0; i < kPushes; ++i) clean.PushAll(0, static_cast<std::uint64_t>(i));

  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    ShardCluster cluster({});
    cluster.StartEpoch(0, 0, {0});
    std::vector<Message> messages;
    for (std::uint64_t i = 0; i < kPushes; ++i) {
      messages.push_back(cluster.Push(0, 0, i, GradientsOf(cluster.model(), 0, i)));
    }
    // Any of the eight oldest that have no answer yet arrives, perhaps for the third time; one answer in three is lost.
    std::set<std::uint64_t> unanswered;
    for (std::uint64_t i = 1; i <= kPushes; ++i) unanswered.insert(i);
    for (std::uint64_t step = 0; !unanswered.empty(); ++step) {
      const std::uint64_t hash = Mix(seed, step);
      auto pick = unanswered.begin();
      std::advance(pick, Below(hash, std::min<std::size_t>(8, unanswered.size())));
      const auto replies = cluster.Send(0, messages[*pick - 1]);
      ASSERT_THAT(replies, SizeIs(1));
      const proto::Header& reply = replies[0].message.header;
      EXPECT_TRUE(reply.code() == proto::OK || reply.sequence() < *pick);
      if (reply.code() == proto::OK && hash % 3 != 0) unanswered.erase(pick);
    }
    EXPECT_TRUE(cluster.contents() == clean.contents()) << seed;
    EXPECT_EQ(cluster.StatusOf(0).pushes(), static_cast<std::uint64_t>(kPushes));
  }
}

TEST(SequenceTest, AGapIsToldWithTheNumberExpected) {
  ShardCluster cluster({});
  cluster.StartEpoch(0, 0, {0});
  cluster.PushAll(0, 0);
  Message push = cluster.Push(0, 0, 3, OneRow(1, 1, 1));
  push.header.set_sequence(5);
  const auto replies = cluster.Send(0, push);
  EXPECT_EQ(replies[0].message.header.code(), proto::OUT_OF_ORDER);
  EXPECT_EQ(replies[0].message.header.sequence(), 2u);
}

TEST(SequenceTest, AnOlderIncarnationIsRefusedAndANewOneBeginsAtOne) {
  ShardCluster cluster({.consistency = kBounded, .max_staleness = 1});
  cluster.StartEpoch(0, 0, {0, 1});
  cluster.PushAll(0, 0);
  cluster.PushAll(0, 1);
  EXPECT_THAT(cluster.Send(0, cluster.Pull(0, 0, 2)), IsEmpty());  // held
  Message late = cluster.Push(0, 0, 2, OneRow(1, 1, 1));
  Message young = late;
  young.header.set_incarnation(2);
  young.header.set_sequence(1);
  EXPECT_EQ(cluster.Code(0, young), proto::OK);
  const Contents before = cluster.contents();
  EXPECT_EQ(cluster.Code(0, late), proto::STALE);
  EXPECT_EQ(cluster.Code(0, cluster.Pull(0, 0, 0)), proto::STALE);
  EXPECT_TRUE(cluster.contents() == before);
  // The held pull was the old one's: when worker 1 has caught up nobody is answered but worker 1.
  cluster.PushAll(1, 0);
  cluster.PushAll(1, 1);
}

TEST(SequenceTest, AnotherMapOrShardIsRefused) {
  ShardCluster cluster({.shards = 2});
  Message pull = cluster.Pull(0, 0, 0);
  pull.header.set_map_epoch(2);
  EXPECT_EQ(cluster.Code(0, pull), proto::MAP_CHANGED);
  EXPECT_EQ(cluster.Code(1, cluster.Pull(0, 0, 0)), proto::INVALID);
}

// ---- staleness -----------------------------------------------------------------------------------------------------

// Three workers that go as fast as they are let, in a random order.
TEST(StalenessTest, NoPullIsAnsweredTooEarlyNorLaterThanNeedBe) {
  for (const std::uint32_t bound : {1u, 3u}) {
    ShardCluster cluster({.consistency = kBounded, .max_staleness = bound});
    cluster.StartEpoch(0, 5, {0, 1, 2});
    std::vector<std::uint64_t> clock(3, 5), answered(3, 5);  // pushed so far; the newest pull answered
    std::vector<bool> waiting(3, false);
    std::uint64_t furthest = 0;
    for (std::uint64_t step = 0; step < 3000; ++step) {
      const std::uint32_t worker = static_cast<std::uint32_t>(Below(Mix(bound, step), 3) & Below(Mix(7, step), 4));
      if (worker > 2 || waiting[worker]) continue;
      std::vector<Envelope> replies;
      if (answered[worker] == clock[worker]) {
        replies = cluster.Send(0, cluster.Push(0, worker, clock[worker], OneRow(1, worker, 1)));
        ++clock[worker];
      } else {
        waiting[worker] = true;
        replies = cluster.Send(0, cluster.Pull(0, worker, clock[worker], {1}));
      }
      const std::uint64_t least = *std::min_element(clock.begin(), clock.end());
      for (const Envelope& reply : replies) {
        if (reply.message.header.kind() != proto::PULL) continue;
        const auto who = static_cast<std::uint32_t>(std::stoi(reply.from.substr(1)));
        EXPECT_EQ(reply.message.header.clock(), least);
        EXPECT_LE(clock[who], least + bound);
        furthest = std::max(furthest, clock[who] - least);
        waiting[who] = false;
        answered[who] = clock[who];
      }
      for (std::uint32_t i = 0; i < 3; ++i) EXPECT_TRUE(!waiting[i] || clock[i] > least + bound);
    }
    EXPECT_EQ(furthest, bound);
    EXPECT_GT(*std::min_element(clock.begin(), clock.end()), 100u);
  }
}

TEST(StalenessTest, ARepeatedPullThatIsHeldIsAnsweredOnce) {
  ShardCluster cluster({.consistency = kBsp});
  cluster.StartEpoch(0, 0, {0, 1});
  cluster.PushAll(0, 0);
  const Message pull = cluster.Pull(0, 0, 1, {3});
  EXPECT_THAT(cluster.Send(0, pull), IsEmpty());
  EXPECT_THAT(cluster.Send(0, pull), IsEmpty());
  EXPECT_THAT(cluster.Send(0, cluster.Push(0, 1, 0, {})), SizeIs(2));
}

TEST(StalenessTest, EvaluationAndAsynchronousPullsAreAnsweredAtOnce) {
  ShardCluster bsp({.consistency = kBsp}), async({.consistency = kAsync});
  for (ShardCluster* cluster : {&bsp, &async}) {
    cluster->StartEpoch(0, 0, {0, 1});
    Message pull = cluster->Pull(0, 0, 1000, {1});
    pull.header.set_evaluation(cluster == &bsp);
    EXPECT_EQ(cluster->Code(0, pull), proto::OK);
  }
}

TEST(StalenessTest, ARetiredWorkerHoldsNobody) {
  ShardCluster cluster({.consistency = kBounded, .max_staleness = 1});
  cluster.StartEpoch(0, 0, {0, 1});
  cluster.PushAll(0, 0);
  cluster.PushAll(0, 1);
  EXPECT_THAT(cluster.Send(0, cluster.Pull(0, 0, 2)), IsEmpty());
  EXPECT_THAT(cluster.Send(0, cluster.Retire(0, 1)), SizeIs(2));
  EXPECT_EQ(cluster.Code(0, cluster.Push(0, 1, 5, {})), proto::INVALID) << "it has retired";
}

TEST(EpochTest, AStartThatComesAgainDoesNotSetTheClocksBack) {
  ShardCluster cluster({.consistency = kBsp});
  cluster.StartEpoch(0, 0, {0});
  cluster.PushAll(0, 0);
  cluster.StartEpoch(0, 0, {0});
  cluster.PushAll(0, 1);
  cluster.StartEpoch(1, 2, {0});
  cluster.PushAll(0, 2);
  EXPECT_EQ(cluster.StatusOf(0).pushes(), 3u);
}

TEST(EpochTest, AWorkerOutsideTheEpochMayPullButNotPush) {
  ShardCluster cluster({});
  EXPECT_EQ(cluster.Code(0, cluster.Pull(0, 4, 0, {1})), proto::OK);
  EXPECT_EQ(cluster.Code(0, cluster.Push(0, 4, 0, OneRow(1, 1, 1))), proto::INVALID);
  EXPECT_EQ(cluster.StatusOf(0).table(1).rows(), 0u);
}

// ---- pulls ---------------------------------------------------------------------------------------------------------

TEST(PullTest, AnswersEverySectionInOrderAndChangesNothing) {
  ShardCluster cluster({.shards = 3});
  cluster.StartEpoch(0, 0, {0});
  cluster.PushAll(0, 0);
  const Contents before = cluster.contents();
  for (std::uint32_t shard = 0; shard < 3; ++shard) {
    Message pull = cluster.Push(shard, 0, 1, GradientsOf(cluster.model(), 1, 7));  // for its keys
    Message request = cluster.Pull(shard, 0, 0);
    *request.header.mutable_section() = pull.header.section();
    std::size_t frame = 0;
    for (const auto& section : request.header.section()) {
      if (!section.dense()) request.frames.push_back(pull.frames[frame]);
      frame += section.dense() ? 1 : 2;
    }
    const auto replies = cluster.Send(shard, request);
    ASSERT_THAT(replies, SizeIs(1));
    const Message& reply = replies[0].message;
    ASSERT_EQ(reply.frames.size(), static_cast<std::size_t>(request.header.section_size()));
    std::size_t keys_frame = 0;
    for (int s = 0; s < request.header.section_size(); ++s) {
      const auto& section = reply.header.section(s);
      const auto values = reply.frames[static_cast<std::size_t>(s)].As<float>();
      ASSERT_EQ(section.floats(), values.size());
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(values.data()) % kAlignment, 0u);
      if (section.dense()) continue;
      const auto keys = request.frames[keys_frame++].As<Key>();
      const std::size_t floats = values.size() / keys.size();
      for (std::size_t i = 0; i < keys.size(); ++i) {
        const auto found = before.find({static_cast<int>(section.table()), keys[i]});
        if (found == before.end()) continue;
        EXPECT_TRUE(std::equal(values.begin() + static_cast<std::ptrdiff_t>(i * floats),
                               values.begin() + static_cast<std::ptrdiff_t>((i + 1) * floats), found->second.begin()));
      }
    }
  }
  EXPECT_TRUE(cluster.contents() == before);
}

TEST(PullTest, AFrameOutlivesLaterUpdatesAndTheShard) {
  Frame frame;
  std::vector<float> values;
  {
    ShardCluster cluster({});
    cluster.StartEpoch(0, 0, {0});
    frame = cluster.Send(0, cluster.Pull(0, 0, 0, {0, 1, 2, 3}))[0].message.frames[0];
    values.assign(frame.As<float>().begin(), frame.As<float>().end());
    cluster.PushAll(0, 0);
    cluster.Send(0, cluster.Pull(0, 0, 0, {0, 1, 2, 3}));
  }
  EXPECT_TRUE(std::equal(values.begin(), values.end(), frame.As<float>().begin()));
}

// ---- what must not get in ------------------------------------------------------------------------------------------

TEST(RefusalTest, EveryWayAPushCanBeWrongIsRefusedAndChangesNothing) {
  ShardCluster cluster({.shards = 2});
  cluster.StartEpoch(0, 0, {0});
  cluster.PushAll(0, 0);
  const Contents before = cluster.contents();
  const Message good = cluster.Push(0, 0, 1, GradientsOf(cluster.model(), 0, 1));
  ASSERT_EQ(good.header.section_size(), 3);  // wide, deep, dense
  const auto keys = good.frames[0].As<Key>();
  const std::vector<Key> wide(keys.begin(), keys.end());
  std::vector<Key> twice = wide, foreign = wide;
  twice[1] = twice[0];
  while (ShardOf(foreign[2], 2) == 0) ++foreign[2];

  using Change = std::function<void(Message*)>;
  const std::vector<std::pair<const char*, Change>> changes = {
      {"a key twice", [&](Message* m) { m->frames[0] = FrameOf(twice); }},
      {"another shard's key", [&](Message* m) { m->frames[0] = FrameOf(foreign); }},
      {"fewer keys than counted", [&](Message* m) { m->frames[0] = FrameOf(std::vector<Key>{1}); }},
      {"more keys counted", [](Message* m) { m->header.mutable_section(0)->set_count(4000000000u); }},
      {"no such table", [](Message* m) { m->header.mutable_section(0)->set_table(2); }},
      {"a table twice", [](Message* m) { m->header.mutable_section(0)->set_table(1); }},
      {"gradients cut off", [](Message* m) { m->frames[1] = FrameOf(std::vector<float>(3)); }},
      {"floats miscounted", [](Message* m) { m->header.mutable_section(1)->set_floats(7); }},
      {"bytes that are no floats", [](Message* m) { m->frames[1] = Frame::Of("abc"); }},
      {"a frame too few", [](Message* m) { m->frames.pop_back(); }},
      {"a frame too many", [](Message* m) { m->frames.push_back(Frame::Of("")); }},
      {"no frames", [](Message* m) { m->frames.clear(); }},
      {"blocks miscounted", [](Message* m) { m->header.mutable_section(2)->set_count(99); }},
      {"the dense section twice",
       [](Message* m) {
         *m->header.add_section() = m->header.section(2);
         m->frames.push_back(m->frames.back());
       }},
      {"unknown encoding",
       [](Message* m) {
         auto* section = m->header.mutable_section(0);
         section->GetReflection()->MutableUnknownFields(section)->AddVarint(5, 9);
         m->header.mutable_section(0)->set_count(0);
       }},
      {"no rows", [](Message* m) { m->header.set_rows(0); }},
      {"a rate that is no number", [](Message* m) { m->header.set_learning_rate_scale(std::nanf("")); }},
      {"a negative rate", [](Message* m) { m->header.set_learning_rate_scale(-1); }},
      {"a clock of the past", [](Message* m) { m->header.set_clock(0); }},
      {"the last clock there is", [](Message* m) { m->header.set_clock(~std::uint64_t{0}); }},
      {"no sequence number", [](Message* m) { m->header.clear_sequence(); }},
      {"a worker that can not be", [](Message* m) { m->header.set_index(4000000000u); }},
  };
  for (const auto& [what, change] : changes) {
    Message bad = good;
    change(&bad);
    EXPECT_EQ(cluster.Code(0, bad), proto::INVALID) << what;
  }
  EXPECT_TRUE(cluster.contents() == before);
  EXPECT_EQ(cluster.StatusOf(0).refused(), changes.size());
  EXPECT_EQ(cluster.Code(0, good), proto::OK) << "its sequence number was not used up";
}

TEST(RefusalTest, ANanIsRefusedWithItsRowAlone) {
  for (const auto consistency : {kBsp, kAsync}) {
    ShardCluster cluster({.consistency = consistency});
    cluster.StartEpoch(0, 0, {0});
    Gradients gradients = GradientsOf(cluster.model(), 0, 0);
    gradients.tables[1][3][2] = std::numeric_limits<float>::quiet_NaN();
    gradients.dense[5] = std::numeric_limits<float>::infinity();
    const std::size_t rows = gradients.tables[1].size();
    const Contents before = cluster.contents();
    EXPECT_EQ(cluster.Code(0, cluster.Push(0, 0, 0, gradients)), proto::OK);
    const proto::ShardStatus status = cluster.StatusOf(0);
    EXPECT_EQ(status.table(1).refused_rows(), 1u);
    EXPECT_EQ(status.table(1).rows(), rows - 1);
    EXPECT_EQ(status.table(2).refused_rows(), 1u);
    EXPECT_EQ((cluster.contents()[{-1, 0}]), before.at({-1, 0}));
    EXPECT_NE((cluster.contents()[{-1, 1024}]), before.at({-1, 1024}));
  }
}

// Eight bytes of a key may ask for a quarter of a megabyte.
TEST(RefusalTest, APullWhoseAnswerNoNetworkTakesIsRefused) {
  proto::ModelSpec model;
  for (const char* name : {"a", "b"}) {
    proto::TableSpec* table = model.add_table();
    table->set_name(name);
    table->add_segment()->set_dim(1 << 16);
  }
  const auto store = ShardStore::Make(model, 1, 0, 1).value();
  RequestChecker checker(store.get());
  const auto pull = [&](std::vector<std::size_t> counts) {
    Message message;
    message.header.set_kind(proto::PULL);
    for (std::uint32_t table = 0; table < counts.size(); ++table) {
      std::vector<Key> keys(counts[table]);
      std::iota(keys.begin(), keys.end(), Key{1});
      proto::Section* section = message.header.add_section();
      section->set_table(table);
      section->set_count(static_cast<std::uint32_t>(keys.size()));
      message.frames.push_back(FrameOf(keys));
    }
    RequestView view;
    return checker.ViewPull(message, &view);
  };
  EXPECT_TRUE(pull({4096}).ok());
  const Status one = pull({4097});
  EXPECT_EQ(one.code(), ErrorCode::kInvalid);
  EXPECT_THAT(one.text(), HasSubstr("section of table 0: its values have 1074003968 bytes"));
  EXPECT_TRUE(pull({2000, 2096}).ok());
  const Status sum = pull({2000, 2097});
  EXPECT_EQ(sum.code(), ErrorCode::kInvalid);
  EXPECT_THAT(sum.text(), HasSubstr("section of table 1"));
  EXPECT_THAT(sum.text(), HasSubstr("1074003968 with the sections before it"));
}

// Random headers over random frames, and good requests with a random wound.
TEST(RefusalTest, NoiseIsHarmless) {
  ShardCluster cluster({.consistency = kBounded});
  cluster.StartEpoch(0, 0, {0, 1, 2});
  std::uint64_t state = 11;
  const auto random = [&](std::uint64_t n) { return Below(state = Mix(state + 1), n); };
  for (int i = 0; i < 20000; ++i) {
    Message message = cluster.Push(0, 0, random(5), GradientsOf(cluster.model(), 0, random(9), 10));
    message.header.set_kind(
        static_cast<proto::Kind>(std::vector<int>{1, 1, 2, 2, 2, 3, 4, 10, 11, 12, 14, 20, 26}[random(13)]));
    message.header.set_index(static_cast<std::uint32_t>(random(4)));
    message.header.set_sequence(random(4));
    if (random(4) == 0) message.header.set_keys_of(random(40));
    message.header.set_incarnation(static_cast<std::uint32_t>(random(3)));
    message.header.set_evaluation(random(2) == 0);
    if (random(2) == 0) {
      std::string bytes(random(100) * (random(2) == 0 ? 8 : 1), '\0');
      for (char& byte : bytes) byte = static_cast<char>(random(256));
      if (random(2) == 0) message.frames.clear();
      message.frames.insert(message.frames.begin(), Frame::Of(bytes));
    }
    if (random(2) == 0 && message.header.section_size() > 0) {
      proto::Section* section =
          message.header.mutable_section(static_cast<int>(random(3)) % message.header.section_size());
      section->set_count(static_cast<std::uint32_t>(random(20)));
      section->set_table(static_cast<std::uint32_t>(random(4)));
      section->set_dense(random(3) == 0);
    }
    for (const Envelope& reply : cluster.Send(0, message)) EXPECT_TRUE(reply.message.header.reply());
  }
  EXPECT_GT(cluster.StatusOf(0).refused(), 1000u);
}

TEST(ControlTest, StopIsAnsweredAndEndsTheShard) {
  ShardCluster cluster({});
  EXPECT_FALSE(cluster.shard(0).stopped());
  EXPECT_EQ(cluster.Control(0, proto::STOP, proto::Heartbeat()).header.code(), proto::OK);
  EXPECT_TRUE(cluster.shard(0).stopped());
}

}  // namespace
}  // namespace sherd
