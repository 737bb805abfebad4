#include "tests/worker/data/data_testing.h"

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>
#include <lzma.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include <fstream>

#include "base/file.h"

namespace sherd {

TemporaryFolder::TemporaryFolder() {
  std::string pattern = ::testing::TempDir() + "sherd_data_XXXXXX";
  CHECK(mkdtemp(pattern.data()) != nullptr);
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() { (void)RemoveTree(path_).ok(); }

std::string TemporaryFolder::Write(const std::string& name, const std::string& bytes) const {
  std::ofstream(path_ + "/" + name, std::ios::binary) << bytes;
  return path_ + "/" + name;
}

std::string Gzip(const std::string& text) {
  z_stream stream = {};
  CHECK_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&stream, text.size()) + 32, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  CHECK_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string Zstd(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  out.resize(ZSTD_compress2(context, out.data(), out.size(), text.data(), text.size()));
  ZSTD_freeCCtx(context);
  return out;
}

std::string Xz(const std::string& text) {
  std::string out(lzma_stream_buffer_bound(text.size()), '\0');
  std::size_t size = 0;
  CHECK_EQ(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC32, nullptr, reinterpret_cast<const std::uint8_t*>(text.data()),
                                   text.size(), reinterpret_cast<std::uint8_t*>(out.data()), &size, out.size()),
           LZMA_OK);
  out.resize(size);
  return out;
}

proto::Job ParseTestJob(const std::string& text) {
  proto::Job job;
  CHECK(google::protobuf::TextFormat::ParseFromString(text, &job)) << text;
  if (!job.has_name()) job.set_name("test");
  if (!job.has_model()) job.mutable_model()->set_name("lr");
  return job;
}

std::vector<ReadRow> RowsOf(const Minibatch& minibatch, const FeatureLayout& layout) {
  std::vector<ReadRow> rows(minibatch.rows);
  const std::size_t numbers = layout.numbers.size();
  EXPECT_EQ(minibatch.labels.size(), minibatch.rows);
  EXPECT_EQ(minibatch.row_ids.size(), minibatch.rows);
  EXPECT_EQ(minibatch.numbers.size(), minibatch.rows * numbers);
  EXPECT_EQ(minibatch.tables.size(), layout.tables.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i].id = minibatch.row_ids[i];
    rows[i].label = minibatch.labels[i];
    rows[i].numbers.assign(minibatch.numbers.begin() + i * numbers, minibatch.numbers.begin() + (i + 1) * numbers);
    for (std::size_t t = 0; t < layout.tables.size(); ++t) {
      const TableKeys& table = minibatch.tables[t];
      const std::size_t fields = layout.tables[t].features.size();
      EXPECT_EQ(table.offsets.empty() ? minibatch.rows * fields : table.offsets.back(), table.keys.size());
      EXPECT_TRUE(table.weights.empty() || table.weights.size() == table.keys.size());
      rows[i].keys.emplace_back();
      rows[i].weights.emplace_back();
      for (std::size_t f = 0; f < fields; ++f) {
        const std::size_t cell = i * fields + f;
        const std::size_t begin = table.offsets.empty() ? cell : table.offsets[cell];
        const std::size_t end = table.offsets.empty() ? cell + 1 : table.offsets[cell + 1];
        rows[i].keys[t].emplace_back(table.keys.begin() + begin, table.keys.begin() + end);
        rows[i].weights[t].emplace_back(end - begin, 1.0f);
        if (table.weights.empty()) continue;
        std::copy(table.weights.begin() + begin, table.weights.begin() + end, rows[i].weights[t][f].begin());
      }
    }
  }
  return rows;
}

OpenedData::OpenedData(proto::Job job, Dataset::Options options) : job_(std::move(job)) {
  Result<FeatureLayout> layout = FeatureLayout::Make(job_);
  CHECK(layout.ok()) << layout.status().text();
  layout_ = std::make_unique<FeatureLayout>(std::move(layout).value());
  Result<std::unique_ptr<Dataset>> dataset = Dataset::Open(job_, *layout_, options);
  CHECK(dataset.ok()) << dataset.status().text();
  dataset_ = std::move(dataset).value();
  if (job_.data().train().empty()) return;
  Result<proto::Statistics> statistics = dataset_->ComputeStatistics();
  CHECK(statistics.ok()) << statistics.status().text();
  dataset_->SetStatistics(*statistics);
}

std::vector<proto::Chunk> OpenedData::Chunks(proto::Chunk::Set set, std::uint32_t epoch, std::uint32_t workers) {
  Result<std::vector<proto::Chunk>> chunks = dataset_->Chunks(set, epoch, workers);
  CHECK(chunks.ok()) << chunks.status().text();
  for (std::size_t i = 0; i < chunks->size(); ++i) EXPECT_EQ((*chunks)[i].id(), i);
  return *chunks;
}

std::vector<Minibatch> OpenedData::Read(const proto::Chunk& chunk, std::uint32_t epoch, std::uint32_t first) {
  Result<std::unique_ptr<ChunkReader>> reader = dataset_->Read(chunk, epoch, first);
  CHECK(reader.ok()) << reader.status().text();
  std::vector<Minibatch> minibatches;
  for (Minibatch minibatch;;) {
    const Result<bool> more = (*reader)->Next(&minibatch);
    CHECK(more.ok()) << more.status().text();
    if (!*more) break;
    if (!minibatches.empty()) {
      EXPECT_FALSE(minibatches.back().last_of_chunk);
    }
    EXPECT_EQ(minibatch.index, first + minibatches.size());
    minibatches.push_back(minibatch);
  }
  if (!minibatches.empty()) {
    EXPECT_TRUE(minibatches.back().last_of_chunk);
  }
  return minibatches;
}

std::vector<ReadRow> OpenedData::ReadAll(proto::Chunk::Set set, std::uint32_t epoch, std::uint32_t workers) {
  std::vector<ReadRow> all;
  for (const proto::Chunk& chunk : Chunks(set, epoch, workers)) {
    for (const Minibatch& minibatch : Read(chunk, epoch)) {
      for (ReadRow& row : RowsOf(minibatch, *layout_)) all.push_back(std::move(row));
    }
  }
  return all;
}

Status OpenError(const proto::Job& job, Dataset::Options options) {
  const Result<FeatureLayout> layout = FeatureLayout::Make(job);
  if (!layout.ok()) return layout.status();
  const Result<std::unique_ptr<Dataset>> dataset = Dataset::Open(job, *layout, options);
  EXPECT_FALSE(dataset.ok());
  return dataset.status();
}

std::uint32_t TestRandom::Next(std::uint32_t n) {
  state_ = state_ * 6364136223846793005u + 1442695040888963407u;
  return static_cast<std::uint32_t>((state_ >> 33) % n);
}

}  // namespace sherd
