#include <array>
#include <charconv>

#include "proto/tf_example.pb.h"
#include "worker/data/named_columns.h"
#include "worker/data/row_parser.h"
#include "worker/data/tf_record.h"

namespace sherd {
namespace {

class TfExampleParser : public RowParser {
 public:
  TfExampleParser(const proto::Job& job, const Schema& schema, Labels labels)
      : RowParser(job, schema, labels), named_(job, schema), numbers_(schema.columns.size()) {}

 protected:
  // `line` is a record with the checksum behind it.
  bool Split(std::string_view line, Row* row, RowError* error) override {
    std::string_view record;
    if (!CheckTfRecord(line, &record)) return Refuse(error, "record that its checksum fits expected", "");
    if (!example_.ParseFromArray(record.data(), static_cast<int>(record.size()))) {
      return Refuse(error, "tf.Example expected", record);
    }
    named_.Begin(row);
    for (const proto::TfNamedFeature& named : example_.features().feature()) {
      int column;
      if (!named_.Find(named.name(), &column, error)) return false;
      if (column >= 0 && !Read(named.feature(), column, row, error)) return false;
    }
    named_.End(row);
    return true;
  }

 private:
  bool Read(const proto::TfFeature& feature, int column, Row* row, RowError* error) {
    switch (feature.kind_case()) {
      case proto::TfFeature::kBytesList:
        return ReadList(feature.bytes_list().value(), column, row, error);
      case proto::TfFeature::kFloatList:
        return ReadList(feature.float_list().value(), column, row, error);
      case proto::TfFeature::kInt64List:
        return ReadList(feature.int64_list().value(), column, row, error);
      case proto::TfFeature::KIND_NOT_SET:
        break;
    }
    return true;
  }

  template <typename List>
  bool ReadList(const List& list, int column, Row* row, RowError* error) {
    if (list.size() == 1) {
      named_.Set(column, Text(list.Get(0), &numbers_[column]), row);
    } else if (list.size() > 1) {
      if (!named_.BeginList(column, error)) return false;
      for (const auto& value : list) named_.Append(column, Text(value, &numbers_[column]));
      named_.EndList(column, row);
    }
    return true;
  }

  // As a text file would have it: the shortest that reads back as the same number.
  using Digits = std::array<char, 32>;
  static std::string_view Text(const std::string& value, Digits*) { return value; }
  template <typename Number>
  static std::string_view Text(Number value, Digits* digits) {
    const auto end = std::to_chars(digits->data(), digits->data() + digits->size(), value).ptr;
    return {digits->data(), static_cast<std::size_t>(end - digits->data())};
  }

  NamedColumns named_;
  proto::TfExample example_;
  std::vector<Digits> numbers_;  // texts of numbers, by column
};

}  // namespace

std::unique_ptr<RowParser> MakeTfExampleParser(const proto::Job& job, const Schema& schema, RowParser::Labels labels) {
  return std::make_unique<TfExampleParser>(job, schema, labels);
}

}  // namespace sherd
