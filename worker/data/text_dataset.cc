#include "worker/data/text_dataset.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "worker/data/chunk_cutter.h"
#include "worker/data/text_chunk_reader.h"

namespace sherd {

Result<std::unique_ptr<Dataset>> TextDataset::Open(const proto::Job& job, const FeatureLayout& layout,
                                                   Options options) {
  std::unique_ptr<TextDataset> dataset(new TextDataset(job, layout, options));
  ASSIGN_OR_RETURN(dataset->schema_, Schema::Make(job, layout));
  RETURN_IF_ERROR(dataset->OpenSet(proto::Chunk::TRAIN, job.data().train()));
  RETURN_IF_ERROR(dataset->OpenSet(proto::Chunk::EVAL, job.data().eval()));
  RETURN_IF_ERROR(dataset->OpenSet(proto::Chunk::TEST, job.data().test()));
  return std::unique_ptr<Dataset>(std::move(dataset));
}

Status TextDataset::OpenSet(proto::Chunk::Set set, const google::protobuf::RepeatedPtrField<std::string>& patterns) {
  ASSIGN_OR_RETURN(std::vector<InputFile> inputs, FindInputFiles(job_.data(), patterns));
  for (InputFile& input : inputs) {
    ASSIGN_OR_RETURN(std::unique_ptr<TextFile> file, OpenFile(std::move(input)));
    sets_[set].files.push_back(std::move(file));
  }
  return {};
}

Result<std::unique_ptr<TextFile>> TextDataset::OpenFile(InputFile input) const {
  ASSIGN_OR_RETURN(std::unique_ptr<TextFile> file, TextFile::Open(std::move(input), TextRules::Of(job_.data())));
  RETURN_IF_ERROR(FindGoodRow(*file));
  return file;
}

Result<const TextFile*> TextDataset::FileOf(const proto::Chunk& chunk) {
  if (!chunk.has_path()) return FilesOf(chunk.set()).files[chunk.file()].get();
  ASSIGN_OR_RETURN(const TextFile* const file, followed_.Find(chunk, [&]() -> Result<std::unique_ptr<TextFile>> {
    ASSIGN_OR_RETURN(InputFile input, FindInputFile(job_.data(), chunk.path()));
    return OpenFile(std::move(input));
  }));
  if (!file->plain() || file->size() >= chunk.end()) return file;
  return Status::BadData(file->path() + ": the file is shorter than it was");
}

Result<std::unique_ptr<RowParser>> TextDataset::MakeParser(const TextFile& file) const {
  return RowParser::Make(job_, schema_, labels(), file.path(), file.header());
}

// A file of the wrong format is found out before the job begins: it has no row that can be read. As a rule the first
// can.
Status TextDataset::FindGoodRow(const TextFile& file) const {
  ASSIGN_OR_RETURN(const std::unique_ptr<LineReader> lines, file.Lines());
  ASSIGN_OR_RETURN(const std::unique_ptr<RowParser> parser, MakeParser(file));
  Line line;
  Row row;
  RowError error, first_error;
  std::string first_place;
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, lines->Next(&line));
    if (!more) break;
    if (!file.IsRow(line)) continue;
    if (parser->Parse(line.text, &row, &error)) return {};
    if (!first_place.empty()) continue;
    first_place = file.PlaceOfLine(lines->line_number());
    first_error = error;
  }
  if (first_place.empty()) return Status::BadData(file.path() + ": the file has no rows");
  if (options_.predict) return {};  // each row has its line in the output, even here
  const proto::BadRow bad = DescribeBadRow(first_error, first_place);
  return Status::BadData(file.path() + ": no row of the file can be read; the first: " + bad.where() + ": " +
                         bad.reason());
}

std::string TextDataset::FileName(proto::Chunk::Set set, std::uint32_t file) const {
  const auto& files = FilesOf(set).files;
  if (const std::string path = followed_.PathOf(file); set == proto::Chunk::TRAIN && !path.empty()) return path;
  return file < files.size() ? files[file]->path() : "file " + std::to_string(file);
}

Status TextDataset::EnsureLoaded(proto::Chunk::Set set) {
  set = row_sets_.FilesOf(set);
  Files& files = sets_[set];
  std::lock_guard lock(files.mutex);
  if (files.loaded) return {};
  std::uint64_t room = job_.data().in_memory_bytes();
  for (std::uint32_t i = 0; i < files.files.size(); ++i) {
    TextFile& file = *files.files[i];
    ASSIGN_OR_RETURN(const bool in_memory, file.Load(room));
    files.orders.emplace_back();
    if (!in_memory) continue;
    room -= file.memory_bytes();
    files.orders.back() =
        row_sets_.OrdersOf(set, i, file.rows(), [&](std::uint32_t row) { return file.row(row).offset; });
  }
  files.loaded = true;
  return {};
}

