#include "tests/worker/data/row_file_bytes.h"

#include "models/feature_layout.h"
#include "proto/job.pb.h"
#include "worker/data/row_file.h"
#include "worker/data/row_file_dataset.h"

namespace sherd {
namespace {

// A feature of each column, by its kind.
proto::Job JobOf(const proto::RowFileSchema& schema, const std::string& path) {
  proto::Job job;
  job.set_name("rows");
  job.mutable_data()->set_format(proto::Data::ROW_FILE);
  job.mutable_data()->add_test(path);
  job.mutable_data()->set_in_memory_bytes(0);
  job.mutable_model()->set_name("lr");
  job.mutable_train()->set_batch_size(4);
  for (const proto::RowFileColumn& column : schema.column()) {
    proto::Feature* feature = job.add_feature();
    feature->set_column(column.name());
    if (column.kind() == proto::RowFileColumn::NUMBER) {
      feature->mutable_bucket();
      continue;
    }
    if (column.has_separator()) feature->mutable_categorical()->set_separator(column.separator());
    feature->mutable_categorical()->set_token_is_key(column.token_is_key());
  }
  return job;
}

}  // namespace

Status ReadWholeRowFile(const std::string& path) {
  ASSIGN_OR_RETURN(const std::unique_ptr<RowFile> file, RowFile::Open(path));
  const proto::Job job = JobOf(file->schema(), path);
  ASSIGN_OR_RETURN(const FeatureLayout layout, FeatureLayout::Make(job));
  ASSIGN_OR_RETURN(const std::unique_ptr<Dataset> dataset, RowFileDataset::Open(job, layout, {}));
  ASSIGN_OR_RETURN(const std::vector<proto::Chunk> chunks, dataset->Chunks(proto::Chunk::TEST, 0, 1));
  Minibatch minibatch;
  for (const proto::Chunk& chunk : chunks) {
    ASSIGN_OR_RETURN(const std::unique_ptr<ChunkReader> reader, dataset->Read(chunk, 0, 0));
    for (bool more = true; more;) {
      ASSIGN_OR_RETURN(more, reader->Next(&minibatch));
    }
  }
  return {};
}

}  // namespace sherd
