#include "tests/worker/tiny_job.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "base/partition.h"

namespace sherd::testing {

proto::ModelSpec TinySpec() {
  proto::ModelSpec spec;
  for (const char* name : {"many", "one"}) {
    proto::TableSpec* table = spec.add_table();
    table->set_name(name);
    for (std::uint32_t i = 0; i < kRowFloats; ++i) table->add_segment()->set_dim(1);
  }
  proto::TensorSpec* tensor = spec.add_tensor();
  tensor->set_name("dense");
  tensor->set_rows(1);
  tensor->set_cols(kDenseFloats);
  return spec;
}

TinyRow MakeRow(std::uint64_t epoch, std::uint64_t row) {
  TinyRow made;
  for (std::uint32_t field = 0; field < kFields; ++field)
    made.keys.push_back(Mix(field, Below(Mix(row, field, 1), 40)));
  made.keys.push_back(Below(Mix(row, 2), 7));
  made.number = UnitFloat(Mix(row, 3)) - 0.5f;
  made.label = UnitFloat(Mix(row, epoch, 4));
  return made;
}

TinyModel::TinyModel(std::uint32_t max_rows, Gradient gradient)
    : gradient_(gradient), spec_(TinySpec()), outputs_(max_rows), errors_(max_rows) {
  const DenseLayout layout(spec_);
  parameters_.resize(layout.size());
  gradients_.resize(layout.size());
}

std::span<const float> TinyModel::Forward(const Batch<float>& batch, Mode) {
  for (std::uint32_t row = 0; row < batch.rows; ++row) {
    float sum = parameters_[batch.row_ids[row] % kDenseFloats];
    for (std::size_t table = 0; table < 2; ++table) {
      const std::uint32_t fields = table == 0 ? kFields : 1;
      for (std::uint32_t i = row * fields; i < (row + 1) * fields; ++i) {
        const float* v = batch.tables[table].values[batch.tables[table].unique[i]];
        sum += v[0] + v[1] * batch.numbers[row];
      }
    }
    outputs_[row] = sum;
  }
  return std::span(outputs_).first(batch.rows);
}

double TinyModel::Loss(const Batch<float>& batch) {
  double loss = 0;
  for (std::uint32_t row = 0; row < batch.rows; ++row) {
    errors_[row] = outputs_[row] - batch.labels[row];
    loss += 0.5 * errors_[row] * errors_[row];
  }
  return loss;
}

void TinyModel::Backward(const Batch<float>& batch) {
  std::fill(gradients_.begin(), gradients_.end(), 0.0f);
  for (std::size_t table = 0; table < 2; ++table) {
    for (float* g : batch.tables[table].gradients) g[0] = g[1] = 0;
  }
  for (std::uint32_t row = 0; row < batch.rows; ++row) {
    const bool count = gradient_ == Gradient::kCount;
    const float error = count ? 1.0f : errors_[row];
    gradients_[batch.row_ids[row] % kDenseFloats] += error;
    for (std::size_t table = 0; table < 2; ++table) {
      const std::uint32_t fields = table == 0 ? kFields : 1;
      for (std::uint32_t i = row * fields; i < (row + 1) * fields; ++i) {
        float* g = batch.tables[table].gradients[batch.tables[table].unique[i]];
        g[0] += error;
        g[1] += count ? 1.0f : error * batch.numbers[row];
      }
    }
  }
}

namespace {

class TinyReader : public ChunkReader {
 public:
  TinyReader(TinyDataset* dataset, const proto::Chunk& chunk, std::uint32_t epoch, std::uint32_t first_minibatch)
      : dataset_(dataset), chunk_(chunk), epoch_(epoch), index_(first_minibatch) {}

