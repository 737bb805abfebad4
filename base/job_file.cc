#include "base/job_file.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <map>
#include <regex>
#include <sstream>
#include <tuple>
#include <utility>

#include "base/hash.h"
#include "base/job_rules.h"

namespace sherd {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::TextFormat;

using Place = std::pair<int, int>;  // line and column, from 0

struct Problem {
  int line;  // from 0; -1: the file as a whole
  std::string text;
};

std::string Subscript(int index) { return std::string("[").append(std::to_string(index)).append("]"); }

// ---- walking -------------------------------------------------------------------------------------------------------

// Goes through every set field of a job in the order of proto/job.proto and lists what breaks a rule. With the places
// of a parse (`tree` not null) each problem gets its line, and the values that the parser could not take (`refused`, by
// the place of their field's name) are reported in place of the stand-ins that the repaired text has for them.
class RuleWalk {
 public:
  explicit RuleWalk(const std::map<Place, std::string>& refused) : refused_(refused) {}

  void Visit(const Message& message, TextFormat::ParseInfoTree* tree, const std::string& prefix, int line) {
    for (const FieldDescriptor* field : MissingFields(message)) {
      problems_.push_back({line, prefix + field->name() + ": is required"});
    }
    std::vector<const FieldDescriptor*> fields;
    message.GetReflection()->ListFields(message, &fields);
    for (const FieldDescriptor* field : fields) {
      const int count = field->is_repeated() ? message.GetReflection()->FieldSize(message, field) : 1;
      for (int i = 0; i < count; ++i) {
        VisitField({&message, field, field->is_repeated() ? i : -1}, tree, prefix);
      }
    }
  }

  std::vector<Problem> problems() && { return std::move(problems_); }

 private:
  void VisitField(const FieldPlace& place, TextFormat::ParseInfoTree* tree, const std::string& prefix) {
    const FieldDescriptor* field = place.field;
    std::string path = prefix + field->name();
    if (place.index >= 0) path += Subscript(place.index);
    const auto at = tree == nullptr ? TextFormat::ParseLocation() : tree->GetLocation(field, place.index);
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      auto* nested = tree == nullptr ? nullptr : tree->GetTreeForNested(field, place.index);
      const Reflection* r = place.message->GetReflection();
      const Message& value = place.index < 0 ? r->GetMessage(*place.message, field)
                                             : r->GetRepeatedMessage(*place.message, field, place.index);
      return Visit(value, nested, path + ".", at.line);
    }
    const auto refused = refused_.find({at.line, at.column});
    const std::string problem = refused == refused_.end() ? RuleViolation(place) : Refusal(field, refused->second);
    if (!problem.empty()) problems_.push_back({at.line, path + ": " + problem});
  }

  static std::string Refusal(const FieldDescriptor* field, const std::string& value) {
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) return value + " is not a text in quotes";
    return TypeViolation(field, value);
  }

  const std::map<Place, std::string>& refused_;
  std::vector<Problem> problems_;
};

// ---- parsing -------------------------------------------------------------------------------------------------------

struct ParserNote {
  int line, column;
  std::string text;
};

class NoteCollector : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int line, int column, const std::string& text) override { errors.push_back({line, column, text}); }
  void AddWarning(int line, int column, const std::string& text) override { warnings.push_back({line, column, text}); }

  std::vector<ParserNote> errors, warnings;
};

std::size_t OffsetOf(const std::string& text, int line, int column) {
  std::size_t offset = 0;
  for (int i = 0; i < line && offset != std::string::npos; ++i) offset = text.find('\n', offset) + 1;
  // The tokenizer counts a tab as a step to the next multiple of 8.
  int at = 0;
  while (offset < text.size() && text[offset] != '\n' && at < column) {
    at += text[offset] == '\t' ? 8 - at % 8 : 1;
    ++offset;
  }
  return offset;
}

Place PlaceOf(const std::string& text, std::size_t offset) {
  Place place{0, 0};
  for (std::size_t i = 0; i < offset; ++i) {
    if (text[i] == '\n') {
      place = {place.first + 1, 0};
    } else {
      place.second += text[i] == '\t' ? 8 - place.second % 8 : 1;
    }
  }
  return place;
}

