// Tables at their budget: that it is kept, what goes, and what is said when it can not be.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "tests/ps/shard_cluster.h"
#include "tests/ps/table_operations.h"

namespace sherd {
namespace {

using proto::RowStorage;
using ::testing::AllOf;
using ::testing::HasSubstr;

RowStorage At(RowStorage::AtBudget at_budget) {
  RowStorage storage;
  storage.set_at_budget(at_budget);
  return storage;
}

// While it lives nothing can be written to any file.
class NoWrites {
 public:
  NoWrites() {
    signal(SIGXFSZ, SIG_IGN);
    EXPECT_EQ(getrlimit(RLIMIT_FSIZE, &limit_), 0);
    const rlimit none{.rlim_cur = 0, .rlim_max = limit_.rlim_max};
    EXPECT_EQ(setrlimit(RLIMIT_FSIZE, &none), 0);
  }
  ~NoWrites() { EXPECT_EQ(setrlimit(RLIMIT_FSIZE, &limit_), 0); }

 private:
  rlimit limit_;
};

class TableBudgetTest : public testing::Test {
 protected:
  void Start(const RowStorage& storage, std::uint64_t budget) {
    layout_.emplace(TableModel::LayoutOf(4, storage));
    table_ = std::make_unique<EmbeddingTable>(*layout_, TableModel::kStream, 0, kSlots, folder_.path());
    table_->set_budget(budget);
  }

  // Of `count` keys from `first` on, or of a slot's.
  static std::vector<Key> Keys(Key first, std::size_t count) {
    std::vector<Key> keys(count);
    for (std::size_t i = 0; i < count; ++i) keys[i] = first + i;
    return keys;
  }
  static std::vector<Key> KeysOfSlot(Slot slot, std::size_t count) {
    std::vector<Key> keys;
    for (Key key = 0; keys.size() < count; ++key) {
      if (SlotOf(key) == slot) keys.push_back(key);
    }
    return keys;
  }
  Status Push(const std::vector<Key>& keys, std::uint64_t clock = 0) {
    const std::vector<float> sums(keys.size() * layout_->weight_floats(), 0.25f);
    return table_->Push(keys, sums.data(), {.clock = clock});
  }
  // Those of the keys that have a row in the table.
  std::vector<Key> WithRows(const std::vector<Key>& keys) {
    std::vector<Key> found;
    EmbeddingTable::SlotContents contents;
    for (const Key key : keys) {
      const Status status = table_->ReadSlot(SlotOf(key), &contents);
      EXPECT_TRUE(status.ok()) << status.text();
      const auto is_key = [&](const auto& row) { return row.first == key; };
      if (std::any_of(contents.rows.begin(), contents.rows.end(), is_key)) found.push_back(key);
    }
    return found;
  }

  // Pushes ever-new keys and the two ends of their range, each batch until it is admitted.
  void FloodWithNewKeys(std::uint64_t budget) {
    std::mt19937_64 random(11);
    Key next = 0;
    const std::uint32_t pushes = layout_->storage().admit_after();
    for (std::uint32_t clock = 0; next < 25000; ++clock) {
      std::vector<Key> keys = {0, ~Key{0}};
      const std::size_t n = 3 + random() % 500;
      while (keys.size() < n) keys.push_back(++next);
      const std::vector<float> sums(n * layout_->weight_floats(), 0.25f);
      for (std::uint32_t i = 0; i < pushes; ++i) {
        const Status status = table_->Prepare(keys);
        ASSERT_TRUE(status.ok()) << status.text();
        ASSERT_LE(table_->bytes(), budget) << "prepared, after " << next << " keys";
        table_->PushPrepared(keys, sums.data(), {.clock = clock});
        ASSERT_LE(table_->bytes(), budget) << "after " << next << " keys";
      }
      if (pushes > 1) continue;  // candidates may have gone in between
      ASSERT_EQ(WithRows({next}).size(), 1u) << "what was just pushed has no row";
    }
  }

