#include "launch/checkpoint_choice.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/file.h"
#include "base/job_file.h"
#include "base/manifest.h"

namespace sherd {
namespace {

// Newest first: scheduler/checkpoint_folders.h numbers them.
std::vector<std::string> FoldersByAge(const std::string& dir) {
  std::vector<std::pair<std::size_t, std::string>> folders;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(dir, error)) {
    const std::string name = entry.path().filename().string();
    if (entry.is_directory(error) && name.starts_with("checkpoint-")) folders.emplace_back(name.size(), name);
  }
  std::sort(folders.rbegin(), folders.rend());
  std::vector<std::string> paths;
  for (const auto& [length, name] : folders) paths.push_back(JoinPath(dir, name));
  return paths;
}

}  // namespace

Result<proto::Manifest> OpenCheckpoint(const std::string& dir) {
  ASSIGN_OR_RETURN(proto::Manifest manifest, ReadManifest(dir));
  for (const proto::ShardFile& file : manifest.file()) {
    const auto reader = FileReader::Open(JoinPath(dir, file.name()));
    if (!reader.ok()) return reader.status().Annotate("checkpoint " + dir);
    const std::uint64_t size = reader.value()->size();
    if (size != file.bytes()) {
      return Status::BadData("checkpoint " + dir + ": " + file.name() + " has " + std::to_string(size) +
                             " bytes, not " + std::to_string(file.bytes()));
    }
  }
  return manifest;
}

CheckpointChoice ChooseCheckpoint(const std::string& job_dir) {
  CheckpointChoice choice;
  for (const std::string& dir : FoldersByAge(job_dir)) {
    auto manifest = OpenCheckpoint(dir);
    if (manifest.ok()) {
      choice.dir = dir;
      choice.manifest = std::move(*manifest);
      return choice;
    }
    choice.passed_over.push_back("passing over a checkpoint that is not whole: " + manifest.status().text());
  }
  return choice;
}

Status CheckSameModel(const proto::Manifest& manifest, const proto::Job& job, const std::string& dir) {
  if (manifest.job() == ModelFingerprint(job)) return {};
  std::string text = "checkpoint " + dir + " is of another model than the job file's";
  const auto there = ParseJob(manifest.job_text(), dir);
  if (!there.ok()) return Status::Invalid(text);
  for (const std::string& difference : ModelDifferences(*there, job)) text += "\n  " + difference;
  return Status::Invalid(text);
}

}  // namespace sherd
