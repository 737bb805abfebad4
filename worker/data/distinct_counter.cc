#include "worker/data/distinct_counter.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace sherd {
namespace {

// The two series of Ertl's estimator: for registers that are still empty, and for those that can grow no more.
double Sigma(double x) {
  if (x == 1) return std::numeric_limits<double>::infinity();
  double sum = x;
  for (double weight = 1, before = 0; sum != before; weight *= 2) {
    x *= x;
    before = sum;
    sum += x * weight;
  }
  return sum;
}

double Tau(double x) {
  if (x == 0 || x == 1) return 0;
  double sum = 1 - x;
  for (double weight = 0.5, before = 0; sum != before; weight *= 0.5) {
    x = std::sqrt(x);
    before = sum;
    sum -= (1 - x) * (1 - x) * weight;
  }
  return sum / 3;
}

}  // namespace

void DistinctCounter::Merge(const DistinctCounter& other) {
  for (std::size_t i = 0; i < kRegisters; ++i) registers_[i] = std::max(registers_[i], other.registers_[i]);
}

double DistinctCounter::Estimate() const {
  std::array<std::uint32_t, kLongestRun + 1> registers_of_run = {};
  for (const std::uint8_t run : registers_) ++registers_of_run[run];
  constexpr double kAll = kRegisters;
  double sum = kAll * Tau(1 - registers_of_run[kLongestRun] / kAll);
  for (int run = kLongestRun - 1; run > 0; --run) sum = 0.5 * (sum + registers_of_run[run]);
  sum += kAll * Sigma(registers_of_run[0] / kAll);
  return kAll * kAll / (2 * std::log(2.0) * sum);
}

bool DistinctCounter::Restore(const std::string& bytes) {
  if (bytes.size() != kRegisters) return false;
  if (std::any_of(bytes.begin(), bytes.end(), [](char c) { return static_cast<unsigned char>(c) > kLongestRun; }))
    return false;
  registers_.assign(bytes.begin(), bytes.end());
  return true;
}

}  // namespace sherd