// The parser stops at a value that does not fit its field's type. So that the rest of the file is checked in the same
// run, such a value is replaced by one that fits, and remembered. False: the error is another one, and parsing ends
// there.
class Repair {
 public:
  bool Apply(const ParserNote& error, std::string* text) {
    const std::size_t offset = OffsetOf(*text, error.line, error.column);
    std::smatch name;
    static const std::regex kWrongToken(
        R"((Expected integer, got: |Expected double, got: |Integer out of range \().*)");
    static const std::regex kNoString("Expected string, got: .*");
    static const std::regex kUnknown(R"re(Unknown enumeration value of "(.*)" for field "(.*)"\.)re");
    static const std::regex kNotBool(R"re(Invalid value for boolean field "(.*)"\. Value: "(.*)"\.)re");
    if (std::regex_match(error.text, kWrongToken)) return ReplaceTokenAt(offset, "1", text);
    if (std::regex_match(error.text, kNoString)) return ReplaceTokenAt(offset, "\"1\"", text);
    // These two are noticed after the value has been passed.
    if (std::regex_match(error.text, name, kUnknown)) return ReplaceBefore(offset, name[2], name[1], text);
    if (std::regex_match(error.text, name, kNotBool)) return ReplaceBefore(offset, name[1], name[2], text);
    return false;
  }

  const std::map<Place, std::string>& refused() const { return refused_; }

 private:
  bool ReplaceTokenAt(std::size_t offset, const std::string& stand_in, std::string* text) {
    std::smatch name, token;
    const std::string before = text->substr(0, offset), after = text->substr(offset);
    static const std::regex kName(R"((\w+)\s*:\s*-?\s*$)");
    static const std::regex kToken(R"(^-?\s*("[^"\n]*"|'[^'\n]*'|[\w.+-]+))");
    if (!std::regex_search(before, name, kName) || !std::regex_search(after, token, kToken)) return false;
    return Replace(static_cast<std::size_t>(name.position(1)), offset, token.str(), stand_in, text);
  }

  bool ReplaceBefore(std::size_t end, const std::string& field, const std::string& value, std::string* text) {
    const std::string before = text->substr(0, end), stand_in = StandIn(field);
    const std::regex pattern("\\b" + field + "\\s*:\\s*[\"']?(" + value + ")");
    std::smatch last;
    for (std::sregex_iterator i(before.begin(), before.end(), pattern), none; i != none; ++i) last = *i;
    if (last.empty() || stand_in.empty()) return false;
    return Replace(static_cast<std::size_t>(last.position(0)), static_cast<std::size_t>(last.position(1)), value,
                   stand_in, text);
  }

  bool Replace(std::size_t name, std::size_t offset, const std::string& value, const std::string& stand_in,
               std::string* text) {
    const bool is_new = refused_.emplace(PlaceOf(*text, name), value).second;
    text->replace(offset, value.size(), stand_in);
    return is_new;  // the same place twice: no progress
  }

  // A value that an enum or bool field of this name can take.
  static std::string StandIn(const std::string& field_name) {
    const auto* file = proto::Job::descriptor()->file();
    for (int i = 0; i < file->message_type_count(); ++i) {
      const FieldDescriptor* field = file->message_type(i)->FindFieldByName(field_name);
      if (field == nullptr) continue;
      if (field->enum_type() != nullptr) return field->enum_type()->value(0)->name();
      if (field->cpp_type() == FieldDescriptor::CPPTYPE_BOOL) return "true";
    }
    return "";
  }

  std::map<Place, std::string> refused_;
};

// `Message type "sherd.proto.Train" has no field named "batchsize".` in our words.
std::string UnknownFieldText(const std::string& warning) {
  static const std::regex kPattern(R"re(Message type "(.*)" has no field named "(.*)"\.)re");
  std::smatch match;
  if (!std::regex_match(warning, match, kPattern)) return warning;
  const auto* type = google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(match[1]);
  if (type == nullptr) return warning;
  std::vector<std::string> names;
  for (int i = 0; i < type->field_count(); ++i) names.push_back(type->field(i)->name());
  const std::string closest = ClosestName(match[2], names);
  return match[2].str() + ": unknown field of " + type->name() +
         (closest.empty() ? "" : " (did you mean " + closest + "?)");
}

Status ProblemList(std::vector<Problem> problems, const std::string& file_name) {
  std::stable_sort(problems.begin(), problems.end(), [](const auto& a, const auto& b) { return a.line < b.line; });
  std::string text;
  for (const Problem& problem : problems) {
    if (!text.empty()) text += '\n';
    text += file_name + ":";
    if (problem.line >= 0) text += std::to_string(problem.line + 1) + ":";
    text += " " + problem.text;
  }
  return Status::Invalid(text);
}

// ---- fingerprint ---------------------------------------------------------------------------------------------------

// Removes what does not change a model: values that are spelled out though they are the default, and learning rates.
void Normalize(Message* message) {
  const Reflection* reflection = message->GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(*message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      for (int i = 0; field->is_repeated() && i < reflection->FieldSize(*message, field); ++i) {
        Normalize(reflection->MutableRepeatedMessage(message, field, i));
      }
      if (!field->is_repeated()) Normalize(reflection->MutableMessage(message, field));
      continue;
    }
    if (field->is_repeated() || field->name() == "name") continue;
    std::string value, standard;
    TextFormat::PrintFieldValueToString(*message, field, -1, &value);
    const std::unique_ptr<Message> empty(message->New());
    TextFormat::PrintFieldValueToString(*empty, field, -1, &standard);
    if (value == standard || field->name() == "learning_rate") reflection->ClearField(message, field);
  }
}

