#include "launch/plan/plan.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <memory>
#include <numeric>

#include "base/file.h"
#include "launch/memory_budget.h"
#include "launch/temporary_dir.h"
#include "ps/dense_blocks.h"
#include "ps/row_layout.h"

namespace sherd {
namespace {

constexpr double kLargeCheckpoint = 64 << 20;  // smaller ones say little about the disk
constexpr std::size_t kProbeBytes = 256 << 20, kProbePiece = 4 << 20;
// Beside the tables while checkpoints are written: two bits a row, and a thirty-second of their bytes.
constexpr double kBytesARow = .25, kShareWhileWriting = 1.0 / 32;

// The keys of a table's fields are added up field by field, since each grows by a law of its own; fields that share
// keys have as many less as in the sample.
Estimate RowsOfTable(const Plan& plan, const std::string& table, const KeySample& sample) {
  Estimate rows;
  double sampled = 0;
  for (const Plan::Field& field : plan.fields) {
    if (field.table != table) continue;
    sampled += field.sampled;
    rows.value += field.keys.value;
    rows.low += field.keys.low;
    rows.high += field.keys.high;
  }
  const double shared = sampled - sample.distinct();
  const bool noise = shared < 2 * KeySample::kStandardError * sampled;
  const double share = noise || sampled == 0 ? 1 : sample.distinct() / sampled;
  return {rows.value * share, rows.low * share, rows.high * share};
}

void Limit(double most, Estimate* rows) {
  for (double* value : {&rows->value, &rows->low, &rows->high}) *value = std::min(*value, most);
}

Result<Plan::Table> PlanTable(const proto::TableSpec& spec, Estimate rows) {
  Plan::Table table;
  table.name = spec.name();
  table.rows = rows;
  ASSIGN_OR_RETURN(table.memory, MemoryOfRow(spec));
  ASSIGN_OR_RETURN(const RowLayout layout, RowLayout::Make(spec));
  table.disk = sizeof(Key) + layout.row_bytes();
  const proto::RowStorage& storage = spec.storage();
  table.limited = storage.admit_after() > 1 || storage.max_age_clocks() > 0 || storage.max_age_seconds() > 0 ||
                  storage.max_rows() > 0 || storage.max_bytes() > 0;
  if (storage.max_rows() > 0) Limit(static_cast<double>(storage.max_rows()), &table.rows);
  if (storage.max_bytes() > 0) Limit(static_cast<double>(storage.max_bytes()) / table.memory.total(), &table.rows);
  return table;
}

Status AddModel(const proto::ModelSpec& model, const DataSample& sample, Plan* plan) {
  for (int i = 0; i < model.table_size(); ++i) {
    const proto::TableSpec& spec = model.table(i);
    ASSIGN_OR_RETURN(auto table, PlanTable(spec, RowsOfTable(*plan, spec.name(), sample.tables[i])));
    plan->tables.push_back(std::move(table));
  }
  ASSIGN_OR_RETURN(const DenseBlocks dense, DenseBlocks::Make(model, /*seed=*/0, /*shard=*/0, /*shards=*/1));
  plan->dense_parameters = dense.weight_floats();
  plan->dense_bytes = static_cast<double>(dense.bytes());
  return {};
}

// The folder that a path lies in, or would.
std::string ExistingFolder(const std::string& path) {
  std::error_code error;
  std::filesystem::path folder = std::filesystem::absolute(path, error);
  while (!std::filesystem::is_directory(folder, error) && folder.has_relative_path()) folder = folder.parent_path();
  return folder.string();
}

// What FileWriter, as shards use it, has the disk take.
Result<double> MeasureDisk(const std::string& path) {
  const std::vector<std::byte> piece(kProbePiece, std::byte{0x5a});
  const auto start = std::chrono::steady_clock::now();
  ASSIGN_OR_RETURN(const auto writer, FileWriter::Create(path, FileWriter::Caching::kDirect));
  for (std::size_t written = 0; written < kProbeBytes; written += piece.size()) {
    RETURN_IF_ERROR(writer->Append(piece));
  }
  RETURN_IF_ERROR(writer->Finish());
  return kProbeBytes / std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

Status AddRun(const LoadedJob& loaded, const DataSample& sample, double seconds, SignalWatch* signals, Plan* plan) {
  const std::string dir = loaded.job.checkpoint().dir();
  ASSIGN_OR_RETURN(const auto folder, dir.empty() ? TemporaryDir::Make() : TemporaryDir::MakeIn(ExistingFolder(dir)));
  ASSIGN_OR_RETURN(plan->run, RunTrial(loaded, sample, seconds, folder->path(), signals));
  plan->disk_measured_by_file = plan->run.checkpoint_bytes < kLargeCheckpoint;
  if (!plan->disk_measured_by_file) {
    plan->disk_bytes_per_second = plan->run.checkpoint_bytes / plan->run.checkpoint_seconds;
    return {};
  }
  ASSIGN_OR_RETURN(plan->disk_bytes_per_second, MeasureDisk(folder->path() + "/probe"));
  return {};
}

}  // namespace

double Plan::TableBytes(double Estimate::*which) const {
  double bytes = 0;
  for (const Table& table : tables) bytes += table.rows.*which * table.memory.total();
  return bytes;
}

double Plan::MemoryBytes(double Estimate::*which) const {
  double rows = 0;
  for (const Table& table : tables) rows += table.rows.*which;
  return replicas * (TableBytes(which) * (1 + kShareWhileWriting) + kBytesARow * rows + dense_bytes);
}

double Plan::CheckpointBytes() const {
  double of_run = 0, rows_of_run = 0, bytes = dense_bytes;
  for (const Table& table : tables) {
    bytes += table.rows.value * table.disk;
    of_run += table.rows.value * table.disk;
    rows_of_run += table.rows.value;
  }
  if (rows_of_run == 0 || run.checkpoint_rows == 0) return bytes;
  const double expected = dense_bytes + of_run / rows_of_run * static_cast<double>(run.checkpoint_rows);
  // Headers, of slots and files, are as many as in the run's own checkpoint; compression is as good.
  const double more = run.checkpoint_bytes - expected;
  return more > 0 ? bytes + more : bytes * run.checkpoint_bytes / expected;
}

std::uint32_t Plan::ServersNeeded() const {
  const double servers = std::ceil(MemoryBytes(&Estimate::high) / memory_budget);
  return static_cast<std::uint32_t>(std::max<double>(replicas, servers));
}

Result<Plan> MakePlan(const JobRequest& request, const PlanOptions& options, SignalWatch* signals) {
  JobRequest training = request;
  training.command = JobRequest::Command::kTrain;
  ASSIGN_OR_RETURN(LoadedJob loaded, LoadJob(training, 0));
  loaded.warm_start.Clear();
  if (loaded.job.data().train().empty()) return Status::Invalid("data.train: there are no rows to plan by yet");
  ASSIGN_OR_RETURN(const FeatureLayout layout, FeatureLayout::Make(loaded.job));
  ASSIGN_OR_RETURN(const DataSample sample, ReadSample(loaded, layout, options.sample_rows));
  Plan plan;
  plan.sampled_rows = sample.rows;
  plan.rows = sample.all_rows;
  plan.all_rows = sample.whole;
  plan.servers = loaded.plan.servers;
  plan.workers = loaded.plan.workers;
  plan.replicas = loaded.job.cluster().replicas();
  plan.epochs = loaded.job.train().epochs();
  plan.memory_budget = static_cast<double>(ServerMemoryBudget(loaded.job.cluster(), HostMemory(), 1));
  const double times = sample.all_rows / static_cast<double>(sample.rows);
  for (const DataSample::Field& field : sample.fields) {
    plan.fields.push_back({.name = field.name,
                           .table = layout.tables[field.table].name,
                           .sampled = field.keys.distinct(),
                           .keys = EstimateKeys(field.keys, times)});
  }
  RETURN_IF_ERROR(AddModel(loaded.model, sample, &plan));
  RETURN_IF_ERROR(AddRun(loaded, sample, options.seconds, signals, &plan));
  return plan;
}

}  // namespace sherd
