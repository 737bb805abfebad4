#include "worker/data/click_log/click_log.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "base/hash.h"
#include "worker/data/click_log/portable_math.h"
#include "worker/data/click_log/truth.h"

namespace sherd {
namespace {

// Distinct tokens and shares of missing values as in Criteo's published log; the rest is ours.
struct TokenColumn {
  double distinct, exponent, missing;
  double weight;  // relative size of its own effect
  bool pairs;     // has effects together with other columns
};
constexpr TokenColumn kTokenColumns[ClickRow::kTokens] = {
    {1460, 1.15, 0, .6, false},        {583, 1.05, 0, .9, true},      {10131227, 1.08, .034, 1.3, true},
    {2202608, 1.10, .034, 1.3, true},  {305, 1.20, 0, .4, false},     {24, 1.30, .12, .7, true},
    {12517, 1.05, 0, 1.0, true},       {633, 1.25, 0, .3, false},     {3, 1.40, 0, .6, false},
    {93145, 1.10, 0, 1.3, true},       {5683, 1.05, 0, 1.1, true},    {8351593, 1.08, .034, 1.2, false},
    {3194, 1.05, 0, .9, false},        {27, 1.15, 0, .9, true},       {14992, 1.12, 0, 1.0, true},
    {5461306, 1.08, .034, 1.2, false}, {10, 1.20, 0, .9, true},       {5652, 1.10, 0, 1.0, true},
    {2173, 1.20, .44, .7, false},      {4, 1.30, .44, .8, true},      {7046547, 1.08, .034, 1.2, false},
    {18, 1.30, .76, .7, false},        {15, 1.15, 0, .6, false},      {286181, 1.10, .034, 1.1, true},
    {105, 1.10, .44, .7, false},       {142572, 1.12, .44, 1.0, true}};

struct IntegerColumn {
  double location, spread;  // of log2
  double missing;
  std::int32_t offset, greatest;  // what is printed has the offset added
  bool pairs;
};
constexpr IntegerColumn kIntegerColumns[ClickRow::kIntegers] = {
    {0.5, .60, .45, 0, 5775, true},   {1.6, .90, 0, -3, 257675, false},      {2.6, .70, .21, 0, 65535, false},
    {2.0, .50, .21, 0, 969, true},    {11.3, .75, .026, 0, 23159456, false}, {5.0, .80, .22, 0, 431037, true},
    {2.2, .70, .043, 0, 56311, true}, {3.0, .50, .0005, 0, 6047, false},     {5.2, .60, .043, 0, 29019, false},
    {-.5, .35, .45, 0, 11, false},    {.8, .50, .043, 0, 231, true},         {-.8, .60, .76, 0, 4008, false},
    {2.2, .50, .21, 0, 7393, true}};

constexpr double kFewTokens = 1000;           // columns of no more keep them at any scale
constexpr double kLogisticDeviation = 2.617;  // of the binary logarithm of a log-logistic variable of spread 1
constexpr double kSlopeShare = .6, kBendShare = .4;
constexpr std::uint64_t kCalibrationRow = 1ull << 62;
constexpr std::size_t kCalibrationRows = 1 << 16;

// Uniform of mean 0 and deviation 1.
double CentredUniform(std::uint64_t hash) {
  constexpr double kWidth = 3.4641016151377544;  // sqrt(12)
  const double unit = (static_cast<double>(hash >> 11) + .5) * 0x1p-53;
  return (unit - .5) * kWidth;
}

// How large single effects have to be for the deviations that the options ask for.
struct EffectSizes {
  double weight, factor;

