// Random operations on tables of every storage against the model of docs/tables.md.
#include <gtest/gtest.h>

#include <filesystem>
#include <random>
#include <string>

#include "base/file.h"
#include "tests/ps/shard_cluster.h"
#include "tests/ps/table_bytes.h"
#include "tests/ps/table_operations.h"

namespace sherd {
namespace {

using proto::RowStorage;

constexpr std::uint32_t kAllSlots = TableOperations::kAllSlots;

class TableModelTest : public testing::Test {
 protected:
  TableOperations Operations(std::uint32_t dim, const RowStorage& storage, std::size_t universe,
                             std::uint32_t sparse = kAllSlots) {
    return TableOperations(dim, storage, universe, sparse, [this] { return random_(); });
  }
  static void Run(TableOperations* operations, std::vector<ShardTables*> all, std::size_t keys) {
    const Status status = operations->Run(all, keys);
    ASSERT_TRUE(status.ok()) << status.text();
  }
  // On one shard and on three, which must evict as much.
  void ExpectRowsGo(const RowStorage& storage, std::size_t universe, std::uint32_t sparse) {
    TableOperations operations = Operations(4, storage, universe, sparse);
    ShardTables one(operations.layout(), 1), three(operations.layout(), 3);
    Run(&operations, {&one, &three}, 100000);
    EXPECT_GT(one.evicted_rows(), 1000u);
    EXPECT_EQ(one.evicted_rows(), three.evicted_rows());
  }

  std::mt19937_64 random_{11};
};

TEST_F(TableModelTest, PlainRows) {
  TableOperations operations = Operations(4, {}, 30000);
  ShardTables one(operations.layout(), 1), three(operations.layout(), 3);
  Run(&operations, {&one, &three}, 300000);
}

TEST_F(TableModelTest, AKeyGetsARowWithItsThirdPushOnAnyNumberOfShards) {
  RowStorage storage;
  storage.set_admit_after(3);
  TableOperations operations = Operations(4, storage, 30000);
  ShardTables one(operations.layout(), 1), three(operations.layout(), 3);
  Run(&operations, {&one, &three}, 150000);
  EXPECT_GT(operations.model().candidates.size(), 500u);
  EXPECT_GT(operations.model().rows.size(), 500u);
}

TEST_F(TableModelTest, RowsGoWhenTheyAreTooOldInClocks) {
  RowStorage storage;
  storage.set_max_age_clocks(24);
  ExpectRowsGo(storage, 20000, kAllSlots);
}

TEST_F(TableModelTest, RowsGoWhenTheyAreTooOldInSeconds) {
  RowStorage storage;
  storage.set_max_age_seconds(90);
  ExpectRowsGo(storage, 20000, kAllSlots);
}

TEST_F(TableModelTest, RowsGoByWhicheverOfTwoAgesIsOver) {
  RowStorage storage;
  storage.set_max_age_clocks(40);
  storage.set_max_age_seconds(100);
  ExpectRowsGo(storage, 20000, kAllSlots);
}

TEST_F(TableModelTest, TheLeastUsedRowsOfAFullSlotGo) {
  for (const RowStorage::Use use : {RowStorage::RECENT, RowStorage::FREQUENT}) {
    SCOPED_TRACE(RowStorage::Use_Name(use));
    RowStorage storage;
    storage.set_max_rows(32 * kSlots);
    storage.set_use(use);
    ExpectRowsGo(storage, 3000, 64);
    storage.set_max_bytes(20 * 57 * kSlots);  // 20 rows of 5 weights, 4 sums and a word of use, and 17 bytes more
    ExpectRowsGo(storage, 3000, 64);
    storage.clear_max_rows();
    ExpectRowsGo(storage, 3000, 64);
  }
}

TEST_F(TableModelTest, ALimitInBytesIsOfRowsWithTheirPartOfTheIndex) {
  RowStorage storage;
  storage.set_max_bytes(20 * 57 * kSlots);
  TableOperations operations = Operations(4, storage, 3000, 64);
  ASSERT_EQ(operations.layout().row_bytes() + 17, 57u);
  ShardTables tables(operations.layout(), 1);
  Run(&operations, {&tables}, 30000);
  EXPECT_LE(tables.first().rows(), 20 * kSlots / 64);
  EXPECT_GT(tables.first().rows(), 15 * kSlots / 64);
}

TEST_F(TableModelTest, RowsOnDiskAreTheSameAsInMemory) {
  TemporaryFolder folder;
  RowStorage storage;
  storage.set_at_budget(RowStorage::SPILL);
  TableOperations operations = Operations(60, storage, 20000);
  constexpr std::uint64_t kBudget = 1'000'000;
  ShardTables resident(operations.layout(), 1), spilled(operations.layout(), 1, kBudget, folder.path());
  Run(&operations, {&resident, &spilled}, 60000);
  EXPECT_GT(spilled.first().spilled_rows(), spilled.first().rows() * 8 / 10);
  EXPECT_LE(spilled.first().bytes(), kBudget);
}

// Limits of age and number, and admission, are told by what a table holds, not by where that is.
TEST_F(TableModelTest, RowsOnDiskGoByTheSameRules) {
  for (const RowStorage::Use use : {RowStorage::RECENT, RowStorage::FREQUENT}) {
    SCOPED_TRACE(RowStorage::Use_Name(use));
    TemporaryFolder folder;
    RowStorage storage;
    storage.set_at_budget(RowStorage::SPILL);
    storage.set_max_rows(32 * kSlots);
    storage.set_use(use);
    storage.set_max_age_clocks(64);
    storage.set_max_age_seconds(400);
    storage.set_admit_after(2);
    TableOperations operations = Operations(60, storage, 3000, 64);
    ShardTables resident(operations.layout(), 1), spilled(operations.layout(), 1, 500'000, folder.path());
    Run(&operations, {&resident, &spilled}, 40000);
    EXPECT_GT(spilled.first().spilled_rows(), spilled.first().rows() / 2);
  }
}

// Whatever the budget: rows go, but none of those that are pushed to, and what stays is as it was.
TEST_F(TableModelTest, RowsGoAtABudget) {
  for (const RowStorage::Use use : {RowStorage::RECENT, RowStorage::FREQUENT}) {
    for (const std::uint32_t admit_after : {1u, 3u}) {
      for (const std::uint64_t budget : {1'000u, 9'000u, 30'000u, 60'000u}) {
        SCOPED_TRACE(std::to_string(budget) + " bytes, " + RowStorage::Use_Name(use));
        RowStorage storage;
        storage.set_at_budget(RowStorage::EVICT);
        storage.set_use(use);
        storage.set_admit_after(admit_after);
        TableOperations operations = Operations(4, storage, 3000, 64);
        ShardTables tables(operations.layout(), 1, budget);
        Run(&operations, {&tables}, 20000);
      }
    }
  }
}

// What the fuzzer has found, and what it began with.
TEST(TableBytes, EachFileOfTheCorpusComesToTheSameAsTheModel) {
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(SHERD_SOURCE_DIR "/tests/ps/table_corpus")) {
    const std::string bytes = ReadFile(entry.path()).value();
    const Status status = RunTableBytes({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
    EXPECT_TRUE(status.ok()) << entry.path() << ": " << status.text();
    ++files;
  }
  EXPECT_GE(files, 10u);
}

}  // namespace
}  // namespace sherd
