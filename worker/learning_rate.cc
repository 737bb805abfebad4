#include "worker/learning_rate.h"

#include <numbers>

#include "base/power.h"

namespace sherd {
namespace {

// (1 + cos(pi * x)) / 2 for x in [0, 1], as the square of the half angle's cosine by its Taylor series.
double HalfCosine(double x) {
  const double angle = x * std::numbers::pi / 2;
  double cosine = 1, term = 1;
  for (int k = 2; k <= 24; k += 2) {
    term *= -angle * angle / (k * (k - 1));
    cosine += term;
  }
  return cosine * cosine;
}

}  // namespace

double ClockFactor(const proto::LearningRate& rate, std::uint64_t clock) {
  const std::uint64_t warmup = rate.warmup_clocks();
  if (clock + 1 < warmup) return static_cast<double>(clock + 1) / static_cast<double>(warmup);
  const std::uint64_t since = clock > warmup ? clock - warmup : 0;
  if (rate.has_step()) return Power(rate.step().factor(), since / rate.step().clocks());
  if (!rate.has_cosine()) return 1;
  const proto::CosineSchedule& cosine = rate.cosine();
  if (since >= cosine.clocks()) return cosine.floor();
  const double share = static_cast<double>(since) / static_cast<double>(cosine.clocks());
  return cosine.floor() + (1 - cosine.floor()) * HalfCosine(share);
}

}  // namespace sherd
