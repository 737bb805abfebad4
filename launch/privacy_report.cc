#include "launch/privacy_report.h"

#include <algorithm>
#include <cstdio>

namespace sherd {

// An epoch takes each row once; it is accounted as if each minibatch had taken each with the same probability.
void PrivacyReport::OnEpochEnd(const EpochReport& report) {
  if (report.rows == 0) return;
  const auto rows = static_cast<double>(report.rows);
  const double rate = std::min(1.0, train_.batch_size() / rows);
  if (rows_ != report.rows) {
    rows_ = report.rows;
    accountant_ = std::make_unique<PrivacyAccountant>(rate, train_.dp().noise_multiplier());
  }
  const double epsilon = accountant_->Epsilon(report.epoch / rate, train_.dp().delta());
  char text[160];
  std::snprintf(text, sizeof text, "epoch %u  privacy  epsilon %.3f at delta %g  (noise %g, sampling rate %.4g)",
                report.epoch, epsilon, train_.dp().delta(), train_.dp().noise_multiplier(), rate);
  to_->OnMessage(text);
}

}  // namespace sherd
