#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "proto/checkpoint.pb.h"
#include "proto/job.pb.h"
#include "worker/data/epoch_order.h"

namespace sherd {

// The hash that names a row of a set. `place`: where it stands in the file; what that is is the format's.
constexpr std::uint64_t RowId(std::uint32_t file, std::uint64_t place) { return Mix(file, place); }
// Does data.eval_fraction take a training row out for evaluation?
constexpr bool IsEvalRow(std::uint64_t row_id, double fraction) {
  constexpr std::uint64_t kLane = 0x6576616c;  // keeps the choice apart from other uses of a row's hash
  return UnitDouble(Mix(row_id, kLane)) < fraction;
}

// Is a row with label 0 among those that data.negative_rate keeps?
constexpr bool IsSampled(std::uint64_t row_id, double negative_rate) {
  constexpr std::uint64_t kLane = 0x6e656761;
  return UnitDouble(Mix(row_id, kLane)) < negative_rate;
}

// Which rows of a chunk are read, and how, in any format of rows.
struct ChunkReading {
  proto::Chunk chunk;
  std::uint32_t epoch = 0;
  std::uint32_t first_minibatch = 0;
  std::uint32_t batch_size = 0;
  double negative_rate = 1;  // rows with label 0 that stay
  double max_bad_fraction = 1;
  bool predict = false;
};

// The orders of a file in memory: of its rows that are its own set's, and of those taken out of a training file for
// evaluation.
struct SplitOrders {
  std::unique_ptr<EpochOrder> own, split_off;
};

// Of which set the rows of a job's files are: with data.eval_fraction and no data.eval, some of the training files' are
// for evaluation. Immutable.
class RowSets {
 public:
  // `job` must stay.
  RowSets(const proto::Job& job, bool predict)
      : job_(job),
        predict_(predict),
        splits_(job.data().eval().empty() && job.data().eval_fraction() > 0 && !predict) {}

  // The set in whose files those of `set` are.
  proto::Chunk::Set FilesOf(proto::Chunk::Set set) const {
    return set == proto::Chunk::EVAL && splits_ ? proto::Chunk::TRAIN : set;
  }
  bool Shuffles(proto::Chunk::Set set) const { return set == proto::Chunk::TRAIN && !predict_; }
  // By a row's place in a file; null: all rows are the set's.
  std::function<bool(std::uint64_t)> RowsOf(proto::Chunk::Set set, std::uint32_t file) const {
    if (!splits_ || set == proto::Chunk::TEST) return nullptr;
    return [this, file, wanted = set == proto::Chunk::EVAL](std::uint64_t place) {
      return IsEvalRow(file, place) == wanted;
    };
  }
  // Of a file of a set's files with so many rows; place(i): that of row i.
  template <typename PlaceOf>
  SplitOrders OrdersOf(proto::Chunk::Set set, std::uint32_t file, std::uint64_t rows, const PlaceOf& place) const {
    std::vector<std::uint32_t> own, split_off;
    for (std::uint32_t row = 0; row < rows; ++row) {
      const bool eval = splits_ && set == proto::Chunk::TRAIN && IsEvalRow(file, place(row));
      (eval ? split_off : own).push_back(row);
    }
    const std::uint64_t seed = Mix(job_.train().seed(), file);
    return {std::make_unique<EpochOrder>(std::move(own), seed),
            std::make_unique<EpochOrder>(std::move(split_off), seed)};
  }
  // That of the set's own rows, or of those split off for it; null: the file is streamed.
  EpochOrder* OrderOf(const SplitOrders& orders, proto::Chunk::Set set) const {
    return (FilesOf(set) == set ? orders.own : orders.split_off).get();
  }
  ChunkReading ReadingOf(const proto::Chunk& chunk, std::uint32_t epoch, std::uint32_t first_minibatch) const {
    return {.chunk = chunk,
            .epoch = epoch,
            .first_minibatch = first_minibatch,
            .batch_size = job_.train().batch_size(),
            .negative_rate = Shuffles(chunk.set()) ? job_.data().negative_rate() : 1,
            .max_bad_fraction = job_.data().max_bad_fraction(),
            .predict = predict_};
  }

 private:
  bool IsEvalRow(std::uint32_t file, std::uint64_t place) const {
    return sherd::IsEvalRow(RowId(file, place), job_.data().eval_fraction());
  }

  const proto::Job& job_;
  const bool predict_, splits_;
};

}  // namespace sherd
