#include "worker/data/converter.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <utility>

#include "base/file.h"
#include "worker/data/bad_row_log.h"
#include "worker/data/input_files.h"
#include "worker/data/recorded_statistics.h"
#include "worker/data/row_file_writer.h"
#include "worker/data/row_sets.h"
#include "worker/data/token_list.h"

namespace sherd {
namespace {

constexpr std::uint64_t kLeastTextBytes = 16 << 20, kMostTextBytes = 512 << 20;
constexpr std::uint64_t kTextShare = 64;
constexpr std::uint32_t kStopInterval = 1024;  // lines
constexpr std::uint64_t kJudgedRows = 10'000;  // the share of bad ones means little before

std::string Numbered(std::uint64_t number) {
  std::string text = std::to_string(number);
  return std::string(8 - std::min<std::size_t>(8, text.size()), '0') + text;
}

}  // namespace

Result<std::unique_ptr<Converter>> Converter::Open(const proto::Job& job, const Options& options) {
  std::unique_ptr<Converter> converter(new Converter(job, options));
  RETURN_IF_ERROR(converter->MakeSchema());
  RETURN_IF_ERROR(converter->OpenFiles());
  converter->CutFiles();
  return converter;
}

// The column of times is asked for by a feature of its own, which comes last and is in no row file.
Status Converter::MakeSchema() {
  ASSIGN_OR_RETURN(layout_, FeatureLayout::Make(job_));
  if (options_.split.by == TestSplit::By::kTime) {
    proto::Job timed = job_;
    proto::Feature* time = timed.add_feature();
    time->set_name("the time of --split");
    time->set_column(options_.split.column);
    time->mutable_number();
    const auto timed_layout = FeatureLayout::Make(timed);
    if (!timed_layout.ok()) return timed_layout.status().Annotate("--split");
    ASSIGN_OR_RETURN(schema_, Schema::Make(timed, *timed_layout));
    time_column_ = schema_.feature_column.back();
    schema_.feature_column.pop_back();
  } else {
    ASSIGN_OR_RETURN(schema_, Schema::Make(job_, layout_));
  }
  ASSIGN_OR_RETURN(plan_, RowFilePlan::Make(job_, layout_, schema_, options_.tokens));
  return needs_counts() ? ChooseCounted() : Status();
}

Status Converter::ChooseCounted() {
  for (const FeatureLayout::FeatureColumn& feature : layout_.features) {
    if (!feature.config->categorical().has_vocabulary()) continue;
    return Status::Invalid("--min_count: feature " + feature.name +
                           " has a vocabulary by the job file, which goes by what is counted; use one of them");
  }
  for (int i = 0; i < plan_.schema.column_size(); ++i) {
    const proto::RowFileColumn& column = plan_.schema.column(i);
    const int source = plan_.sources[i];
    if (column.kind() == proto::RowFileColumn::NUMBER) continue;
    const std::string who = "--min_count: column " + column.name();
    if (source == RowFileWriter::kOccurrences)
      return Status::Invalid(who + ": features of libsvm rows are not counted");
    if (column.token_is_key()) return Status::Invalid(who + ": its tokens are keys; there is none for the rare ones");
    if (source == schema_.group) return Status::Invalid(who + ": evaluation.group_by would lose its rare groups");
    const auto same = [&](const CountedColumn& known) { return known.source == source; };
    const auto known = std::find_if(counted_.begin(), counted_.end(), same);
    if (known == counted_.end()) {
      counted_.push_back({column.name(), source, column.separator(), {}});
    } else if (known->separator != column.separator()) {
      return Status::Invalid(who + ": other features cut the same column otherwise");
    }
  }
  return {};
}

Status Converter::OpenFiles() {
  const proto::Data& data = job_.data();
  if (options_.split.by != TestSplit::By::kNone && !data.test().empty()) {
    return Status::Invalid("--split: the job has data.test files already");
  }
  const google::protobuf::RepeatedPtrField<std::string>* const sets[] = {&data.train(), &data.eval(), &data.test()};
  for (std::size_t set = 0; set < files_.size(); ++set) {
    ASSIGN_OR_RETURN(std::vector<InputFile> inputs, FindInputFiles(data, *sets[set]));
    for (InputFile& input : inputs) {
      ASSIGN_OR_RETURN(std::unique_ptr<TextFile> file, TextFile::Open(std::move(input), TextRules::Of(data)));
      files_[set].push_back(std::move(file));
    }
  }
  return {};
}

std::uint64_t Converter::input_bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& set : files_) {
    for (const std::unique_ptr<TextFile>& file : set) bytes += file->size();
  }
  return bytes;
}

