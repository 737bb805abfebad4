#include "launch/plan/report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>

#include "base/byte_count.h"
#include "launch/json_line.h"
#include "launch/progress_display.h"

namespace sherd {
namespace {

std::string Count(double value) { return WithCommas(static_cast<std::uint64_t>(std::llround(value))); }
std::string Bytes(double value) { return BytesText(static_cast<std::uint64_t>(std::llround(value))); }

std::string Label(std::string text) {
  text.resize(std::max<std::size_t>(text.size() + 1, 12), ' ');
  return text;
}

std::string Right(std::string text, std::size_t width) {
  return text.size() < width ? text.insert(0, width - text.size(), ' ') : text;
}

std::string Range(const Estimate& estimate) {
  return "  (" + Count(estimate.low) + " to " + Count(estimate.high) + ")";
}

void PrintKeys(const Plan& plan, std::ostream& out) {
  std::size_t name = 8, table = 6;
  for (const Plan::Field& field : plan.fields) {
    name = std::max(name, field.name.size());
    table = std::max(table, field.table.size());
  }
  const auto left = [](std::string text, std::size_t width) { return text.append(width - text.size() + 2, ' '); };
  out << Label("keys") << left("feature", name) << left("table", table) << Right("in the sample", 14)
      << Right("in all", 16) << '\n';
  for (const Plan::Field& field : plan.fields) {
    out << Label("") << left(field.name, name) << left(field.table, table) << Right(Count(field.sampled), 14)
        << Right(Count(field.keys.value), 16) << Range(field.keys) << '\n';
  }
}

void PrintTables(const Plan& plan, std::ostream& out) {
  for (const Plan::Table& table : plan.tables) {
    const RowCost& cost = table.memory;
    out << Label("table") << table.name << ": " << (table.limited ? "at most " : "") << Count(table.rows.value)
        << " rows" << Range(table.rows) << '\n'
        << Label("") << Bytes(table.rows.value * cost.total()) << ": " << Count(cost.total()) << " bytes a row (index "
        << Count(cost.index) << ", weights " << cost.weights << ", state " << cost.state;
    if (cost.use > 0) out << ", use " << cost.use;
    out << ")\n";
  }
  out << Label("dense") << WithCommas(plan.dense_parameters) << " parameters, " << Bytes(plan.dense_bytes)
      << " with their state\n";
}

void PrintMemory(const Plan& plan, std::ostream& out) {
  const double servers = plan.servers;
  out << Label("memory") << Bytes(plan.MemoryBytes(&Estimate::value) / servers) << " a server (up to "
      << Bytes(plan.MemoryBytes(&Estimate::high) / servers) << ") with " << plan.servers
      << (plan.servers == 1 ? " server" : " servers") << ", checkpoints' needs in it"
      << (plan.replicas == 2 ? ", and followers of others' shards\n" : "\n") << Label("servers") << plan.ServersNeeded()
      << " would do, with " << Bytes(plan.memory_budget) << " each\n";
}

void PrintRun(const Plan& plan, std::ostream& out) {
  const TrialRun& run = plan.run;
  char text[160];
  std::snprintf(text, sizeof text, " rows/s, %.2f us of CPU a row, ", 1e6 * run.cpu_seconds_a_row);
  out << Label("training") << ShortCount(run.rows_per_second) << text << "measured on " << WithCommas(run.rows)
      << " rows with " << plan.servers << (plan.servers == 1 ? " server, " : " servers, ") << plan.workers
      << (plan.workers == 1 ? " worker" : " workers") << " in one process\n";
  const auto busiest = std::ranges::max_element(run.stages, {}, &StageReport::worked);
  if (busiest != run.stages.end()) {
    std::snprintf(text, sizeof text, ", %.0f%% busy, holds it back", 100 * busiest->worked);
    out << Label("") << busiest->name << text << '\n';
  }
  out << Label("") << ShortDuration(plan.rows * plan.epochs / run.rows_per_second) << " at that rate for "
      << plan.epochs << (plan.epochs == 1 ? " epoch\n" : " epochs\n");
  out << Label("network") << Count(run.network_bytes_a_row) << " bytes a row, both ways together\n";
  const double bytes = plan.CheckpointBytes();
  out << Label("checkpoint") << Bytes(bytes) << " in all, "
      << ShortDuration(bytes / plan.servers / plan.disk_bytes_per_second) << " if each server writes "
      << Bytes(plan.disk_bytes_per_second) << " a second, as "
      << (plan.disk_measured_by_file ? "a plain file was written here\n" : "the checkpoint of the run was written\n");
}

JsonLine& AddEstimate(const std::string& name, const Estimate& estimate, JsonLine* line) {
  return line->Add(name, estimate.value).Add(name + "_low", estimate.low).Add(name + "_high", estimate.high);
}

}  // namespace

void PrintPlan(const Plan& plan, std::ostream& out) {
  out << Label("data") << Count(plan.rows) << " training rows"
      << (plan.all_rows ? ", all of them read"
                        : " by the size of the files, of which " + WithCommas(plan.sampled_rows) + " were read")
      << '\n';
  PrintKeys(plan, out);
  PrintTables(plan, out);
  PrintMemory(plan, out);
  PrintRun(plan, out);
  out.flush();
}

void PrintPlanJson(const Plan& plan, std::ostream& out) {
  for (const Plan::Field& field : plan.fields) {
    JsonLine line("field");
    line.Add("name", field.name).Add("table", field.table).Add("sampled_keys", field.sampled);
    out << AddEstimate("keys", field.keys, &line).text() << '\n';
  }
  for (const Plan::Table& table : plan.tables) {
    JsonLine line("table");
    line.Add("name", table.name);
    AddEstimate("rows", table.rows, &line);
    line.Add("limited", table.limited)
        .Add("row_bytes", table.memory.total())
        .Add("index_bytes", table.memory.index)
        .Add("weight_bytes", table.memory.weights)
        .Add("state_bytes", table.memory.state)
        .Add("use_bytes", table.memory.use)
        .Add("bytes", table.rows.value * table.memory.total())
        .Add("disk_row_bytes", table.disk);
    out << line.text() << '\n';
  }
  const TrialRun& run = plan.run;
  out << JsonLine("plan")
             .Add("rows", plan.rows)
             .Add("sampled_rows", plan.sampled_rows)
             .Add("all_rows_read", plan.all_rows)
             .Add("dense_parameters", plan.dense_parameters)
             .Add("dense_bytes", plan.dense_bytes)
             .Add("servers", plan.servers)
             .Add("replicas", plan.replicas)
             .Add("workers", plan.workers)
             .Add("server_bytes", plan.MemoryBytes(&Estimate::value) / plan.servers)
             .Add("server_bytes_high", plan.MemoryBytes(&Estimate::high) / plan.servers)
             .Add("memory_budget", plan.memory_budget)
             .Add("servers_needed", plan.ServersNeeded())
             .Add("run_rows", run.rows)
             .Add("rows_per_second", run.rows_per_second)
             .Add("cpu_seconds_a_row", run.cpu_seconds_a_row)
             .Add("network_bytes_a_row", run.network_bytes_a_row)
             .Add("stages", run.stages)
             .Add("training_seconds", plan.rows * plan.epochs / run.rows_per_second)
             .Add("checkpoint_bytes", plan.CheckpointBytes())
             .Add("checkpoint_seconds", plan.CheckpointBytes() / plan.servers / plan.disk_bytes_per_second)
             .Add("disk_bytes_per_second", plan.disk_bytes_per_second)
             .text()
      << std::endl;
}

}  // namespace sherd
