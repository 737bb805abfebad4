#include "worker/data/interactions.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "worker/data/number_text.h"
#include "worker/data/row_parser.h"
#include "worker/data/text_file.h"
#include "worker/data/token_list.h"

namespace sherd {
namespace {

constexpr std::uint64_t kSplitLane = 0x6576616c;

// Are the tokens of a column users? Else they are items.
bool HasUsers(const proto::UserItem& format, std::string_view column) {
  if ((column == "history" || column == "targets") && format.has_bags()) return format.bags().of() == proto::Bags::ITEM;
  return column == "user";
}

// Takes the lines of user-item files apart.
class InteractionParser {
 public:
  InteractionParser(const proto::Data& data, const Schema& schema) : data_(data), format_(data.user_item()) {
    for (const Schema::Column& column : schema.columns) {
      (HasUsers(format_, column.name) ? user_is_key_ : item_is_key_) |= column.key;
      (HasUsers(format_, column.name) ? user_lists_ : item_lists_) = column.lists;
    }
  }

  struct Fields {
    std::string_view user, item;
    std::int64_t time = 0;
    float rating = 0;
  };

  enum class Ratings { kNeeded, kIgnored };

  bool Parse(const Line& line, Ratings ratings, Fields* fields, RowError* error) const {
    if (line.too_long) return Refuse(error, "line of at most 1 MiB expected", "");
    std::string_view user, item, time, rating;
    std::uint32_t column = 0;
    for (std::string_view rest = line.text;; ++column) {
      const std::size_t end = rest.find(format_.delimiter());
      const std::string_view field = rest.substr(0, end);
      if (column == format_.user_column()) user = field;
      if (column == format_.item_column()) item = field;
      if (static_cast<std::int64_t>(column) == format_.time_column()) time = field;
      if (static_cast<std::int64_t>(column) == format_.rating_column()) rating = field;
      if (end == std::string_view::npos) break;
      rest.remove_prefix(end + format_.delimiter().size());
    }
    if (user.empty()) return Refuse(error, "user expected", line.text, "user");
    if (item.empty()) return Refuse(error, "item expected", line.text, "item");
    std::uint64_t key;
    if (user_is_key_ && !ParseKey(user, &key)) return Refuse(error, "unsigned integer expected as key", user, "user");
    if (item_is_key_ && !ParseKey(item, &key)) return Refuse(error, "unsigned integer expected as key", item, "item");
    if (!CheckWords(user, user_lists_, "user", error) || !CheckWords(item, item_lists_, "item", error)) return false;
    *fields = {user, item, 0, 0};
    if (format_.time_column() >= 0 && !ParseInteger(time, &fields->time))
      return Refuse(error, "integer expected", time, "time");
    const bool rated = format_.rating_column() >= 0 && ratings == Ratings::kNeeded;
    return !rated || ParseRating(rating, &fields->rating, error);
  }

  // A line of data.user_item.item_list: one Fields for each of its items, in their order.
  bool ParseList(const Line& line, std::vector<Fields>* fields, RowError* error) const {
    if (line.too_long) return Refuse(error, "line of at most 1 MiB expected", "");
    fields->clear();
    std::string_view user;
    std::uint64_t key;
    std::uint32_t column = 0;
    for (std::string_view rest = line.text;; ++column) {
      const std::size_t end = rest.find(format_.delimiter());
      const std::string_view field = rest.substr(0, end);
      if (column == format_.user_column()) user = field;
      if (column >= format_.item_column()) {
        if (field.empty()) return Refuse(error, "item expected", line.text, "item");
        if (item_is_key_ && !ParseKey(field, &key))
          return Refuse(error, "unsigned integer expected as key", field, "item");
        fields->push_back({user, field, 0, 0});
      }
      if (end == std::string_view::npos) break;
      rest.remove_prefix(end + format_.delimiter().size());
    }
    if (user.empty()) return Refuse(error, "user expected", line.text, "user");
    if (fields->empty()) return Refuse(error, "item expected", line.text, "item");
    return !user_is_key_ || ParseKey(user, &key) || Refuse(error, "unsigned integer expected as key", user, "user");
  }

