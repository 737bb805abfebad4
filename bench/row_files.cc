#include "bench/row_files.h"

#include <memory>

#include "models/feature_layout.h"
#include "worker/data/input_files.h"
#include "worker/data/row_file_writer.h"
#include "worker/data/row_parser.h"
#include "worker/data/text_file.h"

namespace sherd::bench {

Status ConvertClickLog(const std::string& tsv, const std::string& path) {
  proto::Job job;
  job.mutable_data()->set_format(proto::Data::CRITEO_TSV);
  for (const char* columns : {"I1..I13", "C1..C26"}) job.add_feature()->set_column(columns);
  job.mutable_feature(0)->mutable_bucket();
  ASSIGN_OR_RETURN(const FeatureLayout layout, FeatureLayout::Make(job));
  ASSIGN_OR_RETURN(const Schema schema, Schema::Make(job, layout));
  proto::RowFileSchema stored;
  for (const Schema::Column& column : schema.columns) {
    proto::RowFileColumn* one = stored.add_column();
    one->set_name(column.name);
    one->set_kind(column.type == proto::Column::TOKEN ? proto::RowFileColumn::KEY : proto::RowFileColumn::NUMBER);
  }
  ASSIGN_OR_RETURN(InputFile input, FindInputFile(job.data(), tsv));
  ASSIGN_OR_RETURN(const std::unique_ptr<TextFile> text, TextFile::Open(std::move(input), {}));
  ASSIGN_OR_RETURN(const auto lines, text->Lines());
  ASSIGN_OR_RETURN(const auto parser, RowParser::Make(job, schema, RowParser::Labels::kNeeded, tsv, ""));
  ASSIGN_OR_RETURN(const auto writer, RowFileWriter::Create(path, stored, {}));
  Line line;
  Row row;
  RowError error;
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, lines->Next(&line));
    if (!more) return writer->Finish();
    if (!parser->Parse(line.text, &row, &error)) return Status::BadData(tsv + ": " + error.expected);
    RETURN_IF_ERROR(writer->Append(row));
  }
}

Result<std::uint64_t> DecodeAll(Dataset* dataset) {
  std::uint64_t rows = 0;
  Minibatch minibatch;
  ASSIGN_OR_RETURN(const std::vector<proto::Chunk> chunks, dataset->Chunks(proto::Chunk::TRAIN, 0, 1));
  for (const proto::Chunk& chunk : chunks) {
    ASSIGN_OR_RETURN(const auto reader, dataset->Read(chunk, 0, 0));
    for (bool more = true; more; rows += more ? minibatch.rows : 0) {
      ASSIGN_OR_RETURN(more, reader->Next(&minibatch));
    }
  }
  return rows;
}

}  // namespace sherd::bench
