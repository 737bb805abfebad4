#include "launch/storage_rules.h"

#include <algorithm>

#include "base/byte_count.h"
#include "base/partition.h"
#include "launch/row_cost.h"

namespace sherd {
namespace {

using proto::RowStorage;
using Problems = std::vector<std::string>;

// Limits are kept slot by slot, at least one row in each.
Problems LimitProblems(const proto::TableSpec& spec) {
  const RowStorage& storage = spec.storage();
  Problems problems;
  if (storage.max_rows() > 0 && storage.max_rows() < kSlots) {
    problems.push_back("max_rows: " + std::to_string(storage.max_rows()) + " is less than " + std::to_string(kSlots) +
                       ", one row in each slot");
  }
  const auto row = MemoryOfRow(spec);
  if (storage.max_bytes() == 0 || !row.ok()) return problems;
  const auto least = static_cast<std::uint64_t>(row->total() * kSlots) + 1;
  if (storage.max_bytes() >= least) return problems;
  problems.push_back("max_bytes: " + std::to_string(storage.max_bytes()) + " is less than the " +
                     std::to_string(least) + " (" + BytesText(least) + ") that " + std::to_string(kSlots) +
                     " rows take, one in each slot");
  return problems;
}

Problems TableProblems(const proto::TableSpec& spec, const proto::Cluster& cluster, bool trains) {
  const RowStorage& storage = spec.storage();
  Problems problems = LimitProblems(spec);
  if (storage.weights() == RowStorage::INT8 && trains) {
    problems.push_back("weights: rows of INT8 can be served (eval, predict) but not trained; use FP32, BF16 or FP16");
  }
  if (storage.state() != RowStorage::FP32 && storage.state() != RowStorage::BF16) {
    problems.push_back("state: " + RowStorage::Precision_Name(storage.state()) + " is not one of FP32, BF16");
  }
  if (storage.at_budget() == RowStorage::SPILL && cluster.spill_dir().empty()) {
    problems.push_back("at_budget: SPILL needs cluster.spill_dir, a folder on a fast local disk; give --spill_dir");
  }
  if (storage.use() == RowStorage::FREQUENT && !Evicts(storage)) {
    problems.push_back("use: FREQUENT matters only with max_rows, max_bytes or at_budget EVICT");
  }
  return problems;
}

}  // namespace

Problems StorageProblems(const proto::Job& job, const proto::ModelSpec& model, JobRequest::Command command) {
  const bool trains = command == JobRequest::Command::kTrain || command == JobRequest::Command::kCheck;
  Problems problems;
  for (const proto::TableSpec& spec : model.table()) {
    for (const std::string& problem : TableProblems(spec, job.cluster(), trains)) {
      problems.push_back("table '" + spec.name() + "': storage." + problem);
    }
  }
  return problems;
}

}  // namespace sherd
