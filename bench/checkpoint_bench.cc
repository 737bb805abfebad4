// Writing and restoring a checkpoint while nothing else runs, against the disk's own pace.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/manifest.h"
#include "base/partition.h"
#include "bench/bench_case.h"
#include "bench/bench_table.h"
#include "bench/disk_files.h"
#include "bench/process_memory.h"
#include "bench/table_floor.h"
#include "ps/checkpoint_loader.h"
#include "ps/checkpoint_reader.h"
#include "ps/checkpoint_writer.h"

namespace sherd::bench {
namespace {

constexpr std::uint64_t kRows = 50'000'000;
constexpr int kFewTurns = 3;

using Stores = std::vector<std::unique_ptr<ShardStore>>;

// A folder of its own, removed with all that is in it.
class WorkFolder {
 public:
  explicit WorkFolder(const Options& options)
      : path_(JoinPath(options.spill_dir.empty() ? "." : options.spill_dir, "sherd-bench-checkpoint-work")) {}
  ~WorkFolder() { (void)RemoveTree(path_).ok(); }
  const std::string& path() const { return path_; }
  std::vector<std::string> Files(const char* name, std::size_t count) const {
    std::vector<std::string> paths;
    for (std::size_t i = 0; i < count; ++i) paths.push_back(JoinPath(path_, name + std::to_string(i)));
    return paths;
  }

