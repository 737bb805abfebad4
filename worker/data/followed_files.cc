#include "worker/data/followed_files.h"

#include <dirent.h>
#include <fnmatch.h>
#include <sys/stat.h>

#include <algorithm>
#include <tuple>

#include "base/file.h"
#include "worker/data/input_files.h"

namespace sherd {
namespace {

bool IsUnfinished(const std::string& name) {
  return name.ends_with(".partial") || name.ends_with(".new") || name.ends_with(".tmp");
}

}  // namespace

Result<FoundFiles> FindFollowedFiles(const proto::Data& data) {
  FoundFiles found;
  std::string pattern = data.follow().files();
  struct stat info;
  if (stat(ResolvePath(data, pattern).c_str(), &info) == 0 && S_ISDIR(info.st_mode)) pattern += "/*";
  const std::size_t name_begin = pattern.rfind('/') + 1;  // npos + 1 is 0
  found.folder = pattern.substr(0, name_begin);
  const std::string folder = ResolvePath(data, found.folder.empty() ? "." : found.folder);
  const std::string fitting = EscapedPattern(pattern.substr(name_begin));
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(folder.c_str()), closedir);
  if (directory == nullptr) return Status::NotFound("data.follow: " + folder + ": the folder is not there");
  std::vector<std::tuple<std::int64_t, std::int64_t, std::string>> files;
  while (const dirent* entry = readdir(directory.get())) {
    const std::string name = entry->d_name;
    if (IsUnfinished(name) || fnmatch(fitting.c_str(), name.c_str(), FNM_PERIOD) != 0) continue;
    if (stat(JoinPath(folder, name).c_str(), &info) != 0 || !S_ISREG(info.st_mode)) continue;
    files.emplace_back(info.st_mtim.tv_sec, info.st_mtim.tv_nsec, name);
  }
  std::sort(files.begin(), files.end());
  for (auto& [seconds, nanoseconds, name] : files) found.names.push_back(std::move(name));
  return found;
}

bool IsEmptyFile(const proto::Data& data, const std::string& path) {
  struct stat info;
  return stat(ResolvePath(data, path).c_str(), &info) == 0 && S_ISREG(info.st_mode) && info.st_size == 0;
}

}  // namespace sherd
