#include "worker/data/number_text.h"
#include "worker/data/row_parser.h"
#include "worker/data/words.h"

namespace sherd {
namespace {

class LibsvmParser : public RowParser {
 public:
  LibsvmParser(const proto::Job& job, const Schema& schema, Labels labels) : RowParser(job, schema, labels) {
    for (const std::string& name : job.data().libsvm().column()) {
      int slot = -1;
      for (std::size_t i = 0; i < schema.columns.size(); ++i) {
        if (schema.columns[i].name == name) slot = static_cast<int>(i);
      }
      slots_.push_back(slot);
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
      if (schema_.occurrences) {
        if (features < kMaxFeatures) row->occurrences.push_back(occurrence);
      } else if (features < slots_.size() && slots_[features] >= 0) {
        row->values[slots_[features]] = {occurrence.token, occurrence.value};
      }
    }
    if (schema_.occurrences && features > kMaxFeatures) return RefuseFeatures(error, features, kFeaturesColumn);
    if (schema_.occurrences || features == slots_.size()) return true;
    return Refuse(error, std::to_string(slots_.size()) + " features expected", std::to_string(features));
  }

 private:
  bool ReadFeature(std::string_view word, Occurrence* occurrence, RowError* error) const {
    const std::size_t colon = word.find(':');
    double value;
    if (colon == std::string_view::npos || colon == 0 || !ParseFloat(word.substr(colon + 1), &value) ||
        !std::isfinite(static_cast<float>(value))) {
      return Refuse(error, "index:value expected", word, kFeaturesColumn);
    }
    *occurrence = {word.substr(0, colon), static_cast<float>(value)};
    std::uint64_t key;
    if (schema_.occurrence_keys && !ParseKey(occurrence->token, &key)) {
      return Refuse(error, "unsigned integer expected as key", occurrence->token, kFeaturesColumn);
    }
    return true;
  }

  std::vector<int> slots_;  // the schema's column of each position; -1: not read
};

}  // namespace

std::unique_ptr<RowParser> MakeLibsvmParser(const proto::Job& job, const Schema& schema, RowParser::Labels labels) {
  return std::make_unique<LibsvmParser>(job, schema, labels);
}

}  // namespace sherd
