#include "worker/data/click_log/file.h"

#include <algorithm>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "worker/data/click_log/output.h"

namespace sherd {
namespace {

constexpr std::uint32_t kFigureRows = 16384;  // of a block of which nothing is written

// What threads make blocks of, in turn, and one after the other put in their place.
class BlockLine {
 public:
  // output = null: figures alone.
  BlockLine(const ClickLog& log, const ClickLogFile& file, ClickLogOutput* output)
      : log_(log),
        file_(file),
        output_(output),
        block_rows_(output == nullptr ? kFigureRows : output->block_rows()),
        blocks_((file.rows + block_rows_ - 1) / block_rows_) {}

  // What each thread does, until all blocks are made or one could not be.
  void Run() {
    const Status status = MakeBlocks();
    const std::lock_guard lock(mutex_);
    if (status_.ok()) status_ = status;
    turn_passed_.notify_all();
  }

  // When all threads have ended.
  const Status& status() const { return status_; }
  BestFigures best() const { return best_.figures(); }

 private:
  Status MakeBlocks() {
    std::unique_ptr<ClickRowPacker> packer;
    if (output_ != nullptr) {
      ASSIGN_OR_RETURN(packer, output_->MakePacker());
    }
    std::vector<ClickRow> rows;
    EncodedBlock packed;
    BlockFigures figures;
    for (std::uint64_t block = TakeBlock(); block < blocks_; block = TakeBlock()) {
      const std::uint64_t begin = block * block_rows_;
      rows.resize(std::min<std::uint64_t>(block_rows_, file_.rows - begin));
      log_.Draw(file_.first_row + begin, rows);
      figures.Set(rows);
      if (packer != nullptr) RETURN_IF_ERROR(packer->Pack(rows, &packed));
      RETURN_IF_ERROR(Put(block, figures, packed));
    }
    return {};
  }

  std::uint64_t TakeBlock() {
    const std::lock_guard lock(mutex_);
    return status_.ok() ? next_++ : blocks_;
  }

  Status Put(std::uint64_t block, const BlockFigures& figures, const EncodedBlock& packed) {
    std::unique_lock lock(mutex_);
    turn_passed_.wait(lock, [&] { return turn_ == block || !status_.ok(); });
    if (!status_.ok()) return {};
    best_.Add(figures);
    if (output_ != nullptr) RETURN_IF_ERROR(output_->Append(packed));
    ++turn_;
    turn_passed_.notify_all();
    return {};
  }

  const ClickLog& log_;
  const ClickLogFile& file_;
  ClickLogOutput* const output_;
  const std::uint32_t block_rows_;
  const std::uint64_t blocks_;

  std::mutex mutex_;
  std::condition_variable turn_passed_;
  std::uint64_t next_ = 0, turn_ = 0;
  Status status_;
  BestPossible best_;
};

Result<BestFigures> MakeAll(const ClickLog& log, const ClickLogFile& file, ClickLogOutput* output) {
  BlockLine line(log, file, output);
  {
    std::vector<std::jthread> threads;
    for (std::uint32_t i = 1; i < file.threads; ++i) threads.emplace_back([&] { line.Run(); });
    line.Run();
  }
  RETURN_IF_ERROR(line.status());
  return line.best();
}

}  // namespace

Result<WrittenClickLog> WriteClickLog(const ClickLog& log, const ClickLogFile& file) {
  std::unique_ptr<ClickLogOutput> output;
  if (!file.path.empty()) {
    ASSIGN_OR_RETURN(output, ClickLogOutput::Create(file));
  }
  ASSIGN_OR_RETURN(const BestFigures best, MakeAll(log, file, output.get()));
  if (output == nullptr) return WrittenClickLog{.bytes = 0, .best = best};
  RETURN_IF_ERROR(output->Finish());
  return WrittenClickLog{.bytes = output->bytes(), .best = best};
}

}  // namespace sherd
