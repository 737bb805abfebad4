#include "ps/warm_start.h"

#include <algorithm>
#include <map>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ps/checkpoint_reader.h"

namespace sherd {
namespace {

bool SameKind(const proto::Optimizer& a, const proto::Optimizer& b) { return a.kind_case() == b.kind_case(); }

// From rows of a table of another model to those of one of the same segments.
class RowTransfer {
 public:
  RowTransfer(std::uint32_t target, RowLayout theirs, const RowLayout& ours, const proto::TableSpec& their_spec,
              const proto::TableSpec& our_spec)
      : target_(target), theirs_(std::move(theirs)), ours_(ours), row_(ours.row_bytes()) {
    from_.resize(theirs_.row_floats());
    to_.resize(ours_.row_floats());
    for (int i = 0; i < our_spec.segment_size(); ++i) {
      const auto at = static_cast<std::size_t>(i);
      const std::uint32_t dim = ours_.segments()[at].dim;
      const std::uint32_t floats = ours_.segments()[at].optimizer->state_floats(dim);
      const bool keeps = SameKind(our_spec.segment(i).optimizer(), their_spec.segment(i).optimizer()) &&
                         floats == theirs_.segments()[at].optimizer->state_floats(dim);
      kept_.push_back(keeps ? floats : 0);
    }
  }

  std::uint32_t target() const { return target_; }
  std::uint32_t row_bytes() const { return theirs_.row_bytes(); }

  // [ours.row_bytes()], until the next call.
  const std::byte* Convert(const std::byte* row) {
    theirs_.DecodeRow(row, from_.data());
    std::copy_n(from_.begin(), ours_.weight_floats(), to_.begin());
    ours_.InitState(to_.data(), to_.data() + ours_.weight_floats());
    for (std::size_t i = 0; i < kept_.size(); ++i) {
      std::copy_n(&from_[theirs_.segments()[i].state], kept_[i], &to_[ours_.segments()[i].state]);
    }
    std::ranges::fill(row_, std::byte{0});
    ours_.EncodeRow(to_.data(), {}, row_.data());
    return row_.data();
  }

 private:
  const std::uint32_t target_;  // table of the store
  const RowLayout theirs_, ours_;
  std::vector<std::uint32_t> kept_;  // floats of each segment's state that stay
  std::vector<float> from_, to_;
  std::vector<std::byte> row_;
};

// Puts parts of a checkpoint into a store, slot by slot.
class PartFiller {
 public:
  explicit PartFiller(ShardStore* store) : store_(store) {}

  // Finds the parts among the checkpoint's tables and tensors.
  Status Match(const proto::LoadCheckpoint& load, const proto::ModelSpec& theirs) {
    tables_.resize(static_cast<std::size_t>(theirs.table_size()));
    tensors_.resize(static_cast<std::size_t>(theirs.tensor_size()));
    std::map<std::string, std::string> names;
    for (const proto::LoadPart& part : load.part()) names[part.name()] = part.from();
    for (int i = 0; i < store_->model().table_size(); ++i) {
      const auto found = names.find(store_->model().table(i).name());
      if (found != names.end()) RETURN_IF_ERROR(MatchTable(theirs, i, found->second));
    }
    for (int i = 0; i < store_->model().tensor_size(); ++i) {
      const auto found = names.find(store_->model().tensor(i).name());
      if (found != names.end()) RETURN_IF_ERROR(MatchTensor(theirs, i, found->second));
    }
    return {};
  }

  // Slots where the checkpoint has dense blocks that are to be filled: a tensor's name decides, which may be another
  // there.
  std::set<Slot> DenseSlots() const {
    std::set<Slot> slots;
    for (const auto& [place, block] : missing_) slots.insert(block.slot_there);
    return slots;
  }

  // Rows of slots that are read for their dense blocks alone are another shard's. Of keys without a row there is
  // nothing to be warm with.
  Status Fill(const CheckpointSlot& slot) {
    for (std::size_t table = 0; table < slot.tables.size(); ++table) {
      const CheckpointSlot::Table& theirs = slot.tables[table];
      if (theirs.keys.empty() || !store_->Owns(theirs.keys[0])) continue;
      for (RowTransfer& transfer : tables_[table]) RETURN_IF_ERROR(FillTable(theirs, &transfer));
    }
    for (const CheckpointSlot::Dense& block : slot.dense) RETURN_IF_ERROR(FillBlocks(block));
    return {};
  }

  Status Finish() const {
    if (missing_.empty()) return {};
    const auto& [tensor, first] = missing_.begin()->first;
    return Status::BadData("float " + std::to_string(first) + " for tensor '" +
                           store_->model().tensor(static_cast<int>(tensor)).name() + "' is in no file");
  }

 private:
  struct Missing {
    std::size_t number;  // of the store's block
    Slot slot_there;
    bool same_kind;  // of optimizer
  };

