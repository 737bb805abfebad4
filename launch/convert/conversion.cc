#include "launch/convert/conversion.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <utility>

#include "base/byte_count.h"
#include "base/file.h"
#include "base/job_file.h"
#include "launch/convert/conversion_text.h"

namespace sherd {
namespace {

double Now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

template <typename Message>
Status Leave(const std::string& path, const Message& message) {
  std::string bytes;
  CHECK(message.SerializeToString(&bytes));
  return WriteFileAtomically(path, bytes);
}

template <typename Message>
Result<Message> Find(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path));
  Message message;
  if (!message.ParseFromString(bytes)) return Status::BadData(path + ": is damaged");
  return message;
}

std::string FinalName(proto::Chunk::Set set, std::size_t number) {
  static constexpr const char* kNames[] = {"train", "eval", "test"};
  char name[64];
  std::snprintf(name, sizeof name, "%s-%05zu.sherd", kNames[set], number);
  return name;
}

Result<Converter::Options> OptionsOf(const ConvertRequest& request) {
  Converter::Options options;
  if (request.keep_tokens) options.tokens = RowFilePlan::Tokens::kKept;
  if (!request.split.empty()) {
    const auto split = TestSplit::Parse(request.split);
    if (!split.ok()) return split.status().Annotate("--split");
    options.split = *split;
  }
  if (!request.text_bytes.empty()) {
    const auto bytes = ParseBytes(request.text_bytes);
    if (!bytes || *bytes == 0) return Status::Invalid("--text_bytes: " + request.text_bytes + " is no size like 64M");
    options.text_bytes = *bytes;
  }
  if (!request.min_count.empty()) {
    const std::string& text = request.min_count;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), options.min_count);
    if (error != std::errc() || end != text.data() + text.size() || options.min_count == 0) {
      return Status::Invalid("--min_count: " + text + " is not a number from 1");
    }
  }
  return options;
}

// A feature's name as a file's: what is more than letters, digits, '_', '-' and '.' stands as %2F does for '/'.
std::string FileNameOf(const std::string& feature) {
  std::string name;
  for (const char c : feature) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = std::isalnum(byte) || c == '_' || c == '-' || (c == '.' && !name.empty());
    char hex[8];
    std::snprintf(hex, sizeof hex, "%%%02X", byte);
    name += plain ? std::string(1, c) : hex;
  }
  return name;
}

}  // namespace

Conversion::Conversion(const JobRequest& request, Crew* crew, std::ostream* out)
    : request_(request), crew_(*crew), out_(*out), folder_(AbsolutePath(request.convert.out)) {}

Status Conversion::Load() {
  ASSIGN_OR_RETURN(loaded_, LoadJob(request_, 0));
  ASSIGN_OR_RETURN(const Converter::Options options, OptionsOf(request_.convert));
  ASSIGN_OR_RETURN(converter_, Converter::Open(loaded_.job, options));
  return {};
}

Status Conversion::Run() {
  begun_ = Now();
  const Status status = RunPhases();
  if (status.ok() || crew_.rank() != 0 || !prepared_) return status;
  const Status removed = folder_.RemovePartial();
  if (!removed.ok()) LOG(WARNING) << removed.text();
  return status;
}

Status Conversion::RunPhases() {
  RETURN_IF_ERROR(crew_.Run(crew_.ranks(), [this](std::size_t) { return Load(); }));
  RETURN_IF_ERROR(crew_.Run(1, [this](std::size_t) {
    const auto existing =
        request_.convert.overwrite ? OutputFolder::Existing::kReplaced : OutputFolder::Existing::kRefused;
    const Status status = folder_.Prepare(existing);
    prepared_ = status.ok();
    return status;
  }));
  if (converter_->needs_survey()) RETURN_IF_ERROR(Survey());
  if (converter_->needs_counts()) RETURN_IF_ERROR(Count());
  RETURN_IF_ERROR(crew_.Run(converter_->pieces(), [this](std::size_t piece) { return ConvertPiece(piece); }));
  return crew_.Run(1, [this](std::size_t) { return Finish(); });
}

