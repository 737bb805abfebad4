// Random operations on tables of every storage against a map that follows the rules of docs/tables.md by brute force.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "ps/embedding_table.h"
#include "tests/ps/shard_cluster.h"

namespace sherd {
namespace {

using proto::RowStorage;

constexpr std::uint64_t kStream = 77;

// A weight by SGD and `dim` by Adagrad.
RowLayout LayoutOf(std::uint32_t dim, const RowStorage& storage) {
  proto::TableSpec spec;
  spec.set_name("t");
  spec.add_segment()->set_dim(1);
  spec.mutable_segment(0)->mutable_optimizer()->mutable_sgd()->set_learning_rate(1);
  spec.add_segment()->set_dim(dim);
  *spec.mutable_storage() = storage;
  return RowLayout::Make(spec).value();
}

class Model {
 public:
  struct Row {
    std::vector<float> floats;  // as a row's: weights, then sums
    std::uint32_t clock = 0;
    std::uint32_t count = 0;
  };

  explicit Model(const RowLayout& layout) : layout_(layout), dim_(layout.weight_floats() - 1) {}

  std::vector<float> Weights(Key key) const {
    std::vector<float> weights(layout_.weight_floats());
    const auto found = rows.find(key);
    if (found == rows.end()) layout_.InitWeights(RowStream(kStream, key), weights.data());
    if (found != rows.end()) std::copy_n(found->second.floats.begin(), weights.size(), weights.begin());
    return weights;
  }

  void Push(Key key, const float* sums, std::uint32_t clock) {
    now_ = std::max(now_, clock);
    if (!rows.contains(key)) {
      if (candidates[key] + 1 < storage().admit_after()) {
        ++candidates[key];
        return;
      }
      candidates.erase(key);
      Row& row = rows[key];
      row.floats.resize(layout_.row_floats());
      layout_.InitWeights(RowStream(kStream, key), row.floats.data());
    }
    Row& row = rows[key];
    row.floats[0] -= sums[0];
    for (std::size_t i = 1; i <= dim_; ++i) {
      float& sum = row.floats[dim_ + i];
      sum += sums[i] * sums[i];
      row.floats[i] -= 0.02f * sums[i] / (std::sqrt(sum) + 1e-10f);
    }
    row.clock = clock;
    ++row.count;
  }

  void Restore(Key key, const Row& row) {
    candidates.erase(key);
    rows[key] = row;
  }

  // After each push and restored row.
  void KeepLimits(const std::set<Slot>& touched) {
    if (storage().max_rows() == 0) return;
    const std::size_t limit = storage().max_rows() / kSlots;
    for (const Slot slot : touched) {
      std::vector<std::pair<std::uint32_t, Key>> order;
      const bool frequent = storage().use() == RowStorage::FREQUENT;
      for (const auto& [key, row] : rows) {
        if (SlotOf(key) == slot) order.emplace_back(frequent ? row.count : row.clock, key);
      }
      if (order.size() <= limit) continue;
      std::ranges::sort(order);
      for (const auto& [score, key] : order) rows[key].count /= 2;
      order.resize(order.size() - (limit - limit / 16));
      for (const auto& [score, key] : order) rows.erase(key);
    }
  }

  // Each slot once in an eighth of the age.
  void Advance(std::uint32_t clock) {
    now_ = std::max(now_, clock);
    const std::uint32_t age = static_cast<std::uint32_t>(storage().max_age_clocks());
    if (age == 0) return;
    std::erase_if(rows, [&](const auto& entry) {
      return SlotOf(entry.first) % (age / 8) == clock % (age / 8) && now_ > entry.second.clock + age;
    });
  }

  std::map<Key, Row> rows;
  std::map<Key, std::uint32_t> candidates;

 private:
  const RowStorage& storage() const { return layout_.storage(); }

  const RowLayout layout_;
  const std::size_t dim_;
  std::uint32_t now_ = 0;
};

// Tables of the shards of one job, used as one.
class Tables {
 public:
  Tables(const RowLayout& layout, std::uint32_t shards, std::uint64_t budget = 0, const std::string& spill_dir = {}) {
    for (std::uint32_t i = 0; i < shards; ++i) {
      tables_.push_back(
          std::make_unique<EmbeddingTable>(layout, kStream, FirstSlot(i, shards), FirstSlot(i + 1, shards), spill_dir));
      tables_.back()->set_budget(budget);
    }
  }

  EmbeddingTable& of(Key key) { return *tables_[ShardOf(key, static_cast<std::uint32_t>(tables_.size()))]; }
  std::vector<std::unique_ptr<EmbeddingTable>>& all() { return tables_; }

