#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "worker/data/click_log/click_log.h"

namespace sherd {

// What a click log is drawn from, lane by lane: the tokens' columns, the integers' columns, and the lane that decides
// about the click. Where a parameter means nothing to a lane it stands at a value that does nothing there, so that
// loops need not tell lanes apart.
struct ClickTruth {
  static constexpr int kFirstInteger = ClickRow::kTokens;
  static constexpr int kClick = kFirstInteger + ClickRow::kIntegers;
  static constexpr int kLanes = kClick + 1;
  static constexpr int kFactors = 4;

  template <typename T>
  using Lanes = std::array<T, kLanes>;

  std::uint64_t row_seed = 0;
  double bias = 0;
  // Both kinds: the share of missing values, the greatest value (of a token: its rank, from 0).
  alignas(64) Lanes<double> missing{}, greatest{};
  // Tokens: rank = (1 + zipf_span * u)^zipf_power - 1; the sizes of the hashed effects.
  alignas(64) Lanes<double> zipf_span{}, zipf_power{}, weight_size{}, factor_size{};
  // Integers: of their law, and the effects of t, their standardised logarithm.
  alignas(64) Lanes<double> location{}, spread{}, by_spread{}, slope{}, bend{}, missing_weight{};
  alignas(64) std::array<Lanes<double>, kFactors> factor_slope{};
  alignas(64) Lanes<std::uint64_t> effect_seed{};
  alignas(64) std::array<std::uint32_t, ClickRow::kTokens> token_seed{};
  std::array<std::int32_t, ClickRow::kIntegers> offset{};
};

// The rows of ClickLog::Draw.
void DrawClickRows(const ClickTruth& truth, std::uint64_t first_row, std::span<ClickRow> rows);

}  // namespace sherd
