#include "launch/warm_start.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sherd {
namespace {

using Problems = std::vector<std::string>;

// What the `*` of a pattern stands for in a name; nothing: the name does not fit.
std::optional<std::string> Match(std::string_view pattern, std::string_view name) {
  const std::size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == name ? std::optional<std::string>("") : std::nullopt;
  const std::string_view head = pattern.substr(0, star), tail = pattern.substr(star + 1);
  const bool fits = name.size() >= head.size() + tail.size() && name.starts_with(head) && name.ends_with(tail);
  if (!fits) return std::nullopt;
  return std::string(name.substr(head.size(), name.size() - head.size() - tail.size()));
}

std::string Filled(std::string pattern, const std::string& text) {
  const std::size_t star = pattern.find('*');
  return star == std::string::npos ? pattern : pattern.replace(star, 1, text);
}

// A table or a tensor of either model.
struct Part {
  std::string what;  // "table", "tensor"
  std::string name;
  std::string shape;  // equal texts fit each other
};

std::vector<Part> PartsOf(const proto::ModelSpec& model) {
  std::vector<Part> parts;
  for (const proto::TableSpec& table : model.table()) {
    std::string shape = "segments";
    for (const proto::SegmentSpec& segment : table.segment()) {
      shape += " " + segment.name() + "[" + std::to_string(segment.dim()) + "]";
    }
    parts.push_back({.what = "table", .name = table.name(), .shape = std::move(shape)});
  }
  for (const proto::TensorSpec& tensor : model.tensor()) {
    parts.push_back({.what = "tensor",
                     .name = tensor.name(),
                     .shape = std::to_string(tensor.rows()) + " x " + std::to_string(tensor.cols()) + " floats"});
  }
  return parts;
}

class Resolver {
 public:
  Resolver(const proto::WarmStart& wanted, const proto::ModelSpec& theirs)
      : wanted_(wanted), theirs_(PartsOf(theirs)), loads_(static_cast<std::size_t>(wanted.load_size())) {
    for (const proto::LoadedPart& load : wanted.load()) CheckStars(load);
    for (const std::string& pattern : wanted.fresh()) {
      if (std::ranges::count(pattern, '*') > 1) problems_.push_back("fresh: more than one * in '" + pattern + "'");
    }
  }

  void Resolve(const std::vector<Part>& ours) {
    std::string missing;
    for (const Part& part : ours) {
      const bool loaded = Load(part), fresh = IsFresh(part.name);
      if (loaded && fresh) problems_.push_back(part.what + " '" + part.name + "' is both loaded and fresh");
      if (!loaded && !fresh) missing += (missing.empty() ? "" : ", ") + part.name;
    }
    if (!missing.empty()) problems_.push_back("neither loaded nor fresh: " + missing);
    for (std::size_t i = 0; i < loads_.size(); ++i) {
      if (loads_[i]) continue;
      problems_.push_back("load: the model has nothing called '" + wanted_.load(static_cast<int>(i)).name() + "'");
    }
  }

  Result<proto::LoadCheckpoint> Finish() && {
    if (problems_.empty()) return std::move(result_);
    std::string text;
    for (const std::string& problem : problems_) text += (text.empty() ? "warm_start: " : "\nwarm_start: ") + problem;
    return Status::Invalid(text);
  }

 private:
  void CheckStars(const proto::LoadedPart& load) {
    const auto stars = std::ranges::count(load.name(), '*'), stars_from = std::ranges::count(load.from(), '*');
    if (stars > 1 || stars_from > stars) {
      problems_.push_back("load: '" + load.name() + "' from '" + load.from() +
                          "': one * at most, in `from` only with one in `name`");
    }
  }

  bool IsFresh(const std::string& name) const {
    return std::ranges::any_of(wanted_.fresh(), [&](const auto& pattern) { return Match(pattern, name).has_value(); });
  }

  // Takes the first pattern that fits.
  bool Load(const Part& ours) {
    for (int i = 0; i < wanted_.load_size(); ++i) {
      const proto::LoadedPart& load = wanted_.load(i);
      const std::optional<std::string> star = Match(load.name(), ours.name);
      if (!star) continue;
      loads_[static_cast<std::size_t>(i)] = true;
      Add(ours, load.from().empty() ? ours.name : Filled(load.from(), *star));
      return true;
    }
    return false;
  }

  void Add(const Part& ours, const std::string& from) {
    const auto found = std::ranges::find_if(
        theirs_, [&](const Part& theirs) { return theirs.what == ours.what && theirs.name == from; });
    const std::string name = ours.what + " '" + ours.name + "'";
    if (found == theirs_.end()) {
      problems_.push_back(name + ": the checkpoint has no " + ours.what + " '" + from + "'");
    } else if (found->shape != ours.shape) {
      problems_.push_back(name + ": " + found->shape + " in the checkpoint, " + ours.shape + " here");
    }
    proto::LoadPart* part = result_.add_part();
    part->set_name(ours.name);
    part->set_from(from);
  }

  const proto::WarmStart& wanted_;
  const std::vector<Part> theirs_;
  std::vector<bool> loads_;  // by pattern: has it stood for something?
  Problems problems_;
  proto::LoadCheckpoint result_;
};

}  // namespace

Result<proto::LoadCheckpoint> ResolveWarmStart(const proto::WarmStart& wanted, const proto::ModelSpec& ours,
                                               const proto::ModelSpec& theirs) {
  Resolver resolver(wanted, theirs);
  resolver.Resolve(PartsOf(ours));
  return std::move(resolver).Finish();
}

}  // namespace sherd
