#include "tests/integration/checkpoint_folder.h"

#include <charconv>
#include <filesystem>
#include <set>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/manifest.h"
#include "launch/checkpoint_choice.h"
#include "ps/checkpoint_reader.h"

namespace sherd {
namespace {

using Path = std::filesystem::path;

std::vector<Path> Entries(const std::string& folder) {
  std::vector<Path> entries;
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    entries.push_back(it->path());
  }
  return entries;
}

Status ReadCheckpoint(const std::string& folder) {
  ASSIGN_OR_RETURN(const auto reader, CheckpointReader::Open(folder));
  for (int table = 0; table < reader->model().table_size(); ++table) {
    RETURN_IF_ERROR(
        reader->ForEachRow(static_cast<std::uint32_t>(table), [](Key, std::span<const float>) { return Status(); }));
  }
  return reader->ForEachDenseBlock(
      [](std::uint32_t, std::uint32_t, std::uint32_t, std::span<const float>) { return Status(); });
}

}  // namespace

std::uint64_t CheckpointNumber(const std::string& folder) {
  constexpr std::string_view kPrefix = "checkpoint-";
  const std::string name = Path(folder).filename().string();
  std::uint64_t number = 0;
  if (name.starts_with(kPrefix)) std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), number);
  return number;
}

Result<std::uint64_t> ReadCheckpoints(const std::string& dir) {
  for (const Path& folder : Entries(dir)) {
    if (!std::filesystem::exists(folder / "manifest")) continue;
    RETURN_IF_ERROR(ReadCheckpoint(folder.string()).Annotate(folder.string()));
  }
  return CheckpointNumber(ChooseCheckpoint(dir).dir);
}

Status CheckNothingLeftBehind(const std::string& dir) {
  std::set<Path> there, named;
  for (const Path& folder : Entries(dir)) {
    const std::vector<Path> files = Entries(folder.string());
    if (files.empty()) return Status::BadData(folder.string() + " is empty");
    for (const Path& file : files) there.insert(file.lexically_normal());
    const auto manifest = ReadManifest(folder.string());
    if (!manifest.ok()) continue;
    named.insert((folder / "manifest").lexically_normal());
    for (const proto::ShardFile& file : manifest->file()) named.insert((folder / file.name()).lexically_normal());
  }
  for (const Path& file : there) {
    if (!named.contains(file)) return Status::BadData(file.string() + " is of no checkpoint");
  }
  return {};
}

}  // namespace sherd
