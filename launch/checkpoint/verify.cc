#include "launch/checkpoint/verify.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <future>
#include <map>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "base/byte_count.h"
#include "base/dense_layout.h"
#include "base/file.h"
#include "base/job_file.h"
#include "base/manifest.h"
#include "launch/progress_display.h"
#include "ps/checkpoint_files.h"
#include "ps/row_layout.h"
#include "ps/shard_file_reader.h"

namespace sherd {
namespace {

using Problems = std::vector<std::string>;

constexpr std::size_t kMostProblems = 10;  // that are named of one file
constexpr std::size_t kChunk = std::size_t{1} << 20;

std::string Hex(std::uint32_t value) {
  char text[16];
  std::snprintf(text, sizeof text, "%08x", value);
  return text;
}

// Looks at what a file's blocks say, beyond what its reader does.
class ContentsCheck : public ShardFileVisitor {
 public:
  static Result<std::unique_ptr<ContentsCheck>> Make(const proto::ModelSpec& model) {
    std::unique_ptr<ContentsCheck> check(new ContentsCheck);
    check->counts_.resize(static_cast<std::size_t>(model.table_size()));
    for (const proto::TableSpec& table : model.table()) {
      ASSIGN_OR_RETURN(const RowLayout layout, RowLayout::Make(table));
      check->row_bytes_.push_back(layout.row_bytes());
    }
    const DenseLayout dense(model);
    for (const DenseBlock& block : dense.blocks()) {
      ASSIGN_OR_RETURN(const auto optimizer,
                       MakeRowOptimizer(model.tensor(static_cast<int>(block.tensor)).optimizer(), "tensor"));
      check->missing_[{block.tensor, block.first}] = {.slot = SlotOf(block.key),
                                                      .length = block.length,
                                                      .floats = block.length + optimizer->state_floats(block.length)};
    }
    return check;
  }

  void BeginSlot(Slot slot) { slot_ = slot; }

  Status OnRows(std::uint32_t table, std::span<const Key> keys, std::span<const std::byte> rows) override {
    counts_[table].rows += keys.size();
    if (rows.size() == keys.size() * row_bytes_[table]) return {};
    return Status::BadData("has rows of " + std::to_string(rows.size() / keys.size()) + " bytes, not " +
                           std::to_string(row_bytes_[table]));
  }
  Status OnCandidates(std::uint32_t table, std::span<const Key> keys, std::span<const std::uint32_t>) override {
    counts_[table].candidates += keys.size();
    return {};
  }
  Status OnDeleted(std::uint32_t table, std::span<const Key> keys) override {
    counts_[table].deleted += keys.size();
    return {};
  }
  Status OnDense(std::uint32_t tensor, std::uint32_t first, std::uint32_t length,
                 std::span<const float> values) override {
    const auto found = missing_.find({tensor, first});
    if (found == missing_.end() || found->second.slot != slot_)
      return Status::BadData("is a dense block that comes twice, or is not of this slot");
    if (found->second.length != length || found->second.floats != values.size()) {
      return Status::BadData("is a dense block of " + std::to_string(values.size()) + " floats, not " +
                             std::to_string(found->second.floats));
    }
    missing_.erase(found);
    return {};
  }

  std::span<const TableCounts> counts() const { return counts_; }
  // Dense blocks of [first, end) that did not come.
  std::uint64_t Missing(Slot first, Slot end) const {
    return static_cast<std::uint64_t>(std::ranges::count_if(
        missing_, [&](const auto& block) { return block.second.slot >= first && block.second.slot < end; }));
  }

 private:
  struct Dense {
    Slot slot;
    std::uint32_t length;
    std::uint64_t floats;
  };

  std::vector<std::uint32_t> row_bytes_;                              // by table
  std::map<std::pair<std::uint32_t, std::uint32_t>, Dense> missing_;  // by tensor and first float
  std::vector<TableCounts> counts_;                                   // by table
  Slot slot_ = 0;
};

// Adds all bytes of [begin, end) to a checksum.
Status AddRange(const FileReader& file, std::uint64_t begin, std::uint64_t end, std::vector<std::byte>* buffer,
                std::uint32_t* crc) {
  buffer->resize(kChunk);
  while (begin < end) {
    const std::span<std::byte> part(buffer->data(), std::min<std::uint64_t>(kChunk, end - begin));
    RETURN_IF_ERROR(file.ReadAt(begin, part));
    *crc = Crc32c(part, *crc);
    begin += part.size();
  }
  return {};
}

// What is wrong with one file.
class FileCheck {
 public:
  FileCheck(std::string path, const proto::ShardFile& said, const proto::Manifest& manifest)
      : path_(std::move(path)), said_(said), manifest_(manifest) {}

