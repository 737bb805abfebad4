#include "worker/data/interaction_dataset.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "models/model.h"
#include "worker/data/chunk_cutter.h"
#include "worker/data/interaction_reader.h"
#include "worker/data/ranking_reader.h"
#include "worker/data/sequence_reader.h"

namespace sherd {
namespace {

// Lists are read so many rows at a time, however small the batches of training are.
constexpr std::uint32_t kListRows = 2048;
constexpr std::uint64_t kMaxSamples = std::uint64_t{1} << 31;  // of a chunk, which has its samples' order in memory

Interactions::Purpose PurposeOf(const proto::Job& job, const Dataset::Options& options) {
  if (job.has_recommend()) return Interactions::Purpose::kRecommend;
  return options.predict ? Interactions::Purpose::kPredict : Interactions::Purpose::kTrain;
}

// By item of the catalogue: the logarithm of its share of the training rows.
std::vector<float> LogShares(const Interactions& interactions) {
  std::vector<double> counts(interactions.catalogue);
  for (const Interactions::File& file : interactions.sets[proto::Chunk::TRAIN]) {
    for (const Interaction& row : file.rows) {
      if (row.user != Vocabulary::kNone) ++counts[row.item];
    }
  }
  const auto rows = static_cast<double>(interactions.rows(proto::Chunk::TRAIN));
  std::vector<float> log_shares;
  for (const double count : counts) log_shares.push_back(static_cast<float>(std::log(count / rows)));
  return log_shares;
}

}  // namespace

Result<std::unique_ptr<Dataset>> InteractionDataset::Open(const proto::Job& job, const FeatureLayout& layout,
                                                          Options options) {
  std::unique_ptr<InteractionDataset> dataset(new InteractionDataset(job, layout, options));
  ASSIGN_OR_RETURN(dataset->schema_, Schema::Make(job, layout));
  ASSIGN_OR_RETURN(dataset->interactions_,
                   Interactions::Load(job, layout, dataset->schema_, PurposeOf(job, options), &dataset->log_));
  RETURN_IF_ERROR(dataset->Prepare());
  return std::unique_ptr<Dataset>(std::move(dataset));
}

Status InteractionDataset::PrepareToRecommend() {
  ASSIGN_OR_RETURN(Recommended recommended, Recommended::Make(job_, interactions_));
  recommended_.emplace(std::move(recommended));
  ASSIGN_OR_RETURN(const proto::ModelSpec model, DescribeModel(job_));
  by_factors_ = model.has_factors();
  ranked_[proto::Chunk::TEST].emplace(&*recommended_);
  max_rows_ = std::max(job_.train().batch_size(), ListRows());
  return {};
}

Status InteractionDataset::PrepareGraph() {
  if (job_.model().name() != "lightgcn") return {};
  if (!Has(proto::Chunk::TRAIN)) {
    return Status::Invalid("data.train: the graph of lightgcn is made of the training rows, so it needs their files");
  }
  graph_.emplace(interactions_);
  return {};
}

NeighbourhoodFinder::Options InteractionDataset::Neighbours(proto::Chunk::Set set, std::uint32_t epoch) const {
  if (!graph_) return {};
  const proto::GraphConvolution& convolution = job_.model().graph_convolution();
  const bool trains = set == proto::Chunk::TRAIN && !options_.predict;
  return {.graph = &*graph_,
          .layers = convolution.layers(),
          .max_neighbours = trains ? convolution.max_neighbours() : 0,
          .seed = Mix(job_.train().seed(), epoch)};
}

Status InteractionDataset::PrepareSequences() {
  for (const FeatureLayout::FeatureColumn& feature : layout_.features) {
    if (feature.config->has_cross()) {
      return Status::Invalid("feature " + feature.name +
                             ": crosses combine features of one value a row, not sequences");
    }
  }
  const auto past = job_.has_recommend() ? Histories::Past::kEvalAndTest : Histories::Past::kEval;
  histories_.emplace(interactions_, job_.data().user_item().sequences().max_length(), past);
  std::vector<std::uint32_t> users = histories_->TrainedUsers();
  if (users.empty()) {
    return Status::BadData(FileName(proto::Chunk::TRAIN, 0) +
                           ": no user has two items to train on, of which one could follow the other");
  }
  order_.push_back(std::make_unique<EpochOrder>(std::move(users), job_.train().seed()));
  return {};
}

// A row with a history has many events, so there are fewer of them at a time.
std::uint32_t InteractionDataset::ListRows() const { return histories_ ? 1 : kListRows; }

Status InteractionDataset::Prepare() {
  RETURN_IF_ERROR(PrepareGraph());
  if (job_.data().user_item().has_sequences()) RETURN_IF_ERROR(PrepareSequences());
  if (job_.has_recommend()) return PrepareToRecommend();
  const auto& train = interactions_.sets[proto::Chunk::TRAIN];
  for (std::uint32_t i = 0; i < train.size() && !histories_; ++i) {
    std::vector<std::uint32_t> rows(train[i].rows.size());
    std::iota(rows.begin(), rows.end(), 0u);
    order_.push_back(std::make_unique<EpochOrder>(std::move(rows), Mix(job_.train().seed(), i)));
  }
  std::vector<std::span<const Interaction>> parts;
  for (const Interactions::File& file : train) parts.emplace_back(file.rows);
  if (!options_.predict) trained_.emplace(interactions_.users.size(), interactions_.catalogue, parts);
  if (histories_ || job_.model().loss() == proto::Model::IN_BATCH_SOFTMAX) log_shares_ = LogShares(interactions_);
  max_rows_ = job_.train().batch_size();
  if (SampleOrder() == SampleReader::Order::kGroups) {
    max_rows_ = std::max(max_rows_, 1 + job_.data().user_item().negatives());
  }
  if (options_.predict || !(Has(proto::Chunk::EVAL) || Has(proto::Chunk::TEST))) return {};
  return job_.evaluation().has_full_ranking() ? PrepareRanking() : PrepareLists();
}

Status InteractionDataset::PrepareRanking() {
  if (!Has(proto::Chunk::TRAIN)) {
    return Status::Invalid(
        "data.train: full ranking leaves out the items that users have there, which needs the training files");
  }
  for (const auto set : {proto::Chunk::EVAL, proto::Chunk::TEST}) {
    if (!Has(set)) continue;
    ranked_[set].emplace(interactions_, set);
    if (ranked_[set]->subjects().empty()) {
      return Status::BadData(FileName(set, 0) + ": no user has an item there that is not among those left out of the " +
                             "ranking, which are the user's items of data.train (and of data.eval for data.test)");
    }
  }
  ASSIGN_OR_RETURN(const proto::ModelSpec model, DescribeModel(job_));
  by_factors_ = model.has_factors();
  max_rows_ = std::max(max_rows_, ListRows());
  return {};
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
  max_rows_ = std::max({max_rows_, ListRows(), longest_list_});
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
  if (samples > 1 && SampleOrder() == SampleReader::Order::kGroups) {
    return minibatches * std::max<std::uint64_t>(1, batch / samples);
  }
  // So many minibatches hold a whole number of rows.
  const std::uint64_t step = samples / std::gcd(batch, samples);
  if (minibatches >= step) minibatches -= minibatches % step;
  return std::max<std::uint64_t>(1, minibatches * batch / samples);
}

Result<std::vector<proto::Chunk>> InteractionDataset::Chunks(proto::Chunk::Set set, std::uint32_t epoch,
                                                             std::uint32_t workers) {
  ChunkCutter cutter(set, workers, options_.max_chunk_minibatches);
  if (ranks(set)) {
    cutter.CutRows(0, ranked_[set]->subjects().size(), UsersOfChunk(set, workers));
    return std::move(cutter).InOrder();
  }
  if (sequences(set)) {
    const std::uint64_t users = order_[0]->size(), batch = job_.train().batch_size();
    cutter.CutRows(0, users, batch * cutter.MinibatchesPerChunk(users / batch));
    return std::move(cutter).Shuffled(Mix(job_.train().seed(), epoch));
  }
  const std::uint64_t minibatches = interactions_.rows(set) / RowsOf(set, 1);
  const std::uint64_t rows = RowsOf(set, cutter.MinibatchesPerChunk(minibatches));
  const auto& files = interactions_.sets[set];
  for (std::uint32_t i = 0; i < files.size(); ++i) cutter.CutRows(i, files[i].rows.size(), rows);
  if (set != proto::Chunk::TRAIN || options_.predict) return std::move(cutter).InOrder();
  return std::move(cutter).Shuffled(Mix(job_.train().seed(), epoch));
}

// Each chunk has all items' vectors made anew, so there are few; pairs are cut like any rows.
std::uint64_t InteractionDataset::UsersOfChunk(proto::Chunk::Set set, std::uint32_t workers) const {
  const std::uint64_t users = ranked_[set]->subjects().size(), rows = options_.max_chunk_minibatches * max_rows_;
  if (by_factors_) return std::clamp<std::uint64_t>(users / (2 * std::max(workers, 1u)) + 1, 256, rows);
  return std::max<std::uint64_t>(1, rows / std::max(interactions_.items.size(), 1u));
}

std::unique_ptr<ChunkReader> InteractionDataset::ReadRanking(InteractionChunk part) const {
  part.max_rows = max_rows_;
  const RankedSet* const set = &*ranked_[part.chunk.set()];
  if (part.chunk.list_length_size() > 0) return std::make_unique<ListedReader>(std::move(part), layout_, set);
  if (by_factors_) return std::make_unique<FactorRankingReader>(std::move(part), layout_, set);
  return std::make_unique<PairRankingReader>(std::move(part), layout_, set);
}

// Of a chunk with lists that are to be explained: there is one for each of its users, of items of the catalogue.
Status InteractionDataset::CheckLists(const proto::Chunk& chunk) const {
  const auto& lengths = chunk.list_length();
  if (lengths.empty() && chunk.listed().empty()) return {};
  const std::uint64_t places = std::accumulate(lengths.begin(), lengths.end(), std::uint64_t{0});
  const auto known = [&](std::uint32_t item) { return item < interactions_.items.size(); };
  const bool fits = ranks(chunk.set()) && static_cast<std::uint64_t>(lengths.size()) == chunk.end() - chunk.begin() &&
                    static_cast<std::uint64_t>(chunk.listed_size()) == places &&
                    std::ranges::all_of(chunk.listed(), known);
  return fits ? Status() : Status::Invalid("chunk " + std::to_string(chunk.id()) + ": lists that are not its users'");
}

Result<std::unique_ptr<ChunkReader>> InteractionDataset::Read(const proto::Chunk& chunk, std::uint32_t epoch,
                                                              std::uint32_t first_minibatch) {
  const auto& files = interactions_.sets[chunk.set()];
  const bool ranked = ranks(chunk.set()), known = ranked || chunk.file() < files.size();
  const std::uint64_t rows = !known                   ? 0
                             : ranked                 ? ranked_[chunk.set()]->subjects().size()
                             : sequences(chunk.set()) ? order_[0]->size()
                                                      : files[chunk.file()].rows.size();
  if (!chunk.in_memory() || !known || chunk.begin() > chunk.end() || chunk.end() > rows) {
    return Status::Invalid("chunk " + std::to_string(chunk.id()) + " of " + FileName(chunk.set(), chunk.file()) +
                           ": the file has other rows than it had");
  }
  RETURN_IF_ERROR(CheckLists(chunk));
  InteractionChunk part{&interactions_,
                        nullptr,
                        chunk,
                        epoch,
                        first_minibatch,
                        job_.train().batch_size(),
                        {},
                        Neighbours(chunk.set(), epoch)};
  if (histories_) part.histories = &*histories_;
  if (ranked) return ReadRanking(std::move(part));
  part.file = &files[chunk.file()];
  if (schema_.group >= 0 && chunk.set() != proto::Chunk::TRAIN) part.group_by = schema_.columns[schema_.group].name;
  if (options_.predict) {
    return std::unique_ptr<ChunkReader>(std::make_unique<PairReader>(PairWriter(std::move(part), layout_)));
  }
  if (sequences(chunk.set())) {
    return std::unique_ptr<ChunkReader>(std::make_unique<SequenceReader>(
        std::move(part), layout_, order_[0]->Of(epoch), &log_shares_, job_.data().user_item().sequences().targets()));
  }
  if (chunk.set() == proto::Chunk::TRAIN) {
    if ((chunk.end() - chunk.begin()) * (1 + job_.data().user_item().negatives()) > kMaxSamples) {
      return Status::Invalid("chunk " + std::to_string(chunk.id()) + ": longer than any that this job is cut into");
    }
    return std::unique_ptr<ChunkReader>(
        std::make_unique<SampleReader>(PairWriter(std::move(part), layout_), order_[chunk.file()]->Of(epoch),
                                       &*trained_, job_.data().user_item().negatives(), Mix(job_.train().seed(), epoch),
                                       SampleOrder(), log_shares_.empty() ? nullptr : &log_shares_));
  }
  part.max_rows = max_rows_;
  const bool from_file = chunk.set() == proto::Chunk::TEST && interactions_.test_candidates;
  std::uint64_t first_row = 0;
  for (std::uint32_t i = 0; i < chunk.file(); ++i) first_row += files[i].rows.size();
  return std::unique_ptr<ChunkReader>(std::make_unique<ListReader>(
      PairWriter(std::move(part), layout_), first_row, from_file ? &*interactions_.test_candidates : nullptr,
      touched_ ? &*touched_ : nullptr, job_.data().user_item().candidates()));
}

SampleReader::Order InteractionDataset::SampleOrder() const {
  return job_.model().loss() == proto::Model::BPR ? SampleReader::Order::kGroups : SampleReader::Order::kAlone;
}

}  // namespace sherd