// How rows are kept is no part of what they are: a job may go on with other storage.
void RemoveStorage(proto::Job* part) {
  part->mutable_model()->clear_storage();
  auto* tables = part->mutable_table();
  for (int i = tables->size() - 1; i >= 0; --i) {
    proto::Table* const table = tables->Mutable(i);
    if (!table->has_storage()) continue;
    table->clear_storage();
    if (!table->has_dim() && !table->has_optimizer() && !table->has_initializer()) tables->DeleteSubrange(i, 1);
  }
}

proto::Job ModelPart(const proto::Job& job) {
  proto::Job part;
  *part.mutable_feature() = job.feature();
  *part.mutable_table() = job.table();
  *part.mutable_model() = job.model();
  RemoveStorage(&part);
  part.mutable_model()->clear_dense_precision();
  Normalize(&part);
  return part;
}

class DifferenceReporter : public google::protobuf::util::MessageDifferencer::Reporter {
 public:
  using Path = std::vector<google::protobuf::util::MessageDifferencer::SpecificField>;

  void ReportAdded(const Message& there, const Message& here, const Path& path) override {
    Add(path, "default", ValueText(here, path.back(), path.back().new_index));
  }
  void ReportDeleted(const Message& there, const Message& here, const Path& path) override {
    Add(path, ValueText(there, path.back(), path.back().index), "default");
  }
  void ReportModified(const Message& there, const Message& here, const Path& path) override {
    // Of a message the fields that differ have been reported.
    if (path.back().field == nullptr || path.back().field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) return;
    Add(path, ValueText(there, path.back(), path.back().index), ValueText(here, path.back(), path.back().new_index));
  }

  std::vector<std::string> lines;

 private:
  // The differencer gives the messages that hold the path's last field.
  static std::string ValueText(const Message& message,
                               const google::protobuf::util::MessageDifferencer::SpecificField& last, int index) {
    std::string text;
    if (last.field == nullptr) return "set";
    TextFormat::Printer printer;
    printer.SetSingleLineMode(true);
    printer.PrintFieldValueToString(message, last.field, last.field->is_repeated() ? index : -1, &text);
    while (!text.empty() && text.back() == ' ') text.pop_back();
    return last.field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE ? "{" + text + "}" : text;
  }

  void Add(const Path& path, const std::string& there, const std::string& here) {
    std::string name;
    for (const auto& step : path) {
      if (step.field == nullptr) continue;
      name.append(name.empty() ? "" : ".").append(step.field->name());
      if (step.field->is_repeated()) name += Subscript(std::max(step.index, step.new_index));
    }
    lines.push_back(name + ": " + there + " there, " + here + " here");
  }
};

}  // namespace