  Result<bool> Next(Minibatch* minibatch) override {
    const std::uint64_t begin = chunk_.begin() + std::uint64_t{index_} * dataset_->batch_;
    if (begin >= chunk_.end()) return false;
    const std::uint64_t end = std::min<std::uint64_t>(begin + dataset_->batch_, chunk_.end());
    minibatch->epoch = epoch_;
    minibatch->chunk = chunk_.id();
    minibatch->index = index_++;
    minibatch->last_of_chunk = chunk_.id() % 2 == 0 && end == chunk_.end();
    minibatch->rows = end - begin;
    minibatch->first_source = begin;
    minibatch->last_source = end - 1;
    minibatch->labels.clear();
    minibatch->numbers.clear();
    minibatch->row_ids.clear();
    minibatch->tables.resize(2);
    for (TableKeys& table : minibatch->tables) table.keys.clear();
    for (std::uint64_t i = begin; i < end; ++i) {
      const TinyRow row = MakeRow(epoch_, i);
      minibatch->labels.push_back(i == dataset_->nan_row ? std::numeric_limits<float>::quiet_NaN() : row.label);
      minibatch->numbers.push_back(row.number);
      minibatch->row_ids.push_back(i);
      auto& keys = minibatch->tables[0].keys;
      keys.insert(keys.end(), row.keys.begin(), row.keys.end() - 1);
      minibatch->tables[1].keys.push_back(row.keys.back());
    }
    dataset_->rows_read += minibatch->rows;
    return true;
  }

