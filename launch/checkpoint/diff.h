#pragma once

#include <ostream>
#include <string>

#include "base/status.h"

namespace sherd {

// `sherd checkpoint diff`: compares two checkpoints by row, slot by slot, and prints for each table how many rows are
// only in one, equal or different, and by how much, with the keys that differ most; the same for dense tensors. Tables
// and tensors are matched by name; values are compared as floats, however they are stored. True: there is no difference
// in rows, candidates or dense parameters.
Result<bool> CompareCheckpoints(const std::string& a, const std::string& b, std::ostream& out);

}  // namespace sherd
