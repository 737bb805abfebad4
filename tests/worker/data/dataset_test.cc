#include "worker/data/dataset.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <thread>

#include "tests/worker/data/data_testing.h"

namespace sherd {
namespace {

std::vector<Key> Sorted(std::vector<Key> keys) {
  std::sort(keys.begin(), keys.end());
  return keys;
}

constexpr int kRows = 3000;

// Row i of file f has the token "f-i" and label i % 3 == 0.
std::string FileText(int f) {
  std::string text = "# comment\n";
  for (int i = 0; i < kRows; ++i) {
    text += std::to_string(i % 3 == 0) + "," + std::to_string(f) + "-" + std::to_string(i) + "," +
            std::to_string(i % 7) + (i % 5 ? "\n" : "\r\n");
    if (i % 100 == 0) text += "# comment\n\n";
  }
  return text;
}

Key KeyOfRow(int f, int i) { return HashBytes(std::to_string(f) + "-" + std::to_string(i), HashBytes("id")); }

// How the two training files are stored and read.
enum class Way { kMemory, kStreamed, kGzip, kMixed };

class WaysToRead : public ::testing::TestWithParam<Way> {
 protected:
  WaysToRead() {
    const bool packed = GetParam() == Way::kGzip;
    folder_.Write("train-0", packed ? Gzip(FileText(0)) : FileText(0));
    folder_.Write("train-1", GetParam() == Way::kMixed || packed ? Xz(FileText(1)) : FileText(1));
  }

  proto::Job Job(const std::string& more_data = "", int seed = 1) const {
    const std::uint64_t memory = GetParam() == Way::kMemory  ? 1 << 28
                                 : GetParam() == Way::kMixed ? FileText(0).size() + 16 * kRows  // room for the first
                                                             : 0;
    return ParseTestJob("data { format: DELIMITED train: 'train-*' data_dir: '" + folder_.path() +
                        "' in_memory_bytes: " + std::to_string(memory) +
                        " delimited { label: 'y' comment: '#' column { name: 'y' } column { name: 'id' } "
                        "column { name: 'n' type: INTEGER } } " +
                        more_data +
                        " } feature { column: 'id' } feature { column: 'n' number {} } "
                        "train { batch_size: 32 seed: " +
                        std::to_string(seed) + " }");
  }

  static std::vector<Key> KeysOf(const std::vector<ReadRow>& rows) {
    std::vector<Key> keys;
    for (const ReadRow& row : rows) keys.push_back(row.keys[0][0][0]);
    return keys;
  }

  static std::vector<Key> AllKeys() {
    std::vector<Key> keys;
    for (int f = 0; f < 2; ++f) {
      for (int i = 0; i < kRows; ++i) keys.push_back(KeyOfRow(f, i));
    }
    return keys;
  }

