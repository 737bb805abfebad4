#include <zstd.h>

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/file.h"
#include "base/job_file.h"
#include "bench/bench_case.h"
#include "bench/click_log.h"
#include "bench/local_job.h"
#include "bench/memory_rows.h"
#include "bench/row_files.h"
#include "bench/train_jobs.h"
#include "launch/temporary_dir.h"
#include "models/feature_layout.h"
#include "worker/data/dataset.h"

namespace sherd::bench {
namespace {

constexpr std::uint64_t kRows = 1'000'000;

// A click log as text and as a row file, in a folder that goes away.
class ClickFiles {
 public:
  Status Make(const Options& options) {
    ASSIGN_OR_RETURN(folder_, TemporaryDir::Make());
    text_ = options.click_log;
    if (text_.empty()) {
      text_ = folder_->path() + "/log.tsv";
      RETURN_IF_ERROR(WriteClickLog(text_, options.rows_or(kRows)));
    }
    return ConvertClickLog(text_, rows());
  }
  const std::string& text() const { return text_; }
  std::string rows() const { return folder_->path() + "/log.rows"; }

 private:
  std::unique_ptr<TemporaryDir> folder_;
  std::string text_;
};

// A job on a file, opened.
struct OpenJob {
  proto::Job job;
  std::unique_ptr<FeatureLayout> layout;
  std::unique_ptr<Dataset> dataset;
};

Result<OpenJob> Open(const std::string& text, const std::string& format, const std::string& path) {
  OpenJob open;
  const std::string data = "data { format: " + format + " train: \"" + path + "\" in_memory_bytes: 0 }\n";
  ASSIGN_OR_RETURN(open.job, ParseJob(text + data, "bench"));
  ASSIGN_OR_RETURN(FeatureLayout layout, FeatureLayout::Make(open.job));
  open.layout = std::make_unique<FeatureLayout>(std::move(layout));
  return open;
}

// Once the job has come to its place: the dataset refers to it.
Status OpenData(OpenJob* open) {
  ASSIGN_OR_RETURN(open->dataset, Dataset::Open(open->job, *open->layout, {}));
  open->dataset->SetStatistics({});
  return {};
}

Result<double> ZstdBytes(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  std::string packed(ZSTD_compressBound(text.size()), '\0');
  const std::size_t size = ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), 3);
  if (ZSTD_isError(size) != 0) return Status::BadData(ZSTD_getErrorName(size));
  return static_cast<double>(size);
}

Result<Figure> MeasureDecoding(const ClickFiles& files) {
  ASSIGN_OR_RETURN(OpenJob text, Open(FmJob(), "CRITEO_TSV", files.text()));
  ASSIGN_OR_RETURN(OpenJob rows, Open(FmJob(), "ROW_FILE", files.rows()));
  RETURN_IF_ERROR(OpenData(&text));
  RETURN_IF_ERROR(OpenData(&rows));
  std::uint64_t counts[2] = {};
  std::vector<double> seconds[2], cpu[2];  // a row: of the row file, of the text
  for (int turn = 0; turn < kTurns; ++turn) {
    for (const int i : {0, 1}) {
      const double before = ProcessCpuSeconds();
      Status failed;
      const double taken = Seconds([&] {
        const Result<std::uint64_t> decoded = DecodeAll(i == 0 ? rows.dataset.get() : text.dataset.get());
        if (decoded.ok()) counts[i] = *decoded;
        failed = decoded.status();
      });
      RETURN_IF_ERROR(failed);
      seconds[i].push_back(taken / static_cast<double>(counts[i]));
      cpu[i].push_back((ProcessCpuSeconds() - before) / static_cast<double>(counts[i]));
    }
  }
  if (counts[0] != counts[1]) return Status::BadData("the row file has another number of rows than the text");
  const double ours = Median(seconds[0]), theirs = Median(seconds[1]);
  return Figure{
      .value = 1 / ours, .unit = "rows/s", .floor = 1 / theirs, .ratio = theirs / ours, .part = {}, .fields = {}}
      .With("cpu_ns_a_row", 1e9 * Median(cpu[0]))
      .With("text_cpu_ns_a_row", 1e9 * Median(cpu[1]))
      .With("cpu_ratio", Median(cpu[1]) / Median(cpu[0]));
}

Result<Figure> MeasureBytes(const ClickFiles& files) {
  ASSIGN_OR_RETURN(OpenJob rows, Open(FmJob(), "ROW_FILE", files.rows()));
  RETURN_IF_ERROR(OpenData(&rows));
  ASSIGN_OR_RETURN(const std::uint64_t count, DecodeAll(rows.dataset.get()));
  ASSIGN_OR_RETURN(const double zstd, ZstdBytes(files.text()));
  const double bytes = static_cast<double>(std::filesystem::file_size(files.rows()));
  const double all = static_cast<double>(count);
  return Figure{.value = bytes / all,
                .unit = "bytes/byte",
                .floor = zstd / all,
                .ratio = bytes / zstd,
                .part = ".bytes",
                .fields = {}};
}

// Gives LocalJob minibatches [begin, end) of a dataset as if it had them in memory: those of its chunks, one after the
// other and round again, whoever asks.
class ReadRows : public MemoryRows {
 public:
  static Result<std::unique_ptr<ReadRows>> Make(std::unique_ptr<MemoryRows> base, Dataset* source) {
    auto rows = std::make_unique<ReadRows>();
    static_cast<MemoryRows&>(*rows) = std::move(*base);
    rows->source_ = source;
    ASSIGN_OR_RETURN(rows->chunks_, source->Chunks(proto::Chunk::TRAIN, 0, 1));
    return rows;
  }