  Status Push(const std::vector<Key>& keys, const std::vector<float>& sums, const PushStep& step) {
    const std::size_t floats = sums.size() / keys.size();
    for (const auto& table : tables_) {
      std::vector<Key> own;
      std::vector<float> own_sums;
      for (std::size_t i = 0; i < keys.size(); ++i) {
        if (&of(keys[i]) != table.get()) continue;
        own.push_back(keys[i]);
        own_sums.insert(own_sums.end(), &sums[i * floats], &sums[i * floats] + floats);
      }
      RETURN_IF_ERROR(table->Push(own, own_sums.data(), step));
    }
    return {};
  }

 private:
  std::vector<std::unique_ptr<EmbeddingTable>> tables_;
};

std::uint32_t WordAt(const std::byte* row, std::uint32_t offset) {
  std::uint32_t word = 0;
  if (offset != 0) std::memcpy(&word, row + offset, sizeof(word));
  return word;
}

class TableModelTest : public testing::Test {
 protected:
  static constexpr std::uint32_t kAllSlots = 1;

  // `universe` keys of every `sparse`-th slot.
  void Start(std::uint32_t dim, const RowStorage& storage, std::size_t universe, std::uint32_t sparse = kAllSlots) {
    layout_.emplace(LayoutOf(dim, storage));
    model_ = std::make_unique<Model>(*layout_);
    universe_.clear();
    if (sparse == kAllSlots) universe_ = {0, ~Key{0}};
    for (Key i = 0; universe_.size() < universe; ++i) {
      const Key key = i % 2 == 0 ? i : Mix(i);
      if (SlotOf(key) % sparse == 0 && key != 0) universe_.push_back(key);
    }
    slots_ = sparse;
    clock_ = 0;
    operations_ = 0;
  }

  void DrawKeys() {
    std::set<Key> keys;
    const std::size_t n = 1 + random_() % 300;
    // Some are used much more often than others.
    while (keys.size() < n) {
      keys.insert(universe_[Below(random_(), random_() % 3 == 0 ? universe_.size() / 10 : universe_.size())]);
    }
    keys_.assign(keys.begin(), keys.end());
    std::shuffle(keys_.begin(), keys_.end(), random_);
    values_.resize(n * layout_->weight_floats());
    for (float& value : values_) value = UnitFloat(random_()) - 0.5f;
  }

  void PushSome(std::vector<Tables*> all) {
    DrawKeys();
    std::set<Slot> touched;
    const PushStep step{.clock = clock_, .noise = random_()};
    for (Tables* tables : all) {
      const Status status = tables->Push(keys_, values_, step);
      ASSERT_TRUE(status.ok()) << status.text();
    }
    for (std::size_t i = 0; i < keys_.size(); ++i) {
      model_->Push(keys_[i], &values_[i * layout_->weight_floats()], clock_);
      touched.insert(SlotOf(keys_[i]));
    }
    model_->KeepLimits(touched);
  }

  void PullSome(std::vector<Tables*> all) {
    DrawKeys();
    for (Tables* tables : all) {
      for (const auto& table : tables->all()) {
        std::vector<Key> own;
        std::ranges::copy_if(keys_, std::back_inserter(own), [&](Key key) { return &tables->of(key) == table.get(); });
        std::vector<float> values(own.size() * layout_->weight_floats()), expected;
        const Status status = table->Pull(own, values.data());
        ASSERT_TRUE(status.ok()) << status.text();
        for (const Key key : own) std::ranges::copy(model_->Weights(key), std::back_inserter(expected));
        ASSERT_TRUE(values == expected) << "clock " << clock_;
      }
    }
  }

  void RestoreOne(std::vector<Tables*> all) {
    const Key key = universe_[random_() % universe_.size()];
    Model::Row row{.floats = std::vector<float>(layout_->row_floats()),
                   .clock = clock_ - static_cast<std::uint32_t>(random_() % (clock_ + 1)),
                   .count = static_cast<std::uint32_t>(random_() % 5)};
    for (float& value : row.floats) value = UnitFloat(random_());
    std::vector<std::byte> bytes(layout_->row_bytes());
    layout_->EncodeRow(row.floats.data(), {}, bytes.data());
    const auto put = [&](std::uint32_t offset, std::uint32_t word) {
      if (offset != 0) std::memcpy(&bytes[offset], &word, sizeof(word));
    };
    put(layout_->usage().clock, row.clock);
    put(layout_->usage().count, row.count);
    for (Tables* tables : all) ASSERT_TRUE(tables->of(key).Restore(key, bytes.data()).ok());
    model_->Restore(key, row);
    model_->KeepLimits({SlotOf(key)});
    RestoreCandidate(all);
  }

