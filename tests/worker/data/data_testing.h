#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "models/feature_layout.h"
#include "proto/job.pb.h"
#include "worker/data/dataset.h"

namespace sherd {

// A folder that goes away with its test.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  const std::string& path() const { return path_; }
  // Writes a file in it; returns its whole path.
  std::string Write(const std::string& name, const std::string& bytes) const;

 private:
  std::string path_;
};

std::string Gzip(const std::string& text);
std::string Zstd(const std::string& text);
std::string Xz(const std::string& text);

// From text format. A name, model and features that are missing are filled in.
proto::Job ParseTestJob(const std::string& text);

// A row of a minibatch on its own.
struct ReadRow {
  std::uint64_t id = 0;
  float label = 0;
  std::vector<float> numbers;
  std::vector<std::vector<std::vector<Key>>> keys;       // [table][field]
  std::vector<std::vector<std::vector<float>>> weights;  // beside them, all 1 where the table has none
  friend bool operator==(const ReadRow&, const ReadRow&) = default;
};

std::vector<ReadRow> RowsOf(const Minibatch& minibatch, const FeatureLayout& layout);

// A job with its layout and dataset: what every test of whole sets begins with.
class OpenedData {
 public:
  // Fails the test when it cannot be opened.
  explicit OpenedData(proto::Job job, Dataset::Options options = {});

  std::vector<proto::Chunk> Chunks(proto::Chunk::Set set, std::uint32_t epoch = 0, std::uint32_t workers = 1);
  std::vector<Minibatch> Read(const proto::Chunk& chunk, std::uint32_t epoch = 0, std::uint32_t first = 0);
  // All rows of a set in the order they are dealt and read.
  std::vector<ReadRow> ReadAll(proto::Chunk::Set set, std::uint32_t epoch = 0, std::uint32_t workers = 1);

  Dataset& operator*() { return *dataset_; }
  Dataset* operator->() { return dataset_.get(); }
  const FeatureLayout& layout() const { return *layout_; }

 private:
  const proto::Job job_;
  std::unique_ptr<FeatureLayout> layout_;
  std::unique_ptr<Dataset> dataset_;
};

// The error of a job that must not open.
Status OpenError(const proto::Job& job, Dataset::Options options = {});

// A generator for tests: its own, so that the code under test cannot agree with it by accident.
class TestRandom {
 public:
  explicit TestRandom(std::uint64_t seed) : state_(seed * 6364136223846793005u + 1442695040888963407u) {}
  std::uint32_t Next(std::uint32_t n);  // in [0, n)

 private:
  std::uint64_t state_;
};

}  // namespace sherd
