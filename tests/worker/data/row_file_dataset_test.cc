#include "worker/data/row_file_dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <thread>

#include "tests/worker/data/data_testing.h"
#include "tests/worker/data/row_file_testing.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;

constexpr int kRows = 3000;

constexpr char kColumns[] =
    "delimited { label: 'y' weight: 'w' column { name: 'y' } column { name: 'w' type: FLOAT } column { name: 'id' } "
    "column { name: 'few' } column { name: 'list' } column { name: 'n' type: INTEGER } column { name: 'x' type: FLOAT "
    "} "
    "column { name: 'd' type: FLOAT } }";
// Every kind of feature, in tables with and without lists.
constexpr char kFeatures[] =
    "feature { column: 'id' } feature { column: 'few' } feature { column: 'n' number {} } "
    "feature { name: 'n_log' column: 'n' number { transform: LOG missing: -2 } } "
    "feature { name: 'n_bucket' column: 'n' bucket {} } feature { name: 'x_bucket' column: 'x' bucket { quantiles: 7 } "
    "} "
    "feature { column: 'x' number { transform: MIN_MAX } } feature { column: 'd' number { transform: NONE } } "
    "feature { name: 'both' cross { feature: 'few' feature: 'n_bucket' } } "
    "feature { column: 'list' table: 'lists' categorical { separator: '|' pooling: MEAN } } "
    "feature { name: 'd_bucket' column: 'd' table: 'lists' bucket { edge: 0 edge: 1 } } ";

std::string Text(int file, int rows = kRows) {
  TestRandom random(file + 1);
  std::string text;
  for (int i = 0; i < rows; ++i) {
    text += std::to_string(random.Next(4) == 0) + "," + std::to_string(random.Next(3)) + ".5,";
    text +=
        std::to_string(file) + "-" + std::to_string(i) + "," + (random.Next(5) ? std::to_string(random.Next(9)) : "");
    text += ",";
    for (std::uint32_t tokens = random.Next(4); tokens > 0; --tokens) {
      text += std::to_string(random.Next(50)) + (tokens > 1 ? "|" : "");
    }
    text += "," + (random.Next(6) ? std::to_string(static_cast<int>(random.Next(100000)) - 1000) : "");
    text += "," + (random.Next(6) ? std::to_string(random.Next(1000)) + ".25" : "") + ",";
    text += random.Next(6) ? std::to_string(random.Next(1000)) + ".1" : "";
    text += "\n";
  }
  return text;
}

enum class Storage { kKeys, kTokens };
enum class Memory { kNone, kAll, kFirst };

class RowFiles : public ::testing::TestWithParam<std::tuple<Storage, Memory>> {
 protected:
  RowFiles() {
    for (int f = 0; f < 2; ++f) {
      folder_.Write("text-" + std::to_string(f), Text(f));
      const proto::Job job = TextJob();
      WriteRowFile(job, "text-" + std::to_string(f), folder_.path() + "/rows-" + std::to_string(f),
                   SchemaOf(job, keys()), {.block_rows = 100, .zstd_level = 1, .sources = {}});
    }
  }

  bool keys() const { return std::get<0>(GetParam()) == Storage::kKeys; }

  proto::Job TextJob(const std::string& more_data = "", int seed = 1) const {
    return ParseTestJob("data { format: DELIMITED train: 'text-*' data_dir: '" + folder_.path() + "' " + kColumns +
                        more_data + " } " + kFeatures + "train { batch_size: 32 seed: " + std::to_string(seed) + " }");
  }
  proto::Job Job(const std::string& more_data = "", int seed = 1) const {
    proto::Job job = OnRowFiles(TextJob(more_data, seed));
    job.mutable_data()->set_train(0, "rows-*");
    std::uint64_t room = 1 << 28;
    if (std::get<1>(GetParam()) == Memory::kNone) room = 0;
    if (std::get<1>(GetParam()) == Memory::kFirst) room = BytesInMemory("rows-0");
    job.mutable_data()->set_in_memory_bytes(room);
    return job;
  }
  std::uint64_t BytesInMemory(const std::string& name) const {
    const auto file = RowFile::Open(folder_.path() + "/" + name).value();
    std::uint64_t bytes = 8 * file->rows();
    for (std::uint32_t i = 0; i < file->blocks(); ++i) bytes += file->block(i).payload_bytes;
    return bytes;
  }

