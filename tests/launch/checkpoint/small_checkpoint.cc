#include "tests/launch/checkpoint/small_checkpoint.h"

#include <filesystem>

#include "base/file.h"
#include "base/job_file.h"
#include "base/manifest.h"
#include "models/model.h"
#include "ps/checkpoint_loader.h"
#include "ps/checkpoint_reader.h"
#include "ps/checkpoint_writer.h"
#include "ps/cut_writer.h"

namespace sherd {
namespace {

constexpr char kJob[] = R"(
name: "small" data { format: CRITEO_TSV train: "a.tsv" }
feature { column: "C1..C3" categorical {} }
feature { name: "count" column: "I1" bucket {} }
feature { name: "share" column: "I2" bucket { edge: 1 edge: 10 } }
feature { name: "words" column: "C4" categorical { separator: " " } }
feature { name: "pair" cross { feature: "C1" feature: "count" } }
table { name: "cross" storage { weights: BF16 admit_after: 2 max_rows: 100000 max_age_clocks: 20 } }
model { name: "wide_deep" embedding_dim: 4 tower { hidden: 40 hidden: 30 }
  embedding_optimizer { adagrad {} } dense_optimizer { adam {} } }
train { seed: 3 }
)";

void Push(ShardStore* store, std::uint64_t seed, std::uint64_t clock) {
  for (std::size_t t = 0; t < store->tables(); ++t) {
    EmbeddingTable& table = store->table(t);
    std::vector<Key> keys;
    std::vector<float> sums;
    const auto add = [&](Key key) {
      if (!store->Owns(key)) return;
      keys.push_back(key);
      for (std::uint32_t i = 0; i < table.layout().weight_floats(); ++i)
        sums.push_back(UnitFloat(Mix(seed, clock, key, i)) - 0.5f);
    };
    for (int i = 0; i < 100; ++i) add(TokenKey(HashBytes("C1"), std::to_string(i)));
    // Some come with each clock and some once, which are candidates where there are any.
    for (std::uint64_t i = 0; i < 3000; ++i) add(Mix(i, i % 3 == 0 ? clock + 1 : 0, t + 1));
    CHECK(table.Push(keys, sums.data(), {.clock = clock, .noise = clock}).ok());
  }
  std::vector<float> gradients(store->dense().weight_floats());
  std::size_t at = 0;
  for (const DenseBlocks::Block& block : store->dense().blocks()) {
    for (std::uint32_t i = 0; i < block.place.length; ++i)
      gradients[at++] = UnitFloat(Mix(seed + clock, block.place.key, i)) - 0.5f;
  }
  store->dense().Push(gradients.data(), 1, 1);
}

// But for the files.
proto::Manifest ManifestOf(const std::vector<std::unique_ptr<ShardStore>>& stores) {
  const proto::Job job = SmallJob();
  proto::Manifest manifest;
  manifest.set_version(1);
  manifest.set_job(ModelFingerprint(job));
  manifest.set_job_name(job.name());
  manifest.set_job_text(JobToText(job));
  manifest.set_seed(3);
  manifest.mutable_state()->set_rows(12345);
  *manifest.mutable_model() = stores[0]->model();
  return manifest;
}

}  // namespace

proto::Job SmallJob() { return ParseJob(kJob, "small").value(); }

std::vector<std::unique_ptr<ShardStore>> TrainedStores(std::uint32_t shards, std::uint64_t seed) {
  std::vector<std::unique_ptr<ShardStore>> stores;
  for (std::uint32_t shard = 0; shard < shards; ++shard) {
    stores.push_back(ShardStore::Make(DescribeModel(SmallJob()).value(), 3, shard, shards).value());
    for (std::uint64_t clock = 0; clock < 3; ++clock) Push(stores.back().get(), seed, clock);
  }
  return stores;
}

void WriteCheckpoint(const std::string& dir, const std::vector<std::unique_ptr<ShardStore>>& stores) {
  proto::Manifest manifest = ManifestOf(stores);
  for (const auto& store : stores) *manifest.add_file() = WriteShardFile(store.get(), dir).value();
  CHECK(WriteManifest(dir, manifest).ok());
}

void TrainOn(const std::vector<std::unique_ptr<ShardStore>>& stores, std::uint64_t clock) {
  for (const auto& store : stores) {
    store->Advance(clock, static_cast<std::uint32_t>(clock));
    Push(store.get(), 1, clock);
  }
}

std::string CheckpointChain::Write(const std::vector<std::unique_ptr<ShardStore>>& stores) {
  const std::string name = "checkpoint-00000" + std::to_string(++checkpoints_), dir = JoinPath(job_dir_, name);
  proto::Manifest manifest = ManifestOf(stores);
  files_.resize(stores.size());
  for (std::size_t i = 0; i < stores.size(); ++i) {
    CutWriter writer(stores[i].get(),
                     {.dir = dir, .delta = checkpoints_ > 1, .track = true, .compress = false, .wake = {}});
    proto::ShardFile file = writer.Run().value();
    CHECK_EQ(file.delta(), checkpoints_ > 1);
    for (const proto::ShardFile& before : files_[i]) *manifest.add_file() = before;
    *manifest.add_file() = file;
    file.set_name("../" + name + "/" + file.name());
    files_[i].push_back(file);
  }
  CHECK(WriteManifest(dir, manifest).ok());
  return dir;
}

void EditManifest(const std::string& dir, const std::function<void(proto::Manifest*)>& edit) {
  proto::Manifest manifest = ReadManifest(dir).value();
  edit(&manifest);
  CHECK(WriteManifest(dir, manifest).ok());
}

Contents RestoredContents(const std::string& dir, const proto::ModelSpec& model) {
  const auto store = ShardStore::Make(model, 3, 0, 1).value();
  const Status status = LoadShard(dir, store.get());
  CHECK(status.ok()) << status.text();
  return ContentsOf(*store);
}

Contents ContentsOfAll(const std::vector<std::unique_ptr<ShardStore>>& stores) {
  Contents contents;
  for (const auto& store : stores) contents.merge(ContentsOf(*store));
  return contents;
}

std::map<std::string, std::string> FilesIn(const std::string& dir) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(dir)) {
    files[entry.path().filename().string()] = ReadFile(entry.path().string()).value();
  }
  return files;
}

}  // namespace sherd
