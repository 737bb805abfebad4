#pragma once

#include <ostream>
#include <string>

#include "base/status.h"

namespace sherd {

// `sherd checkpoint verify`: reads every byte of every file that the checkpoint's manifest names, files side by side,
// and checks all that the format promises: checksums of blocks, of the index, and of the whole file; that the files
// hold each slot once, and deltas build on what is there; order and slot of keys, lengths of rows, places of dense
// blocks; that manifest, files and job file speak of one model. Prints a line a file, with what is wrong below it.
// BadData: something is.
Status VerifyCheckpoint(const std::string& dir, std::ostream& out);

}  // namespace sherd
