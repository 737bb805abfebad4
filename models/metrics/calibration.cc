#include "models/metrics/calibration.h"

#include "models/metrics/quality.h"

namespace sherd {

std::vector<CalibrationBucket> CalibrationTable(std::span<const ScoredRow> sorted, std::uint32_t buckets) {
  double total = 0;
  for (const ScoredRow& row : sorted) total += row.weight();
  std::vector<CalibrationBucket> table;
  if (total <= 0 || buckets == 0) return table;
  CalibrationBucket sums;
  double done = 0;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    const double weight = sorted[i].weight();
    sums.weight += weight;
    sums.predicted += weight * Sigmoid(sorted[i].score);
    if (sorted[i].positive()) sums.observed += weight;
    const bool last = i + 1 == sorted.size();
    const bool full = done + sums.weight >= total * static_cast<double>(table.size() + 1) / buckets;
    if (!last && (!full || sorted[i + 1].score == sorted[i].score)) continue;
    if (sums.weight <= 0) continue;
    done += sums.weight;
    table.push_back({sums.weight, sums.predicted / sums.weight, sums.observed / sums.weight});
    sums = {};
  }
  return table;
}

}  // namespace sherd
