// A table whose disk is used up: pushes wait, nothing is lost, and it goes on when there is room.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <map>
#include <string>
#include <vector>

#include "ps/embedding_table.h"
#include "tests/ps/shard_cluster.h"

namespace sherd {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::uint64_t kBudget = 1'000'000;

class TableDiskFullTest : public testing::Test {
 protected:
  void SetUp() override {
    proto::TableSpec spec;
    spec.set_name("t");
    spec.add_segment()->set_dim(60);
    spec.mutable_storage()->set_at_budget(proto::RowStorage::SPILL);
    const RowLayout layout = RowLayout::Make(spec).value();
    table_ = std::make_unique<EmbeddingTable>(layout, 5, 0, kSlots, folder_.path());
    twin_ = std::make_unique<EmbeddingTable>(layout, 5, 0, kSlots);
    table_->set_budget(kBudget);
    mounted_ = mount("none", folder_.path().c_str(), "tmpfs", 0, "size=4m") == 0;
    if (!mounted_) GTEST_SKIP() << "may not mount a disk";
  }
  void TearDown() override {
    table_.reset();
    EXPECT_TRUE(!mounted_ || umount(folder_.path().c_str()) == 0);
  }

  // The same keys and sums for the same number.
  static void Batch(Key number, std::vector<Key>* keys, std::vector<float>* sums) {
    keys->clear();
    for (Key i = 0; i < 100; ++i) keys->push_back(i % 3 == 0 ? Mix(number) % 50 * 100 + i : number * 100 + i);
    sums->resize(keys->size() * 60);
    for (std::size_t i = 0; i < sums->size(); ++i) (*sums)[i] = UnitFloat(Mix(number, i)) - 0.5f;
  }
  static Status Push(EmbeddingTable* table, Key number) {
    std::vector<Key> keys;
    std::vector<float> sums;
    Batch(number, &keys, &sums);
    return table->Push(keys, sums.data(), {.clock = number});
  }

  using Rows = std::map<Key, std::vector<std::byte>>;
  static Rows RowsOf(EmbeddingTable* table) {
    Rows rows;
    EmbeddingTable::SlotContents contents;
    for (Slot slot = 0; slot < kSlots; ++slot) {
      const Status status = table->ReadSlot(slot, &contents);
      EXPECT_TRUE(status.ok()) << status.text();
      for (const auto& [key, row] : contents.rows) rows[key].assign(row, row + table->layout().row_bytes());
    }
    return rows;
  }

  TemporaryFolder folder_;
  std::unique_ptr<EmbeddingTable> table_, twin_;
  bool mounted_ = false;
};

TEST_F(TableDiskFullTest, APushThatFindsNoRoomChangesNothingAndSucceedsOnceThereIsSome) {
  Key number = 0;
  Status status;
  while (number < 400) {
    status = Push(table_.get(), number);
    if (!status.ok()) break;
    ASSERT_TRUE(Push(twin_.get(), number++).ok());
  }
  ASSERT_FALSE(status.ok()) << "the disk is not full after " << number << " pushes";
  EXPECT_GT(table_->spilled_rows(), 3000u);
  for (int attempt = 0; attempt < 3; ++attempt) {
    EXPECT_EQ(status.code(), ErrorCode::kUnavailable);
    EXPECT_THAT(status.text(), AllOf(HasSubstr(folder_.path()), HasSubstr("pushes wait"), HasSubstr("No space left")));
    ASSERT_TRUE(RowsOf(table_.get()) == RowsOf(twin_.get()));
    EXPECT_LE(table_->bytes(), kBudget);
    status = Push(table_.get(), number);
    ASSERT_FALSE(status.ok());
  }
  // What is in memory or on disk is still answered.
  std::vector<Key> keys;
  std::vector<float> sums, weights(100 * 60), expected(100 * 60);
  Batch(3, &keys, &sums);
  ASSERT_TRUE(table_->Pull(keys, weights.data()).ok());
  ASSERT_TRUE(twin_->Pull(keys, expected.data()).ok());
  EXPECT_EQ(weights, expected);
  ASSERT_EQ(mount("none", folder_.path().c_str(), "tmpfs", MS_REMOUNT, "size=64m"), 0);
  for (const Key end = number + 50; number < end; ++number) {
    status = Push(table_.get(), number);
    ASSERT_TRUE(status.ok()) << status.text();
    ASSERT_TRUE(Push(twin_.get(), number).ok());
  }
  EXPECT_TRUE(RowsOf(table_.get()) == RowsOf(twin_.get()));
}

}  // namespace
}  // namespace sherd