  // A row without its place in its file.
  static ReadRow Anonymous(ReadRow row) {
    row.id = 0;
    return row;
  }
  static std::vector<Key> IdsOf(const std::vector<ReadRow>& rows) {
    std::vector<Key> ids;
    for (const ReadRow& row : rows) ids.push_back(row.keys[0][0][0]);
    return ids;
  }
  static std::vector<Key> Sorted(std::vector<Key> keys) {
    std::sort(keys.begin(), keys.end());
    return keys;
  }
  static std::vector<Key> AllIds() {
    std::vector<Key> ids;
    for (int f = 0; f < 2; ++f) {
      for (int i = 0; i < kRows; ++i) {
        ids.push_back(HashBytes(std::to_string(f) + "-" + std::to_string(i), HashBytes("id")));
      }
    }
    return ids;
  }

  TemporaryFolder folder_;
};

TEST_P(RowFiles, RowsAreThoseOfTheTextBitForBit) {
  OpenedData text(TextJob()), rows(Job());
  ASSERT_EQ(text->ComputeStatistics().value().SerializeAsString().size(),
            rows->ComputeStatistics().value().SerializeAsString().size());
  std::map<Key, ReadRow> by_id;
  for (const ReadRow& row : text.ReadAll(proto::Chunk::TRAIN)) by_id[row.keys[0][0][0]] = Anonymous(row);
  std::size_t count = 0;
  for (const ReadRow& row : rows.ReadAll(proto::Chunk::TRAIN)) {
    ASSERT_EQ(Anonymous(row), by_id[row.keys[0][0][0]]);
    ++count;
  }
  EXPECT_EQ(count, 2u * kRows);
}

TEST_P(RowFiles, WeightsOfRowsAreThoseOfTheText) {
  proto::Job on_text = TextJob("test: 'text-0'"), on_rows = Job("test: 'rows-0'");
  OpenedData text(on_text), rows(on_rows);
  std::vector<float> expected, got;
  for (const auto& [data, weights] : {std::pair(&text, &expected), std::pair(&rows, &got)}) {
    for (const proto::Chunk& chunk : data->Chunks(proto::Chunk::TEST)) {
      for (const Minibatch& one : data->Read(chunk)) {
        EXPECT_EQ(one.weights.size(), one.rows);
        weights->insert(weights->end(), one.weights.begin(), one.weights.end());
      }
    }
  }
  EXPECT_EQ(got, expected);
  EXPECT_EQ(got.size(), std::size_t{kRows});
}

TEST_P(RowFiles, EachEpochHasEveryRowOnceForAnyNumberOfWorkers) {
  OpenedData data(Job());
  for (const std::uint32_t workers : {1, 2, 3, 5}) {
    const std::vector<ReadRow> rows = data.ReadAll(proto::Chunk::TRAIN, workers, workers);
    EXPECT_EQ(Sorted(IdsOf(rows)), Sorted(AllIds()));
    std::set<std::uint64_t> ids;
    for (const ReadRow& row : rows) ids.insert(row.id);
    EXPECT_EQ(ids.size(), rows.size());
  }
  EXPECT_EQ(data->counts().rows, 4u * 2 * kRows);
  EXPECT_EQ(data->counts().bad_rows, 0u);
}

TEST_P(RowFiles, TheSameChunkGivesTheSameMinibatchesAndAnyTailOfThem) {
  OpenedData data(Job("negative_rate: 0.5")), again(Job("negative_rate: 0.5"));
  for (const proto::Chunk& chunk : data.Chunks(proto::Chunk::TRAIN, 3, 2)) {
    const std::vector<Minibatch> all = data.Read(chunk, 3);
    for (std::uint32_t first = 0; first <= all.size(); ++first) {
      const std::vector<Minibatch> tail = again.Read(chunk, 3, first);
      ASSERT_EQ(tail.size(), all.size() - first);
      for (std::size_t i = 0; i < tail.size(); ++i) {
        ASSERT_EQ(RowsOf(tail[i], again.layout()), RowsOf(all[first + i], data.layout()));
        EXPECT_EQ(tail[i].first_source, all[first + i].first_source);
      }
    }
  }
}

TEST_P(RowFiles, EpochsAndSeedsDifferInTheirOrder) {
  OpenedData data(Job()), other(Job("", 2));
  const auto first = IdsOf(data.ReadAll(proto::Chunk::TRAIN, 0)), second = IdsOf(data.ReadAll(proto::Chunk::TRAIN, 1));
  EXPECT_NE(first, second);
  EXPECT_NE(first, IdsOf(other.ReadAll(proto::Chunk::TRAIN, 0)));
}

