#include "tests/worker/data/row_file_testing.h"

#include <glog/logging.h>

#include "models/feature_layout.h"
#include "worker/data/input_files.h"
#include "worker/data/schema.h"
#include "worker/data/text_file.h"

namespace sherd {
namespace {

Schema ReadSchema(const proto::Job& job) {
  const FeatureLayout layout = FeatureLayout::Make(job).value();
  return Schema::Make(job, layout).value();
}

}  // namespace

proto::RowFileSchema SchemaOf(const proto::Job& job, bool keys) {
  const Schema schema = ReadSchema(job);
  proto::RowFileSchema made;
  made.set_weighted(schema.weight >= 0);
  for (std::size_t i = 0; i < schema.columns.size(); ++i) {
    const Schema::Column& column = schema.columns[i];
    if (static_cast<int>(i) == schema.label || static_cast<int>(i) == schema.weight) continue;
    proto::RowFileColumn* one = made.add_column();
    one->set_name(column.name);
    const bool token = column.type == proto::Column::TOKEN;
    one->set_kind(!token ? proto::RowFileColumn::NUMBER
                  : keys ? proto::RowFileColumn::KEY
                         : proto::RowFileColumn::TOKEN);
    one->set_valued(column.valued);
    if (column.key && keys) one->set_token_is_key(true);
    if (column.lists.empty()) continue;
    one->set_list(true);
    one->set_separator(column.lists[0]);
  }
  if (!schema.occurrences) return made;
  proto::RowFileColumn* features = made.add_column();
  features->set_name(std::string(kFeaturesColumn));
  features->set_kind(keys ? proto::RowFileColumn::KEY : proto::RowFileColumn::TOKEN);
  features->set_list(true);
  features->set_valued(true);
  if (schema.occurrence_keys && keys) features->set_token_is_key(true);
  return made;
}

void WriteRowFile(const proto::Job& job, const std::string& text_path, const std::string& path,
                  const proto::RowFileSchema& row_schema, RowFileWriter::Options options) {
  const Schema schema = ReadSchema(job);
  for (const proto::RowFileColumn& column : row_schema.column()) {
    int source = RowFileWriter::kOccurrences;
    for (std::size_t i = 0; i < schema.columns.size(); ++i) {
      if (schema.columns[i].name == column.name()) source = static_cast<int>(i);
    }
    options.sources.push_back(source);
  }
  TextRules rules;
  rules.header = job.data().delimited().header();
  rules.comment = job.data().delimited().comment();
  const auto text = TextFile::Open(FindInputFile(job.data(), text_path).value(), rules).value();
  const auto lines = text->Lines().value();
  const auto parser = RowParser::Make(job, schema, RowParser::Labels::kNeeded, text->path(), text->header()).value();
  const auto writer = RowFileWriter::Create(path, row_schema, options).value();
  Line line;
  Row row;
  RowError error;
  while (lines->Next(&line).value()) {
    if (!text->IsRow(line) || !parser->Parse(line.text, &row, &error)) continue;
    const Status status = writer->Append(row);
    CHECK(status.ok()) << status.text();
  }
  const Status status = writer->Finish();
  CHECK(status.ok()) << status.text();
}

proto::Job OnRowFiles(proto::Job job) {
  job.mutable_data()->set_format(proto::Data::ROW_FILE);
  job.mutable_data()->clear_delimited();
  job.mutable_data()->clear_libsvm();
  return job;
}

}  // namespace sherd
