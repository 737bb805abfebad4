#include "ps/checkpoint_loader.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/manifest.h"
#include "ps/checkpoint_files.h"
#include "ps/row_converter.h"

namespace sherd {
namespace {

// Puts what a file holds into a store, by the names of tables and tensors.
class StoreFiller : public ShardFileVisitor {
 public:
  explicit StoreFiller(ShardStore* store) : store_(store) {}

  // The file that comes next.
  Status Begin(const ShardFileReader& reader) {
    // Full files have no slot in common (FilesOfSlots), and no key twice: rows come first in a slot, and ascend.
    fresh_ = !reader.delta();
    const proto::ModelSpec& model = reader.model();
    for (std::size_t i = 0; i < store_->dense().blocks().size(); ++i) {
      const DenseBlocks::Block& block = store_->dense().blocks()[i];
      if (block.slot < reader.first_slot() || block.slot >= reader.end_slot()) continue;
      missing_[{block.place.tensor, block.place.first}] = i;
    }
    tables_.assign(static_cast<std::size_t>(model.table_size()), kAbsent);
    converters_.clear();
    store_->DealBudget();
    for (int i = 0; i < store_->model().table_size(); ++i) RETURN_IF_ERROR(MatchTable(model, i));
    tensors_.assign(static_cast<std::size_t>(model.tensor_size()), kAbsent);
    for (int i = 0; i < store_->model().tensor_size(); ++i) RETURN_IF_ERROR(MatchTensor(model, i));
    return {};
  }

  Status OnRows(std::uint32_t table, std::span<const Key> keys, std::span<const std::byte> rows) override {
    if (tables_[table] == kAbsent) return {};
    EmbeddingTable& target = store_->table(tables_[table]);
    RowConverter& converter = converters_.at(table);
    const RowLayout& theirs = converter.from();
    if (rows.size() != keys.size() * theirs.row_bytes()) {
      return Status::BadData("table '" + store_->model().table(static_cast<int>(tables_[table])).name() + "' has " +
                             std::to_string(rows.size() / keys.size()) + " bytes a row with its optimizers, not " +
                             std::to_string(theirs.row_bytes()));
    }
    if (converter.same()) return target.RestoreRows(keys, rows.data(), fresh_);
    const std::size_t bytes = target.layout().row_bytes();
    converted_.resize(keys.size() * bytes);
    for (std::size_t i = 0; i < keys.size(); ++i) {
      converter.Convert(&rows[i * theirs.row_bytes()], &converted_[i * bytes]);
    }
    return target.RestoreRows(keys, converted_.data(), fresh_);
  }

  Status OnCandidates(std::uint32_t table, std::span<const Key> keys,
                      std::span<const std::uint32_t> sightings) override {
    if (tables_[table] == kAbsent) return {};
    EmbeddingTable& target = store_->table(tables_[table]);
    // A table without candidates has no row of the key either.
    if (target.layout().storage().admit_after() <= 1) return OnDeleted(table, keys);
    return target.RestoreCandidates(keys, sightings);
  }

  Status OnDeleted(std::uint32_t table, std::span<const Key> keys) override {
    if (tables_[table] != kAbsent) store_->table(tables_[table]).Delete(keys);
    return {};
  }

  Status OnDense(std::uint32_t tensor, std::uint32_t first, std::uint32_t length,
                 std::span<const float> values) override {
    if (tensors_[tensor] == kAbsent) return {};
    const auto found = missing_.find({tensors_[tensor], first});
    if (found == missing_.end()) return Status::BadData("a dense block comes twice, or is not of this slot");
    const DenseBlocks::Block& block = store_->dense().blocks()[found->second];
    if (block.place.length != length || block.floats != values.size()) {
      return Status::BadData("a dense block has " + std::to_string(values.size()) + " floats with its optimizer, not " +
                             std::to_string(block.floats));
    }
    store_->dense().Restore(found->second, values);
    missing_.erase(found);
    return {};
  }

  // The file is at its end.
  Status End() const {
    if (missing_.empty()) return {};
    const auto& [tensor, first] = missing_.begin()->first;
    return Status::BadData("float " + std::to_string(first) + " of tensor '" +
                           store_->model().tensor(static_cast<int>(tensor)).name() + "' is not in it");
  }

 private:
  static constexpr std::uint32_t kAbsent = ~std::uint32_t{0};

  Status MatchTable(const proto::ModelSpec& model, int i) {
    const proto::TableSpec& ours = store_->model().table(i);
    const auto theirs = std::ranges::find(model.table(), ours.name(), &proto::TableSpec::name);
    if (theirs == model.table().end()) return Status::BadData("the checkpoint has no table '" + ours.name() + "'");
    const auto same = [](const proto::SegmentSpec& a, const proto::SegmentSpec& b) {
      return a.name() == b.name() && a.dim() == b.dim() && a.optimizer().kind_case() == b.optimizer().kind_case();
    };
    if (!std::ranges::equal(ours.segment(), theirs->segment(), same)) {
      return Status::BadData("table '" + ours.name() + "' has other segments, dims or optimizers in the checkpoint");
    }
    // Optimizers of one kind may differ in what they keep: with momentum, or without.
    const RowLayout& layout = store_->table(static_cast<std::size_t>(i)).layout();
    ASSIGN_OR_RETURN(RowLayout their_layout, RowLayout::Make(*theirs));
    if (layout.row_floats() != their_layout.row_floats()) {
      return Status::BadData("table '" + ours.name() + "' has " + std::to_string(their_layout.row_floats()) +
                             " floats a row in the checkpoint with its optimizers' state, not " +
                             std::to_string(layout.row_floats()));
    }
    const auto number = static_cast<std::uint32_t>(theirs - model.table().begin());
    tables_[number] = static_cast<std::uint32_t>(i);
    converters_.try_emplace(number, std::move(their_layout), layout);
    return {};
  }