  Status FillTable(const CheckpointSlot::Table& theirs, RowTransfer* transfer) {
    const std::size_t row_bytes = transfer->row_bytes();
    if (theirs.rows.size() != theirs.keys.size() * row_bytes) return Status::BadData("has rows of another length");
    EmbeddingTable& target = store_->table(transfer->target());
    for (std::size_t i = 0; i < theirs.keys.size(); ++i) {
      RETURN_IF_ERROR(target.Restore(theirs.keys[i], transfer->Convert(&theirs.rows[i * row_bytes])));
    }
    return {};
  }

  Status FillBlocks(const CheckpointSlot::Dense& theirs) {
    for (const std::uint32_t target : tensors_[theirs.tensor]) {
      const auto found = missing_.find({target, theirs.first});
      if (found == missing_.end()) continue;  // another shard's
      const DenseBlocks::Block& block = store_->dense().blocks()[found->second.number];
      if (block.place.length != theirs.length || theirs.values.size() < theirs.length) {
        return Status::BadData("a dense block has " + std::to_string(theirs.length) + " floats, not " +
                               std::to_string(block.place.length));
      }
      const std::span<const float> values(theirs.values);
      const bool keeps = found->second.same_kind && values.size() == block.floats;
      keeps ? store_->dense().Restore(found->second.number, values)
            : store_->dense().RestoreWeights(found->second.number, values.first(theirs.length));
      missing_.erase(found);
    }
    return {};
  }

  Status MatchTable(const proto::ModelSpec& model, int i, const std::string& from) {
    const proto::TableSpec& ours = store_->model().table(i);
    const auto theirs = std::ranges::find(model.table(), from, &proto::TableSpec::name);
    if (theirs == model.table().end()) return Status::BadData("the checkpoint has no table '" + from + "'");
    const auto same = [](const proto::SegmentSpec& a, const proto::SegmentSpec& b) {
      return a.name() == b.name() && a.dim() == b.dim();
    };
    if (!std::ranges::equal(ours.segment(), theirs->segment(), same)) {
      return Status::BadData("table '" + ours.name() + "' has other segments or dims in the checkpoint");
    }
    ASSIGN_OR_RETURN(RowLayout layout, RowLayout::Make(*theirs));
    tables_[static_cast<std::size_t>(theirs - model.table().begin())].emplace_back(
        static_cast<std::uint32_t>(i), std::move(layout), store_->table(static_cast<std::size_t>(i)).layout(), *theirs,
        ours);
    return {};
  }

  Status MatchTensor(const proto::ModelSpec& model, int i, const std::string& from) {
    const proto::TensorSpec& ours = store_->model().tensor(i);
    const auto theirs = std::ranges::find(model.tensor(), from, &proto::TensorSpec::name);
    if (theirs == model.tensor().end()) return Status::BadData("the checkpoint has no tensor '" + from + "'");
    if (ours.rows() != theirs->rows() || ours.cols() != theirs->cols()) {
      return Status::BadData("tensor '" + ours.name() + "' has another shape in the checkpoint");
    }
    tensors_[static_cast<std::size_t>(theirs - model.tensor().begin())].push_back(static_cast<std::uint32_t>(i));
    const auto& blocks = store_->dense().blocks();
    for (std::size_t number = 0; number < blocks.size(); ++number) {
      const DenseBlock& place = blocks[number].place;
      if (place.tensor != static_cast<std::uint32_t>(i)) continue;
      const Key key = DenseBlockKey(from, place.first);
      missing_[{place.tensor, place.first}] = {
          .number = number, .slot_there = SlotOf(key), .same_kind = SameKind(ours.optimizer(), theirs->optimizer())};
    }
    return {};
  }

  ShardStore* const store_;
  std::vector<std::vector<RowTransfer>> tables_;                        // by table of the checkpoint: where its rows go
  std::vector<std::vector<std::uint32_t>> tensors_;                     // by tensor of the checkpoint: ours
  std::map<std::pair<std::uint32_t, std::uint32_t>, Missing> missing_;  // by our tensor and first float
};

Status FillFrom(CheckpointReader* reader, ShardStore* store, PartFiller* filler) {
  std::set<Slot> slots = filler->DenseSlots();
  for (Slot slot = store->first_slot(); slot < store->end_slot(); ++slot) slots.insert(slot);
  CheckpointSlot contents;
  for (const Slot slot : slots) {
    store->DealBudget();
    RETURN_IF_ERROR(reader->ReadSlot(slot, &contents));
    RETURN_IF_ERROR(filler->Fill(contents));
  }
  return filler->Finish();
}

}  // namespace

Status LoadParts(const proto::LoadCheckpoint& load, ShardStore* store) {
  ASSIGN_OR_RETURN(const auto reader, CheckpointReader::Open(load.dir()));
  store->Clear();
  PartFiller filler(store);
  RETURN_IF_ERROR(filler.Match(load, reader->model()).Annotate(load.dir()));
  return FillFrom(reader.get(), store, &filler).Annotate(load.dir());
}

}  // namespace sherd
