#pragma once

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>

#include "base/hash.h"
#include "base/status.h"

namespace sherd {

// Prints what the checkpoint in `dir` holds: the job and where it stands, the files, its tables with their rows and
// what these take, on disk and in the memory of a job that keeps them as this one does, and its dense tensors. Reads
// all of it, so what is damaged is found.
Status ShowCheckpoint(const std::string& dir, std::ostream& out);

// Which rows to show.
struct RowQuestion {
  std::string table;  // empty: all that may have it
  std::optional<Key> key;
  std::string feature, text;  // without a key: of the keys that training makes of this text of the feature
};

// Prints rows, or what stands in their place. NotFound: no table has any. Invalid: no such table or feature.
Status ShowRows(const std::string& dir, const RowQuestion& question, std::ostream& out);

}  // namespace sherd
