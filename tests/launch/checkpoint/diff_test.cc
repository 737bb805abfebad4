#include "launch/checkpoint/diff.h"

#include <gmock/gmock.h>

#include <limits>
#include <sstream>

#include "launch/checkpoint/rewrite.h"
#include "launch/checkpoint/table_difference.h"
#include "models/model.h"
#include "tests/launch/checkpoint/small_checkpoint.h"

namespace sherd {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

class DiffTest : public testing::Test {
 protected:
  // Are they equal? What was printed is in text_.
  bool Equal() {
    std::ostringstream text;
    const auto equal = CompareCheckpoints(a_, b_, text);
    text_ = text.str();
    EXPECT_TRUE(equal.ok()) << equal.status().text();
    return *equal;
  }
  // The row of a key in a table of the stores, as floats.
  static std::vector<float> RowOf(ShardStore& store, std::size_t table, Key key) {
    return ContentsOf(store).at({static_cast<int>(table), key});
  }
  static void SetRow(ShardStore* store, std::size_t table, Key key, const std::vector<float>& floats) {
    const RowLayout& layout = store->table(table).layout();
    std::vector<std::byte> row(layout.row_bytes());
    layout.EncodeRow(floats.data(), {}, row.data());
    ASSERT_TRUE(store->table(table).Restore(key, row.data()).ok());
  }