 private:
  const std::string path_;
};

proto::ModelSpec ModelOf(const Options& options) {
  proto::ModelSpec model;
  proto::TableSpec* table = model.add_table();
  table->set_name("embedding");
  proto::SegmentSpec* segment = table->add_segment();
  segment->set_name("v");
  segment->set_dim(options.dim);
  segment->mutable_optimizer()->mutable_rowwise_adagrad()->set_learning_rate(kRate);
  segment->mutable_initializer()->set_kind(proto::Initializer::NORMAL);
  return model;
}

// One thread a shard, as in a job.
Status OnEach(std::uint32_t shards, const std::function<Status(std::uint32_t shard)>& function) {
  std::vector<Status> statuses(shards);
  std::vector<std::thread> threads;
  for (std::uint32_t i = 0; i < shards; ++i) threads.emplace_back([&, i] { statuses[i] = function(i); });
  for (std::thread& thread : threads) thread.join();
  for (const Status& status : statuses) RETURN_IF_ERROR(status);
  return {};
}

Result<Stores> MakeStores(const Options& options, std::uint32_t shards) {
  Stores stores;
  for (std::uint32_t i = 0; i < shards; ++i) {
    ASSIGN_OR_RETURN(auto store, ShardStore::Make(ModelOf(options), 1, i, shards));
    stores.push_back(std::move(store));
  }
  return stores;
}

Result<Stores> MakeFilledStores(const Options& options, std::uint64_t rows) {
  ASSIGN_OR_RETURN(Stores stores, MakeStores(options, options.threads));
  const std::vector<float> gradients = Gradients(options.dim);
  RETURN_IF_ERROR(OnEach(options.threads, [&](std::uint32_t shard) -> Status {
    std::vector<Key> keys;
    for (std::uint64_t row = 0; row < rows;) {
      keys.clear();
      for (; row < rows && keys.size() < kBatch; ++row) {
        if (stores[shard]->Owns(KeyOf(row))) keys.push_back(KeyOf(row));
      }
      RETURN_IF_ERROR(stores[shard]->table(0).Push(keys, gradients.data(), {}));
    }
    return {};
  }));
  return stores;
}

// Returns its bytes.
Result<std::uint64_t> WriteCheckpoint(const Stores& stores, const std::string& dir) {
  std::vector<proto::ShardFile> files(stores.size());
  RETURN_IF_ERROR(OnEach(static_cast<std::uint32_t>(stores.size()), [&](std::uint32_t shard) -> Status {
    ASSIGN_OR_RETURN(files[shard], WriteShardFile(stores[shard].get(), dir));
    return {};
  }));
  proto::Manifest manifest;
  manifest.set_version(1);
  std::uint64_t bytes = 0;
  for (const proto::ShardFile& file : files) {
    *manifest.add_file() = file;
    bytes += file.bytes();
  }
  RETURN_IF_ERROR(WriteManifest(dir, manifest));
  return bytes;
}

// What fails in a contender ends the case afterwards.
Contender Try(Status* first, std::function<Status()> function) {
  return [first, function = std::move(function)] {
    Status status = function();
    if (first->ok()) *first = std::move(status);
  };
}

double CpuSeconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Seconds in which threads get so much fresh memory from the system: a part of every restore.
double TouchSeconds(std::uint64_t bytes, std::uint32_t threads) {
  return Seconds([&] {
    (void)OnEach(threads, [&](std::uint32_t) {
      HugeMemory memory(bytes / threads);
      for (std::uint64_t at = 0; at < bytes / threads / sizeof(float); at += 1024) memory.data()[at] = 1;
      return Status();
    }).ok();
  });
}

Status CheckRows(const Stores& stores, std::uint64_t rows) {
  std::uint64_t restored = 0;
  for (const auto& store : stores) restored += store->table(0).rows();
  if (restored != rows) return Status::BadData(std::to_string(restored) + " rows were restored");
  return {};
}

Status Restore(const Options& options, const std::string& dir, std::uint32_t shards, std::uint64_t rows,
               double* seconds, double* cpu_seconds) {
  ASSIGN_OR_RETURN(const Stores stores, MakeStores(options, shards));
  Status status;
  const double cpu = CpuSeconds();
  *seconds = Seconds(
      [&] { status = OnEach(shards, [&](std::uint32_t shard) { return LoadShard(dir, stores[shard].get()); }); });
  *cpu_seconds = CpuSeconds() - cpu;
  RETURN_IF_ERROR(status);
  return CheckRows(stores, rows);
}

}  // namespace

Status CheckpointWrite(const Options& options, const Report& report) {
  const std::uint64_t rows = options.rows_or(kRows);
  const WorkFolder folder(options);
  ASSIGN_OR_RETURN(const Stores stores, MakeFilledStores(options, rows));
  ASSIGN_OR_RETURN(const std::uint64_t bytes, WriteCheckpoint(stores, folder.path()));
  Status status;
  std::vector<Contender> floors;
  for (const std::uint32_t files : {1u, options.threads}) {
    for (const DiskCalls calls : {DiskCalls::kPlain, DiskCalls::kDirect}) {
      floors.push_back(
          Try(&status, [&, files, calls] { return WriteFiles(folder.Files("floor-", files), bytes / files, calls); }));
    }
  }
  const Contender& best = floors[FastestOf(floors, 1)];
  std::vector<double> cpu;
  Figure figure = CompareInTurns(static_cast<double>(bytes), "bytes/s",
                                 Try(&status,
                                     [&]() -> Status {
                                       const double begin = CpuSeconds();
                                       // A new folder: else the time of freeing the old file's space would be in it.
                                       const auto written =
                                           WriteCheckpoint(stores, JoinPath(folder.path(), std::to_string(cpu.size())));
                                       cpu.push_back(CpuSeconds() - begin);
                                       return written.status();
                                     }),
                                 {best}, kFewTurns);
  RETURN_IF_ERROR(status);
  report(figure.With("bytes", static_cast<double>(bytes))
             .With("rows", static_cast<double>(rows))
             .With("shards", options.threads)
             .With("cpu_ns_per_row", Median(cpu) / static_cast<double>(rows) * 1e9));
  return {};
}

Status CheckpointRestore(const Options& options, const Report& report) {
  const std::uint64_t rows = options.rows_or(kRows);
  const WorkFolder folder(options);
  std::uint64_t bytes = 0, table_bytes = 0;
  {
    ASSIGN_OR_RETURN(const Stores stores, MakeFilledStores(options, rows));
    ASSIGN_OR_RETURN(bytes, WriteCheckpoint(stores, folder.path()));
    for (const auto& store : stores) table_bytes += store->bytes();
  }
  std::vector<std::string> files;
  for (std::uint32_t i = 0; i < options.threads; ++i) files.push_back(JoinPath(folder.path(), ShardFileName(i)));
  struct Target {
    const char* part;
    std::uint32_t shards;
    std::vector<double> seconds = {}, cpu = {};
  };
  Target targets[] = {{"", options.threads}, {".other_shards", options.threads + 1}};
  std::vector<double> plain, direct, touch;
  for (int turn = 0; turn < kFewTurns; ++turn) {
    Status status;
    ForgetFiles(files);
    plain.push_back(Seconds(Try(&status, [&] { return ReadFiles(files, DiskCalls::kPlain); })));
    ForgetFiles(files);
    direct.push_back(Seconds(Try(&status, [&] { return ReadFiles(files, DiskCalls::kDirect); })));
    RETURN_IF_ERROR(status);
    for (Target& target : targets) {
      ForgetFiles(files);
      // A virtual machine's host may take as long to find memory as all the rest takes, so let it have been found. What
      // was freed before is given back to it within seconds, and what is freed meanwhile with it.
      std::this_thread::sleep_for(std::chrono::seconds(4));
      touch.push_back(TouchSeconds(table_bytes, options.threads));
      RETURN_IF_ERROR(Restore(options, folder.path(), target.shards, rows, &target.seconds.emplace_back(),
                              &target.cpu.emplace_back()));
    }
  }
  const double floor = static_cast<double>(bytes) / std::min(Median(plain), Median(direct));
  for (const Target& target : targets) {
    const double value = static_cast<double>(bytes) / Median(target.seconds);
    Figure figure{.value = value, .unit = "bytes/s", .floor = floor, .ratio = value / floor, .part = target.part};
    report(figure.With("rows", static_cast<double>(rows))
               .With("shards", target.shards)
               .With("seconds", Median(target.seconds))
               .With("cpu_ns_per_row", Median(target.cpu) / static_cast<double>(rows) * 1e9)
               .With("plain_read_seconds", Median(plain))
               .With("direct_read_seconds", Median(direct))
               .With("touch_seconds", Median(touch)));
  }
  return {};
}

}  // namespace sherd::bench
