#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>

#include "proto/wire.pb.h"
#include "scheduler/observer.h"

namespace sherd {

// Test-then-train figures of a job that follows new data, hour by hour: each row is predicted before it is trained on
// (progressive validation: A. Blum, A. Kalai, J. Langford 1999). Periods begin at whole multiples of their length, in
// Unix time. Thread-compatible.
class PeriodFigures {
 public:
  using Time = std::chrono::system_clock::time_point;

  explicit PeriodFigures(std::chrono::duration<double> length) : length_(length) {}

  // Rows that were reported now. Histograms have been checked (ProgressMeter).
  void Add(const proto::Progress& progress, Time now);
  // The period before, once `now` is in another one and there were rows in it.
  std::optional<PeriodReport> Finished(Time now);
  // What there is of the one that runs.
  std::optional<PeriodReport> Rest();

 private:
  static constexpr std::size_t kBins = 256;
  using Histogram = std::array<double, kBins>;

  double BeginOf(Time now) const;  // seconds of Unix time

  const std::chrono::duration<double> length_;
  double begin_ = 0;
  std::uint64_t rows_ = 0;
  double loss_sum_ = 0;
  Histogram positive_{}, negative_{};
};

}  // namespace sherd