Status Conversion::Survey() {
  const auto path = [this](std::size_t piece) {
    return JoinPath(folder_.partial(), "surveyed-" + std::to_string(piece));
  };
  RETURN_IF_ERROR(crew_.Run(converter_->pieces(), [&](std::size_t piece) -> Status {
    ASSIGN_OR_RETURN(const proto::SurveyedPiece surveyed, converter_->Survey(piece, crew_.stopping()));
    return Leave(path(piece), surveyed);
  }));
  return crew_.Run(crew_.ranks(), [&](std::size_t) -> Status {
    std::vector<proto::SurveyedPiece> all;
    for (std::size_t piece = 0; piece < converter_->pieces(); ++piece) {
      ASSIGN_OR_RETURN(proto::SurveyedPiece surveyed, Find<proto::SurveyedPiece>(path(piece)));
      all.push_back(std::move(surveyed));
    }
    return converter_->SetSurvey(all);
  });
}

Status Conversion::Count() {
  const auto path = [this](std::size_t piece) {
    return JoinPath(folder_.partial(), "counted-" + std::to_string(piece));
  };
  RETURN_IF_ERROR(crew_.Run(converter_->pieces(), [&](std::size_t piece) -> Status {
    ASSIGN_OR_RETURN(const proto::CountedPiece counts, converter_->Count(piece, crew_.stopping()));
    return Leave(path(piece), counts);
  }));
  return crew_.Run(crew_.ranks(), [&](std::size_t) -> Status {
    for (std::size_t piece = 0; piece < converter_->pieces(); ++piece) {
      ASSIGN_OR_RETURN(const proto::CountedPiece counts, Find<proto::CountedPiece>(path(piece)));
      converter_->AddCounts(counts);
    }
    converter_->EndCounts();
    return Status();
  });
}

Status Conversion::ConvertPiece(std::size_t piece) {
  ASSIGN_OR_RETURN(const proto::ConvertedPiece converted,
                   converter_->Convert(piece, folder_.partial(), crew_.stopping()));
  return Leave(JoinPath(folder_.partial(), "converted-" + std::to_string(piece)), converted);
}

Status Conversion::AddPiece(std::size_t piece, RowSummary* summary, Outcome* outcome,
                            std::vector<std::string>* partial_names) {
  const std::string path = JoinPath(folder_.partial(), "converted-" + std::to_string(piece));
  ASSIGN_OR_RETURN(const proto::ConvertedPiece converted, Find<proto::ConvertedPiece>(path));
  outcome->rows += converted.rows();
  outcome->bad_rows += converted.bad_rows();
  for (const proto::BadRowKind& kind : converted.bad()) {
    const auto [place, is_new] = outcome->kinds.try_emplace({kind.expected(), kind.column()}, outcome->bad.size());
    if (is_new) {
      outcome->bad.push_back(converter_->Describe(piece, kind));
    } else {
      proto::BadRow& known = outcome->bad[place->second];
      known.set_count(known.count() + kind.count());
    }
  }
  for (const proto::ConvertedFile& file : converted.file()) {
    const auto set = static_cast<proto::Chunk::Set>(file.set());
    partial_names[set].push_back(file.file().name());
    outcome->label_sums[set] += file.label_sum();
    outcome->files[set].push_back(file.file());
    outcome->files[set].back().set_name(FinalName(set, outcome->files[set].size() - 1));
  }
  if (!converted.has_sketch()) return {};
  RowSummary of_piece = converter_->MakeSummary();
  if (!of_piece.Restore(converted.sketch())) return Status::BadData(path + ": is damaged");
  summary->Merge(&of_piece);
  return {};
}

