#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/job_run.h"

namespace sherd {
namespace {

using ::testing::IsEmpty;

// Films that nobody has rated in training, among 99 others: by their genres and titles, and by ids alone. The rows are
// what movielens_content.py makes of the ratings that ship.
class ContentTest : public ::testing::Test {
 protected:
  explicit ContentTest(const std::string& job = "movielens_content") : test_(job) {
    const std::string source = SHERD_SOURCE_DIR, data = source + "/tests/data/ml-latest-small/";
    const ProcessResult made = RunProcess({"python3", source + "/launch/jobs/movielens_content.py",
                                           data + "ratings.csv", data + "movies.csv", test_.Path("films")},
                                          60);
    EXPECT_EQ(made.exit_code, 0) << made.err;
    proto::Data* files = test_.job().mutable_data();
    files->set_train(0, test_.Path("films/train.tsv"));
    files->set_eval(0, test_.Path("films/eval.tsv"));
    files->set_test(0, test_.Path("films/test.tsv"));
  }

  double HitRate(const std::string& name) {
    const std::string metrics = test_.Path(name);
    const ProcessResult run =
        RunProcess(OneProcess({"train", test_.Write(), "--servers=1", "--workers=2", "--metrics=" + metrics}), 300);
    EXPECT_EQ(run.exit_code, 0) << run.out << run.err;
    EXPECT_THAT(run.left, IsEmpty());
    return DoneMetric(metrics, "test", "hr@10");
  }

  TestJob test_;
};

TEST_F(ContentTest, NewFilmsAreFoundByTheirWordsAndNotByTheirIds) {
  EXPECT_GE(HitRate("words"), 0.3) << "three times what chance finds";
  test_.job().mutable_feature(1)->mutable_categorical()->clear_separator();
  const double by_ids = HitRate("ids");
  EXPECT_GT(by_ids, 0.05);
  EXPECT_LT(by_ids, 0.15);
}

class TextTest : public ContentTest {
 protected:
  TextTest() : ContentTest("movielens_text") {}
};

TEST_F(TextTest, NewFilmsAreFoundByAConvolutionOverTheirWords) { EXPECT_GE(HitRate("text"), 0.16) << "by chance: .1"; }

}  // namespace
}  // namespace sherd
