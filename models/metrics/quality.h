#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "models/metrics/auc.h"
#include "models/metrics/full_ranking.h"
#include "proto/job.pb.h"

namespace sherd {

// Sums over candidate lists, each ranked by score; a list's hit is its true item among the first K.
struct RankingSums {
  std::uint64_t lists = 0;
  double hit = 0;              // 1 when rank <= K
  double ndcg = 0;             // log(2) / log(1 + rank) when rank <= K
  double reciprocal_rank = 0;  // 1 / rank

  // Adds a list whose true item has `rank`, from 1.
  void Add(std::uint32_t rank, std::uint32_t at);
  RankingSums& operator+=(const RankingSums& other);
};

struct QualityOptions {
  proto::Model::Loss loss = proto::Model::LOG_LOSS;
  std::uint64_t exact_auc_rows = 100'000'000;
  std::uint32_t at = 10;                              // K of the rankings' names
  std::vector<std::uint32_t> full_ranking_at = {10};  // those of full rankings
};

// The figures of one evaluation over all of its rows, not a mean of means. Sums are taken in the order of the calls, in
// double, so the same rows in the same order give the same bits however they were computed. Memory: 8 bytes a row (24
// with groups) up to exact_auc_rows; once these are passed, a histogram of fixed size. Thread-compatible.
class Quality {
 public:
  explicit Quality(QualityOptions options) : options_(options), full_ranking_(options.full_ranking_at) {}

  // Rows: logits (squared error: predictions; cross entropy: classes), labels, and as many weights and groups, or none
  // of them (weight 1, no groups). A row whose score, label or weight is not finite or whose weight is negative is
  // counted and left out.
  void Add(std::span<const float> scores, std::span<const float> labels, std::span<const float> weights,
           std::span<const std::uint64_t> groups);
  void Add(const RankingSums& sums) { ranking_ += sums; }
  // The sums over the users of a full ranking that it has, if any.
  void AddFullRanking(const proto::EvalResult& result) { full_ranking_.Add(result); }

  std::uint64_t rows() const { return rows_; }
  std::uint64_t lists() const { return ranking_.lists; }
  std::uint64_t users() const { return full_ranking_.users(); }
  // Rows that were left out.
  std::uint64_t not_finite() const { return not_finite_; }

  // By name: "auc" or, by histogram, "auc" and "auc_error"; "group_auc", "gauc", "log_loss", "accuracy", "calibration"
  // (log loss); "rmse"; "mae" (squared error); "accuracy" alone (cross entropy); with lists "hr@K", "ndcg@K", "mrr";
  // those of FullRankingQuality. What is not defined for these rows (AUC of a single class, calibration without
  // positives) is absent. May be called more than once; sorts what it keeps.
  std::map<std::string, double> Figures();

 private:
  void AddRow(float score, float label, float weight);
  void KeepForAuc(ScoredRow row);
  void GoOverToHistogram();
  void ClassFigures(std::map<std::string, double>* figures);

  const QualityOptions options_;
  std::uint64_t rows_ = 0, not_finite_ = 0;
  double weight_ = 0, log_loss_ = 0, correct_ = 0, predicted_ = 0, observed_ = 0, squared_error_ = 0,
         absolute_error_ = 0;
  bool binary_ = true;  // all labels so far are 0 or 1
  std::vector<ScoredRow> scored_;
  std::vector<GroupedRow> grouped_;
  std::vector<LogitHistogram> histogram_;  // empty, or the one once the rows are too many
  RankingSums ranking_;
  FullRankingQuality full_ranking_;
};

// log(1 + exp(x)) without overflow: the log loss of logit x with label 0, of -x with label 1.
double SoftPlus(double x);
double Sigmoid(double x);

}  // namespace sherd