EpochOrder* TextDataset::OrderOf(proto::Chunk::Set set, std::uint32_t file) {
  return row_sets_.OrderOf(FilesOf(set).orders[file], set);
}

Result<std::vector<proto::Chunk>> TextDataset::Chunks(proto::Chunk::Set set, std::uint32_t epoch,
                                                      std::uint32_t workers) {
  RETURN_IF_ERROR(EnsureLoaded(set));
  const Files& files = FilesOf(set);
  const std::uint64_t batch = job_.train().batch_size();
  ChunkCutter cutter(set, workers, options_.max_chunk_minibatches);
  std::uint64_t minibatches = 0;
  for (std::uint32_t i = 0; i < files.files.size(); ++i) {
    if (const EpochOrder* order = OrderOf(set, i)) minibatches += (order->size() + batch - 1) / batch;
  }
  for (std::uint32_t i = 0; i < files.files.size(); ++i) {
    if (const EpochOrder* order = OrderOf(set, i)) {
      cutter.CutRows(i, order->size(), batch * cutter.MinibatchesPerChunk(minibatches));
    } else if (files.files[i]->plain()) {
      RETURN_IF_ERROR(CutStreamed(*files.files[i], i, &cutter));
    } else {
      cutter.AddWhole(i);
    }
  }
  if (!row_sets_.Shuffles(set)) return std::move(cutter).InOrder();
  return std::move(cutter).Shuffled(Mix(job_.train().seed(), epoch));
}

Result<std::vector<proto::Chunk>> TextDataset::ChunksOfNewFile(const std::string& path, std::uint32_t file,
                                                               std::uint32_t workers) {
  if (IsEmptyFile(job_.data(), path)) return std::vector<proto::Chunk>();
  ASSIGN_OR_RETURN(InputFile input, FindInputFile(job_.data(), path));
  ASSIGN_OR_RETURN(const std::unique_ptr<TextFile> text, OpenFile(std::move(input)));
  ChunkCutter cutter(proto::Chunk::TRAIN, workers, options_.max_chunk_minibatches);
  if (!text->plain()) cutter.AddWhole(file);
  if (text->plain()) RETURN_IF_ERROR(CutStreamed(*text, file, &cutter));
  std::vector<proto::Chunk> chunks = std::move(cutter).InOrder();
  for (proto::Chunk& chunk : chunks) chunk.set_path(path);
  return chunks;
}

Status TextDataset::CutStreamed(const TextFile& text, std::uint32_t file, ChunkCutter* cutter) const {
  ASSIGN_OR_RETURN(const std::uint64_t row_bytes, text.EstimateRowBytes());
  const std::uint64_t minibatch_bytes = row_bytes * job_.train().batch_size();
  const std::uint64_t minibatches = (text.size() - text.data_begin()) / minibatch_bytes;
  const std::uint64_t bytes = std::min(minibatch_bytes * cutter->MinibatchesPerChunk(minibatches), kMaxBlockBytes);
  if (text.cuts_anywhere()) {
    cutter->CutBytes(file, text.data_begin(), text.size(), std::max(bytes, minibatch_bytes));
    return {};
  }
  ASSIGN_OR_RETURN(const std::vector<std::uint64_t> begins, text.RecordRanges(std::max(bytes, minibatch_bytes)));
  for (std::size_t i = 1; i < begins.size(); ++i)
    cutter->CutBytes(file, begins[i - 1], begins[i], begins[i] - begins[i - 1]);
  return {};
}

// Chunks come over the network, or out of a checkpoint that was made with other files.
Status TextDataset::CheckChunk(const proto::Chunk& chunk) {
  if (chunk.has_path()) return {};  // its file is opened by name, and known to fit
  const Files& files = FilesOf(chunk.set());
  const std::string name = "chunk " + std::to_string(chunk.id()) + " of " + FileName(chunk.set(), chunk.file());
  if (chunk.file() >= files.files.size()) return Status::Invalid(name + ": the job has no such file");
  const EpochOrder* order = OrderOf(chunk.set(), chunk.file());
  if ((order != nullptr) != chunk.in_memory()) return Status::Invalid(name + ": the file has another size than it had");
  if (chunk.begin() > chunk.end() || (order != nullptr && chunk.end() > order->size())) {
    return Status::Invalid(name + ": the file has fewer rows than it had");
  }
  return {};
}

