#include "worker/data/row_file_tokens.h"

#include <memory>
#include <utility>

#include "worker/data/row_file_chunk_reader.h"
#include "worker/data/schema.h"

namespace sherd {
namespace {

constexpr std::uint32_t kBatch = 4096;

// The job whose rows have the tokens of feature i, as they are without a vocabulary, in field i of the one table.
proto::Job WithTheirTokens(const proto::Job& job, const std::vector<TokenCounter>& counters) {
  proto::Job tokens = job;
  tokens.clear_feature();
  for (const TokenCounter& counter : counters) {
    proto::Feature* const feature = tokens.add_feature();
    *feature = *counter.feature().config;
    feature->set_name(counter.feature().name);
    feature->set_column(counter.feature().column);
    feature->mutable_categorical()->clear_vocabulary();
    feature->clear_table();
  }
  tokens.mutable_evaluation()->clear_group_by();
  return tokens;
}

void Count(const Minibatch& minibatch, std::vector<TokenCounter>* counters) {
  const TableKeys& table = minibatch.tables[0];
  const std::size_t fields = counters->size();
  for (std::size_t cell = 0; cell < minibatch.rows * fields; ++cell) {
    const std::size_t begin = table.offsets.empty() ? cell : table.offsets[cell];
    const std::size_t end = table.offsets.empty() ? cell + 1 : table.offsets[cell + 1];
    for (std::size_t i = begin; i < end; ++i) (*counters)[cell % fields].Add(table.keys[i], 1);
  }
}

}  // namespace

Status CountTokens(const proto::Job& job, const RowFile& file, const std::function<bool(std::uint64_t row)>& keep,
                   std::vector<TokenCounter>* counters) {
  if (counters->empty()) return {};
  const proto::Job tokens = WithTheirTokens(job, *counters);
  ASSIGN_OR_RETURN(const FeatureLayout layout, FeatureLayout::Make(tokens));
  ASSIGN_OR_RETURN(const Schema schema, Schema::Make(tokens, layout, &file.schema()));
  ColumnEncoder::Options encoding;
  encoding.log_loss = job.model().loss() == proto::Model::LOG_LOSS;
  ASSIGN_OR_RETURN(const ColumnEncoder encoder, ColumnEncoder::Make(layout, schema, {}, file, encoding));
  ASSIGN_OR_RETURN(const std::unique_ptr<RowFileReader> blocks, RowFileReader::Open(&file, encoder.wanted()));
  RowWindows windows;
  BadRowLog bad;  // who trains on the rows will count them
  Minibatch minibatch;
  for (std::uint32_t block = 0; block < file.blocks(); ++block) {
    const std::shared_ptr<RowWindow> window = windows.Take();
    RETURN_IF_ERROR(FillWindow(file, blocks.get(), encoder, block, block + 1, window.get()));
    RowFileChunkReader::Options options;
    options.batch_size = kBatch;
    options.keep = keep;
    RowFileChunkReader reader(std::move(options), &file, &bad, window, nullptr, encoder);
    for (;;) {
      ASSIGN_OR_RETURN(const bool more, reader.Next(&minibatch));
      if (!more) break;
      Count(minibatch, counters);
    }
  }
  return {};
}

}  // namespace sherd
