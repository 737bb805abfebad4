#pragma once

#include <vector>

namespace sherd {

// What training with noise gives away of any one row: (epsilon, delta) of differential privacy, by the Rényi
// divergences of the sampled Gaussian mechanism (Mironov, Talwar and Zhang 2019). Each step takes a row with
// probability `sampling_rate`, clips its gradient to a norm and adds noise of `noise_multiplier` times that norm to
// their sum; rows are neighbours when one is added or left out. Immutable.
class PrivacyAccountant {
 public:
  // 0 < sampling_rate <= 1, noise_multiplier > 0.
  PrivacyAccountant(double sampling_rate, double noise_multiplier);

  // After so many steps, which need not be a whole number: the best over the orders a of
  //   steps * rdp(a) + log(1 - 1/a) - log(delta * a) / (a - 1)
  // (Canonne, Kamath and Steinke 2020, proposition 12), and not below 0.
  double Epsilon(double steps, double delta) const;

 private:
  std::vector<double> orders_, divergences_;  // of one step
};

}  // namespace sherd
