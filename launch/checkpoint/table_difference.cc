#include "launch/checkpoint/table_difference.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>

#include "launch/progress_display.h"

namespace sherd {
namespace {

constexpr std::size_t kMost = 10;  // keys that are named

// Goes through two lists of keys in their order: in_a(i), in_b(j), in_both(i, j).
template <class InA, class InB, class InBoth>
void Merge(std::span<const Key> a, std::span<const Key> b, const InA& in_a, const InB& in_b, const InBoth& in_both) {
  std::size_t i = 0, j = 0;
  while (i < a.size() || j < b.size()) {
    if (j == b.size() || (i < a.size() && ComesBefore(a[i], b[j]))) {
      in_a(i++);
    } else if (i == a.size() || ComesBefore(b[j], a[i])) {
      in_b(j++);
    } else {
      in_both(i++, j++);
    }
  }
}

}  // namespace

double ValueDifference::Add(std::span<const float> a, std::span<const float> b) {
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::bit_cast<std::uint32_t>(a[i]) == std::bit_cast<std::uint32_t>(b[i])) continue;
    double difference = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    if (std::isnan(difference)) difference = std::numeric_limits<double>::infinity();
    most = std::max(most, difference);
    sum_ += difference;
    squares_ += difference * difference;
  }
  count_ += a.size();
  max_ = std::max(max_, most);
  return most;
}

std::string ValueDifference::Text() const {
  const double count = static_cast<double>(std::max<std::uint64_t>(count_, 1));
  char text[120];
  std::snprintf(text, sizeof text, "max %.6g, mean %.6g, rms %.6g", max_, sum_ / count, std::sqrt(squares_ / count));
  return text;
}

bool SameBits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size_bytes()) == 0);
}

TableDifference::TableDifference(RowLayout a, RowLayout b, bool state)
    : a_(std::move(a)), b_(std::move(b)), state_(state), floats_a_(a_.row_floats()), floats_b_(b_.row_floats()) {}

void TableDifference::Add(const CheckpointSlot::Table& a, const CheckpointSlot::Table& b) {
  Merge(
      a.keys, b.keys, [&](std::size_t) { ++only_a_; }, [&](std::size_t) { ++only_b_; },
      [&](std::size_t i, std::size_t j) {
        AddRow(a.keys[i], &a.rows[i * a_.row_bytes()], &b.rows[j * b_.row_bytes()]);
      });
  const auto one_has_it = [&](std::size_t) { ++candidates_; };
  Merge(a.candidates, b.candidates, one_has_it, one_has_it,
        [&](std::size_t i, std::size_t j) { candidates_ += a.sightings[i] == b.sightings[j] ? 0 : 1; });
}

void TableDifference::AddRow(Key key, const std::byte* a, const std::byte* b) {
  a_.DecodeRow(a, floats_a_.data());
  b_.DecodeRow(b, floats_b_.data());
  const std::size_t weights = a_.weight_floats();
  const std::span<const float> floats_a(floats_a_), floats_b(floats_b_);
  const double by_weights = weights_difference_.Add(floats_a.first(weights), floats_b.first(weights));
  const double by_state = state_ ? state_difference_.Add(floats_a.subspan(weights), floats_b.subspan(weights)) : 0;
  const std::size_t compared = state_ ? floats_a.size() : weights;
  if (SameBits(floats_a.first(compared), floats_b.first(compared)) && SameUsage(a, b)) {
    ++equal_;
    return;
  }
  ++different_;
  Remember({.weights = by_weights, .state = by_state, .key = key});
}

// Where only one side keeps a field there is nothing to compare.
bool TableDifference::SameUsage(const std::byte* a, const std::byte* b) const {
  const auto same = [&](std::uint32_t in_a, std::uint32_t in_b) {
    return in_a == 0 || in_b == 0 || std::memcmp(a + in_a, b + in_b, sizeof(std::uint32_t)) == 0;
  };
  return same(a_.usage().clock, b_.usage().clock) && same(a_.usage().second, b_.usage().second) &&
         same(a_.usage().count, b_.usage().count);
}

void TableDifference::Remember(const Row& row) {
  most_.insert(std::ranges::upper_bound(most_, row, std::less<>()), row);
  if (most_.size() > kMost) most_.pop_back();
}

void TableDifference::Print(const std::string& name, std::ostream& out) const {
  out << "table " << name << ": " << WithCommas(equal_) << " rows equal, " << WithCommas(different_) << " different, "
      << WithCommas(only_a_) << " only in A, " << WithCommas(only_b_) << " only in B\n";
  if (candidates_ > 0) out << "  candidates   " << WithCommas(candidates_) << " different\n";
  if (different_ == 0) return;
  out << "  weights      " << weights_difference_.Text() << '\n';
  if (state_) out << "  state        " << state_difference_.Text() << '\n';
  for (const Row& row : most_) {
    char text[160];
    std::snprintf(text, sizeof text, "  key          %llu in slot %u: weights by %.6g",
                  static_cast<unsigned long long>(row.key), SlotOf(row.key), row.weights);
    out << text;
    if (state_) out << ", state by " << row.state;
    out << '\n';
  }
}

}  // namespace sherd
