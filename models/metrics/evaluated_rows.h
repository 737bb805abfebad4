#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "models/metrics/auc.h"
#include "proto/job.pb.h"

namespace sherd {

// The rows of an evaluation with the groups that they belong to, users, say: so that figures can be had of any sample
// of the groups. 12 bytes a row, 80 a group. Thread-compatible.
class EvaluatedRows {
 public:
  explicit EvaluatedRows(proto::Model::Loss loss) : loss_(loss) {}

  // Like Quality::Add, which leaves out the same rows. Without groups each row is one. Groups are numbered in the order
  // in which they come.
  void Add(std::span<const float> scores, std::span<const float> labels, std::span<const float> weights,
           std::span<const std::uint64_t> groups);
  // After the last Add.
  void Sort();

  std::size_t rows() const { return rows_.size(); }
  std::size_t groups() const { return sums_.size(); }
  // Ascending by score, once sorted.
  std::span<const ScoredRow> scored() const { return rows_; }
  // The same rows with the same labels in the same groups, whatever their scores?
  bool SameRowsAs(const EvaluatedRows& other) const { return fingerprint_ == other.fingerprint_; }

  // Quality's figures with each group counted multiplicity[group] times: auc, gauc (with groups), log_loss, accuracy,
  // calibration; rmse; mae. Once sorted.
  std::map<std::string, double> Figures(std::span<const std::uint32_t> multiplicity) const;

 private:
  struct Sums {
    double weight = 0, log_loss = 0, correct = 0, predicted = 0, observed = 0, squared_error = 0, absolute_error = 0;
    double auc = 0, auc_weight = 0;  // within the group; weight 0: it has no pair
  };

  void AddRow(float score, float label, float weight, std::uint32_t group);
  std::uint32_t NumberOf(std::uint64_t group);
  void SumGroupAucs();

  const proto::Model::Loss loss_;
  bool binary_ = true, named_groups_ = false;
  std::vector<ScoredRow> rows_;
  std::vector<std::uint32_t> group_;  // [rows]
  std::vector<Sums> sums_;            // [groups]
  std::unordered_map<std::uint64_t, std::uint32_t> numbers_;
  std::uint64_t fingerprint_ = 0;
};

}  // namespace sherd
