#include <gtest/gtest.h>

#include "tests/scheduler/result_bytes.h"
#include "tests/testing/corpus.h"

namespace sherd {
namespace {

TEST(ResultCorpusTest, EachKeptFileAndWhatIsLikeItFitsOrIsRefused) {
  EXPECT_GT(RunCorpus(SHERD_SOURCE_DIR "/tests/scheduler/result_corpus", 2000, RunResultBytes), 4);
}

}  // namespace
}  // namespace sherd
