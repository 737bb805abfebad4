#include "ps/initializer.h"

#include <cmath>

namespace sherd {
namespace {

// A normal variable as the sum of eight uniform ones of 16 bits (Irwin-Hall), which needs no logarithm. The sum's mean
// is 8 * 65535 / 2 and its variance 8 * (65536² - 1) / 12; its tails end at 4.9 deviations.
constexpr std::int64_t kSumMean = 8 * 65535 / 2;
constexpr double kSumVariance = 8.0 * (65536.0 * 65536.0 - 1) / 12;

std::int64_t SumOfParts(std::uint64_t hash) {
  return static_cast<std::int64_t>((hash & 0xffff) + (hash >> 16 & 0xffff) + (hash >> 32 & 0xffff) + (hash >> 48));
}

float Normal(std::uint64_t stream, std::uint64_t element, double unit) {
  const std::int64_t sum = SumOfParts(Mix(stream, 2 * element)) + SumOfParts(Mix(stream, 2 * element + 1));
  return static_cast<float>(static_cast<double>(sum - kSumMean) * unit);
}

float Uniform(std::uint64_t stream, std::uint64_t element, double scale) {
  return static_cast<float>((2.0 * UnitFloat(Mix(stream, element)) - 1.0) * scale);
}

}  // namespace

Initializer::Initializer(const proto::Initializer& spec, std::uint32_t fan_in, std::uint32_t fan_out) {
  switch (spec.kind()) {
    case proto::Initializer::ZERO:
      shape_ = Shape::kConstant, scale_ = 0;
      return;
    case proto::Initializer::CONSTANT:
      shape_ = Shape::kConstant, scale_ = spec.scale();
      return;
    case proto::Initializer::UNIFORM:
      shape_ = Shape::kUniform, scale_ = spec.scale();
      return;
    case proto::Initializer::NORMAL:
      shape_ = Shape::kNormal, scale_ = spec.scale() / std::sqrt(kSumVariance);
      return;
    case proto::Initializer::XAVIER:
      break;
  }
  shape_ = Shape::kUniform;
  scale_ = spec.scale() * std::sqrt(6.0 / (static_cast<double>(fan_in) + fan_out));
}

void Initializer::Fill(std::uint64_t stream, std::uint64_t first, std::span<float> out) const {
  for (std::size_t i = 0; i < out.size(); ++i) {
    switch (shape_) {
      case Shape::kConstant:
        out[i] = static_cast<float>(scale_);
        break;
      case Shape::kUniform:
        out[i] = Uniform(stream, first + i, scale_);
        break;
      case Shape::kNormal:
        out[i] = Normal(stream, first + i, scale_);
        break;
    }
  }
}

}  // namespace sherd
