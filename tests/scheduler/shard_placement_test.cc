#include "scheduler/shard_placement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sherd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// So many servers of two shards each, with endpoints s0, s1, … and, for followers, f0, f1, …
ShardPlacement Placement(int servers, bool replicas) {
  std::vector<proto::Register> registered(servers);
  for (int i = 0; i < 2 * servers; ++i) {
    registered[i / 2].add_shard_endpoint("s" + std::to_string(i));
    if (replicas) registered[i / 2].add_follower_endpoint("f" + std::to_string(i));
  }
  ShardPlacement placement;
  placement.Start(registered, replicas ? 2 : 1);
  return placement;
}

TEST(ShardPlacementTest, AFollowerIsOnTheNextServer) {
  const ShardPlacement placement = Placement(3, true);
  EXPECT_EQ(placement.epoch(), 1u);
  const proto::ShardMap map = placement.Map();
  EXPECT_THAT(map.endpoint(), ElementsAre("s0", "s1", "s2", "s3", "s4", "s5"));
  EXPECT_THAT(map.follower(), ElementsAre("f2", "f3", "f4", "f5", "f0", "f1"));
  EXPECT_EQ(placement.NameOfShard(3), "shard 3 (server 1 at s3)");
}

TEST(ShardPlacementTest, WithoutReplicasALostServersShardsAreGone) {
  ShardPlacement placement = Placement(2, false);
  EXPECT_THAT(placement.Map().follower(), IsEmpty());
  const ShardPlacement::Loss loss = placement.Lose({proto::SERVER, 1});
  EXPECT_THAT(loss.gone, ElementsAre(2, 3));
  EXPECT_THAT(loss.promoted, IsEmpty());
}

TEST(ShardPlacementTest, GoneShardsAreRestoredWhereThereIsRoom) {
  ShardPlacement placement = Placement(2, false);
  proto::Register spare;
  for (const char* endpoint : {"r0", "r1"}) spare.add_follower_endpoint(endpoint);
  placement.AddRoom({proto::SPARE, 0}, spare);
  placement.Lose({proto::SERVER, 0});
  EXPECT_THAT(placement.gone(), ElementsAre(0, 1));
  EXPECT_EQ(placement.Map().restored_size(), 0);
  for (const std::uint32_t shard : {0, 1}) {
    const auto room = placement.TakeRoom(shard);
    ASSERT_TRUE(room.has_value());
    EXPECT_EQ(placement.MapWithPrimary(shard, *room).endpoint(static_cast<int>(shard)), room->endpoint);
    placement.Restore(shard, *room);
  }
  EXPECT_THAT(placement.gone(), IsEmpty());
  EXPECT_FALSE(placement.TakeRoom(2).has_value());
  EXPECT_THAT(placement.Map().endpoint(), ElementsAre("r0", "r1", "s2", "s3"));
  EXPECT_THAT(placement.Map().restored(), ElementsAre(3, 4, 0, 0));
  EXPECT_EQ(placement.epoch(), 4u);
  ShardPlacement next;
  next.Restore(placement.Save());
  EXPECT_EQ(next.Map().SerializeAsString(), placement.Map().SerializeAsString());
  placement.Lose({proto::SPARE, 0});
  EXPECT_THAT(placement.gone(), ElementsAre(0, 1));
}

TEST(ShardPlacementTest, FollowersTakeALostServersPlaceUnderANewEpoch) {
  ShardPlacement placement = Placement(3, true);
  ShardPlacement::Loss loss = placement.Lose({proto::SERVER, 1});
  EXPECT_THAT(loss.promoted, ElementsAre(2, 3));
  EXPECT_THAT(loss.alone, ElementsAre(0, 1));
  EXPECT_THAT(loss.gone, IsEmpty());
  EXPECT_EQ(placement.epoch(), 2u);
  EXPECT_THAT(placement.Map().endpoint(), ElementsAre("s0", "s1", "f4", "f5", "s4", "s5"));
  EXPECT_THAT(placement.Map().follower(), ElementsAre("", "", "", "", "f0", "f1"));
  EXPECT_EQ(placement.PrimaryOf(2).index, 2u);
  // Server 2 has its own shards, with followers on server 0, and those it took over, without.
  loss = placement.Lose({proto::SERVER, 2});
  EXPECT_THAT(loss.promoted, ElementsAre(4, 5));
  EXPECT_THAT(loss.gone, ElementsAre(2, 3));
  EXPECT_EQ(placement.epoch(), 3u);
}

