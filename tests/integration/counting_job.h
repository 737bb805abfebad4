#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/status.h"
#include "tests/integration/job_run.h"

namespace sherd {

// A job whose weights count. Its rows are all of label 0 and its rates so small that every prediction stays a half, so
// that each row moves the weight of each of its keys by the same step: in an asynchronous run, where a step is divided
// by the rows of its minibatch, and with chunks of whole minibatches.
class CountingJob {
 public:
  static constexpr std::uint32_t kBatch = 32;
  struct Shape {
    std::uint32_t files = 100;
    std::uint32_t rows = 3200;          // of a file; chunks and minibatches of equal length are made of them
    std::uint32_t bad_every = 0;        // each so-many-th line of a file is malformed, and no row; 0: none
    std::uint64_t in_memory = 1 << 28;  // bytes of a file that is not streamed
  };
  explicit CountingJob(Shape shape);

  TestJob& test() { return test_; }
  proto::Job& job() { return test_.job(); }
  std::uint64_t good_rows() const { return good_; }
  std::uint64_t bad_rows() const { return bad_; }

  // How many weights of the newest checkpoint have counted what they should, in so many epochs: each of a row's own
  // tokens once an epoch, each file's token its rows. "" when all have; else what is wrong.
  std::string WrongCounts(std::uint32_t epochs) const;
  // How many steps of weights the newest checkpoint lacks of one epoch: each of a row's own tokens is stepped once, a
  // file's token once a minibatch. Nothing: one was stepped too often, or there is no checkpoint.
  std::optional<std::uint64_t> MissingUpdates() const;

 private:
  void WriteData();
  // By what they have counted.
  Result<std::map<double, std::uint64_t>> WeightsByCount() const;

  const Shape shape_;
  TestJob test_;
  std::uint64_t good_ = 0, bad_ = 0;
};

// Sums over all files of the metrics file's first "epoch" event.
struct EpochAccounts {
  std::uint64_t files = 0, read = 0, trained = 0, bad = 0, repeated = 0;
  double seconds = 0;
};
EpochAccounts AccountsOf(const std::string& metrics_file, int epoch = 1);

// Waits until events of this name stand in the metrics file so many times. False: they did not within `seconds`.
bool WaitForEvent(const std::string& metrics_file, const std::string& event, double seconds, int times = 1);

}  // namespace sherd
