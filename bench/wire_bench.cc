#include <algorithm>
#include <ctime>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "bench/bench_case.h"
#include "bench/server_process.h"
#include "bench/wire_client.h"
#include "bench/wire_servers.h"
#include "net/zmq_network.h"

namespace sherd::bench {
namespace {

constexpr std::uint64_t kRows = 1'000'000;

// ps-lite with a hash-map server, one of each, on a machine of another kind: M rows/s. Nothing is said where no figure
// was given.
struct Shape {
  const char* name;
  std::size_t keys, works, in_flight;
  double pull, push, both;
};
constexpr Shape kShapes[] = {
    {"100k_keys", 100'000, 8, 1, 8.1, 7.1, 4.1},
    {"100k_keys_several", 100'000, 8, 2, 0, 0, 0},
    {"1k_keys", 1'000, 500, 1, 6.2, 5.3, 0},
    {"1k_keys_several", 1'000, 1'000, 8, 10.5, 8.4, 0},
};

proto::Optimizer Sgd() {
  proto::Optimizer optimizer;
  optimizer.mutable_sgd()->set_learning_rate(kWireRate);
  return optimizer;
}

proto::Optimizer RowwiseAdagrad() {
  proto::Optimizer optimizer;
  optimizer.mutable_rowwise_adagrad()->set_learning_rate(kWireRate);
  return optimizer;
}

double OwnCpuSeconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// A server process, its client here, and the CPU time that both have used while measured.
struct Pair {
  std::unique_ptr<ServerProcess> server;
  std::unique_ptr<WireClient> client;
  Status failed = {};
  double cpu_seconds = 0;

  void Run(Exchange exchange, const std::vector<WorkPtr>& works, std::size_t in_flight) {
    const double before = OwnCpuSeconds() + server->CpuSeconds();
    if (failed.ok()) failed = client->Run(exchange, works, in_flight);
    cpu_seconds += OwnCpuSeconds() + server->CpuSeconds() - before;
  }
};

Result<Pair> Start(const ServerProcess::Serve& serve) {
  Pair pair;
  ASSIGN_OR_RETURN(pair.server, ServerProcess::Start(serve));
  return pair;
}

Status Connect(Network* network, const std::vector<WorkPtr>& all_rows, const WorkPtr& some, Pair* pair) {
  ASSIGN_OR_RETURN(pair->client, WireClient::Connect(network, pair->server->endpoint(), WireModel({}), {}));
  RETURN_IF_ERROR(pair->client->Run(Exchange::kPush, all_rows, 1));
  return pair->client->Check(some);
}

struct Measurement {
  KeyKind keys;
  const Shape* shape;
  Exchange exchange;
  const char* name;
  double ps_lite;
};

Figure Measure(const Measurement& what, const std::vector<WorkPtr>& works, Pair* ours, Pair* floor) {
  double rows = 0;
  for (const WorkPtr& work : works) rows += static_cast<double>(work->keys[0].keys.size());
  ours->cpu_seconds = floor->cpu_seconds = 0;
  Figure figure = CompareInTurns(
      rows, "rows/s", [&] { ours->Run(what.exchange, works, what.shape->in_flight); },
      {[&] { floor->Run(what.exchange, works, what.shape->in_flight); }}, kTurns);
  figure.part = std::string(".") + what.name + "." + what.shape->name;
  figure.With("keys", NameOf(what.keys));
  figure.With("in_flight", static_cast<double>(what.shape->in_flight));
  figure.With("transport", "tcp, security NONE");
  figure.With("cpu_ns_a_row", 1e9 * ours->cpu_seconds / (kTurns * rows));
  figure.With("floor_cpu_ns_a_row", 1e9 * floor->cpu_seconds / (kTurns * rows));
  figure.With("cpu_ratio", floor->cpu_seconds / ours->cpu_seconds);
  if (what.ps_lite > 0) figure.With("ps_lite", what.ps_lite * 1e6);
  return figure;
}

Status RunWith(KeyKind kind, std::span<const Shape> shapes, std::uint64_t rows, const Report& report) {
  std::unique_ptr<ZmqNetwork> network;  // outlives the clients
  // All processes before the first thread.
  ASSIGN_OR_RETURN(Pair sgd, Start([](Network* own, std::unique_ptr<Mailbox> mailbox) {
                     ServeShard(WireModel(Sgd()), own, std::move(mailbox));
                   }));
  ASSIGN_OR_RETURN(Pair adagrad, Start([](Network* own, std::unique_ptr<Mailbox> mailbox) {
                     ServeShard(WireModel(RowwiseAdagrad()), own, std::move(mailbox));
                   }));
  ASSIGN_OR_RETURN(Pair map, Start([](Network*, std::unique_ptr<Mailbox> mailbox) { ServeMap(std::move(mailbox)); }));
  ASSIGN_OR_RETURN(network, ZmqNetwork::Create({.job = kBenchJob, .keys = {}}));
  const std::vector<WorkPtr> all_rows = MakeAllRows(kind, rows), some = MakeWorks(kind, rows, 1000, 1);
  for (Pair* pair : {&sgd, &adagrad, &map}) RETURN_IF_ERROR(Connect(network.get(), all_rows, some[0], pair));
  for (const Shape& shape : shapes) {
    const std::size_t keys = std::min<std::size_t>(shape.keys, rows / 4);
    const std::vector<WorkPtr> works = MakeWorks(kind, rows, keys, shape.works);
    report(Measure({kind, &shape, Exchange::kPull, "pull", shape.pull}, works, &sgd, &map));
    report(Measure({kind, &shape, Exchange::kPush, "push", shape.push}, works, &sgd, &map));
    const Measurement both{kind, &shape, Exchange::kPullThenPush, "pull_push", shape.both};
    report(Measure(both, works, &sgd, &map));
    report(Measure({kind, &shape, Exchange::kPullThenPush, "adagrad_to_sgd", 0}, works, &adagrad, &sgd));
  }
  for (const Pair* pair : {&sgd, &adagrad, &map}) RETURN_IF_ERROR(pair->failed);
  return {};
}

}  // namespace

Status WirePushPull(const Options& options, const Report& report) {
  const std::uint64_t rows = options.rows_or(kRows);
  RETURN_IF_ERROR(RunWith(KeyKind::kHashes, kShapes, rows, report));
  return RunWith(KeyKind::kIntegers, std::span(kShapes).first(1), rows, report);
}

}  // namespace sherd::bench
