#include "models/metrics/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/hash.h"

namespace sherd {
namespace {

constexpr std::uint64_t kSeed = 0x626f6f74;  // the same samples in every run

using Figures = std::map<std::string, double>;

// Calls visit(multiplicity) for each sample.
template <typename Visit>
void VisitSamples(std::size_t groups, std::uint32_t samples, const Visit& visit) {
  std::vector<std::uint32_t> multiplicity(groups);
  for (std::uint32_t sample = 0; sample < samples; ++sample) {
    std::fill(multiplicity.begin(), multiplicity.end(), 0);
    for (std::size_t i = 0; i < groups; ++i) ++multiplicity[Below(Mix(kSeed, sample, i), groups)];
    visit(multiplicity);
  }
}

Figures OfAll(const EvaluatedRows& rows) { return rows.Figures(std::vector<std::uint32_t>(rows.groups(), 1)); }

// Of the sorted values the 2.5th and the 97.5th percentile.
Interval Middle(std::vector<double>* values) {
  std::sort(values->begin(), values->end());
  const auto out = static_cast<std::size_t>(0.025 * static_cast<double>(values->size()));
  return {(*values)[out], (*values)[values->size() - 1 - out]};
}

double TwoSided(const std::vector<double>& sorted) {
  const auto below = std::upper_bound(sorted.begin(), sorted.end(), 0.0) - sorted.begin();
  const auto above = sorted.end() - std::lower_bound(sorted.begin(), sorted.end(), 0.0);
  const double tail = static_cast<double>(std::min(below, above) + 1) / static_cast<double>(sorted.size() + 1);
  return std::min(1.0, 2 * tail);
}

}  // namespace

std::map<std::string, Interval> BootstrapIntervals(const EvaluatedRows& rows, std::uint32_t samples) {
  std::map<std::string, std::vector<double>> values;
  VisitSamples(rows.groups(), samples, [&](const auto& multiplicity) {
    for (const auto& [name, value] : rows.Figures(multiplicity)) values[name].push_back(value);
  });
  std::map<std::string, Interval> intervals;
  for (auto& [name, of_samples] : values) {
    if (of_samples.size() == samples) intervals[name] = Middle(&of_samples);
  }
  return intervals;
}

Result<std::map<std::string, PairedDifference>> ComparePaired(const EvaluatedRows& first, const EvaluatedRows& second,
                                                              std::uint32_t samples) {
  if (!first.SameRowsAs(second)) return Status::Invalid("two evaluations of different rows can not be compared");
  std::map<std::string, std::vector<double>> differences;
  VisitSamples(first.groups(), samples, [&](const auto& multiplicity) {
    const Figures a = first.Figures(multiplicity), b = second.Figures(multiplicity);
    for (const auto& [name, value] : a) {
      if (const auto other = b.find(name); other != b.end()) differences[name].push_back(value - other->second);
    }
  });
  std::map<std::string, PairedDifference> compared;
  const Figures a = OfAll(first), b = OfAll(second);
  for (auto& [name, of_samples] : differences) {
    if (of_samples.size() < samples) continue;
    PairedDifference& result = compared[name];
    result.difference = a.at(name) - b.at(name);
    result.interval = Middle(&of_samples);
    result.p = TwoSided(of_samples);
  }
  return compared;
}

}  // namespace sherd
