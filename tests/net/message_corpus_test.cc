#include <gtest/gtest.h>

#include "tests/net/message_bytes.h"
#include "tests/testing/corpus.h"

namespace sherd {
namespace {

TEST(MessageCorpusTest, EachKeptFileAndWhatIsLikeItIsReadOrRefused) {
  EXPECT_GT(RunCorpus(SHERD_SOURCE_DIR "/tests/net/message_corpus", 1000, RunMessageBytes), 5);
}

}  // namespace
}  // namespace sherd
