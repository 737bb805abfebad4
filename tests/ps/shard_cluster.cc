#include "tests/ps/shard_cluster.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <iterator>

#include "base/dense_layout.h"
#include "base/file.h"
#include "base/partition.h"

namespace sherd {
namespace {

constexpr std::uint32_t kMapEpoch = 3;

}  // namespace

proto::ModelSpec SmallModel() {
  proto::ModelSpec model;
  proto::TableSpec* wide = model.add_table();
  wide->set_name("wide");
  proto::SegmentSpec* weight = wide->add_segment();
  weight->set_name("w");
  weight->set_dim(1);
  weight->mutable_optimizer()->mutable_ftrl()->set_lambda1(0.01);
  weight->mutable_initializer()->set_kind(proto::Initializer::ZERO);
  proto::TableSpec* deep = model.add_table();
  deep->set_name("deep");
  proto::SegmentSpec* embedding = deep->add_segment();
  embedding->set_name("v");
  embedding->set_dim(4);
  embedding->mutable_optimizer()->mutable_adam();
  proto::SegmentSpec* bias = deep->add_segment();
  bias->set_name("b");
  bias->set_dim(1);
  bias->mutable_optimizer()->mutable_sgd()->set_learning_rate(0.1);
  proto::TensorSpec* matrix = model.add_tensor();
  matrix->set_name("tower/0/weight");
  matrix->set_rows(50);
  matrix->set_cols(50);  // three blocks
  matrix->mutable_optimizer()->mutable_adagrad();
  matrix->mutable_initializer()->set_kind(proto::Initializer::XAVIER);
  proto::TensorSpec* mean = model.add_tensor();
  mean->set_name("tower/0/mean");
  mean->set_rows(1);
  mean->set_cols(50);
  mean->mutable_optimizer()->mutable_moving_average();
  return model;
}

Gradients GradientsOf(const proto::ModelSpec& model, std::uint32_t worker, std::uint64_t clock, std::uint32_t keys) {
  Gradients result;
  result.rows = 16 + worker + static_cast<std::uint32_t>(clock % 5);
  std::uint64_t lane = 0;
  const auto draw = [&] { return UnitFloat(Mix(1234, worker, clock, ++lane)) - 0.5f; };
  for (const proto::TableSpec& table : model.table()) {
    std::size_t floats = 0;
    for (const auto& segment : table.segment()) floats += segment.dim();
    auto& rows = result.tables.emplace_back();
    for (std::uint32_t i = 0; i < keys; ++i) {
      // A third of the keys is everybody's.
      const Key key = i % 3 == 0 ? i : Below(Mix(worker, clock, i), 500);
      auto& row = rows[key];
      row.resize(floats);
      for (float& value : row) value = draw();
    }
  }
  const DenseLayout layout(model);
  for (const DenseBlock& block : layout.blocks()) {
    for (std::uint32_t i = 0; i < block.length; ++i) result.dense.push_back(draw());
  }
  return result;
}

Contents ContentsOf(ShardStore& store) {
  Contents contents;
  EmbeddingTable::SlotContents slot_contents;
  for (std::size_t t = 0; t < store.tables(); ++t) {
    for (Slot slot = store.first_slot(); slot < store.end_slot(); ++slot) {
      CHECK(store.table(t).ReadSlot(slot, &slot_contents).ok());
      for (const auto& [key, row] : slot_contents.rows) {
        std::vector<float>& floats = contents[{static_cast<int>(t), key}];
        floats.resize(store.table(t).layout().row_floats());
        store.table(t).layout().DecodeRow(row, floats.data());
      }
    }
  }
  const auto& blocks = store.dense().blocks();
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const auto values = store.dense().Values(i);
    contents[{-1 - static_cast<int>(blocks[i].place.tensor), blocks[i].place.first}].assign(values.begin(),
                                                                                            values.end());
  }
  return contents;
}

ShardCluster::ShardCluster(Options options) : model_(SmallModel()), writes_at_once_(options.writes_at_once) {
  for (std::uint32_t i = 0; i < options.shards; ++i) {
    ShardOptions shard{
        .shard = i, .map_epoch = kMapEpoch, .train = {}, .memory_budget = options.memory_budget, .spill_dir = "", .wake = {}};
    shard.train.set_consistency(options.consistency);
    shard.train.set_max_staleness(options.max_staleness);
    if (options.dense_staleness) shard.train.set_dense_staleness(*options.dense_staleness);
    auto store = ShardStore::Make(model_, 5, i, options.shards);
    shards_.push_back(std::make_unique<Shard>(shard, std::move(store).value()));
  }
}

Message ShardCluster::WorkerMessage(proto::Kind kind, std::uint32_t shard, std::uint32_t worker) {
  Message message;
  proto::Header& header = message.header;
  header.set_kind(kind);
  header.set_role(proto::WORKER);
  header.set_index(worker);
  header.set_incarnation(1);
  header.set_map_epoch(kMapEpoch);
  header.set_shard(shard);
  header.set_request(++request_);
  if (kind != proto::PULL) header.set_sequence(++sequence_[{worker, shard}]);
  return message;
}

