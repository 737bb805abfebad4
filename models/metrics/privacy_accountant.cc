#include "models/metrics/privacy_accountant.h"

#include <glog/logging.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace sherd {
namespace {

// Close to one another where epsilon is large, and far apart where it is small and changes little with the order.
std::vector<double> Orders() {
  std::vector<double> orders;
  for (int tenths = 11; tenths < 110; ++tenths) orders.push_back(tenths / 10.0);
  for (int order = 11; order < 64; ++order) orders.push_back(order);
  for (int order = 64; order <= 1024; order *= 2) orders.push_back(order);
  return orders;
}

// log(e^a + e^b)
double LogSum(double a, double b) {
  const double high = std::max(a, b), low = std::min(a, b);
  return std::isinf(low) ? high : high + std::log1p(std::exp(low - high));
}

// D_a of (1 - q) N(0, s^2) + q N(1, s^2) from N(0, s^2): 1 / (a - 1) times the logarithm of the mean, over x of the
// latter, of (1 - q + q e^((2x - 1) / (2 s^2)))^a. What is summed is smooth and falls off like a Gaussian at both ends,
// where it is cut off: evenly spaced points give it to all digits.
double Divergence(double order, double q, double s) {
  constexpr double kWidths = 12, kPointsAWidth = 16;
  const double step = s / kPointsAWidth, first = -kWidths * s, last = order + kWidths * s;
  const double log_density = -std::log(s * std::sqrt(2 * M_PI));
  const double log_rest = q < 1 ? std::log1p(-q) : -std::numeric_limits<double>::infinity();
  double log_total = -std::numeric_limits<double>::infinity();
  for (double x = first; x <= last; x += step) {
    const double log_ratio = LogSum(log_rest, std::log(q) + (2 * x - 1) / (2 * s * s));
    log_total = LogSum(log_total, log_density - x * x / (2 * s * s) + order * log_ratio);
  }
  return (log_total + std::log(step)) / (order - 1);
}

}  // namespace

PrivacyAccountant::PrivacyAccountant(double sampling_rate, double noise_multiplier) : orders_(Orders()) {
  CHECK(sampling_rate > 0 && sampling_rate <= 1 && noise_multiplier > 0);
  for (const double order : orders_) divergences_.push_back(Divergence(order, sampling_rate, noise_multiplier));
}

double PrivacyAccountant::Epsilon(double steps, double delta) const {
  double best = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < orders_.size(); ++i) {
    const double a = orders_[i];
    best = std::min(best, steps * divergences_[i] + std::log1p(-1 / a) - std::log(delta * a) / (a - 1));
  }
  return std::max(best, 0.0);
}

}  // namespace sherd