  explicit EffectSizes(const ClickLogOptions& options) {
    double squares = 0, with_pairs = 0, integers_with_pairs = 0;
    for (const TokenColumn& column : kTokenColumns) {
      squares += column.weight * column.weight;
      with_pairs += column.pairs;
    }
    for (const IntegerColumn& column : kIntegerColumns) integers_with_pairs += column.pairs;
    weight = options.first_order / std::sqrt(squares + ClickRow::kIntegers * (kSlopeShare * kSlopeShare));
    const double columns = with_pairs + integers_with_pairs;
    const double pairs = columns * (columns - 1) * ClickTruth::kFactors;
    factor = std::sqrt(std::sqrt(options.second_order * options.second_order * 2 / pairs));
  }
};

void SetTokens(double scale, const EffectSizes& sizes, ClickTruth* truth) {
  for (int i = 0; i < ClickRow::kTokens; ++i) {
    const TokenColumn& column = kTokenColumns[i];
    double distinct = column.distinct;
    if (distinct > kFewTokens) distinct = std::max(kFewTokens, std::floor(distinct * scale));
    truth->zipf_span[i] = PortableExp2((1 - column.exponent) * PortableLog2(distinct + 1)) - 1;
    truth->zipf_power[i] = 1 / (1 - column.exponent);
    truth->greatest[i] = distinct - 1;
    truth->missing[i] = column.missing;
    truth->weight_size[i] = column.weight * sizes.weight;
    truth->factor_size[i] = column.pairs ? sizes.factor : 0;
    truth->token_seed[i] = static_cast<std::uint32_t>(Mix(truth->effect_seed[i] + 1));
  }
}

void SetIntegers(const EffectSizes& sizes, ClickTruth* truth) {
  for (int i = 0; i < ClickRow::kIntegers; ++i) {
    const IntegerColumn& column = kIntegerColumns[i];
    const int lane = ClickTruth::kFirstInteger + i;
    const std::uint64_t seed = truth->effect_seed[lane];
    const auto effect = [&](std::uint64_t which) { return CentredUniform(Mix(seed + which)); };
    truth->location[lane] = column.location;
    truth->spread[lane] = column.spread;
    truth->by_spread[lane] = 1 / (column.spread * kLogisticDeviation);
    truth->greatest[lane] = column.greatest;
    truth->missing[lane] = column.missing;
    truth->slope[lane] = kSlopeShare * sizes.weight * effect(11);
    truth->bend[lane] = kBendShare * sizes.weight * effect(12);
    truth->missing_weight[lane] = kSlopeShare * sizes.weight * effect(13);
    for (int f = 0; f < ClickTruth::kFactors; ++f) {
      truth->factor_slope[f][lane] = (column.pairs ? sizes.factor : 0) * effect(20 + static_cast<std::uint64_t>(f));
    }
    truth->offset[i] = column.offset;
  }
}

// The bias that gives the click rate on the calibration rows, by bisection.
double FindBias(const ClickTruth& unbiased, double click_rate) {
  std::vector<ClickRow> rows(kCalibrationRows);
  DrawClickRows(unbiased, kCalibrationRow, rows);
  std::vector<double> logits;
  for (const ClickRow& row : rows) logits.push_back(PortableLog(row.probability / (1 - row.probability)));
  double low = -12, high = 12;
  for (int step = 0; step < 45; ++step) {
    const double middle = .5 * (low + high);
    double sum = 0;
    for (const double logit : logits) sum += PortableSigmoid(logit + middle);
    (sum / static_cast<double>(kCalibrationRows) < click_rate ? low : high) = middle;
  }
  return .5 * (low + high);
}

Status Check(const char* name, double value, double least, double most) {
  if (value >= least && value <= most) return {};
  return Status::Invalid(std::string(name) + ": " + std::to_string(value) + " is outside " + std::to_string(least) +
                         " to " + std::to_string(most));
}

}  // namespace

Result<std::unique_ptr<ClickLog>> ClickLog::Make(const ClickLogOptions& options) {
  RETURN_IF_ERROR(Check("scale", options.scale, 1e-6, 100));
  RETURN_IF_ERROR(Check("first_order", options.first_order, 0, 100));
  RETURN_IF_ERROR(Check("second_order", options.second_order, 0, 100));
  RETURN_IF_ERROR(Check("click_rate", options.click_rate, 1e-4, 1 - 1e-4));
  return std::unique_ptr<ClickLog>(new ClickLog(options));
}

ClickLog::ClickLog(const ClickLogOptions& options) : truth_(std::make_unique<ClickTruth>()) {
  truth_->row_seed = Mix(options.seed ^ 0x5851f42d4c957f2d);
  const std::uint64_t seed = Mix(options.seed + 77);
  for (std::uint64_t lane = 0; lane < ClickTruth::kLanes; ++lane) {
    truth_->effect_seed[lane] = Mix(seed + lane * 0x632be59bd9b4e019);
  }
  truth_->zipf_power.fill(1);
  truth_->zipf_span.fill(1);
  truth_->greatest.fill(1);
  const EffectSizes sizes(options);
  SetTokens(options.scale, sizes, truth_.get());
  SetIntegers(sizes, truth_.get());
  truth_->bias = FindBias(*truth_, options.click_rate);
}

ClickLog::~ClickLog() = default;

void ClickLog::Draw(std::uint64_t first_row, std::span<ClickRow> rows) const {
  DrawClickRows(*truth_, first_row, rows);
}

}  // namespace sherd
