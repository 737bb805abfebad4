#include "ps/embedding_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <vector>

#include "ps/key_numbering.h"

namespace sherd {
namespace {

constexpr std::uint64_t kStream = 99;

// A first-order weight by SGD and an embedding by Adagrad.
RowLayout TwoSegments() {
  proto::TableSpec spec;
  spec.set_name("t");
  proto::SegmentSpec* first = spec.add_segment();
  first->set_dim(1);
  first->mutable_optimizer()->mutable_sgd()->set_learning_rate(1);
  first->mutable_initializer()->set_kind(proto::Initializer::ZERO);
  proto::SegmentSpec* second = spec.add_segment();
  second->set_dim(4);
  return RowLayout::Make(spec).value();
}

EmbeddingTable MakeTable() { return EmbeddingTable(TwoSegments(), kStream, 0, kSlots); }

TEST(RowLayoutTest, WeightsFirstThenEachSegmentsState) {
  const RowLayout layout = TwoSegments();
  EXPECT_EQ(layout.weight_floats(), 5u);
  EXPECT_EQ(layout.row_floats(), 9u);  // SGD keeps nothing, Adagrad a sum a weight
  EXPECT_EQ(layout.segments()[1].weights, 1u);
  EXPECT_EQ(layout.segments()[1].state, 5u);
}

TEST(EmbeddingTableTest, APullChangesNothing) {
  EmbeddingTable table = MakeTable();
  std::vector<Key> keys(1000);
  for (std::size_t i = 0; i < keys.size(); ++i) keys[i] = Mix(i);
  std::vector<float> first(keys.size() * 5), again(keys.size() * 5);
  ASSERT_TRUE(table.Pull(keys, first.data()).ok());
  ASSERT_TRUE(table.Pull(keys, again.data()).ok());
  EXPECT_EQ(first, again);
  EXPECT_EQ(table.rows(), 0u);
  EXPECT_EQ(first[0], 0);  // the first segment starts at zero, the second does not
  EXPECT_NE(first[1], 0);
}

TEST(EmbeddingTableTest, AnUpdateStartsFromTheWeightsThatAPullShowed) {
  EmbeddingTable table = MakeTable();
  const std::vector<Key> key = {17};
  std::vector<float> before(5), after(5);
  ASSERT_TRUE(table.Pull(key, before.data()).ok());
  const std::vector<float> zeros(5);
  ASSERT_TRUE(table.Push(key, zeros.data(), {}).ok());
  ASSERT_TRUE(table.Pull(key, after.data()).ok());
  EXPECT_EQ(table.rows(), 1u);
  EXPECT_EQ(before, after);
}

// One row as a formula: the table's only tricks are where rows are and how they are found.
struct ModelRow {
  std::vector<float> weights;
  std::vector<float> sums = std::vector<float>(4, 0.0f);
  void Push(const float* g, float divisor) {
    weights[0] -= 1.0f * (g[0] / divisor);
    for (int i = 0; i < 4; ++i) {
      const float mean = g[1 + i] / divisor;
      sums[i] += mean * mean;
      weights[1 + i] -= 0.02f * mean / (std::sqrt(sums[i]) + 1e-10f);
    }
  }
};

TEST(EmbeddingTableTest, AgreesWithAMapOverRandomBatches) {
  EmbeddingTable table = MakeTable();
  std::map<Key, ModelRow> model;
  const RowLayout layout = TwoSegments();
  std::uint64_t random = 1;
  for (std::size_t operations = 0; operations < 100000;) {
    // Keys that cluster, spread and hit the ends of the range.
    std::set<Key> unique;
    const std::size_t n = 1 + Below(random = Mix(random + 1), 300);
    while (unique.size() < n) {
      random = Mix(random + 1);
      const Key small = Below(random, 8000);
      unique.insert(random % 3 == 0 ? small : random % 3 == 1 ? ~small : Mix(small));
    }
    const std::vector<Key> keys(unique.begin(), unique.end());
    operations += n;
    std::vector<float> values(n * 5);
    if (random & 1) {
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = UnitFloat(Mix(random, i)) - 0.5f;
      ASSERT_TRUE(table.Push(keys, values.data(), {.divisor = 3}).ok());
      for (std::size_t i = 0; i < n; ++i) {
        ModelRow& row = model[keys[i]];
        if (row.weights.empty())
          row.weights.resize(5), layout.InitWeights(RowStream(kStream, keys[i]), row.weights.data());
        row.Push(&values[i * 5], 3);
      }
    } else {
      ASSERT_TRUE(table.Pull(keys, values.data()).ok());
      for (std::size_t i = 0; i < n; ++i) {
        std::vector<float> expected(5);
        const auto found = model.find(keys[i]);
        if (found == model.end()) layout.InitWeights(RowStream(kStream, keys[i]), expected.data());
        if (found != model.end()) expected = found->second.weights;
        ASSERT_TRUE(std::equal(expected.begin(), expected.end(), values.begin() + static_cast<std::ptrdiff_t>(i * 5)));
      }
    }
    ASSERT_EQ(table.rows(), model.size());
  }
  EXPECT_TRUE(model.contains(0) && model.contains(~Key{0}));
  EXPECT_GT(model.size(), 10000u);
}

TEST(EmbeddingTableTest, EverySlotListsItsKeysInOrder) {
  EmbeddingTable table = MakeTable();
  std::vector<Key> keys(50000);
  for (std::size_t i = 0; i < keys.size(); ++i) keys[i] = i * 977;
  const std::vector<float> gradients(keys.size() * 5, 1.0f);
  ASSERT_TRUE(table.Push(keys, gradients.data(), {}).ok());
  std::set<Key> seen;
  EmbeddingTable::SlotContents contents;
  for (Slot slot = 0; slot < kSlots; ++slot) {
    ASSERT_TRUE(table.ReadSlot(slot, &contents).ok());
    for (std::size_t i = 0; i < contents.rows.size(); ++i) {
      const auto [key, row] = contents.rows[i];
      EXPECT_EQ(SlotOf(key), slot);
      EXPECT_TRUE(i == 0 || Mix(contents.rows[i - 1].first) < Mix(key));
      EXPECT_EQ(reinterpret_cast<const float*>(row)[0], -1);
      seen.insert(key);
    }
  }
  EXPECT_EQ(seen, std::set<Key>(keys.begin(), keys.end()));
}

TEST(EmbeddingTableTest, ARowWithANanIsRefusedAloneAndKeepsItsBits) {
  EmbeddingTable table = MakeTable();
  std::vector<Key> keys(200);
  for (std::size_t i = 0; i < keys.size(); ++i) keys[i] = i;
  std::vector<float> gradients(keys.size() * 5, 1.0f), before(gradients), after(gradients);
  ASSERT_TRUE(table.Push({keys.data(), 100}, gradients.data(), {}).ok());
  ASSERT_TRUE(table.Pull(keys, before.data()).ok());
  // One row that is there and one that is not; the bad float is in one segment only, and neither segment may move.
  gradients[50 * 5] = std::numeric_limits<float>::quiet_NaN();
  gradients[150 * 5 + 4] = std::numeric_limits<float>::infinity();
  ASSERT_TRUE(table.Push(keys, gradients.data(), {}).ok());
  ASSERT_TRUE(table.Pull(keys, after.data()).ok());
  EXPECT_EQ(table.counters().refused_rows, 2u);
  EXPECT_EQ(table.rows(), 199u);
  for (std::size_t row = 0; row < keys.size(); ++row) {
    const bool same = std::equal(&before[row * 5], &before[row * 5 + 5], &after[row * 5]);
    EXPECT_EQ(same, row == 50 || row == 150) << row;
  }
}

// Optimizers keep squares: a finite float whose square is not would leave a row NaN, or still for ever.
TEST(EmbeddingTableTest, ARowWhoseSquareOverflowsIsRefusedAndKeepsItsBits) {
  for (const auto set_optimizer :
       {+[](proto::Optimizer* o) { o->mutable_ftrl(); }, +[](proto::Optimizer* o) { o->mutable_adagrad(); },
        +[](proto::Optimizer* o) { o->mutable_adam(); }}) {
    constexpr std::size_t kDim = 37;  // whole vectors of any width, and a rest
    proto::TableSpec spec;
    spec.set_name("t");
    spec.add_segment()->set_dim(kDim);
    set_optimizer(spec.mutable_segment(0)->mutable_optimizer());
    EmbeddingTable table(RowLayout::Make(spec).value(), kStream, 0, kSlots);
    const std::vector<Key> key = {17};
    std::vector<float> gradients(kDim, 1e15f);
    ASSERT_TRUE(table.Push(key, gradients.data(), {}).ok());
    EXPECT_EQ(table.counters().refused_rows, 0u);
    EmbeddingTable::SlotContents contents;
    const auto bytes_of_row = [&] {
      CHECK(table.ReadSlot(SlotOf(key[0]), &contents).ok());
      const std::byte* row = contents.rows.at(0).second;
      return std::vector<std::byte>(row, row + table.layout().row_bytes());
    };
    const std::vector<std::byte> before = bytes_of_row();
    for (std::size_t i = 0; i < kDim; ++i) {
      std::vector<float> bad(kDim, 1.0f);
      bad[i] = i % 2 == 0 ? 2e19f : -3e38f;
      ASSERT_TRUE(table.Push(key, bad.data(), {}).ok());
      EXPECT_EQ(bytes_of_row(), before) << i;
    }
    EXPECT_EQ(table.counters().refused_rows, kDim);
  }
}

// Server, shard, slot and place must come from different bits, or a shard's index clusters.
TEST(KeyIndexTest, ProbesStayShortForKeysOfOneShardAndForDenseIds) {
  for (const bool mixed : {false, true}) {
    KeyIndex index(0, FirstSlot(1, 7));
    std::vector<Key> keys;
    for (Key i = 0; keys.size() < 100000; ++i) {
      const Key key = mixed ? Mix(i) : i;
      if (ShardOf(key, 7) == 0) keys.push_back(key);
    }
    for (std::uint32_t i = 0; i < keys.size(); ++i) ASSERT_EQ(*index.Insert(keys[i], Mix(keys[i]), i), i);
    for (std::uint32_t i = 0; i < keys.size(); ++i) ASSERT_EQ(*index.Find(keys[i], Mix(keys[i])), i);
    EXPECT_LT(static_cast<double>(index.bytes()) / static_cast<double>(index.size()), 64.0 / 5 / 0.69);
  }
}

TEST(KeyNumberingTest, NumbersInOrderOfFirstSightFromAnewEachTime) {
  KeyNumbering numbering;
  for (std::uint64_t batch = 0; batch < 2000; ++batch) {
    const std::size_t most = 1 + batch % 97;
    numbering.Start(most);
    std::map<Key, std::uint32_t> model;
    for (std::size_t i = 0; i < most; ++i) {
      const Key key = Below(Mix(batch, i), 60) - 30;  // 0 and ~0 among them
      const std::uint32_t expected = model.emplace(key, static_cast<std::uint32_t>(model.size())).first->second;
      ASSERT_EQ(numbering.Number(key), expected);
    }
    ASSERT_EQ(numbering.size(), model.size());
  }
}

}  // namespace
}  // namespace sherd
