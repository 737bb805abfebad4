#include "launch/plan/key_growth.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

namespace sherd {
namespace {

constexpr std::array<double, 7> kShares = {1.0 / 64, 1.0 / 32, 1.0 / 16, 1.0 / 8, 1.0 / 4, 1.0 / 2, 1};
using Curve = std::array<double, kShares.size()>;

constexpr double kTolerance = 0.02;  // in the logarithm: laws that fit worse than the best by no more are believed too
constexpr double kGrowing = 1e-3;    // of the keys, in the second half of the sample: below, all keys have been seen
constexpr double kSigmas = 2;

// Distinct keys of so many draws from keys of which the r-th comes draws * r^-s times on average, r = 1 to V: the sum
// of 1 - exp(-draws * r^-s), rank by rank at first, then by the trapezoid rule on the logarithm of r.
class ZipfLaw {
 public:
  ZipfLaw(double exponent, double keys) {
    for (int rank = 1; rank <= kSingly; ++rank) {
      weight_[rank - 1] = std::clamp(keys - (rank - 1), 0.0, 1.0);
      frequency_[rank - 1] = std::pow(rank, -exponent);
    }
    const double begin = std::log(kSingly + .5), step = (std::log(keys + .5) - begin) / (kPoints - 1);
    for (int i = 0; i < kPoints; ++i) {
      const double rank = std::exp(begin + i * step);
      weight_[kSingly + i] = std::max(0.0, rank * step * (i == 0 || i == kPoints - 1 ? .5 : 1));
      frequency_[kSingly + i] = std::pow(rank, -exponent);
    }
  }

  double Distinct(double draws) const {
    double sum = 0;
    for (int i = 0; i < kSingly + kPoints; ++i) sum += weight_[i] * -std::expm1(-draws * frequency_[i]);
    return sum;
  }
  // The draws that have so many distinct keys.
  double DrawsFor(double distinct) const {
    double low = -10, high = 70;  // their logarithms
    for (int step = 0; step < 36; ++step) {
      const double middle = .5 * (low + high);
      (Distinct(std::exp(middle)) < distinct ? low : high) = middle;
    }
    return std::exp(low);
  }

 private:
  static constexpr int kSingly = 32, kPoints = 64;
  std::array<double, kSingly + kPoints> weight_, frequency_;
};

struct Fit {
  double exponent, keys;
  double error;  // root of the mean square of the logarithm, over the curve
  double later;
};

Fit FitOf(double exponent, double keys, const Curve& curve, double times) {
  const ZipfLaw law(exponent, keys);
  const double draws = law.DrawsFor(curve.back());
  double squares = 0;
  for (std::size_t i = 0; i < curve.size(); ++i) {
    const double off = std::log(law.Distinct(draws * kShares[i]) / curve[i]);
    squares += off * off;
  }
  return {exponent, keys, std::sqrt(squares / curve.size()), law.Distinct(draws * times)};
}

// All laws of a coarse net, and then of ever finer ones around the best.
std::vector<Fit> FitsOf(const Curve& curve, double times) {
  std::vector<Fit> fits;
  constexpr double kRatio = 1.5, kStep = .15;
  for (double keys = curve.back() * 1.001; keys < curve.back() * 1e5; keys *= kRatio) {
    for (double exponent = .4; exponent < 2.5; exponent += kStep) fits.push_back(FitOf(exponent, keys, curve, times));
  }
  for (double width = 1; width > .05; width /= 2) {
    const Fit centre = *std::ranges::min_element(fits, {}, &Fit::error);
    for (int i = -3; i <= 3; ++i) {
      const double keys = std::max(centre.keys * std::pow(kRatio, i * width / 2), curve.back() * 1.001);
      for (int j = -3; j <= 3; ++j) fits.push_back(FitOf(centre.exponent + kStep * width * j, keys, curve, times));
    }
  }
  return fits;
}

}  // namespace

Estimate EstimateKeys(const KeySample& sample, double times) {
  const double now = sample.distinct();
  const double error = sample.exact() ? 0 : kSigmas * KeySample::kStandardError;
  if (now == 0) return {};
  const std::vector<double> distinct = sample.DistinctOf(kShares);
  const double last_half = 1 - distinct[kShares.size() - 2] / now;
  if (times <= 1 || last_half < kGrowing) return {now, now * (1 - error), now * (1 + error)};
  Curve curve;
  std::ranges::copy(distinct, curve.begin());
  const std::vector<Fit> fits = FitsOf(curve, times);
  const Fit best = *std::ranges::min_element(fits, {}, &Fit::error);
  Estimate later{best.later, best.later, best.later};
  for (const Fit& fit : fits) {
    if (fit.error > best.error + kTolerance) continue;
    later.low = std::min(later.low, fit.later);
    later.high = std::max(later.high, fit.later);
  }
  later.low = std::max(later.low * (1 - error), now * (1 - error));
  later.high *= 1 + error;
  return later;
}

}  // namespace sherd