void ShardCluster::AddSections(std::uint32_t shard, const Gradients& gradients, Message* message) const {
  for (std::uint32_t t = 0; t < gradients.tables.size(); ++t) {
    std::vector<Key> keys;
    std::vector<float> values;
    for (const auto& [key, row] : gradients.tables[t]) {
      if (ShardOf(key, shards()) != shard) continue;
      keys.push_back(key);
      values.insert(values.end(), row.begin(), row.end());
    }
    if (keys.empty()) continue;
    proto::Section* section = message->header.add_section();
    section->set_table(t);
    section->set_count(static_cast<std::uint32_t>(keys.size()));
    section->set_floats(static_cast<std::uint32_t>(values.size()));
    message->frames.push_back(FrameOf(keys));
    message->frames.push_back(FrameOf(values));
  }
  if (gradients.dense.empty()) return;
  std::vector<float> dense;
  std::size_t offset = 0;
  const DenseLayout layout(model_);
  for (const DenseBlock& block : layout.blocks()) {
    const auto begin = gradients.dense.begin() + static_cast<std::ptrdiff_t>(offset);
    if (ShardOf(block.key, shards()) == shard) dense.insert(dense.end(), begin, begin + block.length);
    offset += block.length;
  }
  if (dense.empty()) return;
  proto::Section* section = message->header.add_section();
  section->set_dense(true);
  section->set_count(static_cast<std::uint32_t>(layout.BlocksOfShard(shard, shards()).size()));
  section->set_floats(static_cast<std::uint32_t>(dense.size()));
  message->frames.push_back(FrameOf(dense));
}

Message ShardCluster::Push(std::uint32_t shard, std::uint32_t worker, std::uint64_t clock, const Gradients& gradients) {
  Message message = WorkerMessage(proto::PUSH, shard, worker);
  message.header.set_clock(clock);
  message.header.set_rows(gradients.rows);
  message.header.set_learning_rate_scale(1);
  AddSections(shard, gradients, &message);
  return message;
}

Message ShardCluster::Pull(std::uint32_t shard, std::uint32_t worker, std::uint64_t clock,
                           const std::vector<Key>& keys) {
  Message message = WorkerMessage(proto::PULL, shard, worker);
  message.header.set_clock(clock);
  if (keys.empty()) return message;
  proto::Section* section = message.header.add_section();
  section->set_table(1);
  section->set_count(static_cast<std::uint32_t>(keys.size()));
  message.frames.push_back(FrameOf(keys));
  return message;
}

Message ShardCluster::Retire(std::uint32_t shard, std::uint32_t worker) {
  return WorkerMessage(proto::RETIRE, shard, worker);
}

Message ShardCluster::Mark(std::uint32_t shard, std::uint32_t worker, std::uint32_t cut) {
  Message message = WorkerMessage(proto::MARK, shard, worker);
  message.header.set_cut(cut);
  return message;
}

std::vector<Envelope> ShardCluster::Send(std::uint32_t shard, Message message) {
  const bool worker = message.header.role() == proto::WORKER;
  const Peer from = worker ? "w" + std::to_string(message.header.index()) : "s";
  std::vector<Envelope> replies = shards_[shard]->Handle({.from = from, .message = std::move(message)});
  if (writes_at_once_) std::ranges::move(WriteCut(shard), std::back_inserter(replies));
  return replies;
}

std::vector<Envelope> ShardCluster::WriteCut(std::uint32_t shard) {
  std::vector<Envelope> replies;
  while (shards_[shard]->writing()) {
    std::ranges::move(shards_[shard]->Work(Clock::now()), std::back_inserter(replies));
  }
  return replies;
}

proto::StatusCode ShardCluster::Code(std::uint32_t shard, Message message) {
  const std::vector<Envelope> replies = Send(shard, std::move(message));
  CHECK_EQ(replies.size(), 1u);
  return replies[0].message.header.code();
}

Message ShardCluster::Control(std::uint32_t shard, proto::Kind kind, const google::protobuf::MessageLite& body) {
  Message message = MakeControl(kind, body);
  message.header.set_request(++request_);
  std::vector<Envelope> replies = Send(shard, std::move(message));
  CHECK_EQ(replies.size(), 1u);
  return std::move(replies[0].message);
}

void ShardCluster::StartEpoch(std::uint32_t epoch, std::uint64_t clock, const std::vector<std::uint32_t>& workers) {
  proto::StartEpoch start;
  start.set_epoch(epoch);
  start.set_clock(clock);
  for (const std::uint32_t worker : workers) start.add_worker(worker);
  for (std::uint32_t i = 0; i < shards(); ++i) {
    EXPECT_EQ(Control(i, proto::START_EPOCH, start).header.code(), proto::OK);
  }
}

void ShardCluster::PushAll(std::uint32_t worker, std::uint64_t clock) {
  const Gradients gradients = GradientsOf(model_, worker, clock);
  for (std::uint32_t i = 0; i < shards(); ++i) EXPECT_EQ(Code(i, Push(i, worker, clock, gradients)), proto::OK);
}

proto::ShardStatus ShardCluster::StatusOf(std::uint32_t shard) {
  const Message reply = Control(shard, proto::SHARD_STATUS, proto::Heartbeat());
  proto::ShardStatus status;
  EXPECT_TRUE(ParseBody(reply, &status).ok());
  return status;
}

Contents ShardCluster::contents() const {
  Contents all;
  for (const auto& shard : shards_) all.merge(ContentsOf(shard->store()));
  return all;
}

TemporaryFolder::TemporaryFolder() {
  std::string name = testing::TempDir() + "/sherd-ps-XXXXXX";
  CHECK(mkdtemp(name.data()) != nullptr) << name;
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() { CHECK(RemoveTree(path_).ok()) << path_; }

}  // namespace sherd
