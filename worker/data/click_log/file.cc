#include "worker/data/click_log/file.h"

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/file.h"
#include "base/file_system.h"
#include "worker/data/packer.h"

namespace sherd {
namespace {

constexpr std::uint64_t kBlockRows = 16384;

// What threads make blocks of, in turn, and one after the other put in their place.
class BlockLine {
 public:
  BlockLine(const ClickLog& log, const ClickLogFile& file, FileWriter* writer)
      : log_(log), file_(file), blocks_((file.rows + kBlockRows - 1) / kBlockRows), writer_(writer) {}

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
    ASSIGN_OR_RETURN(const auto packer, MakePacker(file_.compression));
    std::vector<ClickRow> rows;
    std::string text, packed;
    BlockFigures figures;
    for (std::uint64_t block = TakeBlock(); block < blocks_; block = TakeBlock()) {
      const std::uint64_t begin = block * kBlockRows;
      rows.resize(std::min(kBlockRows, file_.rows - begin));
      log_.Draw(file_.first_row + begin, rows);
      figures.Set(rows);
      if (writer_ != nullptr) {
        text.clear();
        AppendClickRows(file_.format, rows, &text);
        RETURN_IF_ERROR(packer->Pack(text, &packed));
      }
      RETURN_IF_ERROR(Put(block, figures, packed));
    }
    return {};
  }

  std::uint64_t TakeBlock() {
    const std::lock_guard lock(mutex_);
    return status_.ok() ? next_++ : blocks_;
  }

  Status Put(std::uint64_t block, const BlockFigures& figures, const std::string& packed) {
    std::unique_lock lock(mutex_);
    turn_passed_.wait(lock, [&] { return turn_ == block || !status_.ok(); });
    if (!status_.ok()) return {};
    best_.Add(figures);
    if (writer_ != nullptr) RETURN_IF_ERROR(writer_->Append(std::as_bytes(std::span(packed))));
    ++turn_;
    turn_passed_.notify_all();
    return {};
  }

  const ClickLog& log_;
  const ClickLogFile& file_;
  const std::uint64_t blocks_;
  FileWriter* const writer_;  // null: figures alone

  std::mutex mutex_;
  std::condition_variable turn_passed_;
  std::uint64_t next_ = 0, turn_ = 0;
  Status status_;
  BestPossible best_;
};

Result<BestFigures> MakeAll(const ClickLog& log, const ClickLogFile& file, FileWriter* writer) {
  BlockLine line(log, file, writer);
  {
    std::vector<std::jthread> threads;
    for (std::uint32_t i = 1; i < file.threads; ++i) threads.emplace_back([&] { line.Run(); });
    line.Run();
  }
  RETURN_IF_ERROR(line.status());
  return line.best();
}

Result<WrittenClickLog> WriteTo(const std::string& path, const ClickLog& log, const ClickLogFile& file) {
  ASSIGN_OR_RETURN(const auto writer, FileWriter::Create(path));
  ASSIGN_OR_RETURN(const BestFigures best, MakeAll(log, file, writer.get()));
  RETURN_IF_ERROR(writer->Finish());
  return WrittenClickLog{.bytes = writer->size(), .best = best};
}

}  // namespace

Result<WrittenClickLog> WriteClickLog(const ClickLog& log, const ClickLogFile& file) {
  if (file.path.empty()) {
    ASSIGN_OR_RETURN(const BestFigures best, MakeAll(log, file, nullptr));
    return WrittenClickLog{.bytes = 0, .best = best};
  }
  const std::string unfinished = file.path + ".partial";
  FileSystem& files = FileSystem::Current();
  Result<WrittenClickLog> written = WriteTo(unfinished, log, file);
  if (written.ok() && files.Rename(unfinished, file.path) != 0) {
    written = Status::Io("rename " + unfinished + " to " + file.path, errno);
  }
  if (!written.ok()) {
    files.Remove(unfinished);
    return written;
  }
  RETURN_IF_ERROR(SyncDirectory(DirectoryOf(file.path)));
  return written;
}

}  // namespace sherd