  TemporaryFolder folder_;
};

TEST_P(WaysToRead, EachEpochHasEveryRowOnceForAnyNumberOfWorkers) {
  OpenedData data(Job());
  for (const std::uint32_t workers : {1, 2, 3, 5}) {
    const std::vector<ReadRow> rows = data.ReadAll(proto::Chunk::TRAIN, workers, workers);
    EXPECT_EQ(Sorted(KeysOf(rows)), Sorted(AllKeys()));
    std::set<std::uint64_t> ids;
    for (const ReadRow& row : rows) ids.insert(row.id);
    EXPECT_EQ(ids.size(), rows.size());
  }
  const ReadCounts counts = data->counts();
  EXPECT_EQ(counts.rows, 4u * 2 * kRows);
  EXPECT_EQ(counts.bad_rows, 0u);
}

TEST_P(WaysToRead, ARowIsTheSameRowInAnyWay) {
  OpenedData data(Job());
  std::map<Key, ReadRow> by_key;
  for (const ReadRow& row : data.ReadAll(proto::Chunk::TRAIN)) by_key[row.keys[0][0][0]] = row;
  const TemporaryFolder folder;
  for (int f = 0; f < 2; ++f) folder.Write("train-" + std::to_string(f), FileText(f));
  proto::Job job = Job();
  job.mutable_data()->set_data_dir(folder.path());
  job.mutable_data()->set_in_memory_bytes(1 << 28);
  OpenedData plain(job);
  for (const ReadRow& row : plain.ReadAll(proto::Chunk::TRAIN)) EXPECT_EQ(row, by_key[row.keys[0][0][0]]);
  for (int i = 0; i < kRows; ++i) EXPECT_EQ(by_key[KeyOfRow(1, i)].label, i % 3 == 0);
}

TEST_P(WaysToRead, TheSameChunkGivesTheSameMinibatchesAndAnyTailOfThem) {
  OpenedData data(Job()), again(Job());
  for (const proto::Chunk& chunk : data.Chunks(proto::Chunk::TRAIN, 3, 2)) {
    const std::vector<Minibatch> all = data.Read(chunk, 3);
    for (std::uint32_t first = 0; first <= all.size(); ++first) {
      const std::vector<Minibatch> tail = again.Read(chunk, 3, first);
      ASSERT_EQ(tail.size(), all.size() - first);
      for (std::size_t i = 0; i < tail.size(); ++i) {
        EXPECT_EQ(RowsOf(tail[i], again.layout()), RowsOf(all[first + i], data.layout()));
        EXPECT_EQ(tail[i].first_source, all[first + i].first_source);
      }
    }
  }
}

TEST_P(WaysToRead, EpochsAndSeedsDifferInTheirOrder) {
  OpenedData data(Job()), other(Job("", 2));
  const auto first = KeysOf(data.ReadAll(proto::Chunk::TRAIN, 0)),
             second = KeysOf(data.ReadAll(proto::Chunk::TRAIN, 1));
  EXPECT_NE(first, second);
  EXPECT_NE(first, KeysOf(other.ReadAll(proto::Chunk::TRAIN, 0)));
  int neighbours = 0;  // rows that follow one another as in the file
  std::map<Key, int> place;
  for (int i = 0; i < kRows; ++i) place[KeyOfRow(0, i)] = i;
  for (std::size_t i = 1; i < first.size(); ++i) {
    neighbours += place.count(first[i]) && place.count(first[i - 1]) && place[first[i]] == place[first[i - 1]] + 1;
  }
  EXPECT_LT(neighbours, 100);
}

TEST_P(WaysToRead, EvaluationRowsAreLeftOutOfTrainingAlways) {
  OpenedData data(Job("eval_fraction: 0.2")), other_seed(Job("eval_fraction: 0.2", 9));
  ASSERT_TRUE(data->Has(proto::Chunk::EVAL));
  const auto eval = KeysOf(data.ReadAll(proto::Chunk::EVAL));
  EXPECT_NEAR(eval.size(), 0.2 * 2 * kRows, 150);
  EXPECT_EQ(eval, KeysOf(data.ReadAll(proto::Chunk::EVAL, 5, 3)));
  EXPECT_EQ(eval, KeysOf(other_seed.ReadAll(proto::Chunk::EVAL)));
  auto both = KeysOf(data.ReadAll(proto::Chunk::TRAIN));
  both.insert(both.end(), eval.begin(), eval.end());
  EXPECT_EQ(Sorted(both), Sorted(AllKeys()));
  std::vector<Key> in_order;  // of the files
  const std::set<Key> chosen(eval.begin(), eval.end());
  for (const Key key : AllKeys()) {
    if (chosen.count(key)) in_order.push_back(key);
  }
  EXPECT_EQ(eval, in_order);
}

TEST_P(WaysToRead, NegativesAreSampledInTrainingOnly) {
  proto::Job job = Job("negative_rate: 0.25 test: 'train-0'");
  OpenedData data(job);
  const auto rows = data.ReadAll(proto::Chunk::TRAIN, 0), next = data.ReadAll(proto::Chunk::TRAIN, 1, 2);
  const auto positive = [](const ReadRow& row) { return row.label == 1; };
  EXPECT_EQ(std::count_if(rows.begin(), rows.end(), positive), 2 * kRows / 3);
  EXPECT_NEAR(rows.size() - 2 * kRows / 3, 0.25 * 4 * kRows / 3, 150);
  EXPECT_EQ(Sorted(KeysOf(next)), Sorted(KeysOf(rows)));
  EXPECT_EQ(data.ReadAll(proto::Chunk::TEST).size(), std::size_t{kRows});
}

TEST_P(WaysToRead, StatisticsAreThoseOfTheTrainingRows) {
  proto::Job job = Job("eval_fraction: 0.3");
  OpenedData data(job);
  job.mutable_feature(1)->mutable_number()->set_transform(proto::Number::NONE);
  OpenedData raw(job);
  double sum = 0, squares = 0;
  const auto rows = raw.ReadAll(proto::Chunk::TRAIN);
  for (const ReadRow& row : rows) sum += row.numbers[0], squares += row.numbers[0] * row.numbers[0];
  const double mean = sum / rows.size();
  const proto::Statistics statistics = data->ComputeStatistics().value();
  ASSERT_EQ(statistics.column_size(), 1);
  EXPECT_EQ(statistics.column(0).name(), "n");
  EXPECT_EQ(statistics.column(0).count(), rows.size());
  EXPECT_NEAR(statistics.column(0).mean(), mean, 1e-9);
  EXPECT_NEAR(statistics.column(0).deviation(), std::sqrt(squares / rows.size() - mean * mean), 1e-9);
  EXPECT_EQ(raw->ComputeStatistics().value().column_size(), 0);
}

TEST_P(WaysToRead, PredictingGivesEveryRowItsPlace) {
  folder_.Write("p", "1,a,1\nbroken\n0,b,2\n\nb,3\n");  // the last without a label
  OpenedData data(Job("test: 'p'"), {.predict = true});
  std::vector<std::uint32_t> places;
  std::uint32_t read = 0;
  const auto chunks = data.Chunks(proto::Chunk::TEST);
  ASSERT_EQ(chunks.size(), 1u);
  for (const Minibatch& minibatch : data.Read(chunks[0])) {
    places.insert(places.end(), minibatch.source_rows.begin(), minibatch.source_rows.end());
    read = minibatch.source_rows_read;
  }
  EXPECT_EQ(places, (std::vector<std::uint32_t>{0, 2, 3}));
  EXPECT_EQ(read, 4u);
  EXPECT_EQ(KeysOf(data.ReadAll(proto::Chunk::TRAIN)), AllKeys());  // nothing is shuffled
}

INSTANTIATE_TEST_SUITE_P(Ways, WaysToRead, ::testing::Values(Way::kMemory, Way::kStreamed, Way::kGzip, Way::kMixed));

// A minibatch of three rows has a mean gradient twenty times as noisy as one of 64 and spoils what Adagrad remembers.
TEST(DatasetTest, NoTrainingMinibatchIsLeftWithAFewRows) {
  const TemporaryFolder folder;
  folder.Write("t", FileText(0));
  OpenedData data(ParseTestJob("data { format: DELIMITED train: 't' data_dir: '" + folder.path() +
                               "' delimited { label: 'y' comment: '#' column { name: 'y' } column { name: 'id' } "
                               "column { name: 'n' } } } feature { column: 'id' } train { batch_size: 64 }"));
  for (const std::uint32_t workers : {1, 2, 7, 1000}) {
    const auto chunks = data.Chunks(proto::Chunk::TRAIN, 0, workers);
    EXPECT_GE(chunks.size(), std::min<std::size_t>(8 * workers, kRows / 64));
    std::uint32_t fewest = 64, most = 0;
    for (const proto::Chunk& chunk : chunks) {
      for (const Minibatch& minibatch : data.Read(chunk)) {
        fewest = std::min(fewest, minibatch.rows);
        most = std::max(most, minibatch.rows);
      }
    }
    EXPECT_LE(most, 64u);
    EXPECT_GE(fewest + 8, most);
  }
}

TEST(DatasetTest, ReadersOnSeveralThreadsDoNotDisturbOneAnother) {
  const TemporaryFolder folder;
  folder.Write("t", FileText(0));
  OpenedData data(ParseTestJob("data { format: DELIMITED train: 't' data_dir: '" + folder.path() +
                               "' delimited { label: 'y' comment: '#' column { name: 'y' } column { name: 'id' } "
                               "column { name: 'n' } } } feature { column: 'id' } train { batch_size: 16 }"));
  std::vector<ReadRow> expected[4], got[4];
  for (std::uint32_t i = 0; i < 4; ++i) expected[i] = data.ReadAll(proto::Chunk::TRAIN, i, 2);
  std::vector<std::thread> threads;
  for (std::uint32_t i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] { got[i] = data.ReadAll(proto::Chunk::TRAIN, i, 2); });
  }
  for (std::thread& thread : threads) thread.join();
  for (int i = 0; i < 4; ++i) EXPECT_EQ(got[i], expected[i]);
}

TEST(DatasetTest, GroupsAreThoseOfTheNamedColumn) {
  const TemporaryFolder folder;
  folder.Write("t", "1,u1,a\n0,u2,a\n1,u1,b\n");
  OpenedData data(
      ParseTestJob("data { format: DELIMITED train: 't' test: 't' data_dir: '" + folder.path() +
                   "' delimited { label: 'y' column { name: 'y' } column { name: 'user' } column { name: 'x' } } }"
                   "feature { column: 'x' } evaluation { group_by: 'user' }"));
  const auto test = data.Read(data.Chunks(proto::Chunk::TEST)[0]);
  ASSERT_EQ(test[0].groups.size(), 3u);
  EXPECT_EQ(test[0].groups[0], test[0].groups[2]);
  EXPECT_NE(test[0].groups[0], test[0].groups[1]);
  EXPECT_TRUE(data.Read(data.Chunks(proto::Chunk::TRAIN)[0])[0].groups.empty());
}

}  // namespace
}  // namespace sherd
