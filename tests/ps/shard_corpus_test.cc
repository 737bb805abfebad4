#include <gtest/gtest.h>

#include "tests/ps/shard_bytes.h"
#include "tests/testing/corpus.h"

namespace sherd {
namespace {

TEST(ShardCorpusTest, EachKeptFileAndWhatIsLikeItIsAnsweredAndDoesNoHarm) {
  EXPECT_GT(RunCorpus(SHERD_SOURCE_DIR "/tests/ps/shard_corpus", 50, RunShardBytes), 5);
}

}  // namespace
}  // namespace sherd
