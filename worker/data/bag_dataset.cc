#include "worker/data/bag_dataset.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "worker/data/chunk_cutter.h"

namespace sherd {
namespace {

// What the readers of bags have in common. All pointers must stay.
struct BagChunk {
  const Interactions* interactions;
  const Bags* histories;
  proto::Bags::Owner of;
  proto::Chunk chunk;
  std::uint32_t epoch = 0;
  std::uint32_t max_rows = 0;  // of a minibatch
  std::string group_by;        // "user", "item" or empty
};

// Fills minibatches with owners and their bags.
class BagWriter {
 public:
  BagWriter(BagChunk chunk, const FeatureLayout& layout)
      : chunk_(std::move(chunk)), encoder_(layout, *chunk_.interactions, chunk_.of) {}

  const BagChunk& chunk() const { return chunk_; }

  void Begin(std::uint32_t index, Minibatch* minibatch) const {
    minibatch->epoch = chunk_.epoch;
    minibatch->chunk = chunk_.chunk.id();
    minibatch->index = index;
    minibatch->file = chunk_.chunk.file();
    minibatch->ClearRows();
    minibatch->first_source = std::numeric_limits<std::uint64_t>::max();
    encoder_.Begin(minibatch);
  }

  void Add(std::uint32_t owner, std::span<const Bags::Entry> targets, Minibatch* minibatch) const {
    encoder_.Add(owner, chunk_.histories->of(owner), targets, minibatch);
    const bool users_own = chunk_.of == proto::Bags::USER;
    const Vocabulary& owners = users_own ? chunk_.interactions->users : chunk_.interactions->items;
    const Vocabulary& tokens = users_own ? chunk_.interactions->items : chunk_.interactions->users;
    const bool by_owner = chunk_.group_by == (users_own ? "user" : "item");
    for (const Bags::Entry& target : targets) {
      minibatch->labels.push_back(target.rating);
      if (!chunk_.group_by.empty())
        minibatch->groups.push_back(by_owner ? owners.hash(owner) : tokens.hash(target.token));
      minibatch->first_source = std::min<std::uint64_t>(minibatch->first_source, target.line);
      minibatch->last_source = std::max<std::uint64_t>(minibatch->last_source, target.line);
    }
    minibatch->row_ids.push_back(owners.hash(owner));
    ++minibatch->rows;
  }

  void End(Minibatch* minibatch) const {
    if (minibatch->rows == 0) minibatch->first_source = 0;
  }

 private:
  const BagChunk chunk_;
  const BagEncoder encoder_;
};

// Training and evaluation: the owners of the chunk, each with all its targets.
class OwnerReader : public ChunkReader {
 public:
  OwnerReader(BagWriter writer, EpochOrder::Rows owners, const Bags* targets, std::uint32_t first_minibatch)
      : writer_(std::move(writer)), owners_(std::move(owners)), targets_(targets) {
    const proto::Chunk& chunk = writer_.chunk().chunk;
    minibatch_rows_ = EvenRows(chunk.end() - chunk.begin(), writer_.chunk().max_rows);
    minibatches_ = first_minibatch;
    at_ = std::min(chunk.end(), chunk.begin() + first_minibatch * minibatch_rows_);
  }

  Result<bool> Next(Minibatch* minibatch) override {
    const std::uint64_t end = writer_.chunk().chunk.end();
    if (at_ >= end) return false;
    writer_.Begin(minibatches_++, minibatch);
    for (const std::uint64_t stop = std::min(end, at_ + minibatch_rows_); at_ < stop; ++at_) {
      const std::uint32_t owner = (*owners_)[at_];
      writer_.Add(owner, targets_->of(owner), minibatch);
    }
    writer_.End(minibatch);
    minibatch->last_of_chunk = at_ >= end;
    return true;
  }

 private:
  const BagWriter writer_;
  const EpochOrder::Rows owners_;
  const Bags* const targets_;
  std::uint64_t minibatch_rows_, at_;
  std::uint32_t minibatches_;
};

// Predicting: the rows of a file in its order, each the only target of its owner.
class TargetReader : public ChunkReader {
 public:
  TargetReader(BagWriter writer, const Interactions::File* file, std::uint32_t first_minibatch)
      : writer_(std::move(writer)), file_(file), minibatches_(first_minibatch) {
    const proto::Chunk& chunk = writer_.chunk().chunk;
    at_ = std::min(chunk.end(), chunk.begin() + std::uint64_t{first_minibatch} * writer_.chunk().max_rows);
  }