// The rows of a minibatch are those of any part of its chunk.
TEST_P(RowFiles, MinibatchesAreMixtures) {
  OpenedData data(Job());
  int mixed = 0, all = 0;
  for (const proto::Chunk& chunk : data.Chunks(proto::Chunk::TRAIN)) {
    const std::uint64_t rows = chunk.end() - chunk.begin();
    for (const Minibatch& one : data.Read(chunk)) {
      mixed += one.last_source - one.first_source > rows / 2;
      ++all;
    }
  }
  EXPECT_GT(mixed, 0.9 * all);
}

TEST_P(RowFiles, EvaluationRowsAreLeftOutOfTrainingAlways) {
  OpenedData data(Job("eval_fraction: 0.2")), other_seed(Job("eval_fraction: 0.2", 9));
  const auto eval = IdsOf(data.ReadAll(proto::Chunk::EVAL));
  EXPECT_NEAR(eval.size(), 0.2 * 2 * kRows, 150);
  EXPECT_EQ(eval, IdsOf(data.ReadAll(proto::Chunk::EVAL, 5, 3)));
  EXPECT_EQ(eval, IdsOf(other_seed.ReadAll(proto::Chunk::EVAL)));
  auto both = IdsOf(data.ReadAll(proto::Chunk::TRAIN));
  both.insert(both.end(), eval.begin(), eval.end());
  EXPECT_EQ(Sorted(both), Sorted(AllIds()));
}

TEST_P(RowFiles, NegativesAreSampledInTrainingOnly) {
  OpenedData data(Job("negative_rate: 0.25 test: 'rows-0'")), full(Job());
  const auto positive = [](const ReadRow& row) { return row.label == 1; };
  const auto all = full.ReadAll(proto::Chunk::TRAIN), rows = data.ReadAll(proto::Chunk::TRAIN, 0);
  const auto positives = std::count_if(all.begin(), all.end(), positive);
  EXPECT_EQ(std::count_if(rows.begin(), rows.end(), positive), positives);
  EXPECT_NEAR(rows.size() - positives, 0.25 * (all.size() - positives), 150);
  EXPECT_EQ(Sorted(IdsOf(data.ReadAll(proto::Chunk::TRAIN, 1, 2))), Sorted(IdsOf(rows)));
  EXPECT_EQ(data.ReadAll(proto::Chunk::TEST).size(), std::size_t{kRows});
  EXPECT_EQ(data->counts().rows, 2u * 2 * kRows + kRows);
}

TEST_P(RowFiles, PredictingGivesEveryRowItsPlace) {
  OpenedData data(Job("test: 'rows-0'"), {.predict = true});
  std::vector<ReadRow> rows;
  for (const proto::Chunk& chunk : data.Chunks(proto::Chunk::TEST)) {
    std::uint32_t next = 0;
    for (const Minibatch& minibatch : data.Read(chunk)) {
      for (const std::uint32_t row : minibatch.source_rows) EXPECT_EQ(row, next++);
      EXPECT_EQ(minibatch.source_rows_read, next);
      for (ReadRow& row : RowsOf(minibatch, data.layout())) rows.push_back(std::move(row));
    }
    EXPECT_EQ(next, chunk.end() - chunk.begin());
  }
  std::vector<Key> first_file = AllIds();
  first_file.resize(kRows);
  EXPECT_EQ(IdsOf(rows), first_file);
  EXPECT_EQ(IdsOf(data.ReadAll(proto::Chunk::TRAIN)), AllIds());  // nothing is shuffled
}

TEST_P(RowFiles, ReadersOnSeveralThreadsDoNotDisturbOneAnother) {
  OpenedData data(Job());
  std::vector<ReadRow> expected[3], got[3];
  for (std::uint32_t i = 0; i < 3; ++i) expected[i] = data.ReadAll(proto::Chunk::TRAIN, i, 2);
  std::vector<std::thread> threads;
  for (std::uint32_t i = 0; i < 3; ++i) {
    threads.emplace_back([&, i] { got[i] = data.ReadAll(proto::Chunk::TRAIN, i, 2); });
  }
  for (std::thread& thread : threads) thread.join();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(got[i], expected[i]);
}

TEST_P(RowFiles, CheckingReadsTheFirstRows) {
  OpenedData data(Job());
  data->SetStatistics({});  // a check does not pass over all rows to know them
  const Status status = data->CheckFirstRows(50);
  EXPECT_TRUE(status.ok()) << status.text();
  EXPECT_EQ(data->counts().rows, 50u);
}