// A job does not begin either with a set of which no row can be read.
Status Conversion::CheckBadRows(const Outcome& outcome) const {
  const proto::Data& data = loaded_.job.data();
  const auto empty = [&](proto::Chunk::Set set, int named) { return named > 0 && outcome.files[set].empty(); };
  const char* const without = empty(proto::Chunk::TRAIN, data.train_size()) ? "train"
                              : empty(proto::Chunk::EVAL, data.eval_size()) ? "eval"
                              : empty(proto::Chunk::TEST, data.test_size()) ? "test"
                                                                            : nullptr;
  if (outcome.rows > 0 && without != nullptr) {
    std::string text = std::string("data.") + without + ": there is no row that can be read";
    for (const proto::BadRow& kind : outcome.bad) text += "\n  bad row: " + kind.where() + ": " + kind.reason();
    return Status::BadData(std::move(text));
  }
  const double allowed = loaded_.job.data().max_bad_fraction();
  const double good = static_cast<double>(outcome.rows - outcome.bad_rows);
  if (outcome.rows > 0 && good > 0 &&
      (outcome.bad_rows == 0 ||
       static_cast<double>(outcome.bad_rows) <= std::max(1.0, allowed * static_cast<double>(outcome.rows)))) {
    return {};
  }
  if (outcome.rows == 0) return Status::BadData("the files have no rows");
  char share[64];
  std::snprintf(share, sizeof share, "more than data.max_bad_fraction = %g", allowed);
  std::string text =
      std::to_string(outcome.bad_rows) + " of " + std::to_string(outcome.rows) + " rows are bad, " + share;
  for (const proto::BadRow& kind : outcome.bad) text += "\n  first of its kind: " + kind.where() + ": " + kind.reason();
  return Status::BadData(std::move(text));
}

Status Conversion::Finish() {
  Outcome outcome;
  std::vector<std::string> partial_names[3];
  RowSummary summary = converter_->MakeSummary();
  for (std::size_t piece = 0; piece < converter_->pieces(); ++piece) {
    RETURN_IF_ERROR(AddPiece(piece, &summary, &outcome, partial_names));
  }
  RETURN_IF_ERROR(CheckBadRows(outcome));
  ASSIGN_OR_RETURN(outcome.statistics, summary.Describe());
  for (const proto::DataFile& file : outcome.files[proto::Chunk::TRAIN]) *outcome.statistics.add_file() = file;
  RETURN_IF_ERROR(folder_.RemoveOld());
  for (int set = 0; set < 3; ++set) {
    for (std::size_t i = 0; i < partial_names[set].size(); ++i) {
      RETURN_IF_ERROR(folder_.Publish(partial_names[set][i], outcome.files[set][i].name()));
    }
  }
  RETURN_IF_ERROR(
      WriteFileAtomically(JoinPath(folder_.path(), "statistics.pbtxt"), StatisticsToText(outcome.statistics)));
  RETURN_IF_ERROR(WriteVocabularies());
  RETURN_IF_ERROR(WriteJob(outcome));
  RETURN_IF_ERROR(folder_.RemovePartial());
  Say(outcome);
  return {};
}

Status Conversion::WriteVocabularies() {
  if (converter_->counted().empty()) return {};
  const std::string folder = JoinPath(folder_.path(), "vocabulary");
  RETURN_IF_ERROR(MakeDirectory(folder));
  for (const Converter::CountedColumn& column : converter_->counted()) {
    RETURN_IF_ERROR(WriteFileAtomically(JoinPath(folder, FileNameOf(column.name)), column.vocabulary.Text()));
  }
  return {};
}

Status Conversion::WriteJob(const Outcome& outcome) {
  proto::Job job = converter_->plan().job;
  proto::Data& data = *job.mutable_data();
  if (!outcome.files[proto::Chunk::TRAIN].empty()) data.add_train("train-*.sherd");
  if (!outcome.files[proto::Chunk::EVAL].empty()) data.add_eval("eval-*.sherd");
  if (!outcome.files[proto::Chunk::TEST].empty()) data.add_test("test-*.sherd");
  return WriteFileAtomically(folder_.job_file(), JobToText(job));
}

void Conversion::Say(const Outcome& outcome) const {
  ConversionFigures figures;
  figures.seconds = Now() - begun_;
  figures.bytes_in = converter_->input_bytes();
  for (int set = 0; set < 3; ++set) {
    for (const proto::DataFile& file : outcome.files[set]) {
      figures.bytes_out += file.bytes();
      figures.rows[set] += file.rows();
    }
    figures.files[set] = outcome.files[set].size();
    figures.label_sums[set] = outcome.label_sums[set];
  }
  figures.bad_rows = outcome.bad_rows;
  out_ << DescribeConversion(figures, outcome.statistics, outcome.bad) << folder_.job_file() << " trains on them"
       << std::endl;
}

}  // namespace sherd
