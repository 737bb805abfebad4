#include "launch/checkpoint/diff.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "launch/checkpoint/table_difference.h"
#include "launch/progress_display.h"
#include "ps/checkpoint_reader.h"

namespace sherd {
namespace {

bool SameSegments(const proto::TableSpec& a, const proto::TableSpec& b) {
  return std::ranges::equal(a.segment(), b.segment(), [](const proto::SegmentSpec& x, const proto::SegmentSpec& y) {
    return x.name() == y.name() && x.dim() == y.dim();
  });
}

bool KeepsState(const proto::TableSpec& table) { return table.storage().weights() != proto::RowStorage::INT8; }

bool SameState(const proto::TableSpec& a, const proto::TableSpec& b) {
  return KeepsState(a) && KeepsState(b) &&
         std::ranges::equal(a.segment(), b.segment(), [](const proto::SegmentSpec& x, const proto::SegmentSpec& y) {
           return x.optimizer().kind_case() == y.optimizer().kind_case();
         });
}

struct TensorDifference {
  std::uint64_t weights = 0;
  bool equal = true;
  ValueDifference by_weights, by_state;
};

class Comparison {
 public:
  static Result<Comparison> Make(const std::string& a, const std::string& b, std::ostream& out) {
    Comparison comparison;
    ASSIGN_OR_RETURN(comparison.a_, CheckpointReader::Open(a));
    ASSIGN_OR_RETURN(comparison.b_, CheckpointReader::Open(b));
    RETURN_IF_ERROR(comparison.MatchTables(out));
    comparison.MatchTensors(out);
    return comparison;
  }

  const proto::Manifest& a() const { return a_->manifest(); }
  const proto::Manifest& b() const { return b_->manifest(); }

  Status CompareSlots() {
    CheckpointSlot a, b;
    for (Slot slot = 0; slot < kSlots; ++slot) {
      RETURN_IF_ERROR(a_->ReadSlot(slot, &a).Annotate("A"));
      RETURN_IF_ERROR(b_->ReadSlot(slot, &b).Annotate("B"));
      for (TablePair& pair : tables_) pair.difference.Add(a.tables[pair.a], b.tables[pair.b]);
      CompareDense(a.dense, b.dense);
    }
    return {};
  }

  // Is there no difference?
  bool Print(std::ostream& out) const {
    bool equal = comparable_;
    for (const TablePair& pair : tables_) {
      pair.difference.Print(a_->model().table(static_cast<int>(pair.a)).name(), out);
      equal &= pair.difference.equal();
    }
    for (const auto& [name, tensor] : tensors_) {
      equal &= tensor.equal;
      out << "dense " << name << ": " << WithCommas(tensor.weights) << " weights "
          << (tensor.equal ? "equal" : "different") << '\n';
      if (tensor.equal) continue;
      out << "  weights      " << tensor.by_weights.Text() << "\n  state        " << tensor.by_state.Text() << '\n';
    }
    return equal;
  }

 private:
  struct TablePair {
    std::uint32_t a, b;
    TableDifference difference;
  };

  Status MatchTables(std::ostream& out) {
    const auto& ours = a_->model().table();
    const auto& theirs = b_->model().table();
    for (const proto::TableSpec& table : theirs) {
      if (std::ranges::find(ours, table.name(), &proto::TableSpec::name) == ours.end())
        Differs("table " + table.name() + ": only in B", out);
    }
    for (int i = 0; i < ours.size(); ++i) {
      const proto::TableSpec& table = ours.Get(i);
      const auto other = std::ranges::find(theirs, table.name(), &proto::TableSpec::name);
      if (other == theirs.end()) {
        Differs("table " + table.name() + ": only in A", out);
        continue;
      }
      if (!SameSegments(table, *other)) {
        Differs("table " + table.name() + ": has other segments or dims in B, so its rows are not compared", out);
        continue;
      }
      ASSIGN_OR_RETURN(RowLayout a, RowLayout::Make(table));
      ASSIGN_OR_RETURN(RowLayout b, RowLayout::Make(*other));
      const bool state = SameState(table, *other) && a.row_floats() == b.row_floats();
      if (!state)
        Differs("table " + table.name() +
                    ": has no state, or of other optimizers, in one of them; only weights are compared",
                out);
      tables_.push_back({.a = static_cast<std::uint32_t>(i),
                         .b = static_cast<std::uint32_t>(other - theirs.begin()),
                         .difference = TableDifference(std::move(a), std::move(b), state)});
    }
    return {};
  }

  void MatchTensors(std::ostream& out) {
    const auto& ours = a_->model().tensor();
    const auto& theirs = b_->model().tensor();
    for (const proto::TensorSpec& tensor : theirs) {
      if (std::ranges::find(ours, tensor.name(), &proto::TensorSpec::name) == ours.end())
        Differs("dense " + tensor.name() + ": only in B", out);
    }
    for (const proto::TensorSpec& tensor : ours) {
      const auto other = std::ranges::find(theirs, tensor.name(), &proto::TensorSpec::name);
      if (other == theirs.end()) {
        Differs("dense " + tensor.name() + ": only in A", out);
      } else if (tensor.rows() != other->rows() || tensor.cols() != other->cols()) {
        Differs("dense " + tensor.name() + ": has another shape in B, so it is not compared", out);
      } else {
        tensors_[tensor.name()];
      }
    }
  }

  void Differs(const std::string& how, std::ostream& out) {
    out << how << '\n';
    comparable_ = false;
  }

  // A block's slot follows from its tensor's name and its place there, so both have it in the same one.
  void CompareDense(const std::vector<CheckpointSlot::Dense>& a, const std::vector<CheckpointSlot::Dense>& b) {
    for (const CheckpointSlot::Dense& block : a) {
      const std::string& name = a_->model().tensor(static_cast<int>(block.tensor)).name();
      const auto found = tensors_.find(name);
      if (found == tensors_.end()) continue;
      const auto other = std::ranges::find_if(b, [&](const CheckpointSlot::Dense& candidate) {
        return candidate.first == block.first && b_->model().tensor(static_cast<int>(candidate.tensor)).name() == name;
      });
      TensorDifference& tensor = found->second;
      tensor.weights += block.length;
      if (other == b.end() || other->length != block.length) {
        tensor.equal = false;
        continue;
      }
      const std::span<const float> ours(block.values), theirs(other->values);
      tensor.equal &= SameBits(ours, theirs);
      tensor.by_weights.Add(ours.first(block.length), theirs.first(block.length));
      if (ours.size() == theirs.size()) {
        tensor.by_state.Add(ours.subspan(block.length), theirs.subspan(block.length));
      }
    }
  }

  std::unique_ptr<CheckpointReader> a_, b_;
  std::vector<TablePair> tables_;
  std::map<std::string, TensorDifference> tensors_;  // those of both, by name
  bool comparable_ = true;                           // the models are the same
};

void Describe(const char* name, const std::string& dir, const proto::Manifest& manifest, std::ostream& out) {
  out << name << "  " << dir << ": " << manifest.job_name() << ", " << WithCommas(manifest.state().rows())
      << " rows trained\n";
}

}  // namespace

Result<bool> CompareCheckpoints(const std::string& a, const std::string& b, std::ostream& out) {
  ASSIGN_OR_RETURN(Comparison comparison, Comparison::Make(a, b, out));
  Describe("A", a, comparison.a(), out);
  Describe("B", b, comparison.b(), out);
  RETURN_IF_ERROR(comparison.CompareSlots());
  const bool equal = comparison.Print(out);
  out << (equal ? "A and B are equal" : "A and B differ") << std::endl;
  return equal;
}

}  // namespace sherd
