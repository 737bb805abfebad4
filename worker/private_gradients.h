#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/hash.h"
#include "models/model.h"
#include "proto/job.pb.h"

namespace sherd {

// Gradients that give little away of any one row (DP-SGD, Abadi et al. 2016, algorithm 1): each row's, over all tables'
// rows and the networks' weights together, is scaled down to a norm of at most clip_norm, and Gaussian noise of
// noise_multiplier * clip_norm is added to each element of their sum. Rows are gone through the model one by one.
// Confined to one thread.
class PrivateGradients {
 public:
  // The noise is a function of `seed` and of what Sum is told. `dp` must stay.
  PrivateGradients(const proto::DifferentialPrivacy* dp, std::uint64_t seed) : dp_(*dp), seed_(seed) {}

  // A minibatch whose tables' unique rows are all those that training knows, whether its rows look them up or not:
  // noise on those that they look up alone would tell which these are.
  struct Keys {
    std::span<const Key> unique;   // of each of the table's unique rows
    std::uint32_t row_floats = 0;  // of one, all segments
  };
  // Fills the gradients of the batch's tables and those of the model. `name`: of the minibatch, unlike any other.
  void Sum(const Batch<float>& batch, std::span<const Keys> keys, std::uint64_t name, Model<float>* model);

 private:
  // A table's part of one row: its occurrences, of which equal ones are one unique row.
  struct OneRow {
    std::vector<std::uint32_t> unique, offset;
    std::vector<std::uint32_t> rows;   // of the batch, by unique row of this one
    std::vector<std::uint32_t> place;  // by the batch's: where it is in `rows`, or kNone
    std::vector<const float*> values;  // by unique row
    std::vector<float*> gradients;     // the same, in `memory`
    AlignedBuffer<float> memory;
  };

  void Take(const Batch<float>& batch, std::uint32_t r, std::span<const Keys> keys);
  void TakeTable(const TableBatch<float>& table, std::uint32_t rows, std::uint32_t r, std::uint32_t floats,
                 OneRow* row);
  // What this row's gradient is multiplied by.
  float Scale(std::span<const Keys> keys, std::span<const float> dense) const;
  void Add(const Batch<float>& batch, std::span<const Keys> keys, std::span<const float> dense);
  void AddNoise(std::uint64_t name, std::span<float> values) const;

  const proto::DifferentialPrivacy& dp_;
  const std::uint64_t seed_;
  std::vector<OneRow> tables_;
  Batch<float> one_;
  std::vector<float> dense_;  // the sum so far
};

}  // namespace sherd