INSTANTIATE_TEST_SUITE_P(Ways, RowFiles,
                         ::testing::Combine(::testing::Values(Storage::kKeys, Storage::kTokens),
                                            ::testing::Values(Memory::kNone, Memory::kAll, Memory::kFirst)));

class RowFileTest : public ::testing::Test {
 protected:
  proto::Job TextJob(const std::string& features, const std::string& more = "") const {
    return ParseTestJob("data { format: DELIMITED data_dir: '" + folder_.path() + "' " + kColumns + " } " + features +
                        " train { batch_size: 32 } " + more);
  }
  // Converts by the first features, opens with the second.
  Status Refusal(const std::string& converted, const std::string& wanted, bool keys = true) const {
    folder_.Write("t", Text(0, 50));
    const proto::Job job = TextJob(converted);
    WriteRowFile(job, "t", folder_.path() + "/rows", SchemaOf(job, keys));
    proto::Job on_rows = OnRowFiles(TextJob(wanted));
    on_rows.mutable_data()->add_test("rows");
    const FeatureLayout layout = FeatureLayout::Make(on_rows).value();
    const auto dataset = Dataset::Open(on_rows, layout, {});
    if (!dataset.ok()) return dataset.status();
    const auto chunks = (*dataset)->Chunks(proto::Chunk::TEST, 0, 1).value();
    return (*dataset)->Read(chunks[0], 0, 0).status();
  }
  TemporaryFolder folder_;
};

// So a job gives the same model, bit for bit, on text and on row files.
TEST_F(RowFileTest, InMemoryMinibatchesAreThoseOfTheText) {
  folder_.Write("text", Text(0));
  proto::Job job = TextJob(kFeatures);
  WriteRowFile(job, "text", folder_.path() + "/rows", SchemaOf(job, true),
               {.block_rows = 128, .zstd_level = 1, .sources = {}});
  proto::Job on_rows = OnRowFiles(job);
  job.mutable_data()->add_train("text");
  on_rows.mutable_data()->add_train("rows");
  OpenedData text(job), rows(on_rows);
  const auto expected = text.Chunks(proto::Chunk::TRAIN, 1, 3), got = rows.Chunks(proto::Chunk::TRAIN, 1, 3);
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t c = 0; c < got.size(); ++c) {
    const auto from_text = text.Read(expected[c], 1), from_rows = rows.Read(got[c], 1);
    ASSERT_EQ(from_rows.size(), from_text.size());
    for (std::size_t m = 0; m < from_rows.size(); ++m) {
      EXPECT_EQ(from_rows[m].labels, from_text[m].labels);
      EXPECT_EQ(from_rows[m].numbers, from_text[m].numbers);
      for (std::size_t t = 0; t < from_rows[m].tables.size(); ++t) {
        EXPECT_EQ(from_rows[m].tables[t].keys, from_text[m].tables[t].keys);
        EXPECT_EQ(from_rows[m].tables[t].offsets, from_text[m].tables[t].offsets);
        EXPECT_EQ(from_rows[m].tables[t].weights, from_text[m].tables[t].weights);
      }
    }
  }
}

TEST_F(RowFileTest, LibsvmRowsAreThoseOfTheText) {
  folder_.Write("t", "1 3:0.5 7:1\n0\n1 abc:2 9:1.25 9:1\n");
  for (const std::string pooling : {"SUM", "MEAN"}) {
    for (const bool keys : {false, true}) {
      proto::Job job = ParseTestJob("data { format: LIBSVM data_dir: '" + folder_.path() +
                                    "' } feature { column: 'features' categorical { pooling: " + pooling + " } }");
      WriteRowFile(job, "t", folder_.path() + "/rows", SchemaOf(job, keys));
      proto::Job on_rows = OnRowFiles(job);
      job.mutable_data()->add_test("t");
      on_rows.mutable_data()->add_test("rows");
      OpenedData text(job), rows(on_rows);
      auto expected = text.ReadAll(proto::Chunk::TEST), got = rows.ReadAll(proto::Chunk::TEST);
      ASSERT_EQ(got.size(), 3u);
      for (int i = 0; i < 3; ++i) got[i].id = expected[i].id;
      EXPECT_EQ(got, expected);
    }
  }
}

