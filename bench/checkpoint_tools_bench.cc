// What the commands that read or rewrite a whole checkpoint take in memory, as processes of their own.
#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/manifest.h"
#include "bench/bench_case.h"
#include "bench/process_memory.h"
#include "launch/temporary_dir.h"
#include "ps/checkpoint_loader.h"
#include "ps/checkpoint_reader.h"
#include "ps/row_layout.h"
#include "ps/shard_store.h"
#include "ps/slot_writer.h"

namespace sherd::bench {
namespace {

constexpr std::uint64_t kBeyond = std::uint64_t{256} << 20;  // what a command may take beside the tables that it fills
constexpr std::uint32_t kShards = 4, kOtherShards = 7;

proto::ModelSpec MakeModel(std::uint32_t dim) {
  proto::ModelSpec model;
  proto::TableSpec* table = model.add_table();
  table->set_name("embedding");
  proto::SegmentSpec* segment = table->add_segment();
  segment->set_name("factors");
  segment->set_dim(dim);
  segment->mutable_optimizer()->mutable_rowwise_adagrad();
  return model;
}

// The key whose hash this is: Mix backwards.
Key KeyOfHash(std::uint64_t x) {
  x ^= x >> 31 ^ x >> 62;
  x *= 0x319642b2d24d8ec3ull;
  x ^= x >> 27 ^ x >> 54;
  x *= 0x96de1b173f119089ull;
  return x ^ x >> 30 ^ x >> 60;
}

// So many rows of a slot, by ascending hash; what they hold says no more than where it stands.
void FillSlot(Slot slot, std::uint64_t rows, CheckpointSlot::Table* table) {
  const std::uint64_t step = (std::uint64_t{1} << 52) / std::max<std::uint64_t>(rows, 1);
  for (std::uint64_t i = 0; i < rows; ++i) table->keys[i] = KeyOfHash((std::uint64_t{slot} << 52) + i * step);
  auto* const words = reinterpret_cast<std::uint32_t*>(table->rows.data());
  for (std::size_t i = 0; i < table->rows.size() / sizeof(std::uint32_t); ++i)
    words[i] = 0x3c000000u + static_cast<std::uint32_t>((slot * 977 + i * 7919) & 0xffffff);
}

// A checkpoint of about so many rows; its bytes.
Result<std::uint64_t> WriteCheckpoint(const std::string& dir, const proto::ModelSpec& model, std::uint64_t rows) {
  ASSIGN_OR_RETURN(const RowLayout layout, RowLayout::Make(model.table(0)));
  const std::uint64_t rows_of_slot = rows / kSlots;
  CheckpointSlot contents;
  contents.tables.resize(1);
  contents.tables[0].keys.resize(rows_of_slot);
  contents.tables[0].rows.resize(rows_of_slot * layout.row_bytes());
  RETURN_IF_ERROR(MakeDirectory(dir));
  proto::Manifest manifest;
  manifest.set_version(1);
  manifest.set_job_name("bench");
  *manifest.mutable_model() = model;
  std::uint64_t bytes = 0;
  for (std::uint32_t shard = 0; shard < kShards; ++shard) {
    ASSIGN_OR_RETURN(const auto writer, SlotWriter::Create(model, {.dir = dir, .shard = shard, .shards = kShards}));
    for (Slot slot = FirstSlot(shard, kShards); slot < FirstSlot(shard + 1, kShards); ++slot) {
      FillSlot(slot, rows_of_slot, &contents.tables[0]);
      RETURN_IF_ERROR(writer->Write(contents));
    }
    ASSIGN_OR_RETURN(*manifest.add_file(), writer->Finish());
    bytes += manifest.file().rbegin()->bytes();
  }
  RETURN_IF_ERROR(WriteManifest(dir, manifest));
  return bytes;
}

struct Run {
  double seconds = 0;
  std::uint64_t most_bytes = 0;  // that were ever resident
};

// `sherd checkpoint` with these words, in a process of its own. What it prints goes to a file.
Result<Run> RunCommand(std::vector<std::string> words, const std::string& output) {
  std::error_code error;
  const std::string sherd =
      JoinPath(DirectoryOf(std::filesystem::read_symlink("/proc/self/exe", error).string()), "sherd");
  words.insert(words.begin(), {sherd, "checkpoint"});
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 1, output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  ::posix_spawn_file_actions_adddup2(&actions, 1, 2);
  pid_t pid = 0;
  const auto start = std::chrono::steady_clock::now();
  const int failed = ::posix_spawn(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return Status::Io("start " + sherd, failed);
  int status = 0;
  rusage used{};
  while (::wait4(pid, &status, 0, &used) < 0) {
    if (errno != EINTR) return Status::Io("wait for " + sherd, errno);
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    std::ifstream file(output);
    return Status::Unavailable(words[2] + " failed: " + std::string(std::istreambuf_iterator<char>(file), {}));
  }
  return Run{.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(),
             .most_bytes = static_cast<std::uint64_t>(used.ru_maxrss) << 10};
}

Figure MemoryFigure(const std::string& part, std::uint64_t beyond_tables, std::uint64_t bytes, double seconds) {
  Figure figure{.value = static_cast<double>(beyond_tables),
                .unit = "bytes",
                .floor = static_cast<double>(kBeyond),
                .ratio = static_cast<double>(kBeyond) / static_cast<double>(std::max<std::uint64_t>(beyond_tables, 1)),
                .part = part,
                .fields = {}};
  figure.With("checkpoint_bytes", static_cast<double>(bytes))
      .With("bytes_per_second", static_cast<double>(bytes) / seconds);
  return figure;
}

Status Restore(const std::string& dir, const proto::ModelSpec& model, std::uint64_t bytes, const Report& report) {
  ASSIGN_OR_RETURN(const auto store, ShardStore::Make(model, 1, 0, 1));
  Status status;
  const double seconds = Seconds([&] { status = LoadShard(dir, store.get()); });
  RETURN_IF_ERROR(status);
  ASSIGN_OR_RETURN(const ProcessMemory memory, ReadProcessMemory());
  report(MemoryFigure(".restore", memory.most - std::min(memory.most, store->bytes()), bytes, seconds)
             .With("table_bytes", static_cast<double>(store->bytes())));
  return {};
}

Status Measure(const std::string& folder, const Options& options, const Report& report) {
  const proto::ModelSpec model = MakeModel(options.dim);
  const std::string dir = folder + "/checkpoint", other = folder + "/resharded", output = folder + "/output";
  CHECK_EQ(Mix(KeyOfHash(123456789)), 123456789u);
  ASSIGN_OR_RETURN(const std::uint64_t bytes, WriteCheckpoint(dir, model, options.rows_or(132'000'000)));
  ASSIGN_OR_RETURN(const Run verify, RunCommand({"verify", dir}, output));
  report(MemoryFigure(".verify", verify.most_bytes, bytes, verify.seconds));
  ASSIGN_OR_RETURN(const Run reshard,
                   RunCommand({"reshard", dir, other, "--shards=" + std::to_string(kOtherShards)}, output));
  report(MemoryFigure(".reshard", reshard.most_bytes, bytes, reshard.seconds));
  ASSIGN_OR_RETURN(const Run diff, RunCommand({"diff", dir, other}, output));
  report(MemoryFigure(".diff", diff.most_bytes, 2 * bytes, diff.seconds));
  RETURN_IF_ERROR(RemoveTree(other));
  return InChild([&] { return Restore(dir, model, bytes, report); });
}

}  // namespace

Status CheckpointMemory(const Options& options, const Report& report) {
  ASSIGN_OR_RETURN(const std::unique_ptr<TemporaryDir> folder,
                   TemporaryDir::MakeIn(options.spill_dir.empty() ? "." : options.spill_dir));
  return Measure(folder->path(), options, report);
}

}  // namespace sherd::bench