void Converter::CutFiles() {
  if (options_.text_bytes == 0) {
    options_.text_bytes = std::clamp(input_bytes() / kTextShare, kLeastTextBytes, kMostTextBytes);
  }
  for (std::size_t set = 0; set < files_.size(); ++set) {
    for (std::uint32_t i = 0; i < files_[set].size(); ++i) {
      const TextFile& file = *files_[set][i];
      const auto which = static_cast<proto::Chunk::Set>(set);
      if (!file.plain()) {
        pieces_.push_back({which, i, 0, ~std::uint64_t{0}});
        continue;
      }
      const std::uint64_t begin = file.data_begin(), bytes = file.size() - begin;
      const std::uint64_t cuts = std::max<std::uint64_t>(1, (bytes + options_.text_bytes - 1) / options_.text_bytes);
      for (std::uint64_t k = 0; k < cuts; ++k) {
        pieces_.push_back({which, i, begin + bytes * k / cuts, begin + bytes * (k + 1) / cuts});
      }
    }
  }
}

// Calls `take` with each line of a piece that is a row.
template <typename TakeLine>
Status Converter::ForEachLine(const Piece& piece, const StopFlag& stop, const TakeLine& take) const {
  const TextFile& file = FileOf(piece);
  ASSIGN_OR_RETURN(const std::unique_ptr<LineReader> lines, file.plain() ? file.LinesFrom(piece.begin) : file.Lines());
  Line line;
  for (std::uint32_t read = 0;; ++read) {
    if (read % kStopInterval == 0 && stop) return Status::Stopped("stopped");
    ASSIGN_OR_RETURN(const bool more, lines->Next(&line));
    if (!more || line.offset >= piece.end) return {};
    if (file.IsRow(line)) RETURN_IF_ERROR(take(line));
  }
}

Result<proto::SurveyedPiece> Converter::Survey(std::size_t index, const StopFlag& stop) const {
  const Piece& piece = pieces_[index];
  proto::SurveyedPiece surveyed;
  if (piece.set != proto::Chunk::TRAIN) return surveyed;
  std::uint64_t rows = 0;
  if (time_column_ < 0) {
    const auto count = [&rows](const Line&) {
      ++rows;
      return Status();
    };
    RETURN_IF_ERROR(ForEachLine(piece, stop, count));
    surveyed.set_rows(rows);
    return surveyed;
  }
  const TextFile& file = FileOf(piece);
  ASSIGN_OR_RETURN(const auto parser,
                   RowParser::Make(job_, schema_, RowParser::Labels::kNeeded, file.path(), file.header()));
  NumberSummary times;
  Row row;
  RowError error;
  RETURN_IF_ERROR(ForEachLine(piece, stop, [&](const Line& line) {
    ++rows;
    if (!parser->Parse(line.text, &row, &error)) return Status();
    const Value& time = row.values[time_column_];
    if (!time.text.empty()) times.Add(time.number);
    return Status();
  }));
  times.Flush();
  times.Save(surveyed.mutable_time());
  surveyed.set_rows(rows);
  return surveyed;
}

Status Converter::SetSurvey(std::span<const proto::SurveyedPiece> surveyed) {
  std::uint64_t rows = 0;
  NumberSummary times;
  for (const proto::SurveyedPiece& piece : surveyed) {
    first_row_.push_back(rows);
    rows += piece.rows();
    NumberSummary of_piece;
    if (!piece.has_time()) continue;
    if (!of_piece.Restore(piece.time())) return Status::BadData("a piece's times are damaged");
    times.Merge(&of_piece);
  }
  last_begin_ = rows - static_cast<std::uint64_t>(options_.split.fraction * static_cast<double>(rows));
  if (options_.split.by != TestSplit::By::kTime) return {};
  const auto sorted = times.sketch().Sorted();
  const auto training =
      static_cast<std::uint64_t>((1 - options_.split.fraction) * static_cast<double>(times.sketch().count()));
  std::uint64_t behind = 0;
  for (const auto& [value, weight] : sorted) {
    latest_ = value;
    behind += weight;
    if (behind >= training) break;
  }
  if (!sorted.empty() && latest_ < sorted.back().first) return {};
  return Status::Invalid("--split: no row has a later " + options_.split.column + " than the others");
}