  Problems Run() {
    const Status status = Check();
    if (!status.ok()) Add(status.text());
    if (more_ > 0) problems_.push_back(path_ + ": and " + std::to_string(more_) + " more");
    return std::move(problems_);
  }

 private:
  void Add(std::string problem) {
    problems_.size() < kMostProblems ? problems_.push_back(std::move(problem)) : static_cast<void>(++more_);
  }
  void AddIf(bool wrong, const std::string& problem) {
    if (wrong) Add(path_ + ": " + problem);
  }

  Status Check() {
    const auto opened = FileReader::Open(path_);
    if (!opened.ok()) return CannotOpen(opened.status(), said_);
    const auto& file = opened.value();
    AddIf(file->size() != said_.bytes(),
          "has " + std::to_string(file->size()) + " bytes, the manifest says " + std::to_string(said_.bytes()));
    const auto reader = ShardFileReader::Open(path_);
    if (!reader.ok()) Add(reader.status().text());
    if (reader.ok()) RETURN_IF_ERROR(CheckContents(reader.value().get()));
    // What the blocks' own checksums can not tell: that they are those of this checkpoint.
    std::uint32_t crc = 0;
    std::vector<std::byte> buffer;
    RETURN_IF_ERROR(AddRange(*file, 0, file->size(), &buffer, &crc));
    AddIf(crc != said_.crc(), "has the checksum " + Hex(crc) + " as a whole, the manifest says " + Hex(said_.crc()));
    return {};
  }

  Status CheckContents(ShardFileReader* reader) {
    AddIf(reader->first_slot() != said_.first_slot() || reader->end_slot() != said_.end_slot(),
          "has the slots " + std::to_string(reader->first_slot()) + " to " + std::to_string(reader->end_slot()) +
              ", the manifest says " + std::to_string(said_.first_slot()) + " to " + std::to_string(said_.end_slot()));
    AddIf(reader->delta() != said_.delta(),
          std::string("is a ") + (reader->delta() ? "delta" : "full file") + ", not what the manifest says");
    AddIf(reader->rows() != said_.rows(), "has " + std::to_string(reader->rows()) +
                                              " rows by its footer, the manifest says " + std::to_string(said_.rows()));
    AddIf(manifest_.has_model() && reader->model().SerializeAsString() != manifest_.model().SerializeAsString(),
          "is of another model than the manifest");
    ASSIGN_OR_RETURN(const auto check, ContentsCheck::Make(reader->model()));
    bool whole = true;
    for (Slot slot = reader->first_slot(); slot < reader->end_slot(); ++slot) {
      check->BeginSlot(slot);
      const Status status = reader->ReadSlot(slot, check.get());
      if (!status.ok()) Add(status.text());
      whole &= status.ok();
    }
    if (!whole) return {};
    CheckCounts(*reader, check->counts());
    const std::uint64_t missing = check->Missing(reader->first_slot(), reader->end_slot());
    AddIf(missing > 0, "lacks " + std::to_string(missing) + " dense blocks of its slots");
    return {};
  }

  // Against what stands behind the blocks.
  void CheckCounts(const ShardFileReader& reader, std::span<const TableCounts> found) {
    const auto text = [](const TableCounts& counts) {
      return std::to_string(counts.rows) + " rows, " + std::to_string(counts.candidates) + " candidates, " +
             std::to_string(counts.deleted) + " deleted keys";
    };
    std::uint64_t rows = 0;
    for (const TableCounts& counts : found) rows += counts.rows;
    AddIf(rows != reader.rows(),
          "holds " + std::to_string(rows) + " rows, its footer says " + std::to_string(reader.rows()));
    for (std::size_t i = 0; i < reader.counts().size(); ++i) {
      const std::string holds = text(found[i]), says = text(reader.counts()[i]);
      AddIf(holds != says, "holds " + holds + " of table " + std::to_string(i) + ", its end says " + says);
    }
  }

