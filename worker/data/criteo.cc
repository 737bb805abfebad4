#include <array>

#include "worker/data/field_ends.h"
#include "worker/data/number_text.h"
#include "worker/data/row_parser.h"

namespace sherd {
namespace {

constexpr int kColumns = 40;  // label, I1..I13, C1..C26

class CriteoParser : public RowParser {
 public:
  CriteoParser(const proto::Job& job, const Schema& schema, Labels labels) : RowParser(job, schema, labels) {
    for (std::size_t i = 0; i < schema.columns.size(); ++i) {
      const Schema::Column& column = schema.columns[i];
      const int number = std::stoi(column.name.substr(1));
      const bool integer = column.name[0] == 'I';
      (integer ? integers_ : tokens_).push_back({static_cast<int>(i), integer ? number : 13 + number});
      if (integer) ReadsNumbersOf(static_cast<int>(i));
    }
  }

 protected:
  bool Split(std::string_view line, Row* row, RowError* error) override {
    const int columns = FindFieldEnds(line, '\t', kColumns, end_.data());
    const bool unlabelled = columns == kColumns - 1 && labels_ == Labels::kIgnored;
    if (columns != kColumns && !unlabelled) {
      return Refuse(error, "40 columns separated by TAB expected", std::to_string(columns));
    }
    row->label_text = unlabelled ? std::string_view() : Field(line, 0);
    for (const Column& column : tokens_) row->values[column.slot].text = Field(line, column.position - unlabelled);
    for (const Column& column : integers_) {
      Value& value = row->values[column.slot];
      value.text = Field(line, column.position - unlabelled);
      if (!ReadInteger(&value)) {  // a missing one gives 0: a branch for it would often be foreseen wrongly
        return Refuse(error, "integer expected", value.text, schema_.columns[column.slot].name);
      }
    }
    return true;
  }

 private:
  struct Column {
    int slot;      // of the row's values
    int position;  // in the line
  };

  // Behind an integer there are 26 TABs at least, so that eight bytes can be read from its first one on.
  static bool ReadInteger(Value* value) {
    std::int64_t integer;
    const std::string_view text = value->text;
    if (text.size() > 8 || !ParseDigits(text.data(), text.size(), &integer)) {
      if (!ParseInteger(text, &integer)) return false;
    }
    value->number = static_cast<double>(integer);
    return true;
  }

  std::string_view Field(std::string_view line, int i) const {
    const std::uint32_t begin = i == 0 ? 0 : end_[i - 1] + 1;
    return {line.data() + begin, end_[i] - begin};
  }

  std::vector<Column> integers_, tokens_;
  std::array<std::uint32_t, kColumns + kFieldEndsSlack> end_;
};

}  // namespace

std::unique_ptr<RowParser> MakeCriteoParser(const proto::Job& job, const Schema& schema, RowParser::Labels labels) {
  return std::make_unique<CriteoParser>(job, schema, labels);
}

}  // namespace sherd
