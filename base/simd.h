#pragma once

#include <string>

#include "base/status.h"

namespace sherd {

// The SIMD target of a job: one for all its processes, because another width or a fused multiply-add changes the bits
// of a sum. From best to worst: "avx512", "avx2" (with FMA), "sse4". The choice holds for the whole process and for
// Highway's dynamic dispatch; who calls other libraries (oneDNN) limits them by CurrentSimd(). All functions are
// thread-safe, but a choice should come before the first kernel runs: kernels that are running finish with the old one.

// The best target that this processor has, whatever was chosen.
std::string BestSimd();

// From now on kernels run with exactly this target. Invalid: the name is unknown, or the processor lacks it.
Status UseSimd(const std::string& name);

// What UseSimd chose last; BestSimd() before.
std::string CurrentSimd();

// Of two targets the one that both processors have. Invalid: a name is unknown.
Result<std::string> WorstSimd(const std::string& a, const std::string& b);

}  // namespace sherd