 private:
  TinyDataset* const dataset_;
  const proto::Chunk chunk_;
  const std::uint32_t epoch_;
  std::uint32_t index_;
};

}  // namespace

proto::Chunk TinyDataset::MakeChunk(std::uint64_t id, std::uint64_t begin, std::uint64_t end) {
  proto::Chunk chunk;
  chunk.set_id(id);
  chunk.set_begin(begin);
  chunk.set_end(end);
  return chunk;
}

Result<std::vector<proto::Chunk>> TinyDataset::Chunks(proto::Chunk::Set, std::uint32_t, std::uint32_t) {
  return std::vector<proto::Chunk>();
}

Result<std::unique_ptr<ChunkReader>> TinyDataset::Read(const proto::Chunk& chunk, std::uint32_t epoch,
                                                       std::uint32_t first_minibatch) {
  return std::unique_ptr<ChunkReader>(std::make_unique<TinyReader>(this, chunk, epoch, first_minibatch));
}

TinyShard::TinyShard(Network* network, std::uint32_t shard, std::uint32_t shards, Update update, Faults faults)
    : shard_(shard),
      update_(update),
      faults_(faults),
      layout_(TinySpec()),
      blocks_(layout_.BlocksOfShard(shard, shards)),
      mailbox_(network->Open()) {
  dense.resize(layout_.size());
  CHECK(mailbox_->Bind(Endpoint(shard)).ok());
  thread_ = std::thread([this] { Run(); });
}

TinyShard::~TinyShard() { Stop(); }

void TinyShard::Stop() {
  if (stopping_.exchange(true)) return;
  mailbox_->Wake();
  thread_.join();
}

void TinyShard::BeginEpoch(std::uint64_t clock) {
  clock_ = clock;
  retired = false;
}

void TinyShard::Run() {
  while (!stopping_) {
    std::optional<Envelope> envelope = mailbox_->Receive(Clock::now() + std::chrono::seconds(1));
    if (!envelope) continue;
    if (Loses(faults_.lost_requests)) {
      ++lost;
      continue;
    }
    Message reply = Answer(envelope->message);
    if (Loses(faults_.lost_replies)) {
      ++lost;
      continue;
    }
    // As when the push was repeated before the first answer came.
    if (reply.header.code() == proto::KEYS_UNKNOWN) (void)mailbox_->Send(envelope->from, reply);
    (void)mailbox_->Send(envelope->from, std::move(reply));  // the worker may have ended
  }
}

Message TinyShard::Answer(const Message& request) {
  const proto::Header& header = request.header;
  if (header.kind() == proto::PULL) return AnswerPull(request);
  if (header.sequence() < next_sequence_) return MakeReply(header);
  if (header.sequence() > next_sequence_) {
    Message reply = MakeReply(header, proto::OUT_OF_ORDER, "gap");
    reply.header.set_sequence(next_sequence_);
    return reply;
  }
  Message push = request;
  if (header.has_keys_of() && (Loses(faults_.forgotten_keys) || pulled_.GiveTo(&push) != PulledKeys::Given::kYes)) {
    ++forgotten;
    return MakeReply(header, proto::KEYS_UNKNOWN);
  }
  ++next_sequence_;
  switch (header.kind()) {
    case proto::PUSH:
      if (shard_ == faults_.slow_shard) std::this_thread::sleep_for(faults_.slow);
      Apply(push);
      break;
    case proto::MARK:
      rows_at_mark[header.cut()] = applied_rows;
      clock_at_mark[header.cut()] = clock_;
      break;
    case proto::RETIRE:
      retired = true;
      ++retirements;
      break;
    default:
      ADD_FAILURE() << "kind " << header.kind();
  }
  return MakeReply(header);
}

Message TinyShard::AnswerPull(const Message& request) {
  if (!request.header.unnamed()) pulled_.Note(request);
  Message reply = MakeReply(request.header);
  reply.header.set_clock(clock_);
  if (!request.header.evaluation() && request.header.clock() > clock_) {
    largest_lead = std::max(largest_lead, request.header.clock() - clock_.load());
  }
  std::size_t frame = 0;
  for (const proto::Section& section : request.header.section()) {
    std::string values;
    const auto append = [&](const float* from, std::size_t n) {
      values.append(reinterpret_cast<const char*>(from), n * sizeof(float));
    };
    if (section.dense()) {
      for (std::uint32_t b : blocks_) append(&dense[layout_.blocks()[b].offset], layout_.blocks()[b].length);
    } else {
      pulled_rows += section.count();
      for (Key key : request.frames[frame++].As<Key>()) {
        const auto row = rows[section.table()].find(key);
        const std::vector<float> zeros(kRowFloats);
        append(row == rows[section.table()].end() ? zeros.data() : row->second.data(), kRowFloats);
      }
    }
    EXPECT_EQ(values.size(), section.floats() * sizeof(float));
    if (faults_.short_values) values.resize(values.size() - sizeof(float));
    reply.frames.push_back(Frame::Of(std::move(values)));
    *reply.header.add_section() = section;
  }
  return reply;
}

void TinyShard::ApplyGradient(float* w, const float* g, std::size_t n, const proto::Header& header) const {
  for (std::size_t i = 0; i < n; ++i) {
    if (update_ == Update::kSum) {
      w[i] += g[i];
    } else {
      w[i] -= kLearningRate * header.learning_rate_scale() * (g[i] / static_cast<float>(header.rows()));
    }
  }
}

void TinyShard::Apply(const Message& push) {
  const proto::Header& header = push.header;
  EXPECT_EQ(header.clock(), clock_);
  EXPECT_FALSE(retired);
  std::size_t frame = 0;
  for (const proto::Section& section : header.section()) {
    if (section.dense()) {
      const float* g = push.frames[frame++].As<float>().data();
      for (std::uint32_t b : blocks_) {
        const DenseBlock& block = layout_.blocks()[b];
        ApplyGradient(&dense[block.offset], g, block.length, header);
        g += block.length;
      }
      continue;
    }
    const auto keys = push.frames[frame++].As<Key>();
    const float* g = push.frames[frame++].As<float>().data();
    for (Key key : keys) {
      std::vector<float>& row = rows[section.table()].try_emplace(key, kRowFloats).first->second;
      ApplyGradient(row.data(), g, kRowFloats, header);
      g += kRowFloats;
    }
  }
  EXPECT_EQ(frame, push.frames.size());
  ++pushes;
  ++clock_;
  applied_rows += header.rows();
  scales.push_back(header.learning_rate_scale());
  seconds.push_back(header.job_seconds());
}

}  // namespace sherd::testing
