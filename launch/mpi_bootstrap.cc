#include "launch/mpi_bootstrap.h"

// The C++ bindings were taken out of MPI long ago, and need a library of their own.
#ifndef OMPI_SKIP_MPICXX
#define OMPI_SKIP_MPICXX
#endif
#include <mpi.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <numeric>
#include <thread>
#include <utility>

#include "launch/start_watch.h"

namespace sherd {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr double kPatienceSeconds = 60;  // with MPI itself

class MpiRankGroup : public RankGroup {
 public:
  explicit MpiRankGroup(std::unique_ptr<StartWatch> watch) : watch_(std::move(watch)) {
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    MPI_Comm_size(MPI_COMM_WORLD, &size_);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  }
  ~MpiRankGroup() override {
    if (failed_) return;
    watch_->Allow(kPatienceSeconds, "MPI_Finalize");
    MPI_Finalize();
  }

  std::uint32_t rank() const override { return static_cast<std::uint32_t>(rank_); }
  std::uint32_t size() const override { return static_cast<std::uint32_t>(size_); }

  Status Broadcast(std::string* text, double seconds) override {
    const auto deadline = DeadlineAfter(seconds);
    std::uint64_t length = text->size();
    MPI_Request request;
    MPI_Ibcast(&length, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD, &request);
    RETURN_IF_ERROR(Wait(&request, deadline, "rank 0"));
    text->resize(length);
    MPI_Ibcast(text->data(), static_cast<int>(length), MPI_BYTE, 0, MPI_COMM_WORLD, &request);
    return Wait(&request, deadline, "rank 0");
  }

  Result<std::vector<std::string>> Gather(const std::string& text, double seconds) override {
    const auto deadline = DeadlineAfter(seconds);
    const auto ranks = static_cast<std::size_t>(size_);
    const int length = static_cast<int>(text.size());
    std::vector<int> lengths(ranks), offsets(ranks, 0);
    MPI_Request request;
    MPI_Iallgather(&length, 1, MPI_INT, lengths.data(), 1, MPI_INT, MPI_COMM_WORLD, &request);
    RETURN_IF_ERROR(Wait(&request, deadline, "the other ranks"));
    std::partial_sum(lengths.begin(), lengths.end() - 1, offsets.begin() + 1);
    std::string all(static_cast<std::size_t>(offsets.back() + lengths.back()), '\0');
    MPI_Iallgatherv(text.data(), length, MPI_BYTE, all.data(), lengths.data(), offsets.data(), MPI_BYTE, MPI_COMM_WORLD,
                    &request);
    RETURN_IF_ERROR(Wait(&request, deadline, "the other ranks"));
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < ranks; ++i) {
      texts.push_back(all.substr(static_cast<std::size_t>(offsets[i]), static_cast<std::size_t>(lengths[i])));
    }
    return texts;
  }

 private:
  static SteadyClock::time_point DeadlineAfter(double seconds) {
    return SteadyClock::now() +
           std::chrono::duration_cast<SteadyClock::duration>(std::chrono::duration<double>(seconds));
  }

  // MPI_Wait would spin, and for ever.
  Status Wait(MPI_Request* request, SteadyClock::time_point deadline, const char* whom) {
    std::chrono::microseconds nap{50};
    for (int done = 0; true;) {
      if (MPI_Test(request, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS) return Fail(whom, "MPI reports an error");
      if (done != 0) return {};
      if (SteadyClock::now() > deadline) return Fail(whom, "no answer in time");
      std::this_thread::sleep_for(nap);
      nap = std::min(nap * 2, std::chrono::microseconds(5000));
    }
  }

  Status Fail(const char* whom, const char* what) {
    failed_ = true;
    return Status::Unavailable("rank " + std::to_string(rank_) + " waited for " + whom + " at the start: " + what);
  }

  const std::unique_ptr<StartWatch> watch_;
  int rank_ = 0, size_ = 1;
  bool failed_ = false;
};

std::uint32_t NumberFromEnvironment(const char* name) {
  const char* text = std::getenv(name);
  return text == nullptr ? 0 : static_cast<std::uint32_t>(std::strtoul(text, nullptr, 10));
}

}  // namespace

std::uint32_t RanksFromEnvironment() { return NumberFromEnvironment("OMPI_COMM_WORLD_SIZE"); }
std::uint32_t RankFromEnvironment() { return NumberFromEnvironment("OMPI_COMM_WORLD_RANK"); }

Result<std::unique_ptr<RankGroup>> StartMpi(const std::function<void(const std::string&)>& die) {
  auto watch = std::make_unique<StartWatch>(die);
  watch->Allow(kPatienceSeconds, "MPI_Init");
  int provided = 0;
  if (MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS) {
    return Status::Unavailable("MPI_Init failed");
  }
  watch->Allow(0, "");  // its waits have deadlines of their own
  return std::unique_ptr<RankGroup>(new MpiRankGroup(std::move(watch)));
}

}  // namespace sherd