 private:
  static bool CheckWords(std::string_view text, const std::vector<std::string>& separators, std::string_view column,
                         RowError* error) {
    if (text.size() <= kMaxFeatures) return true;  // a word has a byte at least
    for (const std::string& separator : separators) {
      std::size_t words = 0;
      ForEachToken(text, separator, [&](std::string_view) { ++words; });
      if (words > kMaxFeatures) return RefuseFeatures(error, words, column);
    }
    return true;
  }

  bool ParseRating(std::string_view text, float* rating, RowError* error) const {
    double number;
    if (!ParseFloat(text, &number) || !std::isfinite(static_cast<float>(number)))
      return Refuse(error, "number expected as rating", text, "rating");
    *rating = static_cast<float>(number);
    const proto::LabelRange& range = data_.label_range();
    if (!data_.has_label_range() || (number >= range.min() && number <= range.max())) return true;
    return Refuse(error, "rating within data.label_range expected", text, "rating");
  }

  const proto::Data& data_;
  const proto::UserItem& format_;
  bool user_is_key_ = false, item_is_key_ = false;
  std::vector<std::string> user_lists_, item_lists_;  // separators
};

// Reads the sets and divides them; what it has at the end is an Interactions.
class Loader {
 public:
  Loader(const proto::Job& job, const Schema& schema, Interactions::Purpose purpose, BadRowLog* log)
      : data_(job.data()),
        wants_eval_(job.has_evaluation() && !job.evaluation().test_each_epoch()),
        is_graph_(job.model().name() == "lightgcn"),
        parser_(data_, schema),
        purpose_(purpose),
        log_(log) {}

  Result<Interactions> Load(const FeatureLayout& layout) {
    RETURN_IF_ERROR(AddFeatures(layout));
    if (purpose_ == Purpose::kRecommend) {
      out_.users.KeepTexts();
      out_.items.KeepTexts();
    }
    RETURN_IF_ERROR(ReadSet(proto::Chunk::TRAIN, data_.train()));
    RETURN_IF_ERROR(ReadSet(proto::Chunk::EVAL, data_.eval()));
    RETURN_IF_ERROR(ReadSet(proto::Chunk::TEST, data_.test()));
    if (purpose_ == Purpose::kTrain) {
      Divide();
      RETURN_IF_ERROR(ReadCandidates());
    }
    OrderItems();
    return std::move(out_);
  }

 private:
  using Purpose = Interactions::Purpose;

  Status AddFeatures(const FeatureLayout& layout) {
    for (const FeatureLayout::FeatureColumn& feature : layout.features) {
      if (feature.config->has_cross()) continue;
      const proto::Categorical& config = feature.config->categorical();
      RETURN_IF_ERROR(CheckWords(feature));
      Vocabulary& vocabulary = HasUsers(data_.user_item(), feature.column) ? out_.users : out_.items;
      vocabulary.AddFeature({HashBytes(feature.name), config.token_is_key(), config.separator(),
                             config.pooling() == proto::Categorical::MEAN});
    }
    return {};
  }

  // Lists of words are made of pairs alone: bags and sequences are lists of users and items already, and the nodes of a
  // graph have one embedding each.
  Status CheckWords(const FeatureLayout::FeatureColumn& feature) const {
    const proto::Categorical& config = feature.config->categorical();
    if (config.separator().empty()) return {};
    const proto::UserItem& format = data_.user_item();
    if (format.has_bags() || format.has_sequences() || is_graph_) {
      return Status::Invalid("feature " + feature.name + ": with bags, sequences and lightgcn user and item are one " +
                             "token each, without a separator");
    }
    if (!config.token_is_key()) return {};
    return Status::Invalid("feature " + feature.name + ": words of users and items have keys by their hashes; " +
                           "separator and token_is_key exclude one another");
  }