TEST_F(RowFileTest, NamedLibsvmColumnsKeepTheirValues) {
  folder_.Write("t", "1 3:0.5 7:1\n0 4:1 8:2\n");
  proto::Job job = ParseTestJob("data { format: LIBSVM data_dir: '" + folder_.path() +
                                "' libsvm { column: 'a' column: 'b' } } "
                                "feature { column: 'a' categorical { token_is_key: true } } feature { column: 'b' }");
  WriteRowFile(job, "t", folder_.path() + "/rows", SchemaOf(job, true));
  proto::Job on_rows = OnRowFiles(job);
  job.mutable_data()->add_test("t");
  on_rows.mutable_data()->add_test("rows");
  OpenedData text(job), rows(on_rows);
  auto expected = text.ReadAll(proto::Chunk::TEST), got = rows.ReadAll(proto::Chunk::TEST);
  ASSERT_EQ(got.size(), 2u);
  for (int i = 0; i < 2; ++i) got[i].id = expected[i].id;
  EXPECT_EQ(got, expected);
  EXPECT_EQ(got[0].keys[0][0][0], 3u);
  EXPECT_EQ(got[0].weights[0][0][0], 0.5f);
}

TEST_F(RowFileTest, FeaturesThatTheFileCannotMakeAreRefused) {
  const std::string id = "feature { column: 'id' }";
  EXPECT_THAT(Refusal(id, "feature { name: 'me' column: 'id' }").text(), HasSubstr("name the feature \"id\""));
  EXPECT_TRUE(Refusal(id, "feature { name: 'me' column: 'id' }", false).ok());
  EXPECT_THAT(Refusal(id, "feature { column: 'id' categorical { token_is_key: true } }").text(),
              HasSubstr("without token_is_key"));
  EXPECT_THAT(Refusal(id, "feature { column: 'id' categorical { separator: '|' } }").text(), HasSubstr("was not cut"));
  const std::string list = "feature { column: 'list' categorical { separator: '|' } }";
  EXPECT_THAT(Refusal(list, "feature { column: 'list' }").text(), HasSubstr("was cut at \"|\""));
  EXPECT_THAT(Refusal(list, "feature { column: 'list' categorical { separator: ';' } }").text(),
              HasSubstr("was cut at \"|\""));
  EXPECT_THAT(Refusal(id, "feature { column: 'few' }").text(), HasSubstr("no column \"few\""));
  EXPECT_THAT(Refusal(id, "feature { column: 'id' bucket {} }").text(), HasSubstr("feature id"));
  const std::string n = "feature { column: 'n' bucket {} }";
  EXPECT_THAT(Refusal(n, "feature { column: 'n' }").text(), HasSubstr("convert the column as TOKEN"));
}

TEST_F(RowFileTest, FilesOfDifferentColumnsAreRefused) {
  folder_.Write("t", Text(0, 50));
  const proto::Job one = TextJob("feature { column: 'id' }"),
                   other = TextJob("feature { column: 'id' } feature { column: 'few' }");
  WriteRowFile(one, "t", folder_.path() + "/a", SchemaOf(one, true));
  WriteRowFile(other, "t", folder_.path() + "/b", SchemaOf(other, true));
  proto::Job job = OnRowFiles(one);
  job.mutable_data()->add_train("a");
  job.mutable_data()->add_test("b");
  const Status status = OpenError(job);
  EXPECT_THAT(status.text(), HasSubstr("/b: has not the same columns as "));
  EXPECT_THAT(status.text(), HasSubstr("column few"));
}

TEST_F(RowFileTest, TheFormatOfTheJobMustBeThatOfTheFile) {
  folder_.Write("t", Text(0, 50));
  proto::Job job = TextJob("feature { column: 'id' }");
  WriteRowFile(job, "t", folder_.path() + "/rows", SchemaOf(job, true));
  job.mutable_data()->add_train("rows");
  EXPECT_THAT(OpenError(job).text(), HasSubstr("/rows: this is a row file; set data.format: ROW_FILE"));
  proto::Job on_rows = OnRowFiles(job);
  on_rows.mutable_data()->set_train(0, "t");
  EXPECT_THAT(OpenError(on_rows).text(), HasSubstr("/t: not a row file"));
}

