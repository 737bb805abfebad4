#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/worker/data/decoder_bytes.h"

namespace sherd {
namespace {

// What fuzzing began with and what it found.
TEST(DecoderCorpusTest, EachKeptFileIsDecodedOrRefused) {
  for (const std::string& decoder : DecoderNames()) {
    int files = 0;
    const std::string folder = std::string(SHERD_SOURCE_DIR) + "/tests/worker/data/corpus/" + decoder;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      std::ostringstream bytes;
      bytes << std::ifstream(entry.path(), std::ios::binary).rdbuf();
      SCOPED_TRACE(entry.path());
      RunDecoder(decoder, bytes.str());
      ++files;
    }
    EXPECT_GT(files, 0) << decoder;
  }
}

// Each prefix of a good file, and each with a changed byte.
TEST(DecoderCorpusTest, CutAndChangedFilesAreDecodedOrRefused) {
  for (const std::string& decoder : DecoderNames()) {
    std::ostringstream good;
    good << std::ifstream(std::string(SHERD_SOURCE_DIR) + "/tests/worker/data/corpus/" + decoder + "/good",
                          std::ios::binary)
                .rdbuf();
    const std::string bytes = good.str().substr(0, 400);
    ASSERT_GT(bytes.size(), 20u) << decoder;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      std::string changed = bytes;
      changed[i] ^= static_cast<char>(1 << (i % 8));
      RunDecoder(decoder, changed);
      RunDecoder(decoder, bytes.substr(0, i));
    }
  }
}

}  // namespace
}  // namespace sherd