  Status ReadSet(proto::Chunk::Set set, const google::protobuf::RepeatedPtrField<std::string>& patterns) {
    ASSIGN_OR_RETURN(std::vector<InputFile> inputs, FindInputFiles(data_, patterns));
    for (InputFile& input : inputs) {
      ASSIGN_OR_RETURN(const std::unique_ptr<TextFile> text,
                       TextFile::Open(std::move(input), {.header = data_.user_item().header()}));
      RETURN_IF_ERROR(ReadRows(*text, set));
    }
    return {};
  }

  Status ReadRows(const TextFile& text, proto::Chunk::Set set) {
    Interactions::File& file = out_.sets[set].emplace_back();
    file.path = text.path();
    ASSIGN_OR_RETURN(const std::unique_ptr<LineReader> lines, text.Lines());
    // What is to be predicted has none yet.
    const bool told = purpose_ == Purpose::kPredict && set == proto::Chunk::TEST;
    const auto ratings = told ? InteractionParser::Ratings::kIgnored : InteractionParser::Ratings::kNeeded;
    std::uint64_t rows = 0, good = 0;
    RowError error;
    for (Line line;;) {
      ASSIGN_OR_RETURN(const bool more, lines->Next(&line));
      if (!more) break;
      if (!text.IsRow(line)) continue;
      ++rows;
      if (ParseLine(line, ratings, &error)) {
        for (const InteractionParser::Fields& fields : fields_) {
          RETURN_IF_ERROR(AddRow(fields, lines->line_number(), set, &file));
        }
        ++good;
        continue;
      }
      log_->AddBad(error, [&] { return text.path() + ":" + std::to_string(lines->line_number()); });
      if (!KeepsBadRows(set)) continue;
      file.rows.push_back({Vocabulary::kNone, 0, Saturated(lines->line_number())});
      if (KeepsTimes()) file.times.push_back(0);
    }
    log_->CountRows(rows);
    if (good > 0) return {};
    if (rows == 0) return Status::BadData(text.path() + ": the file has no rows");
    return Status::BadData(text.path() + ": no row of the file can be read; the last: " + error.expected + ", got \"" +
                           error.got + "\"");
  }

  // To fields_.
  bool ParseLine(const Line& line, InteractionParser::Ratings ratings, RowError* error) {
    if (data_.user_item().item_list()) return parser_.ParseList(line, &fields_, error);
    fields_.resize(1);
    return parser_.Parse(line, ratings, fields_.data(), error);
  }

  bool KeepsTimes() const { return data_.user_item().has_sequences() && data_.user_item().time_column() >= 0; }

  // Bad rows have their line in the predictions, and their list in the file of candidates.
  bool KeepsBadRows(proto::Chunk::Set set) const {
    if (purpose_ != Purpose::kTrain) return purpose_ == Purpose::kPredict;
    return set == proto::Chunk::TEST && data_.user_item().has_candidates_file();
  }

  static std::uint32_t Saturated(std::uint64_t line) {
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(line, std::numeric_limits<std::uint32_t>::max()));
  }

  Status AddRow(const InteractionParser::Fields& fields, std::uint64_t line, proto::Chunk::Set set,
                Interactions::File* file) {
    const std::uint32_t user = out_.users.Add(fields.user), item = out_.items.Add(fields.item);
    if (user == Vocabulary::kNone || item == Vocabulary::kNone || file->rows.size() == Vocabulary::kNone) {
      return Status::Invalid(file->path + ": more users, items or rows than Sherd can number");
    }
    file->rows.push_back({user, item, Saturated(line), fields.rating});
    if (KeepsTimes()) file->times.push_back(fields.time);
    if (set == proto::Chunk::TRAIN && LeavesOneOut()) times_.push_back(fields.time);
    return {};
  }