  TemporaryFolder folder_;
  std::optional<RowLayout> layout_;
  std::unique_ptr<EmbeddingTable> table_;
};

// Whatever the budget: the steps in which the index grows leave more or less of it to the rows.
TEST_F(TableBudgetTest, EverNewKeysNeverTakeMoreThanTheBudget) {
  for (std::uint64_t budget = 900'000; budget < 1'100'000; budget += 43'321) {
    RowStorage storage = At(RowStorage::EVICT);
    storage.set_use(budget / 3 % 2 == 0 ? RowStorage::RECENT : RowStorage::FREQUENT);
    Start(storage, budget);
    FloodWithNewKeys(budget);
    if (HasFatalFailure()) return;
    EXPECT_GT(table_->bytes(), budget / 2);
    EXPECT_GT(table_->counters().evicted_rows, 1000u);
  }
}

TEST_F(TableBudgetTest, EverNewKeysOnDiskLeaveTheBudgetAsItIs) {
  for (std::uint64_t budget = 1'000'000; budget < 1'200'000; budget += 64'321) {
    Start(At(RowStorage::SPILL), budget);
    FloodWithNewKeys(budget);
    if (HasFatalFailure()) return;
    EXPECT_GT(table_->spilled_rows(), 5000u);
  }
}

// Keys that come once must not fill the index so far that nothing is left to rows.
TEST_F(TableBudgetTest, CandidatesLeaveRowsTheirPartOfTheBudget) {
  constexpr std::uint64_t kBudget = 300'000;
  RowStorage storage = At(RowStorage::EVICT);
  storage.set_admit_after(2);
  Start(storage, kBudget);
  for (Key first = 0; first < 400'000; first += 500) ASSERT_TRUE(Push(Keys(first, 500)).ok());
  EXPECT_EQ(table_->rows(), 0u);
  EXPECT_LE(table_->bytes(), kBudget);
  for (Key first = 0; first < 20'000; first += 500) {
    const std::vector<Key> keys = Keys(1'000'000 + first, 500);
    for (int i = 0; i < 2; ++i) ASSERT_TRUE(Push(keys).ok());
    EXPECT_EQ(WithRows(keys).size(), keys.size());
  }
  EXPECT_LE(table_->bytes(), kBudget);
  const std::uint64_t fit = kBudget / (layout_->row_bytes() + 19);
  EXPECT_GT(table_->rows(), fit / 2);
}

TEST_F(TableBudgetTest, GoesOnAsLongAsTheRowsOfOnePushFit) {
  for (const std::uint32_t admit_after : {1u, 2u}) {
    RowStorage storage = At(RowStorage::EVICT);
    storage.set_admit_after(admit_after);
    const std::size_t row = TableModel::LayoutOf(4, storage).row_bytes() + sizeof(std::uint32_t);
    for (const std::size_t batch : {1u, 40u, 300u, 1000u}) {
      SCOPED_TRACE(std::to_string(batch) + " keys a push");
      const std::uint64_t budget = KeyIndex::BytesOf(batch) + batch * row;
      Start(storage, budget);
      // Small batches first, whose memory is shared out in another way.
      for (Key i = 0; i < 200; ++i) ASSERT_TRUE(Push(Keys(i * 7919, 1 + Mix(i) % batch)).ok());
      for (Key i = 0; i < 50; ++i) {
        const std::vector<Key> keys = Keys(i << 32, batch);
        for (std::uint32_t push = 0; push < admit_after; ++push) {
          const Status status = Push(keys);
          ASSERT_TRUE(status.ok()) << status.text();
          ASSERT_LE(table_->bytes(), budget);
        }
        ASSERT_EQ(WithRows(keys).size(), batch);
      }
    }
  }
}

TEST_F(TableBudgetTest, APushThatIsTooLargeForTheBudgetSaysSoAndEvictsNothing) {
  Start(At(RowStorage::EVICT), 60'000);
  ASSERT_TRUE(Push(Keys(0, 400)).ok());
  const Status status = Push(Keys(1'000'000, 5000));
  EXPECT_EQ(status.code(), ErrorCode::kUnavailable);
  EXPECT_THAT(status.text(), AllOf(HasSubstr("5000 rows of one push take "), HasSubstr("memory_budget leaves 60000 "),
                                   HasSubstr("add servers"), HasSubstr("train.batch_size")));
  EXPECT_EQ(WithRows(Keys(0, 400)).size(), 400u);
  EXPECT_TRUE(Push(Keys(2'000'000, 400)).ok());
}

// Memory is not given back: what a table has it may go on to use when others have left it less.
TEST_F(TableBudgetTest, GoesOnInItsMemoryWhenTheBudgetBecomesLess) {
  Start(At(RowStorage::EVICT), 60'000);
  for (Key first = 0; first < 4000; first += 200) ASSERT_TRUE(Push(Keys(first, 200)).ok());
  const std::uint64_t most = table_->bytes();
  table_->set_budget(1);
  for (Key first = 10'000; first < 14'000; first += 200) {
    const Status status = Push(Keys(first, 200));
    ASSERT_TRUE(status.ok()) << status.text();
    EXPECT_EQ(WithRows(Keys(first, 200)).size(), 200u);
  }
  EXPECT_LE(table_->bytes(), most + table_->rows() * sizeof(std::uint32_t));
}

// At the budget only rows that are not there yet ask for room.
TEST_F(TableBudgetTest, PushesToRowsThatAreThereEvictNothing) {
  Start(At(RowStorage::EVICT), 60'000);
  Key next = 0;
  while (table_->counters().evicted_rows == 0) {
    ASSERT_TRUE(Push({next}).ok());
    ++next;
  }
  std::vector<Key> keys = WithRows(Keys(0, next));
  const std::uint64_t evicted = table_->counters().evicted_rows;
  ASSERT_GT(keys.size(), 500u);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Push(keys).ok());
  EXPECT_EQ(table_->counters().evicted_rows, evicted);
  keys.resize(keys.size() / 2);
  keys.push_back(next);
  while (table_->counters().evicted_rows == evicted) {
    keys.back() = next++;
    ASSERT_TRUE(Push(keys).ok());
  }
  EXPECT_LT(table_->counters().evicted_rows, evicted + keys.size() / 4);
  EXPECT_EQ(WithRows(keys).size(), keys.size());
}

TEST_F(TableBudgetTest, PushesToRowsThatAreInMemorySpillNothing) {
  Start(At(RowStorage::SPILL), 60'000);
  Key next = 0;
  while (table_->spilled_rows() == 0) ASSERT_TRUE(Push({next++}).ok());
  const std::vector<Key> hot = Keys(100, next - 100);
  ASSERT_TRUE(Push(hot).ok());  // those that were spilled come back, and others go
  const std::vector<Key> other = Keys(next, hot.size());
  const NoWrites no_writes;
  const Status status = Push(hot);
  EXPECT_TRUE(status.ok()) << status.text();
  EXPECT_FALSE(Push(other).ok());
}

TEST_F(TableBudgetTest, ARestoredRowThatFindsNoRoomLeavesTheOldOne) {
  RowStorage storage = At(RowStorage::SPILL);
  Start(storage, 1);
  const std::vector<Key> keys = Keys(0, 60);
  ASSERT_TRUE(Push({keys[0]}).ok());
  ASSERT_TRUE(Push({keys[1]}).ok());  // which puts the first one on disk
  ASSERT_EQ(table_->spilled_rows(), 1u);
  EmbeddingTable::SlotContents contents;
  const auto row_of = [&](Key key) {
    EXPECT_TRUE(table_->ReadSlot(SlotOf(key), &contents).ok());
    EXPECT_EQ(contents.rows.size(), 1u);
    return std::vector<std::byte>(contents.rows[0].second, contents.rows[0].second + layout_->row_bytes());
  };
  const std::vector<std::byte> old = row_of(keys[0]), other(layout_->row_bytes());
  // One that is in memory needs no room, and one that is on disk does.
  EXPECT_TRUE(table_->Restore(keys[1], other.data()).ok());
  EXPECT_EQ(row_of(keys[1]), other);
  const auto restore = [&] {
    const NoWrites no_writes;
    return table_->Restore(keys[0], other.data());
  };
  const Status status = restore();
  EXPECT_EQ(status.code(), ErrorCode::kUnavailable);
  EXPECT_EQ(row_of(keys[0]), old);
  EXPECT_EQ(table_->rows(), 2u);
  ASSERT_TRUE(table_->Restore(keys[0], other.data()).ok());
  EXPECT_EQ(row_of(keys[0]), other);
}

// The file that a table has in a folder has no name: it is found among what the process has open.
std::string SpillFileIn(const std::string& path) {
  const std::string folder = std::filesystem::canonical(path);
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code error;
    const std::string target = std::filesystem::read_symlink(entry.path(), error).string();
    if (!error && target.starts_with(folder)) return entry.path();
  }
  return "";
}

void WriteOver(const std::string& path, const std::vector<char>& bytes) {
  const int file = open(path.c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_GE(file, 0);
  EXPECT_EQ(pwrite(file, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  EXPECT_EQ(fsync(file), 0);
  close(file);
}

TEST_F(TableBudgetTest, ASlotThatCouldNotBeReadIsBroughtToItsLimitLater) {
  RowStorage storage = At(RowStorage::SPILL);
  storage.set_max_rows(32 * kSlots);
  Start(storage, 1);
  const std::vector<Key> slot = KeysOfSlot(9, 40);
  const std::vector<Key> old(slot.begin(), slot.begin() + 30), young(slot.begin() + 30, slot.end());
  ASSERT_TRUE(Push(old, 1).ok());
  ASSERT_TRUE(Push(KeysOfSlot(11, 31), 2).ok());
  ASSERT_GE(table_->spilled_rows(), 30u);
  table_->set_budget(0);

  const std::string path = SpillFileIn(folder_.path());
  struct stat file;
  ASSERT_EQ(stat(path.c_str(), &file), 0) << path;
  std::vector<char> bytes(static_cast<std::size_t>(file.st_size));
  const int reader = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_EQ(pread(reader, bytes.data(), bytes.size(), 0), file.st_size);
  close(reader);

  WriteOver(path, std::vector<char>(bytes.size(), 7));
  ASSERT_TRUE(Push(young, 3).ok());
  EXPECT_EQ(table_->rows(), 71u) << "what can not be read can not be chosen from";
  ASSERT_TRUE(Push(KeysOfSlot(12, 1), 4).ok());
  EXPECT_EQ(table_->rows(), 72u);
  WriteOver(path, bytes);
  ASSERT_TRUE(Push(KeysOfSlot(12, 1), 5).ok());
  EXPECT_EQ(WithRows(slot).size(), 30u);
  EXPECT_EQ(WithRows(young), young);
  EXPECT_EQ(table_->counters().evicted_rows, 10u);
}

}  // namespace
}  // namespace sherd
