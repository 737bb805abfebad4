#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/dense_layout.h"
#include "models/model.h"
#include "net/mailbox.h"
#include "net/pulled_keys.h"
#include "worker/data/dataset.h"

// A job that is small enough to be followed by hand: rows made from hashes, a linear model, and shards that are maps.
namespace sherd::testing {

inline constexpr std::uint32_t kFields = 3, kRowFloats = 2, kDenseFloats = 2500;
inline constexpr float kLearningRate = 0.05f;

proto::ModelSpec TinySpec();

struct TinyRow {
  std::vector<Key> keys;  // of the first table kFields, of the second one
  float number, label;
};
TinyRow MakeRow(std::uint64_t epoch, std::uint64_t row);

// prediction = sum over keys of (v[0] + v[1] * number) + dense[row % kDenseFloats], squared error / 2.
// With kCount every gradient is instead the number of rows that touch the element: sums no order can change.
class TinyModel : public Model<float> {
 public:
  enum class Gradient { kError, kCount };
  TinyModel(std::uint32_t max_rows, Gradient gradient);

  const proto::ModelSpec& spec() const override { return spec_; }
  std::span<float> parameters() override { return parameters_; }
  std::span<float> gradients() override { return gradients_; }
  std::span<const float> Forward(const Batch<float>& batch, Mode mode) override;
  double Loss(const Batch<float>& batch) override;
  void Backward(const Batch<float>& batch) override;
  void BackwardOfScores(const Batch<float>& batch) override {
    errors_.assign(batch.rows, 1.0f);
    Backward(batch);
  }
  std::string FindNonFinite() const override { return "the sum"; }

 private:
  const Gradient gradient_;
  const proto::ModelSpec spec_;
  std::vector<float> parameters_, gradients_, outputs_, errors_;
};

// Chunks of rows [begin, end). A chunk with an odd id does not know its last minibatch: its end comes by itself.
class TinyDataset : public Dataset {
 public:
  explicit TinyDataset(std::uint32_t batch) : batch_(batch) {}
  std::uint64_t nan_row = ~0ull;  // its label is NaN

  static proto::Chunk MakeChunk(std::uint64_t id, std::uint64_t begin, std::uint64_t end);

  Result<proto::Statistics> ComputeStatistics() override { return proto::Statistics(); }
  void SetStatistics(proto::Statistics) override {}
  bool Has(proto::Chunk::Set) const override { return true; }
  Result<std::vector<proto::Chunk>> Chunks(proto::Chunk::Set, std::uint32_t, std::uint32_t) override;
  Result<std::unique_ptr<ChunkReader>> Read(const proto::Chunk& chunk, std::uint32_t epoch,
                                            std::uint32_t first_minibatch) override;
  std::uint32_t max_rows() const override { return batch_; }
  ReadCounts counts() const override { return {.rows = rows_read, .bad_rows = 0, .kinds = {}}; }
  Status CheckFirstRows(std::uint32_t) override { return {}; }
  std::string FileName(proto::Chunk::Set, std::uint32_t) const override { return "tiny.tsv"; }

  std::atomic<std::uint64_t> rows_read = 0;
  const std::uint32_t batch_;
};

struct Faults {
  double lost_requests = 0, lost_replies = 0;  // shares
  double forgotten_keys = 0;                   // share of the pushes whose pull's keys are not there any more
  bool short_values = false;                   // answers to pulls lack a float
  std::uint32_t slow_shard = ~0u;              // takes `slow` for each push
  std::chrono::milliseconds slow{0};
};

// A shard of docs/wire_format.md for one worker: plain SGD on maps, each sequence number applied once.
class TinyShard {
 public:
  // kMean: w -= rate * scale * g / rows. kSum: w += g.
  enum class Update { kMean, kSum };

  TinyShard(Network* network, std::uint32_t shard, std::uint32_t shards, Update update, Faults faults);
  ~TinyShard();

  // Ends the thread: what follows may be read then.
  void Stop();
  // As START_EPOCH does. While nothing is on its way.
  void BeginEpoch(std::uint64_t clock);

  std::map<Key, std::vector<float>> rows[2];  // by table
  std::vector<float> dense;                   // flat, as DenseLayout has it
  std::uint64_t applied_rows = 0;
  std::uint64_t pushes = 0;
  std::uint64_t largest_lead = 0;                       // of a pull's clock over the pushes that had been applied
  std::map<std::uint32_t, std::uint64_t> rows_at_mark;  // by cut
  std::map<std::uint32_t, std::uint64_t> clock_at_mark;
  std::atomic<bool> retired = false;
  std::uint64_t retirements = 0;
  std::vector<float> scales;           // learning_rate_scale by push
  std::vector<std::uint32_t> seconds;  // job_seconds by push
  std::uint64_t lost = 0, forgotten = 0, pulled_rows = 0;

  static std::string Endpoint(std::uint32_t shard) { return "inproc://shard-" + std::to_string(shard); }

 private:
  void Run();
  Message Answer(const Message& request);
  Message AnswerPull(const Message& request);
  void Apply(const Message& push);
  void ApplyGradient(float* w, const float* g, std::size_t n, const proto::Header& header) const;
  bool Loses(double share) { return UnitDouble(Mix(shard_, ++draws_)) < share; }

  const std::uint32_t shard_;
  const Update update_;
  const Faults faults_;
  const DenseLayout layout_;
  const std::vector<std::uint32_t> blocks_;
  const std::unique_ptr<Mailbox> mailbox_;
  PulledKeys pulled_;
  std::uint64_t next_sequence_ = 1, draws_ = 0;
  std::atomic<std::uint64_t> clock_ = 0;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace sherd::testing
