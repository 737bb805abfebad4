#include "launch/checkpoint/folder.h"

#include <filesystem>
#include <utility>

#include "base/file.h"
#include "launch/checkpoint_choice.h"

namespace sherd {
namespace {

bool HoldsCheckpoints(const std::string& dir) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(dir, error)) {
    if (entry.path().filename().string().starts_with("checkpoint-") && entry.is_directory(error)) return true;
  }
  return false;
}

}  // namespace

Result<std::string> CheckpointMeant(const std::string& dir, std::ostream& notes) {
  std::error_code error;
  if (!std::filesystem::is_directory(dir, error)) return Status::NotFound(dir + ": there is no such folder");
  // One whose manifest is damaged is still what was meant.
  if (std::filesystem::exists(JoinPath(dir, "manifest"), error)) return dir;
  if (!HoldsCheckpoints(dir)) {
    return Status::NotFound(dir + ": is neither a checkpoint (it has no manifest) nor a job's folder of them");
  }
  const CheckpointChoice choice = ChooseCheckpoint(dir);
  for (const std::string& note : choice.passed_over) notes << note << '\n';
  if (choice.dir.empty()) return Status::NotFound(dir + ": is a job's folder, but none of its checkpoints is whole");
  notes << dir << " is a job's folder; its newest checkpoint is " << choice.dir << '\n';
  return choice.dir;
}

Result<OutputFolder> OutputFolder::Make(const std::string& path) {
  std::error_code error;
  if (std::filesystem::exists(path, error) && !std::filesystem::is_empty(path, error)) {
    return Status::Invalid(path + ": is there already and not empty; name a new folder");
  }
  OutputFolder folder(path);
  RETURN_IF_ERROR(MakeDirectory(path));
  return folder;
}

OutputFolder::OutputFolder(OutputFolder&& other) noexcept : path_(std::exchange(other.path_, "")) {}

OutputFolder::~OutputFolder() {
  if (path_.empty()) return;
  const Status removed = RemoveTree(path_);
  LOG_IF(WARNING, !removed.ok()) << "what is not complete stays: " << removed.text();
}

Status OutputFolder::Keep() {
  RETURN_IF_ERROR(SyncDirectory(path_));
  path_.clear();
  return {};
}

}  // namespace sherd
