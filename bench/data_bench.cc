#include <stdlib.h>

#include <cstdio>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/hash.h"
#include "bench/bench_case.h"
#include "models/feature_layout.h"
#include "worker/data/dataset.h"

namespace sherd::bench {
namespace {

constexpr std::uint64_t kLines = 200'000;

// Lines of Criteo's shape: small integers and 8 hexadecimal digits, a tenth of both missing.
std::string MakeLines() {
  std::string text;
  char field[32];
  for (std::uint64_t line = 0; line < kLines; ++line) {
    text += Mix(line, 100) % 4 == 0 ? '1' : '0';
    for (std::uint64_t column = 0; column < 39; ++column) {
      const std::uint64_t hash = Mix(line, column);
      if (hash % 10 == 0) {
        text += '\t';
        continue;
      }
      std::snprintf(field, sizeof field, column < 13 ? "\t%llu" : "\t%08llx",
                    static_cast<unsigned long long>(column < 13 ? hash % 1000 : hash >> 32));
      text += field;
    }
    text += '\n';
  }
  return text;
}

proto::Job MakeJob(const std::string& file) {
  proto::Job job;
  job.set_name("bench");
  job.mutable_data()->set_format(proto::Data::CRITEO_TSV);
  job.mutable_data()->add_train(file);
  proto::Feature* buckets = job.add_feature();
  buckets->set_column("I1..I13");
  buckets->mutable_bucket();
  proto::Feature* tokens = job.add_feature();
  tokens->set_column("C1..C26");
  tokens->mutable_categorical();
  job.mutable_data()->set_in_memory_bytes(0);  // streamed, as files of real size are
  job.mutable_model()->set_name("fm");
  job.mutable_train()->set_batch_size(4096);
  return job;
}

Result<std::uint64_t> DecodeAll(Dataset* dataset) {
  std::uint64_t rows = 0;
  Minibatch minibatch;
  ASSIGN_OR_RETURN(const std::vector<proto::Chunk> chunks, dataset->Chunks(proto::Chunk::TRAIN, 0, 1));
  for (const proto::Chunk& chunk : chunks) {
    ASSIGN_OR_RETURN(const auto reader, dataset->Read(chunk, 0, 0));
    while (true) {
      ASSIGN_OR_RETURN(const bool more, reader->Next(&minibatch));
      if (!more) break;
      rows += minibatch.rows;
    }
  }
  return rows;
}

Result<Figure> Measure(const std::string& text, const std::string& file) {
  RETURN_IF_ERROR(WriteFileAtomically(file, text));
  const proto::Job job = MakeJob(file);
  ASSIGN_OR_RETURN(const FeatureLayout layout, FeatureLayout::Make(job));
  ASSIGN_OR_RETURN(const auto dataset, Dataset::Open(job, layout, {}));
  std::uint64_t rows = 0;
  std::size_t separators = 0;
  Status failed;
  const Figure figure = CompareInTurns(static_cast<double>(text.size()) / 1e6, "MB/s",
                                       [&] {
                                         const Result<std::uint64_t> decoded = DecodeAll(dataset.get());
                                         if (!decoded.ok()) failed = decoded.status();
                                         rows = decoded.ok() ? decoded.value() : 0;
                                       },
                                       {[&] {
                                         separators = 0;
                                         for (const char c : text) separators += c == '\t' || c == '\n';
                                       }});
  RETURN_IF_ERROR(failed);
  if (rows != kLines || separators != kLines * 40) return Status::BadData("rows are missing");
  return figure;
}

}  // namespace

Status DataTsv(const Options& options, const Report& report) {
  std::string folder = "/tmp/sherd-bench-XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) return Status::Io("make a folder", errno);
  const Result<Figure> figure = Measure(MakeLines(), folder + "/lines.tsv");
  RETURN_IF_ERROR(RemoveTree(folder));
  if (figure.ok()) report(figure.value());
  return figure.status();
}

}  // namespace sherd::bench
