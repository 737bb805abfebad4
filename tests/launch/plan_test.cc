#include "launch/plan/plan.h"

#include <gmock/gmock.h>

#include <cmath>
#include <sstream>

#include "base/file.h"
#include "base/hash.h"
#include "launch/plan/key_growth.h"
#include "launch/plan/key_sample.h"
#include "launch/plan/report.h"

namespace sherd {
namespace {

using testing::HasSubstr;

TEST(KeySample, IsExactAsLongAsItHoldsAllKeys) {
  KeySample sample;
  for (Key key = 0; key < 1000; ++key) {
    for (Key i = 0; i <= key % 3; ++i) sample.Add(key);
  }
  EXPECT_TRUE(sample.exact());
  EXPECT_EQ(sample.distinct(), 1000);
  EXPECT_EQ(sample.occurrences(), 1999u);
  // Of keys that came once, twice and three times half of the occurrences have a half, three quarters, seven eighths.
  const std::vector<double> shares{.5, 1};
  EXPECT_NEAR(sample.DistinctOf(shares)[0], 334 * .5 + 333 * .75 + 333 * .875, 1e-9);
  EXPECT_NEAR(sample.DistinctOf(shares)[1], 1000, 1e-9);
}

TEST(KeySample, EstimatesMoreKeysThanItHolds) {
  KeySample sample;
  for (Key key = 0; key < 1'000'000; ++key) sample.Add(key);  // ids, not hashes
  for (Key key = 0; key < 500'000; ++key) sample.Add(key);
  EXPECT_FALSE(sample.exact());
  EXPECT_NEAR(sample.distinct(), 1e6, 4 * KeySample::kStandardError * 1e6);
  const std::vector<double> half{.5};
  EXPECT_NEAR(sample.DistinctOf(half)[0], .5e6 * .5 + .5e6 * .75, 4 * KeySample::kStandardError * .625e6);
}

// Keys by Zipf's law, in the way of worker/data/click_log: rank = ((n + 1)^(1 - s) - 1) u + 1)^(1 / (1 - s)) - 1.
Key ZipfKey(std::uint64_t i, double exponent, double keys) {
  const double base = 1 + UnitDouble(Mix(i, 77)) * (std::pow(keys + 1, 1 - exponent) - 1);
  return static_cast<Key>(std::pow(base, 1 / (1 - exponent)));
}

// A sixteenth of the draws, against what all of them turn out to have.
TEST(EstimateKeys, ForeseesTheGrowthOfZipfsLaws) {
  for (const auto& [exponent, keys] : {std::pair{1.1, 200'000.0}, {1.08, 1e7}, {1.3, 1e6}, {1.05, 3000.0}}) {
    constexpr std::uint64_t kSampled = 100'000, kAll = 16 * kSampled;
    KeySample sample, all;
    for (std::uint64_t i = 0; i < kAll; ++i) {
      const Key key = ZipfKey(i, exponent, keys);
      if (i < kSampled) sample.Add(key);
      all.Add(key);
    }
    const Estimate estimate = EstimateKeys(sample, 16);
    EXPECT_NEAR(estimate.value / all.distinct(), 1, .2) << exponent << " of " << keys;
    EXPECT_LT(estimate.low, all.distinct() * 1.03) << exponent << " of " << keys;
    EXPECT_GT(estimate.high, all.distinct() * .97) << exponent << " of " << keys;
  }
}

TEST(EstimateKeys, WhatHasBeenSeenAllGrowsNoMore) {
  KeySample sample;
  for (std::uint64_t i = 0; i < 100'000; ++i) sample.Add(i % 50);
  EXPECT_EQ(EstimateKeys(sample, 1000).value, 50);
  EXPECT_EQ(EstimateKeys(sample, 1000).high, 50);
  EXPECT_EQ(EstimateKeys(KeySample(), 10).value, 0);
}

TEST(EstimateKeys, WhatNeverRepeatsGrowsWithTheRows) {
  KeySample sample;
  for (std::uint64_t i = 0; i < 20'000; ++i) sample.Add(Mix(i));
  EXPECT_NEAR(EstimateKeys(sample, 10).value, 200'000, 30'000);
}

Plan SmallPlan() {
  Plan plan;
  plan.sampled_rows = 1000;
  plan.rows = 16000;
  plan.fields.push_back({.name = "user", .table = "embedding", .sampled = 100, .keys = {200, 190, 210}});
  plan.tables.push_back({.name = "embedding",
                         .rows = {200, 190, 210},
                         .memory = {.index = 16, .weights = 20, .state = 20, .use = 0},
                         .disk = 48});
  plan.dense_parameters = 100;
  plan.dense_bytes = 1000;
  plan.servers = 2;
  plan.workers = plan.epochs = 1;
  plan.memory_budget = 5000;
  plan.run.rows = 1000;
  plan.run.rows_per_second = 100;
  plan.run.checkpoint_bytes = .5 * (1000 + 48 * 100);  // compressed
  plan.run.checkpoint_rows = 100;
  plan.disk_bytes_per_second = 1000;
  return plan;
}

TEST(Plan, AddsUpWhatTablesTake) {
  const Plan plan = SmallPlan();
  EXPECT_EQ(plan.TableBytes(&Estimate::value), 200 * 56);
  EXPECT_EQ(plan.MemoryBytes(&Estimate::value), 200 * 56 * (1 + 1.0 / 32) + 50 + 1000);
  EXPECT_EQ(plan.ServersNeeded(), 3u);  // 210 * 56 * 33 / 32 + 52.5 + 1000 = 13,180
  EXPECT_NEAR(plan.CheckpointBytes(), .5 * (1000 + 48 * 200), 1e-6);
  Plan followed = SmallPlan();
  followed.replicas = 2;
  EXPECT_EQ(followed.MemoryBytes(&Estimate::value), 2 * plan.MemoryBytes(&Estimate::value));
  EXPECT_EQ(followed.ServersNeeded(), 6u);
  EXPECT_EQ(followed.CheckpointBytes(), plan.CheckpointBytes());
  followed.memory_budget = 1e9;
  EXPECT_EQ(followed.ServersNeeded(), 2u);
  Plan with_headers = SmallPlan();
  with_headers.run.checkpoint_bytes = 1000 + 48 * 100 + 700;
  EXPECT_NEAR(with_headers.CheckpointBytes(), 1000 + 48 * 200 + 700, 1e-6);
}

TEST(Plan, IsPrintedForPeopleAndForPrograms) {
  std::ostringstream text, json;
  PrintPlan(SmallPlan(), text);
  EXPECT_THAT(text.str(),
              HasSubstr("data        16,000 training rows by the size of the files, of which 1,000 were read"));
  EXPECT_THAT(text.str(), HasSubstr("200  (190 to 210)"));
  EXPECT_THAT(text.str(), HasSubstr("servers     3 would do"));
  EXPECT_THAT(text.str(), HasSubstr("2:40 at that rate for 1 epoch"));
  PrintPlanJson(SmallPlan(), json);
  EXPECT_THAT(json.str(),
              HasSubstr("{\"event\":\"field\",\"name\":\"user\",\"table\":\"embedding\",\"sampled_keys\":100,"
                        "\"keys\":200,\"keys_low\":190,\"keys_high\":210}\n"));
  EXPECT_THAT(json.str(), HasSubstr("\"servers_needed\":3,"));
}

}  // namespace
}  // namespace sherd
