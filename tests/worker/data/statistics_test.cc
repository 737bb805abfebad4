#include "worker/data/statistics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/hash.h"
#include "tests/worker/data/data_testing.h"

namespace sherd {
namespace {

TEST(ColumnAccumulatorTest, AgreesWithTheDefinitions) {
  TestRandom random(1);
  std::vector<double> values;
  ColumnAccumulator column(7);
  for (int i = 0; i < 1000; ++i) {
    values.push_back(1e6 + random.Next(300) * 0.25);
    column.Add(values.back(), i);
    if (i % 10 == 0) column.AddMissing();
  }
  long double sum = 0, squares = 0;
  for (const double x : values) sum += x;
  for (const double x : values) squares += (x - sum / 1000) * (x - sum / 1000);
  const proto::ColumnStatistics got = column.Finish();
  EXPECT_EQ(got.count(), 1000u);
  EXPECT_EQ(got.missing(), 100u);
  EXPECT_NEAR(got.mean(), static_cast<double>(sum / 1000), 1e-6);
  EXPECT_NEAR(got.deviation(), std::sqrt(static_cast<double>(squares / 1000)), 1e-8);
  std::sort(values.begin(), values.end());
  EXPECT_EQ(got.min(), values.front());
  EXPECT_EQ(got.max(), values.back());
  ASSERT_EQ(got.quantile_edge_size(), 6);
  for (int i = 1; i < 7; ++i) EXPECT_EQ(got.quantile_edge(i - 1), values[i * 1000 / 7]);
}

TEST(ColumnAccumulatorTest, EdgesOfFewValuesAreDistinct) {
  ColumnAccumulator column(10);
  for (int i = 0; i < 100; ++i) column.Add(i < 60 ? 0 : i < 90 ? 1 : 2, i);
  const proto::ColumnStatistics got = column.Finish();
  EXPECT_EQ(std::vector<double>(got.quantile_edge().begin(), got.quantile_edge().end()), (std::vector<double>{1, 2}));
}

TEST(ColumnAccumulatorTest, NothingAndOneValueHaveStatisticsToo) {
  const proto::ColumnStatistics none = ColumnAccumulator(4).Finish();
  EXPECT_EQ(none.count(), 0u);
  EXPECT_EQ(none.deviation(), 0);
  EXPECT_EQ(none.quantile_edge_size(), 0);
  ColumnAccumulator one(4);
  one.Add(5, 1);
  EXPECT_EQ(one.Finish().deviation(), 0);
}

TEST(ColumnAccumulatorTest, ASampleKeepsTheQuantilesNear) {
  ColumnAccumulator column(4, 2000);
  for (std::uint64_t i = 0; i < 100'000; ++i) column.Add(static_cast<double>(i), static_cast<std::uint32_t>(Mix(i)));
  const proto::ColumnStatistics got = column.Finish();
  EXPECT_EQ(got.count(), 100'000u);
  ASSERT_EQ(got.quantile_edge_size(), 3);
  for (int i = 0; i < 3; ++i) EXPECT_NEAR(got.quantile_edge(i), 25'000 * (i + 1), 5'000);
}

}  // namespace
}  // namespace sherd
