#include <algorithm>

#include "worker/data/number_text.h"
#include "worker/data/row_parser.h"
#include "worker/data/words.h"

namespace sherd {
namespace {

class LibffmParser : public RowParser {
 public:
  LibffmParser(const proto::Job& job, const Schema& schema, Labels labels)
      : RowParser(job, schema, labels), slots_(job.data().libffm().fields(), -1) {
    for (std::size_t i = 0; i < schema.columns.size(); ++i) {
      slots_[std::stoul(schema.columns[i].name.substr(1))] = static_cast<int>(i);
    }
  }

 protected:
  bool Split(std::string_view line, Row* row, RowError* error) override {
    row->occurrences.clear();
    std::string_view word = NextWord(&line);
    const bool unlabelled = labels_ == Labels::kIgnored && word.find(':') != std::string_view::npos;
    row->label_text = unlabelled ? std::string_view() : word;
    if (!unlabelled) word = NextWord(&line);
    std::size_t features = 0;
    for (; !word.empty(); word = NextWord(&line), ++features) {
      Occurrence occurrence;
      if (!ReadFeature(word, &occurrence, error)) return false;
      if (occurrence.column >= 0 && features < kMaxFeatures) row->occurrences.push_back(occurrence);
    }
    if (features > kMaxFeatures) return RefuseFeatures(error, features, kFeaturesColumn);
    SortByColumn(&row->occurrences);
    return true;
  }

 private:
  bool ReadFeature(std::string_view word, Occurrence* occurrence, RowError* error) const {
    const std::size_t first = std::min(word.find(':'), word.size());
    const std::size_t second = std::min(word.find(':', first + 1), word.size());
    std::uint64_t field;
    double value;
    if (second - first < 2 || second == word.size() || !ParseKey(word.substr(0, first), &field) ||
        !ParseFloat(word.substr(second + 1), &value) || !std::isfinite(static_cast<float>(value))) {
      return Refuse(error, "field:index:value expected", word, kFeaturesColumn);
    }
    if (field >= slots_.size()) {
      return Refuse(error, "field below " + std::to_string(slots_.size()) + " expected", word, kFeaturesColumn);
    }
    *occurrence = {word.substr(first + 1, second - first - 1), static_cast<float>(value), slots_[field]};
    std::uint64_t key;
    if (occurrence->column >= 0 && schema_.columns[occurrence->column].key && !ParseKey(occurrence->token, &key)) {
      return Refuse(error, "unsigned integer expected as key", occurrence->token,
                    schema_.columns[occurrence->column].name);
    }
    return true;
  }

  // Within a column in the order of the line. Nearly always they are in order already.
  static void SortByColumn(std::vector<Occurrence>* occurrences) {
    const auto before = [](const Occurrence& a, const Occurrence& b) {
      return a.column != b.column ? a.column < b.column : a.token.data() < b.token.data();
    };
    if (!std::is_sorted(occurrences->begin(), occurrences->end(), before)) {
      std::sort(occurrences->begin(), occurrences->end(), before);
    }
  }

  std::vector<int> slots_;  // the schema's column of each field; -1: not read
};

}  // namespace

std::unique_ptr<RowParser> MakeLibffmParser(const proto::Job& job, const Schema& schema, RowParser::Labels labels) {
  return std::make_unique<LibffmParser>(job, schema, labels);
}

}  // namespace sherd