  const std::string path_;
  const proto::ShardFile& said_;
  const proto::Manifest& manifest_;
  Problems problems_;
  std::size_t more_ = 0;
};

// Of each slot there has to be one full file, and then deltas. Runs of slots with the same fault are one problem.
Problems ChainProblems(const proto::Manifest& manifest) {
  const auto fault = [&](Slot slot) -> std::string {
    int full = 0;
    for (const proto::ShardFile& file : manifest.file()) {
      if (slot < file.first_slot() || slot >= file.end_slot()) continue;
      if (file.delta() && full == 0) return "have a delta before a full file";
      full += file.delta() ? 0 : 1;
    }
    return full == 1 ? "" : full == 0 ? "are in no file" : "are in " + std::to_string(full) + " files";
  };
  Problems problems;
  for (Slot slot = 0; slot < kSlots;) {
    const std::string what = fault(slot);
    const Slot first = slot;
    while (slot < kSlots && fault(slot) == what) ++slot;
    if (what.empty()) continue;
    problems.push_back("manifest: slots " + std::to_string(first) + " to " + std::to_string(slot) + " " + what);
  }
  return problems;
}

Problems ManifestProblems(const proto::Manifest& manifest) {
  Problems problems = ChainProblems(manifest);
  if (!manifest.has_job_text()) return problems;
  const auto job = ParseJob(manifest.job_text(), "manifest: its job file");
  if (!job.ok()) {
    problems.push_back(job.status().text());
  } else if (ModelFingerprint(*job) != manifest.job()) {
    problems.push_back("manifest: its job file is of another model than its fingerprint");
  }
  return problems;
}

// One at a time of so many threads, in the order of the manifest.
void CheckFiles(const std::string& dir, const proto::Manifest& manifest,
                const std::function<void(const proto::ShardFile&, const Problems&)>& done) {
  const std::size_t threads = std::max(1u, std::thread::hardware_concurrency());
  std::deque<std::future<Problems>> running;
  int next = 0;
  for (const proto::ShardFile& file : manifest.file()) {
    for (; next < manifest.file_size() && running.size() < threads; ++next) {
      const proto::ShardFile& said = manifest.file(next);
      running.push_back(std::async(std::launch::async, [&dir, &said, &manifest] {
        return FileCheck(JoinPath(dir, said.name()), said, manifest).Run();
      }));
    }
    done(file, running.front().get());
    running.pop_front();
  }
}

}  // namespace

Status VerifyCheckpoint(const std::string& dir, std::ostream& out) {
  out << "checkpoint " << dir << '\n';
  ASSIGN_OR_RETURN(const proto::Manifest manifest, ReadManifest(dir));
  std::size_t damaged = 0;
  std::uint64_t bytes = 0;
  const auto report = [&](const std::string& line, const Problems& problems) {
    out << (problems.empty() ? "  good     " : "  DAMAGED  ") << line << '\n';
    for (const std::string& problem : problems) out << "           " << problem << '\n';
    out.flush();
    damaged += problems.empty() ? 0 : 1;
  };
  report("manifest: " + manifest.job_name() + ", " + std::to_string(manifest.file_size()) + " files",
         ManifestProblems(manifest));
  CheckFiles(dir, manifest, [&](const proto::ShardFile& file, const Problems& problems) {
    bytes += file.bytes();
    report(file.name() + (file.delta() ? " (delta)" : "") + ": " + BytesText(file.bytes()) + ", slots " +
               std::to_string(file.first_slot()) + " to " + std::to_string(file.end_slot()) + ", " +
               WithCommas(file.rows()) + " rows",
           problems);
  });
  if (damaged > 0) {
    return Status::BadData(dir + ": damaged: " + std::to_string(damaged) + " of " +
                           std::to_string(manifest.file_size() + 1) + " files; go back to another checkpoint");
  }
  out << dir << " is good: " << manifest.file_size() << " files, " << BytesText(bytes) << " read" << std::endl;
  return {};
}

}  // namespace sherd
