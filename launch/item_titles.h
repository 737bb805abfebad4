#pragma once

#include <string>
#include <unordered_map>

#include "base/status.h"

namespace sherd {

// Titles by the item's text, from a CSV file with a header: the item in the first column, its title in the second,
// either in double quotes where it has a comma, with "" for a quote inside. BadData names the first line that is not
// so.
Result<std::unordered_map<std::string, std::string>> ReadItemTitles(const std::string& path);

}  // namespace sherd
