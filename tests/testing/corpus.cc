#include "tests/testing/corpus.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/hash.h"

namespace sherd {
namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes Contents(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

std::ptrdiff_t Place(std::uint64_t random, std::size_t size) {
  return static_cast<std::ptrdiff_t>(Below(Mix(random), size));
}

// One small change.
void Change(std::uint64_t random, Bytes* bytes) {
  constexpr std::uint8_t kTelling[] = {0, 1, 0x7f, 0x80, 0xff};
  if (bytes->empty()) return bytes->push_back(static_cast<std::uint8_t>(random));
  const auto at = bytes->begin() + Place(random, bytes->size());
  switch (random % 6) {
    case 0:
      *at = static_cast<std::uint8_t>(*at ^ 1 << (random >> 8) % 8);
      break;
    case 1:
      *at = kTelling[(random >> 8) % std::size(kTelling)];
      break;
    case 2:
      bytes->insert(at, static_cast<std::uint8_t>(random >> 8));
      break;
    case 3:
      bytes->erase(at);
      break;
    case 4:
      bytes->erase(at, bytes->end());
      break;
    default: {
      const Bytes again(at, at + std::min<std::ptrdiff_t>(16, bytes->end() - at));
      bytes->insert(bytes->begin() + Place(random + 1, bytes->size()), again.begin(), again.end());
    }
  }
}

}  // namespace

int RunCorpus(const std::string& folder, int variants, const std::function<void(std::span<const std::uint8_t>)>& run) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  for (std::size_t file = 0; file < paths.size(); ++file) {
    const Bytes good = Contents(paths[file]);
    run(good);
    for (int variant = 0; variant < variants; ++variant) {
      Bytes bytes = good;
      const std::uint64_t random = Mix(file, static_cast<std::uint64_t>(variant));
      for (std::uint64_t i = 0; i <= random % 4; ++i) Change(Mix(random, i), &bytes);
      run(bytes);
    }
  }
  return static_cast<int>(paths.size());
}

}  // namespace sherd