Result<std::unique_ptr<RowStream>> TextDataset::MakeStream(const TextFile& file, const proto::Chunk& chunk,
                                                           std::uint32_t epoch) {
  if (chunk.in_memory()) {
    EpochOrder* order = OrderOf(chunk.set(), chunk.file());
    EpochOrder::Rows rows = row_sets_.Shuffles(chunk.set()) ? order->Of(epoch) : order->in_order();
    return std::unique_ptr<RowStream>(std::make_unique<MemoryRows>(&file, std::move(rows), chunk.begin(), chunk.end()));
  }
  StreamedRows::Options options;
  options.end = chunk.end();
  // Room for a whole chunk of plain text, whose rows were only estimated.
  options.block_rows = 2 * std::uint64_t{options_.max_chunk_minibatches} * job_.train().batch_size();
  if (!chunk.has_path()) options.keep = row_sets_.RowsOf(chunk.set(), chunk.file());
  if (row_sets_.Shuffles(chunk.set()))
    options.shuffle_seed = Mix(job_.train().seed(), epoch, chunk.file(), chunk.begin());
  ASSIGN_OR_RETURN(std::unique_ptr<LineReader> lines, file.plain() ? file.LinesFrom(chunk.begin()) : file.Lines());
  return std::unique_ptr<RowStream>(
      std::make_unique<StreamedRows>(&file, std::move(lines), &blocks_, std::move(options)));
}

Result<std::unique_ptr<ChunkReader>> TextDataset::Read(const proto::Chunk& chunk, std::uint32_t epoch,
                                                       std::uint32_t first_minibatch) {
  RETURN_IF_ERROR(EnsureLoaded(chunk.set()));
  RETURN_IF_ERROR(CheckChunk(chunk));
  ASSIGN_OR_RETURN(const TextFile* const found, FileOf(chunk));
  const TextFile& file = *found;
  const RowDecoder::Options decoding = {.labels = labels(),
                                        .groups = schema_.group >= 0 && chunk.set() != proto::Chunk::TRAIN};
  ASSIGN_OR_RETURN(
      std::unique_ptr<RowDecoder> decoder,
      RowDecoder::Make(job_, layout_, schema_, statistics_, file.path(), file.header(), decoding, vocabularies_));
  ASSIGN_OR_RETURN(std::unique_ptr<RowStream> stream, MakeStream(file, chunk, epoch));
  return std::unique_ptr<ChunkReader>(std::make_unique<TextChunkReader>(
      row_sets_.ReadingOf(chunk, epoch, first_minibatch), &file, &log_, std::move(stream), std::move(decoder)));
}

Result<proto::Statistics> TextDataset::ComputeStatistics() {
  StatisticsCollector collector(layout_, schema_);
  if (collector.empty()) return proto::Statistics();
  const auto& files = sets_[proto::Chunk::TRAIN].files;
  if (files.empty())
    return Status::Invalid("data.train: features need statistics of the training rows, and there are none");
  for (std::uint32_t i = 0; i < files.size(); ++i) {
    RETURN_IF_ERROR(AddStatistics(i, &collector).Annotate("statistics of the training rows"));
  }
  return collector.Finish();
}

Status TextDataset::AddStatistics(std::uint32_t file, StatisticsCollector* collector) const {
  const TextFile& text = *sets_[proto::Chunk::TRAIN].files[file];
  const std::function<bool(std::uint64_t)> keep = row_sets_.RowsOf(proto::Chunk::TRAIN, file);
  ASSIGN_OR_RETURN(const std::unique_ptr<LineReader> lines, text.Lines());
  ASSIGN_OR_RETURN(const std::unique_ptr<RowParser> parser, MakeParser(text));
  Line line;
  Row row;
  RowError error;
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, lines->Next(&line));
    if (!more) return {};
    if (!text.IsRow(line) || (keep && !keep(line.offset))) continue;
    if (parser->Parse(line.text, &row, &error)) collector->Add(row, RowId(file, line.offset));
  }
}

Status TextDataset::CheckFirstRows(std::uint32_t rows) {
  for (Files& set : sets_) {
    std::uint32_t left = rows;
    for (const std::unique_ptr<TextFile>& file : set.files) RETURN_IF_ERROR(CheckFile(*file, &left));
  }
  return log_.Check(job_.data().max_bad_fraction()).Annotate("the first rows");
}

Status TextDataset::CheckFile(const TextFile& file, std::uint32_t* rows) {
  ASSIGN_OR_RETURN(const std::unique_ptr<LineReader> lines, file.Lines());
  ASSIGN_OR_RETURN(const std::unique_ptr<RowParser> parser, MakeParser(file));
  Line line;
  Row row;
  RowError error;
  while (*rows > 0) {
    ASSIGN_OR_RETURN(const bool more, lines->Next(&line));
    if (!more) break;
    if (!file.IsRow(line)) continue;
    --*rows;
    log_.CountRows(1);
    if (parser->Parse(line.text, &row, &error)) continue;
    log_.AddBad(error, [&] { return file.PlaceOfLine(lines->line_number()); });
  }
  return {};
}

}  // namespace sherd