Result<proto::CountedPiece> Converter::Count(std::size_t index, const StopFlag& stop) const {
  const Piece& piece = pieces_[index];
  proto::CountedPiece counts;
  if (piece.set != proto::Chunk::TRAIN) return counts;
  const TextFile& file = FileOf(piece);
  ASSIGN_OR_RETURN(const auto parser,
                   RowParser::Make(job_, schema_, RowParser::Labels::kNeeded, file.path(), file.header()));
  std::vector<TokenVocabulary> tokens(counted_.size());
  const std::uint64_t first = first_row_.empty() ? 0 : first_row_[index];
  std::uint64_t rows = 0;
  Row row;
  RowError error;
  RETURN_IF_ERROR(ForEachLine(piece, stop, [&](const Line& line) {
    const std::uint64_t number = first + rows++;
    if (!parser->Parse(line.text, &row, &error)) return Status();
    if (SetOf(piece, row, line.offset, number) != proto::Chunk::TRAIN) return Status();
    for (std::size_t i = 0; i < counted_.size(); ++i) {
      const std::string_view text = row.values[counted_[i].source].text;
      if (counted_[i].separator.empty()) {
        if (!text.empty()) tokens[i].Add(text);
        continue;
      }
      ForEachToken(text, counted_[i].separator, [&](std::string_view token) {
        if (!token.empty()) tokens[i].Add(token);
      });
    }
    return Status();
  }));
  for (const TokenVocabulary& column : tokens) *counts.add_column() = column.Save();
  return counts;
}

void Converter::AddCounts(const proto::CountedPiece& counts) {
  for (int i = 0; i < counts.column_size(); ++i) counted_[i].vocabulary.Merge(counts.column(i));
}

void Converter::EndCounts() {
  for (CountedColumn& column : counted_) column.vocabulary.DropRare(options_.min_count);
}

// A missing value stays missing. `lists` holds the lists that are written anew.
void Converter::ReplaceRare(Row* row, std::vector<std::string>* lists) const {
  lists->resize(counted_.size());
  for (std::size_t i = 0; i < counted_.size(); ++i) {
    const CountedColumn& column = counted_[i];
    std::string_view& text = row->values[column.source].text;
    if (text.empty()) continue;
    if (column.separator.empty()) {
      if (!column.vocabulary.Has(text)) text = kRareToken;
      continue;
    }
    std::string& list = (*lists)[i];
    list.clear();
    ForEachToken(text, column.separator, [&](std::string_view token) {
      if (!list.empty()) list += column.separator;
      list += token.empty() || column.vocabulary.Has(token) ? token : kRareToken;
    });
    text = list;
  }
}

proto::Chunk::Set Converter::SetOf(const Piece& piece, const Row& row, std::uint64_t offset,
                                   std::uint64_t number) const {
  if (piece.set != proto::Chunk::TRAIN) return piece.set;
  const TestSplit& split = options_.split;
  const std::uint64_t id = RowId(piece.file, offset);
  if (split.TakesByHash(id)) return proto::Chunk::TEST;
  if (split.by == TestSplit::By::kLast && number >= last_begin_) return proto::Chunk::TEST;
  if (time_column_ >= 0) {
    const Value& time = row.values[time_column_];
    if (!time.text.empty() && time.number > latest_) return proto::Chunk::TEST;
  }
  const bool splits = job_.data().eval().empty() && IsEvalRow(id, job_.data().eval_fraction());
  return splits ? proto::Chunk::EVAL : proto::Chunk::TRAIN;
}

// The row files that a piece is becoming, of each set one at a time.
class Converter::PieceWriter {
 public:
  PieceWriter(const Converter& converter, std::size_t piece, std::string folder)
      : converter_(converter), piece_(piece), folder_(std::move(folder)), summary_(converter.MakeSummary()) {}

  Status Add(const Line& line, const Row& row, std::uint64_t number) {
    if (line.offset - begin_ >= converter_.options_.text_bytes) {
      RETURN_IF_ERROR(FinishFiles());
      begin_ = line.offset;
      ++part_;
    }
    const proto::Chunk::Set set = converter_.SetOf(converter_.pieces_[piece_], row, line.offset, number);
    Output& output = outputs_[set];
    if (output.writer == nullptr) RETURN_IF_ERROR(Open(set, &output));
    output.label_sum += row.label;
    if (set == proto::Chunk::TRAIN) summary_.Add(row);
    return output.writer->Append(row);
  }

  void AddBad(const RowError& error, std::uint64_t offset) {
    const auto [place, is_new] = kinds_.try_emplace({error.expected, error.column}, converted_.bad_size());
    converted_.set_bad_rows(converted_.bad_rows() + 1);
    proto::BadRowKind* kind = is_new ? converted_.add_bad() : converted_.mutable_bad(place->second);
    kind->set_count(kind->count() + 1);
    if (!is_new) return;
    kind->set_expected(error.expected);
    kind->set_column(error.column);
    kind->set_got(error.got);
    kind->set_offset(offset);
  }