// A spare first, then the server that has the least to do; never the one that has the primary.
TEST(ShardPlacementTest, ThereIsRoomForNewFollowersElsewhereThanThePrimary) {
  std::vector<proto::Register> servers(3);
  for (int i = 0; i < 3; ++i) {
    servers[i].add_shard_endpoint("s" + std::to_string(i));
    servers[i].add_follower_endpoint("f" + std::to_string(i));
    servers[i].add_follower_endpoint("room" + std::to_string(i));
  }
  ShardPlacement placement;
  placement.Start(servers, 2);
  proto::Register spare;
  spare.add_follower_endpoint("spare");
  placement.AddRoom({proto::SPARE, 0}, spare);
  placement.AddRoom({proto::SPARE, 0}, spare);  // registered again
  placement.Lose({proto::SERVER, 1});           // shard 1 goes on at server 2; shard 0 had its follower there
  const auto first = placement.TakeRoom(0);
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->endpoint, "spare");
  EXPECT_THAT(placement.MapWith(0, *first).follower(), ElementsAre("spare", "", "f0"));
  EXPECT_THAT(placement.Map().follower(), ElementsAre("", "", "f0")) << "it has yet to get everything";
  placement.AddFollower(0, *first);
  EXPECT_EQ(placement.epoch(), 3u);
  EXPECT_THAT(placement.Map().follower(), ElementsAre("spare", "", "f0"));
  const auto second = placement.TakeRoom(1);
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->endpoint, "room0");
  EXPECT_FALSE(placement.TakeRoom(1).has_value()) << "the rest is where its primary is";
  placement.GiveBack(*second);
  EXPECT_EQ(placement.TakeRoom(1)->endpoint, "room0");
  // A spare that follows is as good as a server.
  const ShardPlacement::Loss loss = placement.Lose({proto::SERVER, 0});
  EXPECT_THAT(loss.promoted, ElementsAre(0));
  EXPECT_EQ(placement.NameOfShard(0), "shard 0 (spare 0 at spare)");
}

TEST(ShardPlacementTest, WhoDoesNotHearItsFollowerGoesOnWithoutOneThere) {
  ShardPlacement placement = Placement(3, true);
  placement.DropFollower(0);  // server 0 and server 1 are cut off from each other
  EXPECT_EQ(placement.epoch(), 2u);
  EXPECT_THAT(placement.Map().follower(), ElementsAre("", "f3", "f4", "f5", "f0", "f1"));
  EXPECT_FALSE(placement.TakeRoom(0).has_value()) << "there is only the one that it had";
  placement.Lose({proto::SERVER, 2});  // whose followers were on server 0, and which had those of server 1
  const auto taken = placement.TakeRoom(4);
  EXPECT_FALSE(taken.has_value()) << "on " << taken->endpoint;
}

// As the next scheduler restores it, with what hosts register again.
TEST(ShardPlacementTest, IsTheSameAfterItWasSavedAndRestored) {
  ShardPlacement placement = Placement(3, true);
  placement.Lose({proto::SERVER, 1});
  ShardPlacement restored;
  restored.Restore(placement.Save());
  EXPECT_EQ(restored.Map().SerializeAsString(), placement.Map().SerializeAsString());
  EXPECT_EQ(restored.NameOfShard(2), placement.NameOfShard(2));
  EXPECT_EQ(restored.Hosts(), (std::set<ShardPlacement::Host>{{proto::SERVER, 0}, {proto::SERVER, 2}}));
  EXPECT_THAT(restored.Rooms(), IsEmpty());
  proto::Register server;
  for (const char* endpoint : {"f4", "f5", "more"}) server.add_follower_endpoint(endpoint);
  restored.AddRoom({proto::SERVER, 2}, server);
  EXPECT_THAT(restored.Rooms(), ElementsAre("more")) << "the others are primaries";
  restored.Renew();
  EXPECT_EQ(restored.epoch(), placement.epoch() + 1);
}

}  // namespace
}  // namespace sherd
