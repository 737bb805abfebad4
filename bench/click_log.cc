#include "bench/click_log.h"

#include <array>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <memory>
#include <vector>

#include "base/hash.h"
#include "bench/key_stream.h"

namespace sherd::bench {
namespace {

constexpr int kIntegers = 13, kTokens = 26;
constexpr double kExponent = 1.1;
// Distinct tokens of the columns: from a handful to far more than are seen often.
constexpr std::array<std::uint64_t, 4> kVocabularies = {30, 1'500, 60'000, 2'000'000};

class ClickLog {
 public:
  ClickLog() {
    for (const std::uint64_t size : kVocabularies) ranks_.emplace_back(size, kExponent);
  }

  // Appends row i and its line end.
  void Append(std::uint64_t i, std::string* text) const {
    char word[16];
    double logit = -1.2;
    std::string columns;
    for (int c = 0; c < kIntegers; ++c) {
      const double size = std::pow(UnitFloat(Mix(i, 100 + c)), 3.0) * 8;
      columns.append(word, std::snprintf(word, sizeof(word), "\t%d", static_cast<int>(std::exp(size)) - 1));
    }
    for (int c = 0; c < kTokens; ++c) {
      const std::uint64_t token = Mix(ranks_[c % ranks_.size()].At(Mix(i, 200 + c)), c);
      logit += 1.5 * (UnitFloat(Mix(token, 3)) - 0.5f);
      columns.append(word, std::snprintf(word, sizeof(word), "\t%08x", static_cast<unsigned>(token)));
    }
    *text += UnitFloat(Mix(i, 300)) < 1 / (1 + std::exp(-logit)) ? '1' : '0';
    *text += columns;
    *text += '\n';
  }

 private:
  std::vector<ZipfRanks> ranks_;
};

}  // namespace

Status WriteClickLog(const std::string& path, std::uint64_t rows) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "w"), std::fclose);
  if (file == nullptr) return Status::Io("write " + path, errno);
  const ClickLog log;
  std::string text;
  for (std::uint64_t i = 0; i < rows; ++i) {
    log.Append(i, &text);
    if (text.size() < 1 << 20 && i + 1 < rows) continue;
    if (std::fwrite(text.data(), 1, text.size(), file.get()) != text.size()) return Status::Io("write " + path, errno);
    text.clear();
  }
  return std::fflush(file.get()) == 0 ? Status() : Status::Io("write " + path, errno);
}

}  // namespace sherd::bench
