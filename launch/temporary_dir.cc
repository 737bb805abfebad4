#include "launch/temporary_dir.h"

#include <cerrno>
#include <cstdlib>

#include "base/file.h"

namespace sherd {
namespace {

// An ipc endpoint's path may have 107 characters; what comes after the folder needs up to 40.
constexpr std::size_t kLongestPath = 64;

}  // namespace

Result<std::unique_ptr<TemporaryDir>> TemporaryDir::Make() {
  const char* said = std::getenv("TMPDIR");
  std::string path = said == nullptr ? "/tmp/sherd-XXXXXX" : JoinPath(said, "sherd-XXXXXX");
  if (path.size() > kLongestPath) path = "/tmp/sherd-XXXXXX";
  return MakeAs(path);
}

Result<std::unique_ptr<TemporaryDir>> TemporaryDir::MakeIn(const std::string& folder) {
  return MakeAs(JoinPath(folder, "sherd-XXXXXX"));
}

Result<std::unique_ptr<TemporaryDir>> TemporaryDir::MakeAs(std::string path) {
  if (mkdtemp(path.data()) == nullptr) return Status::Io("make a temporary folder " + path, errno);
  return std::unique_ptr<TemporaryDir>(new TemporaryDir(path));
}

TemporaryDir::~TemporaryDir() {
  if (keep_) return;
  const Status status = RemoveTree(path_);
  if (!status.ok()) LOG(WARNING) << status.text();
}

}  // namespace sherd
