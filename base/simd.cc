#include "base/simd.h"

#include <hwy/highway.h>
#include <hwy/targets.h>

#include <algorithm>
#include <array>
#include <mutex>

namespace sherd {
namespace {

struct Level {
  const char* name;
  std::int64_t target;   // that a processor must support to be of this level
  std::int64_t allowed;  // what dispatch may choose from: the target, and worse ones for kernels not compiled for it
};

constexpr std::int64_t kSse = HWY_SSE4 | HWY_SSSE3;

// AVX3_DL is left out: not every AVX-512 machine has it, and a job has one target.
// Best first. Every x86-64 processor has the levels below its best one.
constexpr std::array<Level, 3> kLevels = {{
    {"avx512", HWY_AVX3, HWY_AVX3 | HWY_AVX2 | kSse},
    {"avx2", HWY_AVX2, HWY_AVX2 | kSse},
    {"sse4", HWY_SSE4 | HWY_SSSE3, kSse},
}};

// Highway asks the processor only as long as nothing is restricted, so this is taken before anything is.
std::int64_t Detected() {
  static const std::int64_t detected = hwy::SupportedTargets();
  return detected;
}

const Level& BestOf(std::int64_t targets) {
  const auto level = std::find_if(kLevels.begin(), kLevels.end(), [&](const Level& l) { return targets & l.target; });
  return level == kLevels.end() ? kLevels.back() : *level;
}

const Level* Find(const std::string& name) {
  const auto level = std::find_if(kLevels.begin(), kLevels.end(), [&](const Level& l) { return l.name == name; });
  return level == kLevels.end() ? nullptr : level;
}

Status Unknown(const std::string& name) {
  return Status::Invalid("SIMD target '" + name + "' is none of avx512, avx2, sse4");
}

}  // namespace

std::string BestSimd() { return BestOf(Detected()).name; }

Status UseSimd(const std::string& name) {
  static std::mutex mutex;  // Highway keeps the restriction in a plain variable
  const std::lock_guard lock(mutex);
  const Level* level = Find(name);
  if (level == nullptr) return Unknown(name);
  if (level < &BestOf(Detected())) {
    return Status::Invalid("this processor has no " + name + ", its best SIMD target is " + BestSimd());
  }
  const std::int64_t targets = Detected() & level->allowed;
  if (hwy::SupportedTargets() != targets) hwy::SetSupportedTargetsForTest(targets);
  return {};
}

std::string CurrentSimd() {
  Detected();
  return BestOf(hwy::SupportedTargets()).name;
}

Result<std::string> WorstSimd(const std::string& a, const std::string& b) {
  const Level* left = Find(a);
  const Level* right = Find(b);
  if (left == nullptr) return Unknown(a);
  if (right == nullptr) return Unknown(b);
  return std::string(std::max(left, right)->name);
}

}  // namespace sherd