  void RestoreCandidate(std::vector<Tables*> all) {
    const Key key = universe_[random_() % universe_.size()];
    if (layout_->storage().admit_after() == 1) return;
    const bool there = model_->rows.contains(key) || model_->candidates.contains(key);
    for (Tables* tables : all) ASSERT_EQ(tables->of(key).RestoreCandidate(key, 2).ok(), !there) << key;
    if (!there) model_->candidates[key] = 2;
  }

  void AdvanceAll(std::vector<Tables*> all) {
    ++clock_;
    for (Tables* tables : all) {
      for (const auto& table : tables->all()) ASSERT_TRUE(table->Advance(clock_, 0).ok());
    }
    model_->Advance(clock_);
  }

  // Slot by slot: the same keys, bytes and counts as the model's.
  void ExpectSame(Tables* tables) {
    std::size_t rows = 0, candidates = 0;
    std::vector<float> floats(layout_->row_floats());
    EmbeddingTable::SlotContents contents;
    for (const auto& table : tables->all()) {
      EXPECT_EQ(table->memory().total(), table->bytes());
      for (Slot slot = 0; slot < kSlots; slot += slots_) {
        if (table.get() != SlotOwner(tables, slot)) continue;
        ASSERT_TRUE(table->ReadSlot(slot, &contents).ok());
        rows += contents.rows.size();
        candidates += contents.candidates.size();
        for (const auto& [key, row] : contents.rows) {
          const auto found = model_->rows.find(key);
          ASSERT_NE(found, model_->rows.end()) << "key " << key << " at clock " << clock_;
          layout_->DecodeRow(row, floats.data());
          ASSERT_TRUE(floats == found->second.floats) << "key " << key << " at clock " << clock_;
          const std::uint32_t clock = layout_->usage().clock, count = layout_->usage().count;
          ASSERT_TRUE(clock == 0 || WordAt(row, clock) == found->second.clock) << key;
          ASSERT_TRUE(count == 0 || WordAt(row, count) == found->second.count) << key;
        }
        for (const auto& [key, sightings] : contents.candidates) ASSERT_EQ(sightings, model_->candidates.at(key));
      }
    }
    ASSERT_EQ(rows, model_->rows.size()) << "at clock " << clock_;
    ASSERT_EQ(candidates, model_->candidates.size());
  }
  static EmbeddingTable* SlotOwner(Tables* tables, Slot slot) {
    return tables->all()[ShardOfSlot(slot, static_cast<std::uint32_t>(tables->all().size()))].get();
  }

  void Run(std::vector<Tables*> all, std::size_t operations) {
    for (int round = 0; operations_ < operations && !HasFatalFailure(); ++round) {
      const std::uint64_t choice = random_() % 10;
      if (choice < 5) PushSome(all);
      if (choice >= 5 && choice < 8) PullSome(all);
      if (choice == 8) RestoreOne(all);
      if (choice == 9) AdvanceAll(all);
      operations_ += keys_.size();
      if (round % 100 != 99 || HasFatalFailure()) continue;
      for (Tables* tables : all) ExpectSame(tables);
    }
    if (HasFatalFailure()) return;
    for (Tables* tables : all) ExpectSame(tables);
  }
  // Pushes ever-new keys and the two ends of their range; with admission, each batch until it is admitted.
  void FloodWithNewKeys(EmbeddingTable* table, std::uint64_t budget) {
    Key next = 0;
    const std::uint32_t pushes = layout_->storage().admit_after();
    for (std::uint32_t clock = 0; next < 25000; ++clock) {
      keys_ = {0, ~Key{0}};
      const std::size_t n = 3 + random_() % 500;
      while (keys_.size() < n) keys_.push_back(++next);
      values_.assign(n * layout_->weight_floats(), 0.25f);
      for (std::uint32_t i = 0; i < pushes; ++i) {
        const Status status = table->Prepare(keys_);
        ASSERT_TRUE(status.ok()) << status.text();
        ASSERT_LE(table->bytes(), budget) << "prepared, after " << next << " keys";
        table->PushPrepared(keys_, values_.data(), {.clock = clock});
        ASSERT_LE(table->bytes(), budget) << "after " << next << " keys";
      }
      if (pushes > 1) continue;  // candidates may have gone in between
      EmbeddingTable::SlotContents contents;
      ASSERT_TRUE(table->ReadSlot(SlotOf(next), &contents).ok());
      const auto last = std::ranges::find(contents.rows, next, &std::pair<Key, const std::byte*>::first);
      ASSERT_NE(last, contents.rows.end()) << "what was just pushed has no row";
    }
  }
  std::uint64_t EvictedRows(Tables* tables) {
    std::uint64_t evicted = 0;
    for (const auto& table : tables->all()) evicted += table->counters().evicted_rows;
    return evicted;
  }

