#pragma once

#include <string>

#include "base/status.h"

namespace sherd {

// Opens a row file and makes minibatches of all its rows, of every column: what a job does that reads all there is.
Status ReadWholeRowFile(const std::string& path);

}  // namespace sherd