  bool LeavesOneOut() const {
    return data_.user_item().leave_one_out() && data_.test().empty() && purpose_ == Purpose::kTrain;
  }

  // Moves rows of the training files to where they are evaluated on.
  void Divide() {
    const bool split = data_.eval().empty() && data_.eval_fraction() > 0;
    if (!split && !LeavesOneOut()) return;
    const std::vector<proto::Chunk::Set> left_out = FindLeftOut();
    std::size_t row_number = 0;
    std::vector<Interactions::File>& train = out_.sets[proto::Chunk::TRAIN];
    std::array<std::vector<Interactions::File>, 3> divided;
    for (std::uint32_t i = 0; i < train.size(); ++i) {
      for (auto& set : divided) set.push_back({train[i].path, {}, {}});
      for (std::size_t j = 0; j < train[i].rows.size(); ++j) {
        const Interaction& row = train[i].rows[j];
        proto::Chunk::Set set = left_out.empty() ? proto::Chunk::TRAIN : left_out[row_number++];
        const bool chosen = UnitDouble(Mix(i, row.line, kSplitLane)) < data_.eval_fraction();
        if (set == proto::Chunk::TRAIN && split && chosen) set = proto::Chunk::EVAL;
        divided[set][i].rows.push_back(row);
        if (KeepsTimes()) divided[set][i].times.push_back(train[i].times[j]);
      }
    }
    train = std::move(divided[proto::Chunk::TRAIN]);
    if (data_.eval().empty()) TakeOver(proto::Chunk::EVAL, &divided);
    if (LeavesOneOut()) TakeOver(proto::Chunk::TEST, &divided);
  }

  void TakeOver(proto::Chunk::Set set, std::array<std::vector<Interactions::File>, 3>* divided) {
    for (const Interactions::File& file : (*divided)[set]) {
      if (!file.rows.empty()) {
        out_.sets[set] = std::move((*divided)[set]);
        return;
      }
    }
  }

  // Of each training row: TEST for its user's last, EVAL for the one before where an eval set is wanted and is not had
  // by other means; a user keeps at least one row for training. Empty: nothing is left out.
  std::vector<proto::Chunk::Set> FindLeftOut() const {
    if (!LeavesOneOut()) return {};
    constexpr std::size_t kNoRow = std::numeric_limits<std::size_t>::max();
    struct Last {
      std::size_t last = kNoRow, before = kNoRow, rows = 0;
    };
    std::vector<Last> users(out_.users.size());
    std::size_t number = 0;
    for (const Interactions::File& file : out_.sets[proto::Chunk::TRAIN]) {
      for (const Interaction& row : file.rows) {
        Last& user = users[row.user];
        ++user.rows;
        if (user.last == kNoRow || times_[number] >= times_[user.last]) {
          user.before = std::exchange(user.last, number);
        } else if (user.before == kNoRow || times_[number] >= times_[user.before]) {
          user.before = number;
        }
        ++number;
      }
    }
    const bool with_eval = wants_eval_ && data_.eval().empty() && data_.eval_fraction() == 0;
    std::vector<proto::Chunk::Set> sets(number, proto::Chunk::TRAIN);
    for (const Last& user : users) {
      if (user.rows >= 2) sets[user.last] = proto::Chunk::TEST;
      if (user.rows >= 3 && with_eval) sets[user.before] = proto::Chunk::EVAL;
    }
    return sets;
  }

  Status ReadCandidates() {
    if (!data_.user_item().has_candidates_file()) return {};
    if (data_.test().empty()) {
      return Status::Invalid("data.user_item.candidates_file: goes with data.test files, line by line");
    }
    std::vector<Interaction> rows;
    for (Interactions::File& file : out_.sets[proto::Chunk::TEST]) {
      rows.insert(rows.end(), file.rows.begin(), file.rows.end());
      std::erase_if(file.rows, [](const Interaction& row) { return row.user == Vocabulary::kNone; });
    }
    ASSIGN_OR_RETURN(InputFile file, FindInputFile(data_, data_.user_item().candidates_file()));
    ASSIGN_OR_RETURN(out_.test_candidates, CandidateLists::Read(std::move(file), rows, out_.users, &out_.items));
    return {};
  }