  Result<bool> Next(Minibatch* minibatch) override {
    const BagChunk& bags = writer_.chunk();
    if (at_ >= bags.chunk.end()) return false;
    writer_.Begin(minibatches_++, minibatch);
    for (const std::uint64_t stop = std::min(bags.chunk.end(), at_ + bags.max_rows); at_ < stop; ++at_) {
      const Interaction& row = file_->rows[at_];
      if (row.user == Vocabulary::kNone) continue;
      minibatch->source_rows.push_back(static_cast<std::uint32_t>(at_ - bags.chunk.begin()));
      const Bags::Entry target = Bags::EntryOf(bags.of, row);
      writer_.Add(Bags::OwnerOf(bags.of, row), {&target, 1}, minibatch);
    }
    writer_.End(minibatch);
    minibatch->source_rows_read = static_cast<std::uint32_t>(at_ - bags.chunk.begin());
    minibatch->last_of_chunk = at_ >= bags.chunk.end();
    return true;
  }

 private:
  const BagWriter writer_;
  const Interactions::File* const file_;
  std::uint64_t at_;
  std::uint32_t minibatches_;
};

}  // namespace

Result<std::unique_ptr<Dataset>> BagDataset::Open(const proto::Job& job, const FeatureLayout& layout, Options options) {
  std::unique_ptr<BagDataset> dataset(new BagDataset(job, layout, options));
  for (const FeatureLayout::FeatureColumn& feature : layout.features) {
    if (feature.config->has_cross()) {
      return Status::Invalid("feature " + feature.name + ": crosses combine features of one value a row, not bags");
    }
  }
  ASSIGN_OR_RETURN(dataset->schema_, Schema::Make(job, layout));
  const auto purpose = options.predict ? Interactions::Purpose::kPredict : Interactions::Purpose::kTrain;
  ASSIGN_OR_RETURN(dataset->interactions_, Interactions::Load(job, layout, dataset->schema_, purpose, &dataset->log_));
  if (!dataset->Has(proto::Chunk::TRAIN)) {
    return Status::Invalid("data.train: the histories of data.user_item.bags are those of the training files");
  }
  for (const auto set : {proto::Chunk::TRAIN, proto::Chunk::EVAL, proto::Chunk::TEST}) {
    const Bags& bags = dataset->bags_[set].emplace(dataset->of(), dataset->interactions_, set);
    dataset->owners_[set] = std::make_unique<EpochOrder>(bags.Owners(), job.train().seed());
  }
  return std::unique_ptr<Dataset>(std::move(dataset));
}

std::string BagDataset::FileName(proto::Chunk::Set set, std::uint32_t file) const {
  const auto& files = interactions_.sets[set];
  if (file >= files.size()) return "file " + std::to_string(file);
  return files[file].path + (files.size() > 1 && !options_.predict ? " and those after it" : "");
}

Result<std::vector<proto::Chunk>> BagDataset::Chunks(proto::Chunk::Set set, std::uint32_t epoch,
                                                     std::uint32_t workers) {
  ChunkCutter cutter(set, workers, options_.max_chunk_minibatches);
  const std::uint64_t batch = job_.train().batch_size();
  if (options_.predict) {
    const std::uint64_t rows = batch * cutter.MinibatchesPerChunk(interactions_.rows(set) / batch);
    const auto& files = interactions_.sets[set];
    for (std::uint32_t i = 0; i < files.size(); ++i) cutter.CutRows(i, files[i].rows.size(), rows);
    return std::move(cutter).InOrder();
  }
  const std::uint64_t owners = owners_[set]->size();
  cutter.CutRows(0, owners, batch * cutter.MinibatchesPerChunk(owners / batch));
  if (set != proto::Chunk::TRAIN) return std::move(cutter).InOrder();
  return std::move(cutter).Shuffled(Mix(job_.train().seed(), epoch));
}

Result<std::unique_ptr<ChunkReader>> BagDataset::Read(const proto::Chunk& chunk, std::uint32_t epoch,
                                                      std::uint32_t first_minibatch) {
  const auto& files = interactions_.sets[chunk.set()];
  const std::uint64_t rows = chunk.file() >= files.size() ? 0
                             : options_.predict           ? files[chunk.file()].rows.size()
                                                          : owners_[chunk.set()]->size();
  if (!chunk.in_memory() || chunk.begin() > chunk.end() || chunk.end() > rows) {
    return Status::Invalid("chunk " + std::to_string(chunk.id()) + " of " + FileName(chunk.set(), chunk.file()) +
                           ": the file has other rows than it had");
  }
  BagChunk part{&interactions_, &*bags_[proto::Chunk::TRAIN], of(), chunk, epoch, job_.train().batch_size(), {}};
  const bool training = chunk.set() == proto::Chunk::TRAIN;
  if (schema_.group >= 0 && !training) part.group_by = schema_.columns[schema_.group].name;
  BagWriter writer(std::move(part), layout_);
  if (options_.predict) {
    return std::unique_ptr<ChunkReader>(
        std::make_unique<TargetReader>(std::move(writer), &files[chunk.file()], first_minibatch));
  }
  EpochOrder& owners = *owners_[chunk.set()];
  return std::unique_ptr<ChunkReader>(std::make_unique<OwnerReader>(
      std::move(writer), training ? owners.Of(epoch) : owners.in_order(), &*bags_[chunk.set()], first_minibatch));
}

}  // namespace sherd
