#pragma once

#include <string>

namespace sherd {

// What `sherd --help` prints.
std::string HelpText();
std::string VersionText();

}  // namespace sherd
