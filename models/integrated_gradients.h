#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/aligned_buffer.h"
#include "models/model.h"

namespace sherd {

// What each occurrence of a table's row adds to a row's score, by integrated gradients (Sundararajan, Taly and Yan
// 2017, equation 1). Of the occurrences' rows x, all segments, with the baseline of rows of zeros, and all other inputs
// as they are,
//
//   share_k = x_k . integral over a from 0 to 1 of the gradient of the score by x_k, at a x
//
// so that the shares of a row add up to its score less the baseline's. The integral is taken by Gauss and Legendre's
// rule of three points in each of n equal parts of [0, 1], where n is doubled until all rows' sums are within
// kTolerance, or is kMaxParts: a score that jumps along the way can not be taken apart so. Not for models whose
// occurrences are not the rows' own (Batch::neighbourhood), nor for those with several scores a row. Confined to one
// thread.
template <typename T>
class IntegratedGradients {
 public:
  static constexpr double kTolerance = 0.005;  // of the score less the baseline's
  static constexpr std::uint32_t kMaxParts = 256;

  // The batch's gradients are not touched; those of the model are of no use afterwards.
  void Explain(const Batch<T>& batch, Model<T>* model);

  // Of the last batch: [rows], [rows] and, by table, [occurrences].
  std::span<const T> scores() const { return scores_; }
  std::span<const T> baselines() const { return baselines_; }
  std::span<const double> shares(std::size_t table) const { return tables_[table].shares; }
  // [fields of all the batch's rows + 1]: the occurrences of (row, field), as in TableBatch::offset.
  std::span<const std::uint32_t> offsets(std::size_t table) const { return tables_[table].offsets; }

 private:
  // Each occurrence has a row of its own, so that its gradient is its own.
  struct Table {
    std::uint32_t floats = 0;  // of a row
    std::vector<const T*> from;
    std::vector<std::uint32_t> unique, offsets;
    AlignedBuffer<T> values, gradients;
    std::vector<const T*> rows;
    std::vector<T*> gradient_rows;
    std::vector<double> shares;
  };

  void Take(const Batch<T>& batch, const proto::ModelSpec& spec);
  std::span<const T> ScoresAt(T a, Model<T>* model);
  void AddShares(double weight);
  void Integrate(std::uint32_t parts, Model<T>* model);
  bool AddUp() const;

  Batch<T> batch_;
  std::vector<Table> tables_;
  std::vector<T> scores_, baselines_;
};

extern template class IntegratedGradients<float>;
extern template class IntegratedGradients<double>;

}  // namespace sherd
