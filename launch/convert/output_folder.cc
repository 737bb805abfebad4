#include "launch/convert/output_folder.h"

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/file.h"
#include "base/file_system.h"

namespace sherd {
namespace {

constexpr char kPartial[] = ".partial";
constexpr char kJobFile[] = "job.pbtxt";

// Only what a conversion makes is ever deleted.
bool IsOurs(const std::string& name) {
  if (name == kPartial || name == kJobFile || name == "statistics.pbtxt" || name == "vocabulary") return true;
  const bool set = name.starts_with("train-") || name.starts_with("eval-") || name.starts_with("test-");
  return set && name.ends_with(".sherd");
}

}  // namespace

std::string OutputFolder::partial() const { return JoinPath(path_, kPartial); }
std::string OutputFolder::job_file() const { return JoinPath(path_, kJobFile); }

Result<std::vector<std::string>> OutputFolder::Names() const {
  std::error_code error;
  std::vector<std::string> names;
  if (!std::filesystem::exists(path_, error)) return names;
  for (std::filesystem::directory_iterator entry(path_, error), end; !error && entry != end; entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  if (error) return Status::Io("look into " + path_, error.value());
  return names;
}

Status OutputFolder::Prepare(Existing existing) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, Names());
  for (const std::string& name : names) {
    if (!IsOurs(name)) {
      return Status::Invalid("--out: " + path_ + " has files of other kinds, like " + name +
                             "; give a folder of its own");
    }
    if (existing == Existing::kReplaced) continue;
    const bool remains = name == kPartial && names.size() == 1;
    return Status::Invalid("--out: " + path_ + " has " +
                           (remains ? "the remains of a conversion that was killed" : "files in it") +
                           "; --overwrite replaces them");
  }
  RETURN_IF_ERROR(MakeDirectory(path_));
  RETURN_IF_ERROR(RemovePartial());
  return MakeDirectory(partial());
}

Status OutputFolder::RemoveOld() {
  // First: without it the folder is no whole one.
  RETURN_IF_ERROR(RemoveTree(job_file()));
  ASSIGN_OR_RETURN(const std::vector<std::string> names, Names());
  for (const std::string& name : names) {
    if (name != kPartial && IsOurs(name)) RETURN_IF_ERROR(RemoveTree(JoinPath(path_, name)));
  }
  return {};
}

Status OutputFolder::Publish(const std::string& partial_name, const std::string& name) {
  const std::string path = JoinPath(path_, name);
  if (FileSystem::Current().Rename(JoinPath(partial(), partial_name), path) == 0) return {};
  return Status::Io("name " + path, errno);
}

Status OutputFolder::RemovePartial() { return RemoveTree(partial()); }

}  // namespace sherd
