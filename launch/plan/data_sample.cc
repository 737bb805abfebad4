#include "launch/plan/data_sample.h"

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "worker/data/input_files.h"
#include "worker/data/unpackers.h"

namespace sherd {
namespace {

constexpr std::uint32_t kChunkMinibatches = 8;  // short ones, so that the sample comes from many places
constexpr std::uint64_t kProbeBytes = 32 << 20;

bool IsWholeFile(const proto::Chunk& chunk) { return chunk.end() == std::numeric_limits<std::uint64_t>::max(); }

// Counts what passes, on its way to a decompressor.
class CountedBytes : public ByteSource {
 public:
  CountedBytes(std::unique_ptr<ByteSource> source, std::uint64_t* count) : source_(std::move(source)), count_(count) {}
  Result<std::size_t> Read(char* data, std::size_t size) override {
    ASSIGN_OR_RETURN(const std::size_t n, source_->Read(data, size));
    *count_ += n;
    return n;
  }

 private:
  const std::unique_ptr<ByteSource> source_;
  std::uint64_t* const count_;
};

Result<std::unique_ptr<ByteSource>> Unpack(const InputFile& file, std::unique_ptr<ByteSource> packed) {
  switch (file.compression) {
    case Compression::kGzip:
      return UnpackGzip(file.path, std::move(packed));
    case Compression::kZstd:
      return UnpackZstd(file.path, std::move(packed));
    case Compression::kXz:
      return UnpackXz(file.path, std::move(packed));
    case Compression::kNone:
      break;
  }
  return packed;
}

// Lines of a compressed file, by those of its first unpacked bytes.
Result<double> EstimatePackedRows(const std::string& path) {
  ASSIGN_OR_RETURN(const InputFile file, FindInputFile(proto::Data(), path));
  ASSIGN_OR_RETURN(auto bytes, OpenFileBytes(path, 0, file.size));
  std::uint64_t packed = 0, unpacked = 0, lines = 0;
  ASSIGN_OR_RETURN(const auto source, Unpack(file, std::make_unique<CountedBytes>(std::move(bytes), &packed)));
  std::vector<char> piece(1 << 20);
  while (unpacked < kProbeBytes) {
    ASSIGN_OR_RETURN(const std::size_t n, source->Read(piece.data(), piece.size()));
    if (n == 0) return static_cast<double>(lines);
    lines +=
        static_cast<std::uint64_t>(std::count(piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(n), '\n'));
    unpacked += n;
  }
  return static_cast<double>(lines) * static_cast<double>(file.size) / static_cast<double>(packed);
}

void AddKeys(const Minibatch& minibatch, const FeatureLayout& layout, DataSample* sample) {
  std::size_t first_field = 0;
  for (std::size_t t = 0; t < layout.tables.size(); ++t) {
    const TableKeys& table = minibatch.tables[t];
    const std::size_t fields = layout.tables[t].features.size();
    for (const Key key : table.keys) sample->tables[t].Add(key);
    for (std::size_t place = 0; place < minibatch.rows * fields; ++place) {
      const std::size_t begin = table.offsets.empty() ? place : table.offsets[place];
      const std::size_t end = table.offsets.empty() ? place + 1 : table.offsets[place + 1];
      KeySample& keys = sample->fields[first_field + place % fields].keys;
      for (std::size_t i = begin; i < end; ++i) keys.Add(table.keys[i]);
    }
    first_field += fields;
  }
}

// Rows by size, of the chunks whose size is known: rows of those in memory, bytes of the others.
struct Density {
  double rows = 0, size = 0, all_size = 0;

  double AllRows() const { return size > 0 ? rows / size * all_size : 0; }
};

class SampleReader {
 public:
  SampleReader(Dataset* dataset, const FeatureLayout& layout, std::uint64_t wanted, DataSample* sample)
      : dataset_(dataset), layout_(layout), wanted_(wanted), sample_(sample) {}

  Status Read(const std::vector<proto::Chunk>& chunks) {
    std::set<std::uint32_t> packed;
    for (const proto::Chunk& chunk : chunks) {
      if (IsWholeFile(chunk)) packed.insert(chunk.file());
      if (!IsWholeFile(chunk)) density_[chunk.in_memory()].all_size += SizeOf(chunk);
    }
    sample_->whole = true;
    for (const proto::Chunk& chunk : chunks) {
      if (sample_->rows >= wanted_) sample_->whole = false;
      if (!sample_->whole) break;
      RETURN_IF_ERROR(ReadChunk(chunk));
    }
    sample_->all_rows = density_[0].AllRows() + density_[1].AllRows();
    for (const std::uint32_t file : packed) {
      ASSIGN_OR_RETURN(const double rows, EstimatePackedRows(dataset_->FileName(proto::Chunk::TRAIN, file)));
      sample_->all_rows += rows;
    }
    const auto read = static_cast<double>(sample_->rows);
    sample_->all_rows = sample_->whole ? read : std::max(sample_->all_rows, read);
    return {};
  }

 private:
  static double SizeOf(const proto::Chunk& chunk) { return static_cast<double>(chunk.end() - chunk.begin()); }

  Status ReadChunk(const proto::Chunk& chunk) {
    sample_->chunks.push_back(chunk);
    sample_->chunks.back().set_id(sample_->chunks.size() - 1);
    ASSIGN_OR_RETURN(const auto reader, dataset_->Read(chunk, 0, 0));
    std::uint64_t rows = 0;
    while (true) {
      if (IsWholeFile(chunk) && sample_->rows + rows >= wanted_) {
        sample_->whole = false;  // the rest of such a file may be long
        break;
      }
      ASSIGN_OR_RETURN(const bool more, reader->Next(&minibatch_));
      if (!more) break;
      rows += minibatch_.rows;
      AddKeys(minibatch_, layout_, sample_);
    }
    sample_->rows += rows;
    if (IsWholeFile(chunk)) return {};
    density_[chunk.in_memory()].rows += static_cast<double>(rows);
    density_[chunk.in_memory()].size += SizeOf(chunk);
    return {};
  }

  Dataset* const dataset_;
  const FeatureLayout& layout_;
  const std::uint64_t wanted_;
  DataSample* const sample_;
  Minibatch minibatch_;
  Density density_[2];  // streamed, in memory
};

}  // namespace

Result<DataSample> ReadSample(const LoadedJob& loaded, const FeatureLayout& layout, std::uint64_t rows) {
  ASSIGN_OR_RETURN(const auto dataset, Dataset::Open(loaded.job, layout, {.max_chunk_minibatches = kChunkMinibatches}));
  DataSample sample;
  ASSIGN_OR_RETURN(sample.statistics, dataset->ComputeStatistics());
  dataset->SetStatistics(sample.statistics);
  for (std::size_t t = 0; t < layout.tables.size(); ++t) {
    for (const int feature : layout.tables[t].features) {
      sample.fields.push_back({.name = layout.features[feature].name, .table = static_cast<int>(t), .keys = {}});
    }
  }
  sample.tables.resize(layout.tables.size());
  ASSIGN_OR_RETURN(const auto chunks, dataset->Chunks(proto::Chunk::TRAIN, 0, loaded.plan.workers));
  if (chunks.empty()) return Status::BadData("the training files have no rows");
  RETURN_IF_ERROR(SampleReader(dataset.get(), layout, rows, &sample).Read(chunks));
  return sample;
}

}  // namespace sherd