  std::mt19937_64 random_{11};
  std::optional<RowLayout> layout_;
  std::unique_ptr<Model> model_;
  std::vector<Key> universe_, keys_;
  std::vector<float> values_;
  std::uint32_t slots_ = 1;
  std::uint32_t clock_ = 0;
  std::size_t operations_ = 0;
};

TEST_F(TableModelTest, PlainRows) {
  Start(4, {}, 30000);
  Tables one(*layout_, 1), three(*layout_, 3);
  Run({&one, &three}, 300000);
}

TEST_F(TableModelTest, AKeyGetsARowWithItsThirdPushOnAnyNumberOfShards) {
  RowStorage storage;
  storage.set_admit_after(3);
  Start(4, storage, 30000);
  Tables one(*layout_, 1), three(*layout_, 3);
  Run({&one, &three}, 150000);
  EXPECT_GT(model_->candidates.size(), 500u);
  EXPECT_GT(model_->rows.size(), 500u);
}

TEST_F(TableModelTest, RowsGoWhenTheyAreTooOldOnAnyNumberOfShards) {
  RowStorage storage;
  storage.set_max_age_clocks(24);
  Start(4, storage, 20000);
  Tables one(*layout_, 1), three(*layout_, 3);
  Run({&one, &three}, 150000);
  EXPECT_GT(EvictedRows(&one), 1000u);
  EXPECT_EQ(EvictedRows(&one), EvictedRows(&three));
}

TEST_F(TableModelTest, TheLeastUsedRowsOfAFullSlotGoOnAnyNumberOfShards) {
  for (const RowStorage::Use use : {RowStorage::RECENT, RowStorage::FREQUENT}) {
    RowStorage storage;
    storage.set_max_rows(32 * kSlots);
    storage.set_use(use);
    Start(4, storage, 3000, 64);
    Tables one(*layout_, 1), three(*layout_, 3);
    Run({&one, &three}, 100000);
    EXPECT_GT(EvictedRows(&one), 1000u);
    EXPECT_EQ(EvictedRows(&one), EvictedRows(&three));
  }
}

TEST_F(TableModelTest, RowsOnDiskAreTheSameAsInMemory) {
  TemporaryFolder folder;
  RowStorage storage;
  storage.set_at_budget(RowStorage::SPILL);
  Start(60, storage, 20000);
  constexpr std::uint64_t kBudget = 1'000'000;
  Tables resident(*layout_, 1), spilled(*layout_, 1, kBudget, folder.path());
  Run({&resident, &spilled}, 60000);
  EXPECT_GT(spilled.all()[0]->spilled_rows(), spilled.all()[0]->rows() * 8 / 10);
  EXPECT_LE(spilled.all()[0]->bytes(), kBudget);
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
    storage.set_admit_after(2);
    Start(60, storage, 3000, 64);
    Tables resident(*layout_, 1), spilled(*layout_, 1, 500'000, folder.path());
    Run({&resident, &spilled}, 40000);
    EXPECT_GT(spilled.all()[0]->spilled_rows(), spilled.all()[0]->rows() / 2);
  }
}

// Whatever the budget: the steps in which the index grows leave more or less of it to the rows.
TEST_F(TableModelTest, EverNewKeysNeverTakeMoreThanTheBudget) {
  for (std::uint64_t budget = 900'000; budget < 1'100'000; budget += 43'321) {
    RowStorage storage;
    storage.set_at_budget(RowStorage::EVICT);
    storage.set_use(budget / 3 % 2 == 0 ? RowStorage::RECENT : RowStorage::FREQUENT);
    Start(4, storage, 10);
    Tables tables(*layout_, 1, budget);
    FloodWithNewKeys(tables.all()[0].get(), budget);
    if (HasFatalFailure()) return;
    EXPECT_GT(tables.all()[0]->bytes(), budget / 2);
    EXPECT_GT(tables.all()[0]->counters().evicted_rows, 1000u);
  }
}

TEST_F(TableModelTest, EverNewKeysOnDiskLeaveTheBudgetAsItIs) {
  for (std::uint64_t budget = 1'000'000; budget < 1'200'000; budget += 64'321) {
    TemporaryFolder folder;
    RowStorage storage;
    storage.set_at_budget(RowStorage::SPILL);
    Start(4, storage, 10);
    Tables tables(*layout_, 1, budget, folder.path());
    FloodWithNewKeys(tables.all()[0].get(), budget);
    if (HasFatalFailure()) return;
    EXPECT_GT(tables.all()[0]->spilled_rows(), 5000u);
  }
}

}  // namespace
}  // namespace sherd
