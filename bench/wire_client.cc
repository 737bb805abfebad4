#include "bench/wire_client.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <unordered_set>
#include <utility>

#include "base/hash.h"
#include "bench/key_stream.h"
#include "bench/server_process.h"

namespace sherd::bench {
namespace {

constexpr std::uint64_t kPart = 100'000;

PsClient::Options ClientOptions(const std::string& endpoint, const WireClient::Options& wire) {
  PsClient::Options options;
  options.job_id = kBenchJob;
  options.map.set_epoch(1);
  options.map.add_endpoint(endpoint);
  options.encoding = wire.encoding;
  options.cache = wire.cache;
  return options;
}

Key KeyOfRow(KeyKind kind, std::uint64_t row) { return kind == KeyKind::kHashes ? KeyOf(row) : row; }

std::vector<Key> DrawKeys(KeyKind kind, std::uint64_t rows, std::size_t count, std::uint64_t seed) {
  std::unordered_set<Key> drawn;
  for (std::uint64_t draw = 0; drawn.size() < count; ++draw) {
    drawn.insert(KeyOfRow(kind, Below(Mix(seed, draw), rows)));
  }
  std::vector<Key> keys(drawn.begin(), drawn.end());
  std::sort(keys.begin(), keys.end());
  return keys;
}

WorkPtr MakeWork(const std::vector<Key>& keys) {
  auto task = std::make_shared<proto::Task>();
  task->set_kind(proto::Task::TRAIN);
  auto work = std::make_shared<Work>();
  work->task = std::move(task);
  work->minibatch.rows = 1;
  UniqueKeys& unique = work->keys.emplace_back();
  unique.keys.Resize(keys.size());
  std::copy(keys.begin(), keys.end(), unique.keys.begin());
  unique.shard_begin = {0, static_cast<std::uint32_t>(keys.size())};
  return work;
}

}  // namespace

std::vector<WorkPtr> MakeWorks(KeyKind kind, std::uint64_t rows, std::size_t keys, std::size_t count) {
  std::vector<WorkPtr> works;
  for (std::size_t i = 0; i < count; ++i) works.push_back(MakeWork(DrawKeys(kind, rows, keys, Mix(i, keys))));
  return works;
}

std::vector<WorkPtr> MakeAllRows(KeyKind kind, std::uint64_t rows) {
  std::vector<WorkPtr> works;
  for (std::uint64_t first = 0; first < rows; first += kPart) {
    std::vector<Key> keys;
    for (std::uint64_t row = first; row < std::min(first + kPart, rows); ++row) keys.push_back(KeyOfRow(kind, row));
    std::sort(keys.begin(), keys.end());
    works.push_back(MakeWork(keys));
  }
  return works;
}

WireClient::WireClient(Network* network, const std::string& endpoint, const proto::ModelSpec& model,
                       const Options& options)
    : mailbox_(network->Open()),
      layout_(model, 1),
      client_(mailbox_.get(), ClientOptions(endpoint, options), &layout_) {}

Result<std::unique_ptr<WireClient>> WireClient::Connect(Network* network, const std::string& endpoint,
                                                        const proto::ModelSpec& model, const Options& options) {
  std::unique_ptr<WireClient> client(new WireClient(network, endpoint, model, options));
  RETURN_IF_ERROR(client->client_.Connect());
  return client;
}

void WireClient::Push(const WorkPtr& work) {
  work->clock = clock_++;
  if (work->gradients.empty()) GiveGradients(work.get());
  client_.Push(work, 0);
}

// As in a pipeline, whose few works are used again and again: the gradients have just been written, or sent.
void WireClient::GiveGradients(Work* work) {
  AlignedBuffer<float> gradients;
  if (!spare_.empty()) {
    gradients = std::move(spare_.back());
    spare_.pop_back();
  }
  const std::size_t before = gradients.size();
  gradients.Resize(work->keys[0].keys.size() * kWireDim);
  if (gradients.size() != before) std::ranges::fill(gradients, 1.0f);
  work->gradients.push_back(std::move(gradients));
}

void WireClient::Pushed(Work* work) {
  spare_.push_back(std::move(work->gradients[0]));
  work->gradients.clear();
}

Status WireClient::Receive() {
  if (auto envelope = mailbox_->Receive(client_.next_tick())) RETURN_IF_ERROR(client_.Handle(std::move(*envelope)));
  return client_.Tick();
}

Status WireClient::Run(Exchange exchange, const std::vector<WorkPtr>& works, std::size_t in_flight) {
  std::deque<WorkPtr> pulling, pushing;
  std::size_t begun = 0;
  while (begun < works.size() || !pulling.empty() || !pushing.empty()) {
    if (begun < works.size() && pulling.size() + pushing.size() < in_flight) {
      const WorkPtr& work = works[begun++];
      if (exchange == Exchange::kPush || exchange == Exchange::kPushPulled) {
        if (exchange == Exchange::kPush) work->pulls.clear();
        Push(work);
        pushing.push_back(work);
      } else {
        work->clock = clock_;
        client_.Pull(work);
        pulling.push_back(work);
      }
      continue;
    }
    RETURN_IF_ERROR(Receive());
    while (!pulling.empty() && pulling.front()->unanswered == 0) {
      if (exchange == Exchange::kPullThenPush) {
        Push(pulling.front());
        pushing.push_back(std::move(pulling.front()));
      }
      pulling.pop_front();
    }
    while (!pushing.empty() && pushing.front()->unanswered == 0) {
      if (exchange != Exchange::kPushPulled) Pushed(pushing.front().get());
      pushing.pop_front();
    }
  }
  return {};
}

Status WireClient::Check(const WorkPtr& work) {
  RETURN_IF_ERROR(Run(Exchange::kPull, {work}, 1));
  const std::span<const float> values = work->values[0][0].As<float>();
  const std::vector<float> before(values.begin(), values.end());
  RETURN_IF_ERROR(Run(Exchange::kPush, {work}, 1));
  RETURN_IF_ERROR(Run(Exchange::kPull, {work}, 1));
  const std::span<const float> after = work->values[0][0].As<float>();
  for (std::size_t i = 0; i < before.size(); ++i) {
    // Adagrad's step is the rate divided by the root of a sum of squares, each 1.
    const float step = before[i] - after[i];
    if (!(step > 0) || step > 1.01f * kWireRate || std::abs(step - (before[0] - after[0])) > kWireRate) {
      return Status::BadData("a push moved a weight by " + std::to_string(step));
    }
  }
  return {};
}

}  // namespace sherd::bench
