#include "worker/data/row_file_dataset.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "worker/data/input_files.h"
#include "worker/data/row_file_tokens.h"

namespace sherd {
namespace {

constexpr std::uint64_t kMaxChunkBytes = 64 << 20;
constexpr std::uint64_t kRowBytes = 8;  // of the place of a row in memory

std::uint64_t MemoryBytes(const RowFile& file) {
  std::uint64_t bytes = kRowBytes * file.rows();
  for (std::uint32_t i = 0; i < file.blocks(); ++i) {
    bytes += file.block(i).payload_bytes + RowIds::Bytes(file.block(i).rows, file.streams().count);
  }
  return bytes;
}

// Does a streamed chunk begin and end with blocks of the file?
bool HasBlocksOf(const RowFile& file, const proto::Chunk& chunk) {
  const std::uint32_t end = file.BlockAt(chunk.end());
  return chunk.begin() <= chunk.end() && file.BlockAt(chunk.begin()) < file.blocks() &&
         (end < file.blocks() || file.rows() == chunk.end());
}

}  // namespace

Result<std::unique_ptr<Dataset>> RowFileDataset::Open(const proto::Job& job, const FeatureLayout& layout,
                                                      Options options) {
  std::unique_ptr<RowFileDataset> dataset(new RowFileDataset(job, layout, options));
  RETURN_IF_ERROR(dataset->OpenSet(proto::Chunk::TRAIN, job.data().train()));
  RETURN_IF_ERROR(dataset->OpenSet(proto::Chunk::EVAL, job.data().eval()));
  RETURN_IF_ERROR(dataset->OpenSet(proto::Chunk::TEST, job.data().test()));
  return std::unique_ptr<Dataset>(std::move(dataset));
}

Status RowFileDataset::OpenSet(proto::Chunk::Set set, const google::protobuf::RepeatedPtrField<std::string>& patterns) {
  ASSIGN_OR_RETURN(const std::vector<InputFile> inputs, FindInputFiles(job_.data(), patterns));
  std::uint64_t room = job_.data().in_memory_bytes();
  for (const InputFile& input : inputs) {
    ASSIGN_OR_RETURN(std::unique_ptr<RowFile> file, RowFile::Open(input.path));
    RETURN_IF_ERROR(CheckSameSchema(*file));
    if (schema_.feature_column.empty()) {
      ASSIGN_OR_RETURN(schema_, Schema::Make(job_, layout_, &file->schema()));
    }
    RETURN_IF_ERROR(FindGoodRow(*file));
    const std::uint64_t bytes = MemoryBytes(*file);
    const bool fits = bytes <= room && file->rows() <= std::numeric_limits<std::uint32_t>::max();
    if (fits) room -= bytes;
    sets_[set].in_memory.push_back(fits);
    sets_[set].files.push_back(std::move(file));
  }
  sets_[set].loaded.resize(sets_[set].files.size());
  return {};
}

Result<std::unique_ptr<RowFileDataset::FollowedFile>> RowFileDataset::OpenFollowed(const std::string& path) const {
  ASSIGN_OR_RETURN(const InputFile input, FindInputFile(job_.data(), path));
  auto followed = std::make_unique<FollowedFile>();
  ASSIGN_OR_RETURN(followed->rows, RowFile::Open(input.path));
  const auto schema = Schema::Make(job_, layout_, &followed->rows->schema());
  if (!schema.ok()) return schema.status().Annotate(input.path);
  followed->schema = *schema;
  return followed;
}

Status RowFileDataset::CheckSameSchema(const RowFile& file) const {
  for (const Files& set : sets_) {
    if (set.files.empty()) continue;
    const RowFile& first = *set.files[0];
    if (first.schema().SerializeAsString() == file.schema().SerializeAsString()) return {};
    std::string column = "their weights";
    for (int i = 0; i < std::max(first.schema().column_size(), file.schema().column_size()); ++i) {
      const bool both = i < std::min(first.schema().column_size(), file.schema().column_size());
      if (both && first.schema().column(i).SerializeAsString() == file.schema().column(i).SerializeAsString()) continue;
      column = "column " + (i < file.schema().column_size() ? file.schema() : first.schema()).column(i).name();
      break;
    }
    return Status::BadData(file.path() + ": has not the same columns as " + first.path() + ": they differ in " +
                           column + "; convert all files of a job alike");
  }
  return {};
}

// A file that does not fit the job is found out before it begins.
Status RowFileDataset::FindGoodRow(const RowFile& file) const {
  if (file.rows() == 0) return Status::BadData(file.path() + ": the file has no rows");
  std::vector<bool> wanted(file.streams().count, false);
  wanted[RowFileStreams::kLabel] = true;
  ASSIGN_OR_RETURN(const std::unique_ptr<RowFileReader> reader, RowFileReader::Open(&file, std::move(wanted)));
  const bool log_loss = job_.model().loss() == proto::Model::LOG_LOSS;
  RowBlock block;
  for (std::uint32_t i = 0; i < file.blocks(); ++i) {
    RETURN_IF_ERROR(reader->Read(i, &block));
    bool good = options_.predict;
    ForEachNumber(block.streams[RowFileStreams::kLabel],
                  [&](std::uint32_t, double label) { good |= !std::isnan(LabelOf(label, log_loss)); });
    if (good) return {};
  }
  return Status::BadData(file.path() + ": no row of the file can be read: no label is 0 or 1, as model.loss needs");
}

std::string RowFileDataset::FileName(proto::Chunk::Set set, std::uint32_t file) const {
  const auto& files = FilesOf(set).files;
  if (const std::string path = followed_.PathOf(file); set == proto::Chunk::TRAIN && !path.empty()) return path;
  return file < files.size() ? files[file]->path() : "file " + std::to_string(file);
}

// Of a file in memory: those that are the set's.
std::uint64_t RowFileDataset::RowsInMemory(proto::Chunk::Set set, std::uint32_t file) const {
  const std::uint64_t rows = FilesOf(set).files[file]->rows();
  const std::function<bool(std::uint64_t)> keep = row_sets_.RowsOf(set, file);
  if (!keep) return rows;
  std::uint64_t kept = 0;
  for (std::uint64_t row = 0; row < rows; ++row) kept += keep(row);
  return kept;
}

Result<std::vector<proto::Chunk>> RowFileDataset::Chunks(proto::Chunk::Set set, std::uint32_t epoch,
                                                         std::uint32_t workers) {
  const Files& files = FilesOf(set);
  const std::uint64_t batch = job_.train().batch_size();
  ChunkCutter cutter(set, workers, options_.max_chunk_minibatches);
  std::vector<std::uint64_t> rows(files.files.size());
  std::uint64_t in_memory = 0, streamed = 0;  // minibatches
  for (std::uint32_t i = 0; i < files.files.size(); ++i) {
    rows[i] = files.in_memory[i] ? RowsInMemory(set, i) : files.files[i]->rows();
    (files.in_memory[i] ? in_memory : streamed) += (rows[i] + batch - 1) / batch;
  }
  for (std::uint32_t i = 0; i < files.files.size(); ++i) {
    if (files.in_memory[i]) {
      cutter.CutRows(i, rows[i], batch * cutter.MinibatchesPerChunk(in_memory));
    } else {
      CutBlocks(*files.files[i], i, batch * cutter.MinibatchesPerChunk(streamed), &cutter);
    }
  }
  if (!row_sets_.Shuffles(set)) return std::move(cutter).InOrder();
  return std::move(cutter).Shuffled(Mix(job_.train().seed(), epoch));
}

Result<std::vector<proto::Chunk>> RowFileDataset::ChunksOfNewFile(const std::string& path, std::uint32_t index,
                                                                  std::uint32_t workers) {
  std::vector<proto::Chunk> chunks;
  if (IsEmptyFile(job_.data(), path)) return chunks;
  ASSIGN_OR_RETURN(const std::unique_ptr<FollowedFile> file, OpenFollowed(path));
  if (file->rows->rows() == 0) return chunks;
  RETURN_IF_ERROR(FindGoodRow(*file->rows));
  RETURN_IF_ERROR(MakeEncoder(proto::Chunk::TRAIN, *file->rows, file->schema).status());
  const std::uint64_t batch = job_.train().batch_size();
  ChunkCutter cutter(proto::Chunk::TRAIN, workers, options_.max_chunk_minibatches);
  const std::uint64_t minibatches = (file->rows->rows() + batch - 1) / batch;
  CutBlocks(*file->rows, index, batch * cutter.MinibatchesPerChunk(minibatches), &cutter);
  chunks = std::move(cutter).InOrder();
  for (proto::Chunk& chunk : chunks) chunk.set_path(path);
  return chunks;
}

// Chunks of whole blocks, about as many rows in each. A last block of less than a minibatch is no chunk of its own.
void RowFileDataset::CutBlocks(const RowFile& file, std::uint32_t index, std::uint64_t rows_a_chunk,
                               ChunkCutter* cutter) const {
  const std::uint64_t chunks = std::max<std::uint64_t>(1, (file.rows() + rows_a_chunk - 1) / rows_a_chunk);
  std::uint64_t cut = 0, bytes = 0;
  std::uint64_t begin = 0;
  for (std::uint32_t i = 0; i < file.blocks(); ++i) {
    bytes += file.block(i).payload_bytes;
    const std::uint64_t end = file.first_row(i + 1), left = file.rows() - end;
    if (left > 0 && left < job_.train().batch_size()) continue;
    const bool enough = end * chunks >= (cut + 1) * file.rows();
    const bool full = left > 0 && bytes + file.block(i + 1).payload_bytes > kMaxChunkBytes;
    if (left > 0 && !enough && !full) continue;
    cutter->AddStreamed(index, begin, end);
    begin = end;
    bytes = 0;
    cut = end * chunks / file.rows();
  }
}

ColumnEncoder::Options RowFileDataset::EncoderOptions(proto::Chunk::Set set, const Schema& schema) const {
  ColumnEncoder::Options options;
  options.labels = !options_.predict;
  options.groups = schema.group >= 0 && set != proto::Chunk::TRAIN;
  options.log_loss = job_.model().loss() == proto::Model::LOG_LOSS;
  return options;
}

Result<ColumnEncoder> RowFileDataset::MakeEncoder(proto::Chunk::Set set, const RowFile& file,
                                                  const Schema& schema) const {
  return ColumnEncoder::Make(layout_, schema, statistics_, file, EncoderOptions(set, schema), vocabularies_);
}

Result<std::shared_ptr<RowFileDataset::Loaded>> RowFileDataset::Load(proto::Chunk::Set set, std::uint32_t index) {
  Files& files = FilesOf(set);
  std::lock_guard lock(files.mutex);
  if (files.loaded[index] != nullptr) return files.loaded[index];
  const RowFile& file = *files.files[index];
  // One that has all that any reader of the set needs.
  ASSIGN_OR_RETURN(const ColumnEncoder encoder, MakeEncoder(set, file));
  ASSIGN_OR_RETURN(const std::unique_ptr<RowFileReader> reader, RowFileReader::Open(&file, encoder.wanted()));
  auto loaded = std::make_shared<Loaded>();
  loaded->window = std::make_shared<RowWindow>();
  RETURN_IF_ERROR(FillWindow(file, reader.get(), encoder, 0, file.blocks(), loaded->window.get()));
  loaded->orders =
      row_sets_.OrdersOf(row_sets_.FilesOf(set), index, file.rows(), [](std::uint32_t row) { return row; });
  return files.loaded[index] = std::move(loaded);
}

// Chunks come over the network, or out of a checkpoint that was made with other files.
Status RowFileDataset::CheckChunk(const proto::Chunk& chunk) const {
  const Files& files = FilesOf(chunk.set());
  const std::string name = "chunk " + std::to_string(chunk.id()) + " of " + FileName(chunk.set(), chunk.file());
  if (chunk.file() >= files.files.size()) return Status::Invalid(name + ": the job has no such file");
  const RowFile& file = *files.files[chunk.file()];
  if (files.in_memory[chunk.file()] != chunk.in_memory()) {
    return Status::Invalid(name + ": the file has another size than it had");
  }
  if (chunk.begin() > chunk.end() || chunk.end() > file.rows()) {
    return Status::Invalid(name + ": the file has fewer rows than it had");
  }
  if (chunk.in_memory() || HasBlocksOf(file, chunk)) return {};
  return Status::Invalid(name + ": the file has other blocks than it had");
}

RowFileChunkReader::Options RowFileDataset::ReaderOptions(const proto::Chunk& chunk, std::uint32_t epoch,
                                                          std::uint32_t first_minibatch) const {
  RowFileChunkReader::Options options;
  static_cast<ChunkReading&>(options) = row_sets_.ReadingOf(chunk, epoch, first_minibatch);
  if (!chunk.in_memory() && row_sets_.Shuffles(chunk.set())) {
    options.deal_seed = Mix(job_.train().seed(), epoch, chunk.file(), chunk.begin());
  }
  return options;
}

Result<std::shared_ptr<RowWindow>> RowFileDataset::ReadWindow(const RowFile& file, const ColumnEncoder& encoder,
                                                              const proto::Chunk& chunk) {
  ASSIGN_OR_RETURN(const std::unique_ptr<RowFileReader> reader, RowFileReader::Open(&file, encoder.wanted()));
  std::shared_ptr<RowWindow> window = windows_.Take();
  RETURN_IF_ERROR(
      FillWindow(file, reader.get(), encoder, file.BlockAt(chunk.begin()), file.BlockAt(chunk.end()), window.get()));
  return window;
}

Result<std::unique_ptr<ChunkReader>> RowFileDataset::ReadFollowed(const proto::Chunk& chunk,
                                                                  RowFileChunkReader::Options options) {
  ASSIGN_OR_RETURN(const FollowedFile* const file, followed_.Find(chunk, [&] { return OpenFollowed(chunk.path()); }));
  if (!HasBlocksOf(*file->rows, chunk)) {
    return Status::BadData(file->path() + ": the file has other blocks than it had when it came");
  }
  ASSIGN_OR_RETURN(ColumnEncoder encoder, MakeEncoder(proto::Chunk::TRAIN, *file->rows, file->schema));
  ASSIGN_OR_RETURN(std::shared_ptr<RowWindow> window, ReadWindow(*file->rows, encoder, chunk));
  return std::unique_ptr<ChunkReader>(std::make_unique<RowFileChunkReader>(
      std::move(options), file->rows.get(), &log_, std::move(window), nullptr, std::move(encoder)));
}

Result<std::unique_ptr<ChunkReader>> RowFileDataset::Read(const proto::Chunk& chunk, std::uint32_t epoch,
                                                          std::uint32_t first_minibatch) {
  RowFileChunkReader::Options options = ReaderOptions(chunk, epoch, first_minibatch);
  if (chunk.has_path()) return ReadFollowed(chunk, std::move(options));
  RETURN_IF_ERROR(CheckChunk(chunk));
  const RowFile& file = *FilesOf(chunk.set()).files[chunk.file()];
  ASSIGN_OR_RETURN(ColumnEncoder encoder, MakeEncoder(chunk.set(), file));
  std::shared_ptr<RowWindow> window;
  EpochOrder::Rows order;
  if (chunk.in_memory()) {
    ASSIGN_OR_RETURN(const std::shared_ptr<Loaded> loaded, Load(chunk.set(), chunk.file()));
    EpochOrder& rows = *row_sets_.OrderOf(loaded->orders, chunk.set());
    order = row_sets_.Shuffles(chunk.set()) ? rows.Of(epoch) : rows.in_order();
    if (chunk.end() > order->size()) return Status::Invalid(file.path() + ": a chunk has more rows than the set");
    window = loaded->window;
  } else {
    options.keep = row_sets_.RowsOf(chunk.set(), chunk.file());
    ASSIGN_OR_RETURN(window, ReadWindow(file, encoder, chunk));
  }
  return std::unique_ptr<ChunkReader>(std::make_unique<RowFileChunkReader>(
      std::move(options), &file, &log_, std::move(window), std::move(order), std::move(encoder)));
}

Result<proto::Statistics> RowFileDataset::ComputeStatistics() {
  StatisticsCollector collector(layout_, schema_);
  if (collector.empty()) return proto::Statistics();
  const auto& files = sets_[proto::Chunk::TRAIN].files;
  if (files.empty())
    return Status::Invalid("data.train: features need statistics of the training rows, and there are none");
  for (std::uint32_t i = 0; i < files.size(); ++i) {
    RETURN_IF_ERROR(AddStatistics(i, &collector).Annotate("statistics of the training rows"));
    RETURN_IF_ERROR(CountTokens(job_, *files[i], row_sets_.RowsOf(proto::Chunk::TRAIN, i), &collector.counters())
                        .Annotate("vocabularies of the training rows"));
  }
  return collector.Finish();
}

Status RowFileDataset::AddStatistics(std::uint32_t index, StatisticsCollector* collector) const {
  const RowFile& file = *sets_[proto::Chunk::TRAIN].files[index];
  const std::function<bool(std::uint64_t)> keep = row_sets_.RowsOf(proto::Chunk::TRAIN, index);
  const bool log_loss = job_.model().loss() == proto::Model::LOG_LOSS;
  // The number columns that the job reads, and the label.
  std::vector<std::pair<int, int>> columns;  // of schema_, and the stream of the file
  for (std::size_t i = 0; i < schema_.columns.size(); ++i) {
    for (int c = 0; c < file.schema().column_size(); ++c) {
      const proto::RowFileColumn& column = file.schema().column(c);
      if (column.kind() != proto::RowFileColumn::NUMBER || column.name() != schema_.columns[i].name) continue;
      columns.emplace_back(static_cast<int>(i), file.streams().columns[c].values);
    }
  }
  std::vector<bool> wanted(file.streams().count, false);
  wanted[RowFileStreams::kLabel] = true;
  for (const auto& [column, stream] : columns) wanted[stream] = true;
  ASSIGN_OR_RETURN(const std::unique_ptr<RowFileReader> reader, RowFileReader::Open(&file, std::move(wanted)));
  RowBlock block;
  Row row;
  row.values.resize(schema_.columns.size());
  std::vector<std::vector<double>> numbers(file.streams().count);
  for (std::uint32_t b = 0; b < file.blocks(); ++b) {
    RETURN_IF_ERROR(reader->Read(b, &block));
    for (std::size_t s = 0; s < block.streams.size(); ++s) {
      if (block.streams[s].payload == nullptr) continue;
      RETURN_IF_ERROR(ReadNumbers(file, block, static_cast<int>(s), &numbers[s]));
    }
    for (std::uint32_t r = 0; r < block.rows; ++r) {
      const std::uint64_t number = file.first_row(b) + r;
      if (std::isnan(LabelOf(numbers[RowFileStreams::kLabel][r], log_loss)) || (keep && !keep(number))) continue;
      for (const auto& [column, stream] : columns) {
        const double value = numbers[stream][r];
        row.values[column] = {IsMissing(value) ? "" : "number", value};
      }
      collector->AddNumbers(row, RowId(index, number));
    }
  }
  return {};
}

Status RowFileDataset::CheckFirstRows(std::uint32_t rows) {
  for (const auto set : {proto::Chunk::TRAIN, proto::Chunk::EVAL, proto::Chunk::TEST}) {
    std::uint32_t left = rows;
    for (std::uint32_t i = 0; i < sets_[set].files.size() && left > 0; ++i) RETURN_IF_ERROR(CheckFile(set, i, &left));
  }
  return log_.Check(job_.data().max_bad_fraction()).Annotate("the first rows");
}

Status RowFileDataset::CheckFile(proto::Chunk::Set set, std::uint32_t index, std::uint32_t* rows) {
  const RowFile& file = *sets_[set].files[index];
  const proto::Statistics any = StandInStatistics(layout_);  // a check has no others
  ASSIGN_OR_RETURN(ColumnEncoder encoder,
                   ColumnEncoder::Make(layout_, schema_, any, file, EncoderOptions(set, schema_)));
  ASSIGN_OR_RETURN(const std::unique_ptr<RowFileReader> blocks, RowFileReader::Open(&file, encoder.wanted()));
  const std::shared_ptr<RowWindow> window = windows_.Take();
  RETURN_IF_ERROR(FillWindow(file, blocks.get(), encoder, 0, 1, window.get()));
  RowFileChunkReader::Options options;
  options.batch_size = std::min(*rows, window->rows());
  options.predict = options_.predict;
  RowFileChunkReader reader(std::move(options), &file, &log_, window, nullptr, std::move(encoder));
  Minibatch minibatch;
  RETURN_IF_ERROR(reader.Next(&minibatch).status());
  *rows -= std::min(*rows, minibatch.rows);
  return {};
}

}  // namespace sherd