  TemporaryFolder folder_;
  const std::string a_ = folder_.path() + "/a", b_ = folder_.path() + "/b";
  std::string text_;
};

TEST_F(DiffTest, TheNumberOfShardsIsNoDifference) {
  WriteCheckpoint(a_, TrainedStores(1));
  WriteCheckpoint(b_, TrainedStores(3));
  EXPECT_TRUE(Equal()) << text_;
  EXPECT_THAT(text_, AllOf(ContainsRegex("table embedding: [0-9,]+ rows equal, 0 different, 0 only in A, 0 only in B"),
                           ContainsRegex("dense .* weights equal"), HasSubstr("A and B are equal")));
}

TEST_F(DiffTest, OneRowThatDiffersIsFoundWithItsSize) {
  auto stores = TrainedStores(1);
  WriteCheckpoint(a_, stores);
  const Key key = TokenKey(HashBytes("C1"), "7");
  std::vector<float> row = RowOf(*stores[0], 0, key);
  row[2] += 0.25f;
  SetRow(stores[0].get(), 0, key, row);
  WriteCheckpoint(b_, stores);
  EXPECT_FALSE(Equal());
  EXPECT_THAT(text_, ContainsRegex("table embedding: [0-9,]+ rows equal, 1 different, 0 only in A, 0 only in B"));
  EXPECT_THAT(text_, ContainsRegex("table cross: [0-9,]+ rows equal, 0 different, 0 only in A, 0 only in B"));
  const double floats = static_cast<double>(stores[0]->table(0).rows() * stores[0]->table(0).layout().weight_floats());
  char expected[120];
  std::snprintf(expected, sizeof expected, "max 0.25, mean %.6g, rms %.6g", 0.25 / floats, 0.25 / std::sqrt(floats));
  EXPECT_THAT(text_, HasSubstr(expected));
  EXPECT_THAT(text_, HasSubstr("state        max 0, mean 0, rms 0"));
  EXPECT_THAT(text_, HasSubstr("key          " + std::to_string(key) + " in slot " + std::to_string(SlotOf(key)) +
                               ": weights by 0.25, state by 0\n"));
  EXPECT_THAT(text_, Not(ContainsRegex("dense .*different")));
}

TEST_F(DiffTest, StateAloneIsADifferenceToo) {
  auto stores = TrainedStores(1);
  WriteCheckpoint(a_, stores);
  const Key key = TokenKey(HashBytes("C1"), "8");
  std::vector<float> row = RowOf(*stores[0], 0, key);
  row.back() += 2;
  SetRow(stores[0].get(), 0, key, row);
  WriteCheckpoint(b_, stores);
  EXPECT_FALSE(Equal());
  EXPECT_THAT(text_,
              AllOf(HasSubstr("1 different"), HasSubstr("weights      max 0,"), HasSubstr("state        max 2,")));
}

TEST_F(DiffTest, RowsOfOneSideAreCounted) {
  auto stores = TrainedStores(1);
  const std::vector<float> row(stores[0]->table(0).layout().row_floats(), 1.0f);
  WriteCheckpoint(a_, stores);
  for (Key key = 5; key < 8; ++key) SetRow(stores[0].get(), 0, key, row);
  WriteCheckpoint(b_, stores);
  EXPECT_FALSE(Equal());
  EXPECT_THAT(text_, HasSubstr("0 different, 0 only in A, 3 only in B"));
  std::ostringstream turned;
  EXPECT_FALSE(CompareCheckpoints(b_, a_, turned).value());
  EXPECT_THAT(turned.str(), HasSubstr("0 different, 3 only in A, 0 only in B"));
}

TEST_F(DiffTest, CandidatesAreCompared) {
  auto stores = TrainedStores(1);
  WriteCheckpoint(a_, stores);
  ASSERT_TRUE(stores[0]->table(1).RestoreCandidate(99, 1).ok());
  WriteCheckpoint(b_, stores);
  EXPECT_FALSE(Equal());
  EXPECT_THAT(text_, HasSubstr("candidates   1 different"));
}

TEST_F(DiffTest, DenseTensorsAreCompared) {
  auto stores = TrainedStores(1);
  WriteCheckpoint(a_, stores);
  const auto& block = stores[0]->dense().blocks()[0];
  const auto values = stores[0]->dense().Values(0);
  std::vector<float> changed(values.begin(), values.end());
  changed[0] -= 0.5f;
  stores[0]->dense().Restore(0, changed);
  WriteCheckpoint(b_, stores);
  EXPECT_FALSE(Equal());
  const std::string name = stores[0]->model().tensor(static_cast<int>(block.place.tensor)).name();
  EXPECT_THAT(text_, ContainsRegex("dense " + name + ": [0-9,]+ weights different"));
  EXPECT_THAT(text_, HasSubstr("max 0.5,"));
}

TEST_F(DiffTest, ACastOneDiffersByItsRounding) {
  WriteCheckpoint(a_, TrainedStores(1));
  ASSERT_TRUE(RewriteCheckpoint(a_, b_, {.shards = 2, .weights = proto::RowStorage::INT8, .state = {}}).ok());
  EXPECT_FALSE(Equal());
  EXPECT_THAT(text_, HasSubstr("table embedding: has no state"));
  EXPECT_THAT(text_, Not(HasSubstr("state by")));
  // To the precision that it has already there is nothing to lose.
  const std::string back = folder_.path() + "/back";
  std::ostringstream text;
  ASSERT_TRUE(RewriteCheckpoint(a_, back, {.shards = 0, .weights = proto::RowStorage::FP32, .state = {}}).ok());
  EXPECT_TRUE(CompareCheckpoints(a_, back, text).value()) << text.str();
}

TEST_F(DiffTest, TheKeysThatDifferMostAreNamedTheLargestFirst) {
  auto stores = TrainedStores(1);
  WriteCheckpoint(a_, stores);
  for (int i = 0; i < 30; ++i) {
    const Key key = TokenKey(HashBytes("C1"), std::to_string(i));
    std::vector<float> row = RowOf(*stores[0], 0, key);
    row[0] += static_cast<float>(1 + (i * 7) % 30);
    SetRow(stores[0].get(), 0, key, row);
  }
  WriteCheckpoint(b_, stores);
  EXPECT_FALSE(Equal());
  std::size_t named = 0;
  double last = std::numeric_limits<double>::infinity();
  std::istringstream lines(text_);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t at = line.find("weights by ");
    if (at == std::string::npos) continue;
    const double by = std::stod(line.substr(at + 11));
    EXPECT_LE(by, last);
    EXPECT_NEAR(by, 30.0 - static_cast<double>(named++), 1e-3);
    last = by;
  }
  EXPECT_EQ(named, 10u);
}

TEST(ValueDifference, BitsDecideAndNumbersMeasure) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  ValueDifference difference;
  EXPECT_EQ(difference.Add(std::vector<float>{1, nan}, std::vector<float>{1, nan}), 0);
  EXPECT_EQ(difference.Add(std::vector<float>{1, 2}, std::vector<float>{1, 5}), 3);
  EXPECT_EQ(difference.Text(), "max 3, mean 0.75, rms 1.5");
  EXPECT_EQ(difference.Add(std::vector<float>{nan}, std::vector<float>{1}), std::numeric_limits<double>::infinity());
  EXPECT_FALSE(SameBits(std::vector<float>{0.0f}, std::vector<float>{-0.0f}));
  EXPECT_TRUE(SameBits(std::vector<float>{nan}, std::vector<float>{nan}));
}

}  // namespace
}  // namespace sherd
