#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sherd {

// Adam's two bias corrections by step, from a table: no power a row. Immutable.
class AdamCorrections {
 public:
  struct Terms {
    float rate;  // 1 / (1 - beta1^t): multiplies the rate
    float root;  // sqrt(1 - beta2^t): divides sqrt(v)
  };

  AdamCorrections(double beta1, double beta2);

  // t >= 1.
  Terms at(std::uint32_t t) const {
    if (t < table_.size()) return table_[t];
    return converged_ ? table_.back() : Compute(t);
  }

 private:
  Terms Compute(std::uint32_t t) const;

  const double beta1_, beta2_;
  std::vector<Terms> table_;  // by t; element 0 is not used
  bool converged_ = false;    // the table's last terms are those of every later step
};

}  // namespace sherd