Result<proto::Job> ParseJob(const std::string& text, const std::string& file_name) {
  std::string repaired = text;
  Repair repair;
  while (true) {
    proto::Job job;
    NoteCollector notes;
    TextFormat::ParseInfoTree tree;
    TextFormat::Parser parser;
    parser.AllowUnknownField(true);
    parser.RecordErrorsTo(&notes);
    parser.WriteLocationsTo(&tree);
    const bool parsed = parser.ParseFromString(repaired, &job);
    if (!parsed && !notes.errors.empty() && repair.Apply(notes.errors.front(), &repaired)) continue;

    RuleWalk walk(repair.refused());
    // After a syntax error what comes behind it is missing for no fault of its own; only what was read is checked.
    walk.Visit(job, &tree, "", -1);
    std::vector<Problem> problems = std::move(walk).problems();
    if (!parsed) std::erase_if(problems, [](const Problem& p) { return p.text.ends_with(": is required"); });
    for (const ParserNote& note : notes.warnings) problems.push_back({note.line, UnknownFieldText(note.text)});
    for (const ParserNote& note : notes.errors) problems.push_back({note.line, "syntax error: " + note.text});
    if (!problems.empty()) return ProblemList(std::move(problems), file_name);
    return job;
  }
}

std::vector<std::string> FindRuleViolations(const proto::Job& job) {
  const std::map<Place, std::string> none;
  RuleWalk walk(none);
  walk.Visit(job, nullptr, "", -1);
  std::vector<std::string> violations;
  for (Problem& problem : std::move(walk).problems()) violations.push_back(std::move(problem.text));
  return violations;
}

std::string JobToText(const proto::Job& job) {
  std::string text;
  CHECK(TextFormat::PrintToString(job, &text));
  return text;
}

std::string StatisticsToText(const proto::DataStatistics& statistics) {
  std::string text;
  CHECK(TextFormat::PrintToString(statistics, &text));
  return text;
}

Result<proto::DataStatistics> ParseStatistics(const std::string& text, const std::string& file_name) {
  constexpr std::uint32_t kVersion = 1;
  proto::DataStatistics statistics;
  TextFormat::Parser parser;
  NoteCollector notes;  // or they would go to the log
  parser.RecordErrorsTo(&notes);
  if (parser.ParseFromString(text, &statistics) && statistics.version() == kVersion) return statistics;
  return Status::BadData(file_name + ": not the statistics of a converted training set, or of another version");
}

Status SetJobField(proto::Job* job, const std::string& path, const std::string& value) {
  Message* message = job;
  std::istringstream steps(path);
  std::string name;
  while (std::getline(steps, name, '.')) {
    const FieldDescriptor* field = message->GetDescriptor()->FindFieldByName(name);
    CHECK(field != nullptr) << path << " is no field of a job";
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) return SetFieldFromText(message, field, value);
    message = message->GetReflection()->MutableMessage(message, field);
  }
  LOG(FATAL) << path << " is not a single value";
  return {};
}

std::vector<std::string> TrainingDifferences(const proto::Job& there, const proto::Job& here) {
  const auto part = [](const proto::Job& job) {
    proto::Job training;
    *training.mutable_table() = job.table();
    *training.mutable_model() = job.model();
    *training.mutable_train() = job.train();
    *training.mutable_evaluation() = job.evaluation();
    return training;
  };
  google::protobuf::util::MessageDifferencer differencer;
  DifferenceReporter reporter;
  differencer.ReportDifferencesTo(&reporter);
  differencer.Compare(part(there), part(here));
  return reporter.lines;
}

std::vector<std::string> ModelDifferences(const proto::Job& there, const proto::Job& here) {
  google::protobuf::util::MessageDifferencer differencer;
  DifferenceReporter reporter;
  differencer.ReportDifferencesTo(&reporter);
  differencer.Compare(ModelPart(there), ModelPart(here));
  return reporter.lines;
}

std::uint64_t ModelFingerprint(const proto::Job& job) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    CHECK(ModelPart(job).SerializeToCodedStream(&coded));
  }
  return HashBytes(bytes);
}

}  // namespace sherd