TEST_F(RowFileTest, RowsWhoseLabelsDoNotFitTheLossAreBad) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += std::to_string(i % 10 == 0 ? 3 : i % 3 - 1) + ",1,a,b,,1,1,1\n";
  folder_.Write("t", text);
  proto::Job job = TextJob("feature { column: 'id' }", "model { name: 'lr' loss: SQUARED_ERROR }");
  WriteRowFile(job, "t", folder_.path() + "/rows", SchemaOf(job, true));
  job = OnRowFiles(job);
  job.mutable_data()->add_test("rows");
  OpenedData squared(job);
  EXPECT_EQ(squared.ReadAll(proto::Chunk::TEST).size(), 100u);
  job.mutable_model()->set_loss(proto::Model::LOG_LOSS);
  OpenedData logistic(job);
  const auto rows = logistic.ReadAll(proto::Chunk::TEST);
  EXPECT_EQ(rows.size(), 90u);
  for (const ReadRow& row : rows) EXPECT_TRUE(row.label == 0 || row.label == 1);
  const ReadCounts counts = logistic->counts();
  EXPECT_EQ(counts.rows, 100u);
  EXPECT_EQ(counts.bad_rows, 10u);
  ASSERT_EQ(counts.kinds.size(), 1u);
  EXPECT_THAT(counts.kinds[0].where(), HasSubstr("/rows: row 1: column label"));
}

TEST_F(RowFileTest, GroupsTellWhatTheColumnTells) {
  folder_.Write("t", "1,1,u1,a,,1,1,1\n0,1,u2,a,,1,1,1\n1,1,u1,b,,1,1,1\n");
  for (const bool keys : {false, true}) {
    proto::Job job = TextJob("feature { column: 'few' }", "evaluation { group_by: 'id' }");
    WriteRowFile(job, "t", folder_.path() + "/rows", SchemaOf(job, keys));
    job = OnRowFiles(job);
    job.mutable_data()->add_test("rows");
    job.mutable_data()->add_train("rows");
    OpenedData data(job);
    const auto test = data.Read(data.Chunks(proto::Chunk::TEST)[0]);
    ASSERT_EQ(test[0].groups.size(), 3u);
    EXPECT_EQ(test[0].groups[0], test[0].groups[2]);
    EXPECT_NE(test[0].groups[0], test[0].groups[1]);
    EXPECT_TRUE(data.Read(data.Chunks(proto::Chunk::TRAIN)[0])[0].groups.empty());
  }
}

TEST_F(RowFileTest, NoTrainingMinibatchIsLeftWithAFewRows) {
  folder_.Write("t", Text(0, 3203));  // a last block of 3 rows
  proto::Job job = TextJob("feature { column: 'id' }");
  WriteRowFile(job, "t", folder_.path() + "/rows", SchemaOf(job, true),
               {.block_rows = 100, .zstd_level = 1, .sources = {}});
  job = OnRowFiles(job);
  job.mutable_data()->add_train("rows");
  job.mutable_data()->set_in_memory_bytes(0);
  OpenedData data(job);
  for (const std::uint32_t workers : {1, 2, 7, 1000}) {
    std::uint32_t fewest = 32, most = 0;
    const auto chunks = data.Chunks(proto::Chunk::TRAIN, 0, workers);
    EXPECT_GE(chunks.size(), std::min(8 * workers, 32u));
    for (const proto::Chunk& chunk : chunks) {
      for (const Minibatch& minibatch : data.Read(chunk)) {
        fewest = std::min(fewest, minibatch.rows);
        most = std::max(most, minibatch.rows);
      }
    }
    EXPECT_LE(most, 32u);
    EXPECT_GE(fewest, 24u);
  }
}

TEST_F(RowFileTest, ChunksOfOtherFilesAreRefused) {
  folder_.Write("t", Text(0, 500));
  proto::Job job = TextJob("feature { column: 'id' }");
  WriteRowFile(job, "t", folder_.path() + "/rows", SchemaOf(job, true),
               {.block_rows = 100, .zstd_level = 1, .sources = {}});
  job = OnRowFiles(job);
  job.mutable_data()->add_train("rows");
  job.mutable_data()->set_in_memory_bytes(0);
  OpenedData data(job);
  const proto::Chunk good = data.Chunks(proto::Chunk::TRAIN)[0];
  EXPECT_TRUE(data->Read(good, 0, 0).ok());
  for (const auto& spoil : std::vector<std::function<void(proto::Chunk*)>>{
           [](auto* chunk) { chunk->set_begin(chunk->begin() + 1); }, [](auto* chunk) { chunk->set_end(600); },
           [](auto* chunk) { chunk->set_end(chunk->end() + 1); }, [](auto* chunk) { chunk->set_file(1); },
           [](auto* chunk) { chunk->set_in_memory(true); }}) {
    proto::Chunk chunk = good;
    spoil(&chunk);
    EXPECT_FALSE(data->Read(chunk, 0, 0).ok());
  }
}

}  // namespace
}  // namespace sherd
