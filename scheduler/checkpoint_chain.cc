#include "scheduler/checkpoint_chain.h"

#include <algorithm>
#include <filesystem>

#include "base/file.h"

namespace sherd {
namespace {

// A file of the checkpoint in `folder` as one beside it names it.
proto::ShardFile SeenFromBeside(const std::string& folder, proto::ShardFile file) {
  if (!std::filesystem::path(file.name()).is_absolute()) {
    const std::string checkpoint = std::filesystem::path(folder).filename().string();
    file.set_name(JoinPath(JoinPath("..", checkpoint), file.name()));
  }
  return file;
}

}  // namespace

std::uint32_t CheckpointChain::since() const {
  const bool full = std::ranges::any_of(shards_, [this](const auto& files) { return files.size() >= full_every_; });
  return full ? 0 : cut_;
}

bool CheckpointChain::Intact(const std::string& folder) const {
  return std::ranges::all_of(shards_, [&folder](const auto& files) {
    return std::ranges::all_of(files, [&folder](const proto::ShardFile& file) {
      std::error_code error;
      return file.has_host() || std::filesystem::file_size(JoinPath(folder, file.name()), error) == file.bytes();
    });
  });
}

Result<std::vector<proto::ShardFile>> CheckpointChain::FilesWith(const std::vector<proto::ShardFile>& written) const {
  std::vector<proto::ShardFile> files;
  for (std::size_t shard = 0; shard < written.size(); ++shard) {
    if (written[shard].delta()) {
      if (cut_ == 0 || shard >= shards_.size() || shards_[shard].empty()) {
        return Status::BadData("shard " + std::to_string(shard) + " has written a delta that builds on nothing");
      }
      files.insert(files.end(), shards_[shard].begin(), shards_[shard].end());
    }
    files.push_back(written[shard]);
  }
  return files;
}

void CheckpointChain::Append(std::uint32_t cut, const std::string& folder,
                             const std::vector<proto::ShardFile>& written) {
  cut_ = cut;
  shards_.resize(written.size());
  for (std::size_t shard = 0; shard < written.size(); ++shard) {
    if (!written[shard].delta()) shards_[shard].clear();
    shards_[shard].push_back(SeenFromBeside(folder, written[shard]));
  }
}

}  // namespace sherd
