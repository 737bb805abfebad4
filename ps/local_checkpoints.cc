#include "ps/local_checkpoints.h"

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file.h"

namespace sherd {
namespace {

// Numbers of one length are padded with zeros; longer ones are greater.
bool Older(std::string_view a, std::string_view b) { return std::pair(a.size(), a) < std::pair(b.size(), b); }

}  // namespace

Status PruneLocalCheckpoints(const std::string& dir, const proto::Prune& keep) {
  const auto newest = std::ranges::max_element(keep.keep(), Older);
  if (newest == keep.keep().end()) return {};
  std::vector<std::string> old;
  std::error_code error;
  for (std::filesystem::directory_iterator it(dir, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    const bool kept = std::ranges::find(keep.keep(), name) != keep.keep().end();
    if (name.starts_with("checkpoint-") && !kept && Older(name, *newest)) old.push_back(JoinPath(dir, name));
  }
  for (const std::string& folder : old) RETURN_IF_ERROR(RemoveTree(folder));
  return {};
}

}  // namespace sherd
