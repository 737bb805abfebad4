#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "proto/job.pb.h"
#include "worker/data/schema.h"

namespace sherd {

struct Value {
  std::string_view text;  // empty: missing
  double number = 0;      // of INTEGER and FLOAT columns that are not missing; libsvm: the value beside the index
};

struct Occurrence {
  std::string_view token;
  float value;
  int column = -1;  // of the schema; -1: libsvm's list of features
};

// A row taken apart. Views of its line or of its parser, valid until the parser's next row.
struct Row {
  std::string_view label_text;
  float label = 0;
  float weight = 1;
  std::vector<Value> values;            // by column of the schema
  std::vector<Occurrence> occurrences;  // libsvm without named columns; libffm: ascending by column
};

// Why a row is bad. Rows whose faults differ only in the text that was found are bad in the same kind.
struct RowError {
  std::string expected;  // "integer expected"
  std::string got;       // the text that stands there instead
  std::string column;    // empty: the row as a whole
};

// Of a list: a column with a separator, or the occurrences of a libsvm row. It bounds what a minibatch looks up.
inline constexpr std::size_t kMaxFeatures = 4096;

// Fills `error` and returns false: the way a parser refuses a row.
bool Refuse(RowError* error, std::string_view expected, std::string_view got, std::string_view column = {});
// The same for a list of more than kMaxFeatures.
bool RefuseFeatures(RowError* error, std::size_t features, std::string_view column);

// Takes the rows of one file apart and checks them: all that can be wrong with a row is found here. Confined to one
// thread.
class RowParser {
 public:
  enum class Labels { kNeeded, kIgnored };

  // For a file with this header line (DELIMITED with header). BadData when the file lacks a column.
  static Result<std::unique_ptr<RowParser>> Make(const proto::Job& job, const Schema& schema, Labels labels,
                                                 const std::string& path, const std::string& header);
  virtual ~RowParser() = default;

  // `line` is empty when it was too long to keep.
  bool Parse(std::string_view line, Row* row, RowError* error);

 protected:
  RowParser(const proto::Job& job, const Schema& schema, Labels labels);

  // Split fills in the numbers of an INTEGER or FLOAT column itself, having checked them.
  void ReadsNumbersOf(int column);

  // Fills label_text and the texts of values, or the occurrences; values whose text is not set are missing.
  virtual bool Split(std::string_view line, Row* row, RowError* error) = 0;

  const proto::Job& job_;
  const Schema& schema_;
  const Labels labels_;

 private:
  bool ReadLabel(Row* row, RowError* error) const;
  bool ReadWeight(Row* row, RowError* error) const;
  bool ReadValue(const Schema::Column& column, Value* value, RowError* error) const;
  bool CheckLists(const Schema::Column& column, std::string_view text, RowError* error) const;

  std::vector<int> checked_;  // columns that not every text will do for
};

// By format; RowParser::Make chooses.
Result<std::unique_ptr<RowParser>> MakeDelimitedParser(const proto::Job& job, const Schema& schema,
                                                       RowParser::Labels labels, const std::string& path,
                                                       const std::string& header);
std::unique_ptr<RowParser> MakeCriteoParser(const proto::Job& job, const Schema& schema, RowParser::Labels labels);
std::unique_ptr<RowParser> MakeLibsvmParser(const proto::Job& job, const Schema& schema, RowParser::Labels labels);
std::unique_ptr<RowParser> MakeLibffmParser(const proto::Job& job, const Schema& schema, RowParser::Labels labels);
std::unique_ptr<RowParser> MakeJsonParser(const proto::Job& job, const Schema& schema, RowParser::Labels labels);
std::unique_ptr<RowParser> MakeTfExampleParser(const proto::Job& job, const Schema& schema, RowParser::Labels labels);

}  // namespace sherd
