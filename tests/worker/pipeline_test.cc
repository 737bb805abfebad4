#include "worker/pipeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "tests/worker/pipeline_rig.h"

namespace sherd {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::kBatch;
using testing::kDenseFloats;
using testing::kRowFloats;
using testing::Rig;
using testing::TinyDataset;
using testing::TinyModel;

// The same training in one loop: no unique keys, no shards, no messages.
struct PlainLoop {
  std::map<Key, std::vector<float>> rows[2];
  std::vector<float> dense = std::vector<float>(kDenseFloats);
  double loss = 0;

  void Step(std::uint64_t epoch, std::uint64_t begin, std::uint64_t end, float scale) {
    std::map<Key, std::vector<float>> gradients[2];
    std::map<std::uint64_t, float> dense_gradients;
    for (std::uint64_t i = begin; i < end; ++i) {
      const testing::TinyRow row = testing::MakeRow(epoch, i);
      float sum = dense[i % kDenseFloats];
      for (std::size_t k = 0; k < row.keys.size(); ++k) {
        const auto& w = rows[k == testing::kFields].try_emplace(row.keys[k], kRowFloats).first->second;
        sum += w[0] + w[1] * row.number;
      }
      const float error = sum - row.label;
      loss += 0.5 * error * error;
      dense_gradients[i % kDenseFloats] += error;
      for (std::size_t k = 0; k < row.keys.size(); ++k) {
        auto& g = gradients[k == testing::kFields].try_emplace(row.keys[k], kRowFloats).first->second;
        g[0] += error;
        g[1] += error * row.number;
      }
    }
    const float count = static_cast<float>(end - begin);
    for (int table = 0; table < 2; ++table) {
      for (const auto& [key, g] : gradients[table]) {
        for (std::size_t j = 0; j < kRowFloats; ++j) {
          rows[table][key][j] -= testing::kLearningRate * scale * (g[j] / count);
        }
      }
    }
    for (const auto& [i, g] : dense_gradients) dense[i] -= testing::kLearningRate * scale * (g / count);
  }
};

// Chunks of several sizes, an empty one, one that is gone on with in its middle, three epochs, with warm-up and decay.
TEST(PipelineTest, BspTrainsLikeAPlainLoop) {
  struct Chunk {
    std::uint64_t id, begin, end;
    std::uint32_t first_minibatch;
  };
  const std::vector<Chunk> chunks = {
      {0, 0, 100, 0}, {1, 100, 196, 0}, {3, 196, 196, 0}, {4, 196, 260, 2}, {7, 300, 307, 0}};
  for (std::uint32_t shards : {1, 3}) {
    Rig rig({.shards = shards,
             .max_in_flight = 8,
             .consistency = proto::Train::BSP,
             .warmup_clocks = 20,
             .epoch_factor = 0.25});
    PlainLoop loop;
    std::uint64_t rows = 0, clock = 0;
    std::vector<float> scales;
    proto::Progress progress;
    for (std::uint32_t epoch = 0; epoch < 3; ++epoch) {
      const std::uint64_t start_clock = clock += 10 * epoch;
      for (auto& shard : rig.shards) shard->BeginEpoch(start_clock);
      for (const Chunk& c : chunks) rig.Train(c.id, c.begin, c.end, c.first_minibatch, epoch, start_clock);
      ASSERT_TRUE(rig.EndEpoch(epoch, start_clock)) << rig.pipeline->status().text();
      for (const Chunk& c : chunks) {
        for (std::uint64_t i = c.begin + c.first_minibatch * kBatch; i < c.end; i += kBatch) {
          scales.push_back(static_cast<float>(0.5 * std::pow(0.25, epoch) * std::min(1.0, (clock + 1) / 20.0)));
          loop.Step(epoch, i, std::min<std::uint64_t>(i + kBatch, c.end), scales.back());
          rows += std::min<std::uint64_t>(i + kBatch, c.end) - i;
          ++clock;
        }
      }
      progress.MergeFrom(rig.pipeline->TakeProgress());
      for (const proto::ChunkPosition& position : progress.position()) EXPECT_TRUE(position.done());
      EXPECT_EQ(progress.clock(), clock);
      EXPECT_EQ(progress.position_size(), static_cast<int>(chunks.size()) * (epoch + 1));
      if (epoch == 0) {
        EXPECT_EQ(progress.rows(), rows);
        EXPECT_NEAR(progress.loss_sum(), loop.loss, 1e-9 * loop.loss);
        EXPECT_EQ(progress.position(3).minibatches(), 4u);
      }
    }
    rig.Stop();
    for (auto& shard : rig.shards) {
      EXPECT_EQ(shard->largest_lead, 0u);
      EXPECT_EQ(shard->applied_rows, rows);
      EXPECT_EQ(shard->scales, scales);
      EXPECT_TRUE(shard->retired);
    }
    for (int table = 0; table < 2; ++table) {
      for (const auto& [key, row] : loop.rows[table]) EXPECT_EQ(rig.Row(table, key), row) << table << " " << key;
    }
    EXPECT_EQ(rig.Dense(), loop.dense);
  }
}

TEST(PipelineTest, PullsRunAheadOfPushesByAtMostMaxInFlight) {
  Rig rig({.max_in_flight = 3});
  rig.Train(0, 0, 200 * kBatch);
  ASSERT_TRUE(rig.EndEpoch());
  const proto::Progress progress = rig.pipeline->TakeProgress();
  rig.Stop();
  std::uint64_t lead = 0;
  for (auto& shard : rig.shards) lead = std::max(lead, shard->largest_lead);
  EXPECT_LE(lead, 3u);
  EXPECT_GE(lead, 1u);  // else the network's latency is not hidden
  EXPECT_EQ(progress.staleness(), lead);
}

// Rows and dense weights by requests of their own are the same values.
TEST(PipelineTest, PullsDenseWeightsApart) {
  Rig rig({.dense = PsClient::Dense::kApart, .consistency = proto::Train::BSP});
  PlainLoop loop;
  rig.Train(0, 0, 20 * kBatch);
  ASSERT_TRUE(rig.EndEpoch()) << rig.pipeline->status().text();
  rig.Stop();
  for (std::uint64_t i = 0; i < 20; ++i) loop.Step(0, i * kBatch, (i + 1) * kBatch, 0.5f);
  for (int table = 0; table < 2; ++table) {
    for (const auto& [key, row] : loop.rows[table]) EXPECT_EQ(rig.Row(table, key), row);
  }
  EXPECT_EQ(rig.Dense(), loop.dense);
}

// What requests and answers are lost, every gradient arrives once.
TEST(PipelineTest, CountsAreExactOverALossyNetwork) {
  Rig rig({.shards = 2,
           .max_in_flight = 4,
           .gradient = TinyModel::Gradient::kCount,
           .faults = {.lost_requests = 0.1, .lost_replies = 0.1, .forgotten_keys = 0.2}});
  rig.Train(0, 0, 40 * kBatch);
  rig.Train(1, 1000, 1333);
  ASSERT_TRUE(rig.EndEpoch()) << rig.pipeline->status().text();
  const proto::Progress progress = rig.pipeline->TakeProgress();
  rig.Stop();
  std::map<Key, float> counts[2];
  std::vector<float> dense(kDenseFloats);
  const auto add = [&](std::uint64_t begin, std::uint64_t end) {
    for (std::uint64_t i = begin; i < end; ++i) {
      const testing::TinyRow row = testing::MakeRow(0, i);
      for (std::size_t k = 0; k < row.keys.size(); ++k) ++counts[k == testing::kFields][row.keys[k]];
      ++dense[i % kDenseFloats];
    }
  };
  add(0, 40 * kBatch);
  add(1000, 1333);
  for (int table = 0; table < 2; ++table) {
    for (const auto& [key, count] : counts[table])
      EXPECT_EQ(rig.Row(table, key), std::vector<float>(kRowFloats, count));
  }
  EXPECT_EQ(rig.Dense(), dense);
  EXPECT_EQ(progress.rows(), 40u * kBatch + 333);
  for (auto& shard : rig.shards) EXPECT_GT(shard->lost, 0u);
  for (auto& shard : rig.shards) EXPECT_GT(shard->forgotten, 0u);
}

// A lost worker's range: shard 0 has its minibatches 2 and 3, shard 1 those from 2 to 5; the range ends before 8.
TEST(PipelineTest, ALostWorkersMinibatchesGoWhereTheyAreMissing) {
  Rig rig({.shards = 2, .max_in_flight = 3, .gradient = TinyModel::Gradient::kCount});
  proto::Task task;
  task.set_kind(proto::Task::TRAIN);
  *task.mutable_chunk() = TinyDataset::MakeChunk(0, 0, 10 * kBatch);
  task.set_first_minibatch(2);
  task.set_end_minibatch(8);
  task.add_applied(4);
  task.add_applied(6);
  rig.pipeline->Add(task);
  ASSERT_TRUE(rig.EndEpoch()) << rig.pipeline->status().text();
  const proto::Progress progress = rig.pipeline->TakeProgress();
  rig.Stop();
  std::map<Key, float> counts[2];
  for (std::uint64_t i = 4 * kBatch; i < 8 * kBatch; ++i) {
    const testing::TinyRow row = testing::MakeRow(0, i);
    for (std::size_t k = 0; k < row.keys.size(); ++k) {
      if (i >= 6 * kBatch || ShardOf(row.keys[k], 2) == 0) ++counts[k == testing::kFields][row.keys[k]];
    }
  }
  for (int table = 0; table < 2; ++table) {
    std::size_t rows = 0;
    for (auto& shard : rig.shards) rows += shard->rows[table].size();
    EXPECT_EQ(rows, counts[table].size()) << "no shard got what it had";
    for (const auto& [key, count] : counts[table]) {
      EXPECT_EQ(rig.Row(table, key), std::vector<float>(kRowFloats, count));
    }
  }
  EXPECT_EQ(rig.shards[0]->applied_rows, 4 * kBatch);
  EXPECT_EQ(rig.shards[1]->applied_rows, 2 * kBatch);
  for (auto& shard : rig.shards) EXPECT_EQ(shard->pushes, 4u) << "empty ones keep sequence and clock";
  ASSERT_EQ(progress.position_size(), 1);
  EXPECT_EQ(progress.position(0).first_minibatch(), 2u);
  EXPECT_EQ(progress.position(0).minibatches(), 8u);
  EXPECT_TRUE(progress.position(0).done());
  EXPECT_EQ(progress.position(0).rows(), 6u * kBatch) << "those that all shards have count too";
  EXPECT_EQ(progress.position(0).repeated_rows(), 2u * kBatch);
  EXPECT_EQ(progress.rows(), 4u * kBatch);
}

proto::CutPosition TakeCutPosition(Rig* rig) {
  std::vector<Message> messages;
  EXPECT_TRUE(rig->WaitFor([&] {
    for (Message& message : rig->pipeline->TakeMessages()) messages.push_back(std::move(message));
    return !messages.empty();
  }));
  proto::CutPosition position;
  if (messages.size() != 1) {
    ADD_FAILURE() << messages.size() << " messages";
  } else {
    EXPECT_TRUE(ParseBody(messages[0], &position).ok());
  }
  return position;
}

std::uint64_t RowsOf(const proto::CutPosition& cut) {
  std::uint64_t rows = 0;
  for (const proto::ChunkPosition& position : cut.position()) {
    rows += std::min<std::uint64_t>(position.minibatches() * kBatch, position.chunk().end() - position.chunk().begin());
  }
  return rows;
}

proto::Command CutAt(std::uint32_t cut, std::uint64_t clock, bool any) {
  proto::Command command;
  command.set_cut(cut);
  command.set_cut_clock(clock);
  command.set_cut_any_clock(any);
  return command;
}

// Each push has the job's time as it was heard last, by a task or a command, and never an earlier one.
TEST(JobSecondsTest, PushesCarryTheTimeThatTheSchedulerSaid) {
  Rig rig({.consistency = proto::Train::BSP});
  proto::Command command;
  command.set_job_seconds(40);
  rig.pipeline->AskForCut(command);
  rig.Train(0, 0, kBatch);
  ASSERT_TRUE(rig.WaitFor([&] { return rig.pipeline->stand().idle; }));
  command.set_job_seconds(50);
  rig.pipeline->AskForCut(command);
  command.set_job_seconds(45);
  rig.pipeline->AskForCut(command);
  rig.Train(1, kBatch, 2 * kBatch);
  ASSERT_TRUE(rig.EndEpoch());
  rig.Stop();
  for (auto& shard : rig.shards) EXPECT_EQ(shard->seconds, (std::vector<std::uint32_t>{40, 50}));
}

TEST(CutTest, MarksExactlyAtTheClockThatBspAsksFor) {
  Rig rig({.consistency = proto::Train::BSP});
  rig.Train(0, 0, 20 * kBatch);
  rig.pipeline->AskForCut(CutAt(5, 700, false));
  ASSERT_TRUE(rig.WaitFor([&] { return rig.pipeline->stand().idle; }));
  rig.pipeline->AskForCut(CutAt(5, 700, false));  // each answer of the scheduler says so again
  EXPECT_TRUE(rig.pipeline->TakeMessages().empty());
  rig.Train(1, 5000, 5000 + 980 * kBatch);
  const proto::CutPosition cut = TakeCutPosition(&rig);
  ASSERT_TRUE(rig.EndEpoch());
  EXPECT_TRUE(rig.pipeline->TakeMessages().empty());
  rig.Stop();
  EXPECT_FALSE(cut.late());
  EXPECT_EQ(cut.clock(), 700u);
  EXPECT_EQ(RowsOf(cut), 700u * kBatch);
  for (auto& shard : rig.shards) {
    EXPECT_EQ(shard->clock_at_mark, (std::map<std::uint32_t, std::uint64_t>{{5, 700}}));
    EXPECT_EQ(shard->rows_at_mark[5], RowsOf(cut));
  }
}

TEST(CutTest, IsLateInBspWhenTheClockIsPast) {
  Rig rig({.consistency = proto::Train::BSP});
  rig.Train(0, 0, 50 * kBatch);
  ASSERT_TRUE(rig.WaitFor([&] { return rig.pipeline->stand().idle; }));
  rig.pipeline->AskForCut(CutAt(2, 10, false));
  const proto::CutPosition late = TakeCutPosition(&rig);
  EXPECT_TRUE(late.late());
  EXPECT_EQ(late.clock(), 50u);
  rig.pipeline->AskForCut(CutAt(2, 50, false));  // the scheduler may ask again for a later clock
  EXPECT_FALSE(TakeCutPosition(&rig).late());
  ASSERT_TRUE(rig.EndEpoch());
  rig.Stop();
  for (auto& shard : rig.shards) EXPECT_EQ(shard->clock_at_mark[2], 50u);
}

// Asynchronous: whenever the command comes, what the positions say is what stood before the mark on every shard.
TEST(CutTest, PositionsAreWhatWasPushedBeforeTheMark) {
  Rig rig({.max_in_flight = 4});
  rig.Train(0, 0, 300 * kBatch);
  rig.Train(1, 5000, 5000 + 33 * kBatch + 5);
  std::map<std::uint32_t, std::uint64_t> rows;
  for (std::uint32_t cut = 1; cut <= 4; ++cut) {
    rig.pipeline->AskForCut(CutAt(cut, 60 * cut, true));
    const proto::CutPosition position = TakeCutPosition(&rig);
    EXPECT_EQ(position.cut(), cut);
    EXPECT_EQ(position.position_size(), 2);
    rows[cut] = RowsOf(position);
  }
  ASSERT_TRUE(rig.EndEpoch());
  rig.Stop();
  for (auto& shard : rig.shards) EXPECT_EQ(shard->rows_at_mark, rows);
}

// Waiting for work is no reason to keep a cut waiting.
TEST(CutTest, IsAnsweredByAnIdleWorker) {
  Rig rig({});
  rig.Train(2, 0, 5 * kBatch);
  ASSERT_TRUE(rig.WaitFor([&] { return rig.pipeline->stand().idle; }));
  rig.pipeline->AskForCut(CutAt(1, 1000000, true));
  EXPECT_EQ(RowsOf(TakeCutPosition(&rig)), 5u * kBatch);
  ASSERT_TRUE(rig.EndEpoch());
  rig.Stop();
  for (auto& shard : rig.shards)
    EXPECT_EQ(shard->rows_at_mark, (std::map<std::uint32_t, std::uint64_t>{{1, 5 * kBatch}}));
}

// A cut may be asked for when the shards have begun an epoch and the worker does not know of it yet. What it then knows
// is the last epoch, where the same numbers name other chunks: it has to wait for its first task.
TEST(CutTest, OfAnEpochThatTheWorkerHasNotHeardOfWaitsForItsFirstTask) {
  Rig rig({});
  rig.Train(0, 0, 5 * kBatch);
  ASSERT_TRUE(rig.EndEpoch());
  rig.pipeline->AskForCut(CutAt(1, 0, true));
  for (auto& shard : rig.shards) shard->BeginEpoch(5);
  rig.Train(0, 0, 900 * kBatch, 0, 1, 5);
  const proto::CutPosition position = TakeCutPosition(&rig);
  ASSERT_EQ(position.position_size(), 1);
  EXPECT_FALSE(position.position(0).done());
  EXPECT_EQ(position.clock(), 5u + position.position(0).minibatches());
  ASSERT_TRUE(rig.EndEpoch(1, 5));
  rig.Stop();
  for (auto& shard : rig.shards) EXPECT_EQ(shard->clock_at_mark[1], position.clock());
}

// The scheduler takes a request back.
TEST(CutTest, ThatIsNoLongerAskedForIsNotMarked) {
  Rig rig({});
  rig.Train(0, 0, 5 * kBatch);
  rig.pipeline->AskForCut(CutAt(1, 30, false));
  rig.pipeline->AskForCut({});
  rig.Train(1, 0, 50 * kBatch);
  ASSERT_TRUE(rig.EndEpoch());
  EXPECT_TRUE(rig.pipeline->TakeMessages().empty());
}

TEST(PipelineTest, ALossThatIsNaNNamesItsRowsAndIsNotPushed) {
  Rig rig({.consistency = proto::Train::BSP, .nan_row = 5 * kBatch + 3});
  rig.Train(6, 0, 50 * kBatch);
  EXPECT_FALSE(rig.EndEpoch());
  EXPECT_THAT(rig.pipeline->status().text(), AllOf(HasSubstr("rows 80 to 95 of tiny.tsv"), HasSubstr("chunk 6"),
                                                   HasSubstr("minibatch 5"), HasSubstr("the sum"), HasSubstr("nan")));
  rig.Stop();
  for (auto& shard : rig.shards) EXPECT_EQ(shard->applied_rows, 5u * kBatch);
}

TEST(PipelineTest, ValuesThatAreTooShortAreAnErrorThatNamesTheShard) {
  Rig rig({.shards = 1, .faults = {.short_values = true}});
  rig.Train(0, 0, 2 * kBatch);
  EXPECT_FALSE(rig.EndEpoch());
  EXPECT_THAT(rig.pipeline->status().text(),
              AllOf(HasSubstr("pull of clock 0 to shard 0 at inproc://shard-0"), HasSubstr("bytes")));
}

// Evaluating gives the chunk's rows in order, and pushes nothing.
TEST(PipelineTest, EvaluationPullsAndNeverPushes) {
  Rig rig({});
  rig.Train(0, 0, 20 * kBatch);
  ASSERT_TRUE(rig.EndEpoch());
  proto::Task task;
  task.set_kind(proto::Task::EVALUATE);
  task.set_evaluation(9);
  *task.mutable_chunk() = TinyDataset::MakeChunk(1, 100, 100 + 10 * kBatch + 7);
  rig.pipeline->Add(task);
  std::vector<Message> messages;
  ASSERT_TRUE(rig.WaitFor([&] {
    for (Message& message : rig.pipeline->TakeMessages()) messages.push_back(std::move(message));
    return !messages.empty();
  }));
  rig.Stop();
  const auto scores = messages[0].frames[1].As<float>();
  const auto labels = messages[0].frames[2].As<float>();
  ASSERT_EQ(scores.size(), 10 * kBatch + 7);
  ASSERT_EQ(labels.size(), scores.size());
  const std::vector<float> dense = rig.Dense();
  for (std::uint64_t i = 0; i < scores.size(); ++i) {
    const testing::TinyRow row = testing::MakeRow(0, 100 + i);
    float expected = dense[100 + i];
    for (std::size_t k = 0; k < row.keys.size(); ++k) {
      const std::vector<float> w = rig.Row(k == testing::kFields, row.keys[k]);
      expected += w[0] + w[1] * row.number;
    }
    EXPECT_EQ(scores[i], expected);
    EXPECT_EQ(labels[i], row.label);
  }
  for (auto& shard : rig.shards) EXPECT_EQ(shard->pushes, 20u);
}

}  // namespace
}  // namespace sherd