  Result<std::unique_ptr<ChunkReader>> Read(const proto::Chunk& chunk, std::uint32_t, std::uint32_t) override {
    return std::unique_ptr<ChunkReader>(std::make_unique<Reader>(this, chunk));
  }
  std::uint32_t max_rows() const override { return source_->max_rows(); }

 private:
  struct Place {
    std::unique_ptr<ChunkReader> reader;
    std::uint64_t next;  // of chunks_
  };

  class Reader : public ChunkReader {
   public:
    Reader(ReadRows* rows, proto::Chunk chunk)
        : rows_(rows), chunk_(std::move(chunk)), place_(rows->Take(chunk_.begin())) {}
    ~Reader() override { rows_->Keep(chunk_.end(), std::move(place_)); }

    Result<bool> Next(Minibatch* minibatch) override {
      const std::uint64_t at = chunk_.begin() + index_;
      if (at >= chunk_.end()) return false;
      for (bool more = false; !more;) {
        if (place_.reader == nullptr) {
          const proto::Chunk& next = rows_->chunks_[place_.next++ % rows_->chunks_.size()];
          ASSIGN_OR_RETURN(place_.reader, rows_->source_->Read(next, 0, 0));
        }
        ASSIGN_OR_RETURN(more, place_.reader->Next(minibatch));
        if (!more) place_.reader.reset();
      }
      minibatch->chunk = chunk_.id();
      minibatch->index = index_++;
      minibatch->last_of_chunk = at + 1 == chunk_.end();
      return true;
    }

   private:
    ReadRows* const rows_;
    const proto::Chunk chunk_;
    std::uint32_t index_ = 0;
    Place place_;
  };

  // Where a worker is that comes to this minibatch: it goes on in the midst of a chunk.
  Place Take(std::uint64_t minibatch) {
    std::lock_guard lock(mutex_);
    const auto found = places_.find(minibatch);
    if (found == places_.end()) return {nullptr, minibatch};
    Place place = std::move(found->second);
    places_.erase(found);
    return place;
  }
  void Keep(std::uint64_t minibatch, Place place) {
    std::lock_guard lock(mutex_);
    places_[minibatch] = std::move(place);
  }

  Dataset* source_ = nullptr;
  std::vector<proto::Chunk> chunks_;
  std::mutex mutex_;
  std::map<std::uint64_t, Place> places_;
};

Result<Figure> MeasureTraining(const ClickFiles& files, const Options& options) {
  ASSIGN_OR_RETURN(OpenJob open, Open(DeepFmJob(), "ROW_FILE", files.rows()));
  RETURN_IF_ERROR(OpenData(&open));
  MemoryJob in_memory, on_files;
  in_memory.job = on_files.job = open.job;
  const std::uint64_t rows = options.rows_or(kRows);
  ASSIGN_OR_RETURN(in_memory.rows, MemoryRows::Load(open.job, rows));
  ASSIGN_OR_RETURN(std::unique_ptr<MemoryRows> base, MemoryRows::Load(open.job, rows));
  ASSIGN_OR_RETURN(on_files.rows, ReadRows::Make(std::move(base), open.dataset.get()));
  const std::uint32_t workers = options.threads;
  ASSIGN_OR_RETURN(const auto from_memory, LocalJob::Start(in_memory, {.workers = workers}));
  ASSIGN_OR_RETURN(const auto from_files, LocalJob::Start(on_files, {.workers = workers}));
  // Of a worker and turn, seconds of work: filling and emptying the pipeline belongs to no steady state.
  constexpr std::uint64_t kMinibatches = 40;
  ASSIGN_OR_RETURN(LocalJob::Round round, from_memory->Train(kMinibatches));
  ASSIGN_OR_RETURN(round, from_files->Train(kMinibatches));
  std::vector<double> memory, memory_cpu, read, read_cpu, ratios;
  for (int turn = 0; turn < kTurns; ++turn) {
    ASSIGN_OR_RETURN(round, from_memory->Train(kMinibatches));
    memory.push_back(round.wall / round.rows);
    memory_cpu.push_back(round.cpu / round.rows);
    ASSIGN_OR_RETURN(round, from_files->Train(kMinibatches));
    read.push_back(round.wall / round.rows);
    read_cpu.push_back(round.cpu / round.rows);
    ratios.push_back(memory.back() / read.back());  // of neighbours in time: the machine's pace is the same
  }
  return Figure{.value = 1 / Median(read),
                .unit = "rows/s",
                .floor = 1 / Median(memory),
                .ratio = Median(ratios),
                .part = {},
                .fields = {}}
      .With("cpu_ratio", Median(memory_cpu) / Median(read_cpu))
      .With("cpu_us_a_row", 1e6 * Median(read_cpu))
      .With("workers", workers);
}

}  // namespace

Status DataRowFile(const Options& options, const Report& report) {
  ClickFiles files;
  RETURN_IF_ERROR(files.Make(options));
  ASSIGN_OR_RETURN(const Figure decoding, MeasureDecoding(files));
  report(decoding);
  ASSIGN_OR_RETURN(const Figure bytes, MeasureBytes(files));
  report(bytes);
  return {};
}

Status DataTraining(const Options& options, const Report& report) {
  ClickFiles files;
  RETURN_IF_ERROR(files.Make(options));
  ASSIGN_OR_RETURN(const Figure figure, MeasureTraining(files, options));
  report(figure);
  return {};
}

}  // namespace sherd::bench
