#include "launch/checkpoint/prune.h"

#include <filesystem>
#include <vector>

#include "base/file.h"
#include "base/manifest.h"
#include "scheduler/checkpoint_folders.h"

namespace sherd {
namespace {

// The folder of the best checkpoint so far, by the newest one; empty: it names none.
Result<std::string> BestOf(const std::string& newest) {
  ASSIGN_OR_RETURN(const proto::Manifest manifest, ReadManifest(newest));
  const std::string& best = manifest.state().best_checkpoint();
  if (best.empty()) return std::string();
  return std::filesystem::path(JoinPath(DirectoryOf(newest), best)).lexically_normal().string();
}

}  // namespace

Status PruneCheckpoints(const std::string& job_dir, const PruneOptions& options, std::ostream& out) {
  std::error_code error;
  if (std::filesystem::exists(JoinPath(job_dir, "manifest"), error))
    return Status::Invalid(job_dir + ": is a checkpoint itself; prune takes the job's folder that it is in");
  ASSIGN_OR_RETURN(const std::string newest, NewestCheckpoint(job_dir));
  ASSIGN_OR_RETURN(const std::string best, BestOf(newest));
  const KeepPolicy policy{.keep = options.keep, .keep_every = options.keep_every, .best = best};
  CheckpointFolders folders(job_dir);
  ASSIGN_OR_RETURN(const std::vector<PrunedFolder> pruned, folders.WhatPruneDeletes(policy));
  for (const PrunedFolder& folder : pruned) {
    out << (options.dry_run ? "would delete " : "deletes ") << folder.folder
        << (folder.whole ? "" : ", but for the files that others build on") << '\n';
  }
  if (!options.dry_run) RETURN_IF_ERROR(folders.Prune(policy).status());
  ASSIGN_OR_RETURN(const std::vector<std::string> left, CheckpointsIn(job_dir));
  out << (options.dry_run ? "nothing was deleted; " : "") << left.size() << " folders are in " << job_dir << std::endl;
  return {};
}

}  // namespace sherd
