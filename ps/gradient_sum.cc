#include "ps/gradient_sum.h"

#include <cstring>

#include "ps/optimizer/gradient.h"

namespace sherd {

void GradientSum::Start(std::size_t keys, std::uint32_t floats) {
  numbering_.Start(keys);
  sums_.Resize(keys * floats);
  floats_ = floats;
}

void GradientSum::Add(std::span<const Key> keys, const float* gradients) {
  for (const Key key : keys) {
    const std::size_t known = numbering_.size();
    float* const sum = sums_.data() + std::size_t{numbering_.Number(key)} * floats_;
    if (numbering_.size() > known) {
      std::memcpy(sum, gradients, floats_ * sizeof(float));
    } else {
      AddTo({gradients, floats_}, sum);
    }
    gradients += floats_;
  }
}

void GradientSum::StartDense(std::span<const float> gradients) {
  sums_.Resize(gradients.size());
  std::memcpy(sums_.data(), gradients.data(), gradients.size_bytes());
}

void GradientSum::AddDense(std::span<const float> gradients) { AddTo(gradients, sums_.data()); }

}  // namespace sherd
