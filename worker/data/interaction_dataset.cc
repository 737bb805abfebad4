#include "worker/data/interaction_dataset.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "worker/data/chunk_cutter.h"
#include "worker/data/interaction_reader.h"

namespace sherd {
namespace {

// Lists are read so many rows at a time, however small the batches of training are.
constexpr std::uint32_t kListRows = 2048;
constexpr std::uint64_t kMaxSamples = std::uint64_t{1} << 31;  // of a chunk, which has its samples' order in memory

}  // namespace

Result<std::unique_ptr<Dataset>> InteractionDataset::Open(const proto::Job& job, const FeatureLayout& layout,
                                                          Options options) {
  std::unique_ptr<InteractionDataset> dataset(new InteractionDataset(job, layout, options));
  ASSIGN_OR_RETURN(dataset->schema_, Schema::Make(job, layout));
  ASSIGN_OR_RETURN(dataset->interactions_,
                   Interactions::Load(job, layout, dataset->schema_, options.predict, &dataset->log_));
  RETURN_IF_ERROR(dataset->Prepare());
  return std::unique_ptr<Dataset>(std::move(dataset));
}

Status InteractionDataset::Prepare() {
  const auto& train = interactions_.sets[proto::Chunk::TRAIN];
  for (std::uint32_t i = 0; i < train.size(); ++i) {
    std::vector<std::uint32_t> rows(train[i].rows.size());
    std::iota(rows.begin(), rows.end(), 0u);
    order_.push_back(std::make_unique<EpochOrder>(std::move(rows), Mix(job_.train().seed(), i)));
  }
  std::vector<std::span<const Interaction>> parts;
  for (const Interactions::File& file : train) parts.emplace_back(file.rows);
  if (!options_.predict) trained_.emplace(interactions_.users.size(), interactions_.catalogue, parts);
  max_rows_ = job_.train().batch_size();
  if (options_.predict || !(Has(proto::Chunk::EVAL) || Has(proto::Chunk::TEST))) return {};
  return PrepareLists();
}

Status InteractionDataset::PrepareLists() {
  const bool samples = Has(proto::Chunk::EVAL) || !interactions_.test_candidates;
  if (samples && !Has(proto::Chunk::TRAIN)) {
    return Status::Invalid(
        "data.train: candidates are drawn from the items that the users have not, which needs the training "
        "files; or give data.user_item.candidates_file");
  }
  if (samples) {
    std::vector<std::span<const Interaction>> parts;
    for (const auto& set : interactions_.sets) {
      for (const Interactions::File& file : set) parts.emplace_back(file.rows);
    }
    touched_.emplace(interactions_.users.size(), interactions_.items.size(), parts);
    longest_list_ = 1 + std::min(job_.data().user_item().candidates(), interactions_.items.size());
  }
  if (interactions_.test_candidates) {
    longest_list_ = std::max(longest_list_, 1 + interactions_.test_candidates->longest());
  }
  max_rows_ = std::max({max_rows_, kListRows, longest_list_});
  return {};
}

std::string InteractionDataset::FileName(proto::Chunk::Set set, std::uint32_t file) const {
  const auto& files = interactions_.sets[set];
  return file < files.size() ? files[file].path : "file " + std::to_string(file);
}

std::uint64_t InteractionDataset::RowsOf(proto::Chunk::Set set, std::uint64_t minibatches) const {
  if (lists(set))
    return std::max<std::uint64_t>(1, minibatches * std::max<std::uint32_t>(1, max_rows_ / longest_list_));
  const std::uint64_t batch = job_.train().batch_size();
  const std::uint64_t samples =
      set == proto::Chunk::TRAIN && !options_.predict ? 1 + job_.data().user_item().negatives() : 1;
  // So many minibatches hold a whole number of rows.
  const std::uint64_t step = samples / std::gcd(batch, samples);
  if (minibatches >= step) minibatches -= minibatches % step;
  return std::max<std::uint64_t>(1, minibatches * batch / samples);
}

Result<std::vector<proto::Chunk>> InteractionDataset::Chunks(proto::Chunk::Set set, std::uint32_t epoch,
                                                             std::uint32_t workers) {
  ChunkCutter cutter(set, workers, options_.max_chunk_minibatches);
  const std::uint64_t minibatches = interactions_.rows(set) / RowsOf(set, 1);
  const std::uint64_t rows = RowsOf(set, cutter.MinibatchesPerChunk(minibatches));
  const auto& files = interactions_.sets[set];
  for (std::uint32_t i = 0; i < files.size(); ++i) cutter.CutRows(i, files[i].rows.size(), rows);
  if (set != proto::Chunk::TRAIN || options_.predict) return std::move(cutter).InOrder();
  return std::move(cutter).Shuffled(Mix(job_.train().seed(), epoch));
}

Result<std::unique_ptr<ChunkReader>> InteractionDataset::Read(const proto::Chunk& chunk, std::uint32_t epoch,
                                                              std::uint32_t first_minibatch) {
  const auto& files = interactions_.sets[chunk.set()];
  if (!chunk.in_memory() || chunk.file() >= files.size() || chunk.begin() > chunk.end() ||
      chunk.end() > files[chunk.file()].rows.size()) {
    return Status::Invalid("chunk " + std::to_string(chunk.id()) + " of " + FileName(chunk.set(), chunk.file()) +
                           ": the file has other rows than it had");
  }
  InteractionChunk part{&interactions_,  &files[chunk.file()],      chunk, epoch,
                        first_minibatch, job_.train().batch_size(), {}};
  if (schema_.group >= 0 && chunk.set() != proto::Chunk::TRAIN) part.group_by = schema_.columns[schema_.group].name;
  if (options_.predict) {
    return std::unique_ptr<ChunkReader>(std::make_unique<PairReader>(PairWriter(std::move(part), layout_)));
  }
  if (chunk.set() == proto::Chunk::TRAIN) {
    if ((chunk.end() - chunk.begin()) * (1 + job_.data().user_item().negatives()) > kMaxSamples) {
      return Status::Invalid("chunk " + std::to_string(chunk.id()) + ": longer than any that this job is cut into");
    }
    return std::unique_ptr<ChunkReader>(std::make_unique<SampleReader>(
        PairWriter(std::move(part), layout_), order_[chunk.file()]->Of(epoch), &*trained_,
        job_.data().user_item().negatives(), Mix(job_.train().seed(), epoch)));
  }
  part.max_rows = max_rows_;
  const bool from_file = chunk.set() == proto::Chunk::TEST && interactions_.test_candidates;
  std::uint64_t first_row = 0;
  for (std::uint32_t i = 0; i < chunk.file(); ++i) first_row += files[i].rows.size();
  return std::unique_ptr<ChunkReader>(std::make_unique<ListReader>(
      PairWriter(std::move(part), layout_), first_row, from_file ? &*interactions_.test_candidates : nullptr,
      touched_ ? &*touched_ : nullptr, job_.data().user_item().candidates()));
}

}  // namespace sherd
