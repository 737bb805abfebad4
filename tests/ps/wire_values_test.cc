#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <utility>
#include <vector>

#include "net/value_codec.h"
#include "tests/ps/shard_cluster.h"

namespace sherd {
namespace {

constexpr proto::Encoding kCoarse[] = {proto::BF16, proto::INT8};
const std::vector<Key> kKeys = {2, 5, 9};

ValueCodec Deep() { return ValueCodec::OfRow(SmallModel().table(1)); }
ValueCodec Dense() {
  const DenseLayout layout(SmallModel());
  return ValueCodec::OfBlocks(SmallModel(), layout.blocks());
}

// A pull of three rows of "deep" and of the dense blocks.
Message Pull(ShardCluster* cluster, proto::Encoding encoding) {
  Message pull = cluster->Pull(0, 0, 0, kKeys);
  proto::Section* dense = pull.header.add_section();
  dense->set_dense(true);
  dense->set_count(4);
  for (proto::Section& section : *pull.header.mutable_section()) section.set_encoding(encoding);
  return pull;
}

Message Answer(ShardCluster* cluster, proto::Encoding encoding) {
  std::vector<Envelope> replies = cluster->Send(0, Pull(cluster, encoding));
  CHECK_EQ(replies.size(), 1u);
  EXPECT_EQ(replies[0].message.header.code(), proto::OK) << replies[0].message.header.text();
  return std::move(replies[0].message);
}

// Gradients of kKeys and of the dense blocks as they travel, and what they are once decoded.
struct Encoded {
  Message push;
  Gradients gradients;
};
Encoded Push(ShardCluster* cluster, std::uint32_t worker, std::uint64_t clock, proto::Encoding encoding) {
  const Gradients all = GradientsOf(cluster->model(), worker, clock);
  Encoded encoded;
  encoded.push = cluster->Push(0, worker, clock, {.rows = all.rows, .tables = {}, .dense = {}});
  encoded.gradients = {.rows = all.rows, .tables = {{}, {}}, .dense = {}};
  std::string rows(kKeys.size() * Deep().bytes(encoding), '\0'), dense(Dense().bytes(encoding), '\0');
  auto* to = reinterpret_cast<std::byte*>(rows.data());
  for (const Key key : kKeys) {
    std::vector<float> row(5);
    for (std::size_t i = 0; i < 5; ++i) row[i] = UnitFloat(Mix(worker, clock, key, i)) - 0.5f;
    Deep().Encode(encoding, row.data(), Mix(clock, key), to);
    Deep().Decode(encoding, to, row.data());
    encoded.gradients.tables[1][key] = row;
    to += Deep().bytes(encoding);
  }
  to = reinterpret_cast<std::byte*>(dense.data());
  Dense().Encode(encoding, all.dense.data(), {}, to);
  encoded.gradients.dense.resize(all.dense.size());
  Dense().Decode(encoding, to, encoded.gradients.dense.data());
  proto::Section* section = encoded.push.header.add_section();
  section->set_table(1);
  section->set_count(3);
  section->set_floats(15);
  section->set_encoding(encoding);
  section = encoded.push.header.add_section();
  section->set_dense(true);
  section->set_count(4);
  section->set_floats(static_cast<std::uint32_t>(all.dense.size()));
  section->set_encoding(encoding);
  encoded.push.frames = {FrameOf(kKeys), Frame::Of(rows), Frame::Of(dense)};
  return encoded;
}

TEST(WireValuesTest, APullIsAnsweredInTheEncodingThatItAsksFor) {
  ShardCluster cluster({});
  cluster.StartEpoch(0, 0, {0});
  cluster.PushAll(0, 0);
  const Message exact = Answer(&cluster, proto::FP32);
  for (const proto::Encoding encoding : kCoarse) {
    const Message coarse = Answer(&cluster, encoding);
    ASSERT_EQ(coarse.frames.size(), 2u);
    const ValueCodec codecs[] = {Deep(), Dense()};
    for (int i = 0; i < 2; ++i) {
      const auto values = exact.frames[static_cast<std::size_t>(i)].As<float>();
      EXPECT_EQ(coarse.header.section(i).encoding(), encoding);
      EXPECT_EQ(coarse.header.section(i).floats(), values.size());
      std::vector<std::byte> expected(coarse.frames[static_cast<std::size_t>(i)].size());
      const std::size_t rows = values.size() / codecs[i].floats();
      ASSERT_EQ(expected.size(), rows * codecs[i].bytes(encoding));
      for (std::size_t row = 0; row < rows; ++row) {
        codecs[i].Encode(encoding, &values[row * codecs[i].floats()], {}, &expected[row * codecs[i].bytes(encoding)]);
      }
      EXPECT_TRUE(std::ranges::equal(expected, coarse.frames[static_cast<std::size_t>(i)].bytes()));
    }
  }
}

TEST(WireValuesTest, APushIsAppliedAsTheFloatsThatItStandsFor) {
  const std::vector<ShardCluster::Options> all = {
      {.consistency = proto::Train::ASYNC}, {.consistency = proto::Train::BSP}, {.dense_staleness = 0}};
  for (const ShardCluster::Options& options : all) {
    for (const proto::Encoding encoding : kCoarse) {
      ShardCluster coarse(options), exact(options);
      coarse.StartEpoch(0, 0, {0, 1});
      exact.StartEpoch(0, 0, {0, 1});
      for (std::uint64_t clock = 0; clock < 5; ++clock) {
        for (const std::uint32_t worker : {0, 1}) {
          Encoded encoded = Push(&coarse, worker, clock, encoding);
          EXPECT_EQ(coarse.Code(0, encoded.push), proto::OK);
          EXPECT_EQ(exact.Code(0, exact.Push(0, worker, clock, encoded.gradients)), proto::OK);
        }
      }
      EXPECT_TRUE(coarse.contents() == exact.contents());
    }
  }
}

TEST(WireValuesTest, EncodedFramesThatDoNotFitAreRefusedAndChangeNothing) {
  ShardCluster cluster({});
  cluster.StartEpoch(0, 0, {0});
  const Contents before = cluster.contents();
  for (const proto::Encoding encoding : kCoarse) {
    const Message good = Push(&cluster, 0, 0, encoding).push;
    const std::vector<std::function<void(Message*)>> changes = {
        [](Message* m) { m->frames[1] = Frame::Of(std::string(m->frames[1].size() - 1, 'x')); },
        [](Message* m) { m->frames[2] = Frame::Of(std::string(m->frames[2].size() + 1, 'x')); },
        [](Message* m) { m->frames[2] = Frame(); },
        [](Message* m) { m->header.mutable_section(0)->clear_encoding(); },
        [](Message* m) { m->header.mutable_section(1)->set_encoding(proto::FP32); },
        [](Message* m) { m->header.mutable_section(0)->set_floats(14); },
        [&](Message* m) {
          m->header.mutable_section(0)->set_encoding(encoding == proto::BF16 ? proto::INT8 : proto::BF16);
        },
    };
    for (const auto& change : changes) {
      Message bad = good;
      change(&bad);
      bad.header.set_sequence(1);
      EXPECT_EQ(cluster.Code(0, bad), proto::INVALID);
    }
  }
  EXPECT_TRUE(cluster.contents() == before);
}

// ---- keys of a pull ------------------------------------------------------------------------------------------------

// A push of kKeys that names a pull.
Message Named(ShardCluster* cluster, std::uint64_t clock, std::uint64_t pull) {
  Message push = Push(cluster, 0, clock, proto::INT8).push;
  push.header.set_keys_of(pull);
  push.frames.erase(push.frames.begin());
  return push;
}

TEST(KeysOfAPullTest, APushThatNamesItsPullIsAppliedLikeOneWithKeys) {
  for (const auto consistency : {proto::Train::ASYNC, proto::Train::BSP}) {
    ShardCluster named({.consistency = consistency}), whole({.consistency = consistency});
    named.StartEpoch(0, 0, {0});
    whole.StartEpoch(0, 0, {0});
    for (std::uint64_t clock = 0; clock < 3; ++clock) {
      const Message pull = Pull(&named, proto::FP32);
      EXPECT_EQ(named.Code(0, pull), proto::OK);
      const Message push = Named(&named, clock, pull.header.request());
      EXPECT_EQ(named.Code(0, push), proto::OK);
      EXPECT_EQ(named.Code(0, push), proto::OK) << "repeated";
      EXPECT_EQ(whole.Code(0, Push(&whole, 0, clock, proto::INT8).push), proto::OK);
    }
    EXPECT_TRUE(named.contents() == whole.contents());
    EXPECT_EQ(named.StatusOf(0).pushes(), 3u);
  }
}

TEST(KeysOfAPullTest, KeysThatAreNotThereAreAskedForWithTheSameNumber) {
  ShardCluster cluster({});
  cluster.StartEpoch(0, 0, {0, 1});
  Message pull = Pull(&cluster, proto::FP32);
  Message other = pull;
  other.header.set_index(1);
  EXPECT_EQ(cluster.Code(0, other), proto::OK) << "another worker's";
  Message push = Named(&cluster, 0, pull.header.request());
  EXPECT_EQ(cluster.Code(0, push), proto::KEYS_UNKNOWN);
  Message evaluation = pull;
  evaluation.header.set_evaluation(true);
  EXPECT_EQ(cluster.Code(0, evaluation), proto::OK) << "nothing is pushed after it";
  EXPECT_EQ(cluster.Code(0, push), proto::KEYS_UNKNOWN);
  push.header.clear_keys_of();
  push.frames.insert(push.frames.begin(), FrameOf(kKeys));
  EXPECT_EQ(cluster.Code(0, push), proto::OK);
  EXPECT_EQ(cluster.StatusOf(0).pushes(), 1u);
}

TEST(KeysOfAPullTest, APushThatIsHeldByACutStillHasItsKeys) {
  ShardCluster cluster({});
  cluster.StartEpoch(0, 0, {0, 1});
  TemporaryFolder folder;
  proto::OpenCut cut;
  cut.set_cut(1);
  cut.set_dir(folder.path());
  EXPECT_EQ(cluster.Control(0, proto::OPEN_CUT, cut).header.code(), proto::OK);
  EXPECT_EQ(cluster.Code(0, cluster.Mark(0, 0, 1)), proto::OK);
  const Message pull = Pull(&cluster, proto::FP32);
  EXPECT_EQ(cluster.Code(0, pull), proto::OK);
  EXPECT_TRUE(cluster.Send(0, Named(&cluster, 0, pull.header.request())).empty());
  EXPECT_EQ(cluster.Send(0, cluster.Mark(0, 1, 1)).size(), 2u);
  EXPECT_EQ(cluster.StatusOf(0).table(1).rows(), kKeys.size());
}

TEST(KeysOfAPullTest, WhatDoesNotFitItsPullIsRefused) {
  ShardCluster cluster({});
  cluster.StartEpoch(0, 0, {0});
  const Message pull = Pull(&cluster, proto::FP32);
  EXPECT_EQ(cluster.Code(0, pull), proto::OK);
  const Message good = Named(&cluster, 0, pull.header.request());
  Message bad = good;
  bad.header.mutable_section(0)->set_count(2);
  EXPECT_EQ(cluster.Code(0, bad), proto::INVALID);
  bad = good;
  bad.header.mutable_section(0)->set_table(0);
  EXPECT_EQ(cluster.Code(0, bad), proto::INVALID);
  bad = good;
  bad.frames.insert(bad.frames.begin(), FrameOf(kKeys));
  EXPECT_EQ(cluster.Code(0, bad), proto::INVALID);
  bad = cluster.Mark(0, 0, 1);
  bad.header.set_sequence(1);
  bad.header.set_keys_of(pull.header.request());
  EXPECT_EQ(cluster.Code(0, bad), proto::INVALID);
  EXPECT_EQ(cluster.Code(0, good), proto::OK);
}

}  // namespace
}  // namespace sherd