  void Begin(std::uint64_t offset) { begin_ = offset; }

  Result<proto::ConvertedPiece> Finish(std::uint64_t rows) {
    RETURN_IF_ERROR(FinishFiles());
    converted_.set_rows(rows);
    if (summary_.rows() > 0) *converted_.mutable_sketch() = summary_.Save();
    return std::move(converted_);
  }

 private:
  struct Output {
    std::string name;
    std::unique_ptr<RowFileWriter> writer;
    double label_sum = 0;
  };

  Status Open(proto::Chunk::Set set, Output* output) {
    static constexpr const char* kNames[] = {"train", "eval", "test"};
    output->name = std::string(kNames[set]) + "-" + Numbered(piece_) + "-" + Numbered(part_);
    output->label_sum = 0;
    RowFileWriter::Options options;
    options.sources = converter_.plan_.sources;
    ASSIGN_OR_RETURN(output->writer,
                     RowFileWriter::Create(JoinPath(folder_, output->name), converter_.plan_.schema, options));
    return {};
  }

  Status FinishFiles() {
    for (std::size_t set = 0; set < outputs_.size(); ++set) {
      Output& output = outputs_[set];
      if (output.writer == nullptr) continue;
      RETURN_IF_ERROR(output.writer->Finish());
      proto::ConvertedFile* file = converted_.add_file();
      file->set_set(static_cast<std::uint32_t>(set));
      file->set_label_sum(output.label_sum);
      file->mutable_file()->set_name(output.name);
      file->mutable_file()->set_bytes(output.writer->bytes());
      file->mutable_file()->set_rows(output.writer->rows());
      ASSIGN_OR_RETURN(const std::uint32_t crc, TailCrc(JoinPath(folder_, output.name)));
      file->mutable_file()->set_tail_crc(crc);
      output.writer.reset();
    }
    return {};
  }

  const Converter& converter_;
  const std::size_t piece_;
  const std::string folder_;
  std::uint64_t begin_ = 0;  // of the text of the files that are written
  std::uint64_t part_ = 0;
  std::array<Output, 3> outputs_;  // by set
  RowSummary summary_;
  proto::ConvertedPiece converted_;
  std::map<std::pair<std::string, std::string>, int> kinds_;  // (expected, column) -> index in converted_.bad
};

Result<proto::ConvertedPiece> Converter::Convert(std::size_t index, const std::string& folder,
                                                 const StopFlag& stop) const {
  const Piece& piece = pieces_[index];
  const TextFile& file = FileOf(piece);
  ASSIGN_OR_RETURN(const auto parser,
                   RowParser::Make(job_, schema_, RowParser::Labels::kNeeded, file.path(), file.header()));
  PieceWriter writer(*this, index, folder);
  writer.Begin(piece.begin);
  const std::uint64_t first = first_row_.empty() ? 0 : first_row_[index];
  std::uint64_t rows = 0;
  Row row;
  RowError error;
  std::vector<std::string> lists;
  RETURN_IF_ERROR(ForEachLine(piece, stop, [&](const Line& line) {
    const std::uint64_t number = first + rows++;
    ++rows_read_;
    if (parser->Parse(line.text, &row, &error)) {
      ReplaceRare(&row, &lists);
      return writer.Add(line, row, number);
    }
    writer.AddBad(error, line.offset);
    ++bad_rows_;
    return JudgeBadRows(index, error, line.offset);
  }));
  return writer.Finish(rows);
}

// As a training job does, which would not take the same rows either.
Status Converter::JudgeBadRows(std::size_t piece, const RowError& error, std::uint64_t offset) const {
  const std::uint64_t rows = rows_read_, bad = bad_rows_;
  const double allowed = job_.data().max_bad_fraction();
  if (rows < kJudgedRows || static_cast<double>(bad) <= allowed * static_cast<double>(rows)) return {};
  const proto::BadRow one = DescribeBadRow(error, FileOf(pieces_[piece]).Place(offset));
  char share[64];
  std::snprintf(share, sizeof share, "more than data.max_bad_fraction = %g", allowed);
  return Status::BadData(std::to_string(bad) + " of the " + std::to_string(rows) + " rows read so far are bad, " +
                         share + "; one of them: " + one.where() + ": " + one.reason());
}

proto::BadRow Converter::Describe(std::size_t piece, const proto::BadRowKind& kind) const {
  const RowError error = {kind.expected(), kind.got(), kind.column()};
  proto::BadRow row = DescribeBadRow(error, FileOf(pieces_[piece]).Place(kind.offset()));
  row.set_count(kind.count());
  return row;
}

}  // namespace sherd