  Status MatchTensor(const proto::ModelSpec& model, int i) {
    const proto::TensorSpec& ours = store_->model().tensor(i);
    const auto theirs = std::ranges::find(model.tensor(), ours.name(), &proto::TensorSpec::name);
    if (theirs == model.tensor().end()) return Status::BadData("the checkpoint has no tensor '" + ours.name() + "'");
    if (ours.rows() != theirs->rows() || ours.cols() != theirs->cols() ||
        ours.optimizer().kind_case() != theirs->optimizer().kind_case()) {
      return Status::BadData("tensor '" + ours.name() + "' has another shape or optimizer in the checkpoint");
    }
    tensors_[static_cast<std::size_t>(theirs - model.tensor().begin())] = static_cast<std::uint32_t>(i);
    return {};
  }

  ShardStore* const store_;
  bool fresh_ = false;                                // nothing is known of the file's keys before it
  std::map<std::uint32_t, RowConverter> converters_;  // of the file's tables that we have, by their numbers there
  std::vector<std::byte> converted_;
  std::vector<std::uint32_t> tables_, tensors_;  // from the file's numbers to ours
  // Dense blocks of the file's slots, by tensor and first float.
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::size_t> missing_;
};

Status LoadFile(const std::string& dir, const proto::ShardFile& file, const ShardStore& store, StoreFiller* filler) {
  ASSIGN_OR_RETURN(auto reader, OpenShardFile(dir, file));
  RETURN_IF_ERROR(filler->Begin(*reader).Annotate(reader->path()));
  const Slot first = std::max(reader->first_slot(), store.first_slot());
  const Slot end = std::min(reader->end_slot(), store.end_slot());
  reader->StartReadAhead(first, end);
  for (Slot slot = first; slot < end; ++slot) RETURN_IF_ERROR(reader->ReadSlot(slot, filler));
  RETURN_IF_ERROR(CheckContents(*reader, file));
  return filler->End().Annotate(reader->path());
}

// Room in the tables for what the full files have of the store's slots. A slot has its share of the keys, by their
// hash. A file says how many it has: no more than fit into twice its bytes are believed, lest a lie takes all memory.
Status ReserveRows(const std::string& dir, const std::vector<const proto::ShardFile*>& files, ShardStore* store) {
  std::vector<double> keys(store->tables()), rows(store->tables());
  for (const proto::ShardFile* file : files) {
    if (file->delta()) continue;
    ASSIGN_OR_RETURN(const auto reader, OpenShardFile(dir, *file));
    const Slot first = std::max(reader->first_slot(), store->first_slot());
    const Slot end = std::min(reader->end_slot(), store->end_slot());
    const double share = static_cast<double>(end - first) / (reader->end_slot() - reader->first_slot());
    const double bytes = 2 * static_cast<double>(reader->bytes());
    for (std::size_t i = 0; i < reader->counts().size(); ++i) {
      const proto::TableSpec& theirs = reader->model().table(static_cast<int>(i));
      const TableCounts& counts = reader->counts()[i];
      for (std::size_t t = 0; t < keys.size(); ++t) {
        if (store->model().table(static_cast<int>(t)).name() != theirs.name()) continue;
        const double all = static_cast<double>(counts.rows) + static_cast<double>(counts.candidates);
        keys[t] += share * std::min(all, bytes / sizeof(Key));
        rows[t] += share * std::min(static_cast<double>(counts.rows), bytes / store->table(t).layout().row_bytes());
      }
    }
  }
  for (std::size_t t = 0; t < keys.size(); ++t) {
    store->table(t).Reserve(static_cast<std::uint64_t>(keys[t] + 4 * std::sqrt(keys[t])),
                            static_cast<std::uint64_t>(rows[t]));
  }
  return {};
}

}  // namespace

Status LoadShard(const std::string& dir, ShardStore* store) {
  ASSIGN_OR_RETURN(const proto::Manifest manifest, ReadManifest(dir));
  auto files = FilesOfSlots(manifest, store->first_slot(), store->end_slot());
  if (!files.ok()) return files.status().Annotate(dir);
  store->Clear();
  RETURN_IF_ERROR(ReserveRows(dir, *files, store));
  StoreFiller filler(store);
  for (const proto::ShardFile* file : *files) RETURN_IF_ERROR(LoadFile(dir, *file, *store, &filler));
  for (std::size_t i = 0; i < store->tables(); ++i) store->table(i).FinishRestore();
  return {};
}

}  // namespace sherd