  void OrderItems() {
    std::vector<char> trained(out_.items.size(), 0);
    for (const Interactions::File& file : out_.sets[proto::Chunk::TRAIN]) {
      for (const Interaction& row : file.rows) {
        if (row.user != Vocabulary::kNone) trained[row.item] = 1;
      }
    }
    std::vector<std::uint32_t> order(out_.items.size());
    std::iota(order.begin(), order.end(), 0u);
    std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
      return trained[a] != trained[b] ? trained[a] > trained[b] : out_.items.hash(a) < out_.items.hash(b);
    });
    std::vector<std::uint32_t> new_number(order.size());
    for (std::uint32_t i = 0; i < order.size(); ++i) new_number[order[i]] = i;
    out_.catalogue = static_cast<std::uint32_t>(std::count(trained.begin(), trained.end(), 1));
    out_.items.Renumber(new_number);
    if (out_.test_candidates) out_.test_candidates->Renumber(new_number);
    for (auto& set : out_.sets) {
      for (Interactions::File& file : set) {
        for (Interaction& row : file.rows) {
          if (row.user != Vocabulary::kNone) row.item = new_number[row.item];
        }
      }
    }
  }

  const proto::Data& data_;
  const bool wants_eval_, is_graph_;
  const InteractionParser parser_;
  const Purpose purpose_;
  BadRowLog* const log_;
  std::vector<InteractionParser::Fields> fields_;  // of the line at hand
  std::vector<std::int64_t> times_;                // of the training rows, over all files
  Interactions out_;
};

}  // namespace

namespace {

Status CheckSequences(const proto::Data& data) {
  const proto::UserItem& format = data.user_item();
  if (!format.has_sequences()) {
    if (!format.item_list()) return {};
    return Status::Invalid("data.user_item.item_list: goes with sequences");
  }
  if (format.has_bags()) return Status::Invalid("data.user_item: an example is one of bags or one of sequences");
  if (data.train().empty()) {
    return Status::Invalid("data.train: the histories of data.user_item.sequences are those of the training files");
  }
  if (data.eval_fraction() > 0) {
    return Status::Invalid(
        "data.eval_fraction: would take events out of the midst of data.user_item.sequences; use leave_one_out, or "
        "files");
  }
  if (format.item_list() && (format.time_column() >= 0 || format.user_column() >= format.item_column())) {
    return Status::Invalid("data.user_item.item_list: a line is a user and, behind it, his items; it has no times");
  }
  return {};
}

}  // namespace

Result<Interactions> Interactions::Load(const proto::Job& job, const FeatureLayout& layout, const Schema& schema,
                                        Purpose purpose, BadRowLog* log) {
  const proto::UserItem& format = job.data().user_item();
  if (format.delimiter().empty()) return Status::Invalid("data.user_item.delimiter: is empty");
  RETURN_IF_ERROR(CheckSequences(job.data()));
  if (format.has_bags() && format.rating_column() < 0) {
    return Status::Invalid("data.user_item.rating_column: is required with bags");
  }
  if (!format.has_bags() && format.rating_column() >= 0) {
    return Status::Invalid(
        "data.user_item.rating_column: goes with bags; ratings of single rows are the label of format DELIMITED");
  }
  return Loader(job, schema, purpose, log).Load(layout);
}

std::uint64_t Interactions::rows(proto::Chunk::Set set) const {
  std::uint64_t rows = 0;
  for (const File& file : sets[set]) rows += file.rows.size();
  return rows;
}

}  // namespace sherd
