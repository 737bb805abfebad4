#include "launch/share_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>
#include <string_view>

namespace sherd {
namespace {

std::string TextOf(float number) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, number).ptr};
}

bool AddUp(float score, float baseline, std::span<const float> shares) {
  double sum = 0, size = 0;
  for (const float share : shares) {
    sum += share;
    size += std::abs(share);
  }
  const double expected = double{score} - double{baseline};
  return std::abs(sum - expected) <=
         0.01 * std::abs(expected) + 1e-5 * size;  // what rounding does to shares that cancel
}

}  // namespace

std::vector<std::string> ShareText::NamesFor(std::uint32_t user) const {
  std::vector<std::string> names;
  for (const FeatureLayout::FeatureColumn& feature : dataset_->layout().features) {
    if (feature.column != "history") {
      names.push_back(feature.name);
      continue;
    }
    for (const Histories::Event& event : dataset_->histories()->Before(proto::Chunk::TEST, user)) {
      const std::string& item = dataset_->interactions().items.text(event.item);
      const auto title = titles_->find(item);
      names.push_back(feature.name + ":" + item + (title == titles_->end() ? "" : " " + title->second));
    }
  }
  static constexpr std::string_view kSeparators = ";\t\n\r";
  for (std::string& name : names) {
    std::ranges::replace_if(
        name, [](char c) { return kSeparators.find(c) != std::string_view::npos; }, ' ');
  }
  return names;
}

Result<std::string> ShareText::Of(std::uint32_t user, float score, std::span<const float> shares) {
  const std::vector<std::string> names = NamesFor(user);
  if (shares.size() != 1 + names.size()) {
    return Status::BadData(std::to_string(shares.size()) + " shares of an item, where the job's features have " +
                           std::to_string(names.size()) + " and a baseline");
  }
  const float baseline = shares[0];
  shares = shares.subspan(1);
  if (!AddUp(score, baseline, shares)) ++inexact_;
  std::vector<std::size_t> order(names.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, [&](auto a, auto b) { return shares[a] > shares[b]; });
  std::string text = TextOf(baseline) + "\t";
  for (const std::size_t i : order) {
    if (text.back() != '\t') text += "; ";
    text += names[i] + "=" + TextOf(shares[i]);
  }
  return text;
}

}  // namespace sherd
