#include "worker/data/neighbourhood_finder.h"

#include <algorithm>
#include <cmath>

#include "base/hash.h"
#include "worker/data/vocabulary.h"

namespace sherd {
namespace {

using Side = UserItemGraph::Side;

Side Other(Side side) { return side == UserItemGraph::kUser ? UserItemGraph::kItem : UserItemGraph::kUser; }

UserItems NeighboursOf(Side side, const Interactions& interactions) {
  const auto& files = interactions.sets[proto::Chunk::TRAIN];
  std::vector<std::vector<Interaction>> turned;
  std::vector<std::span<const Interaction>> parts;
  for (const Interactions::File& file : files) {
    if (side == UserItemGraph::kUser) {
      parts.emplace_back(file.rows);
      continue;
    }
    std::vector<Interaction>& rows = turned.emplace_back();
    for (const Interaction& row : file.rows) {
      if (row.user != Vocabulary::kNone) rows.push_back({.user = row.item, .item = row.user, .line = row.line});
    }
  }
  for (const auto& rows : turned) parts.emplace_back(rows);
  const std::uint32_t users = interactions.users.size(), items = interactions.items.size();
  return side == UserItemGraph::kUser ? UserItems(users, items, parts) : UserItems(items, users, parts);
}

}  // namespace

UserItemGraph::UserItemGraph(const Interactions& interactions)
    : sizes_{interactions.users.size(), interactions.items.size()},
      lists_{NeighboursOf(kUser, interactions), NeighboursOf(kItem, interactions)} {}

NeighbourhoodFinder::NeighbourhoodFinder(Options options) : options_(options) {
  if (options_.graph == nullptr) return;
  for (const Side side : {UserItemGraph::kUser, UserItemGraph::kItem}) {
    sides_[side].node.resize(options_.graph->size(side));
    sides_[side].stamp.resize(options_.graph->size(side));
  }
}

std::uint32_t NeighbourhoodFinder::NodeOf(Side side, std::uint32_t token) {
  Numbering& numbering = sides_[side];
  if (numbering.stamp[token] != stamp_) {
    numbering.stamp[token] = stamp_;
    numbering.node[token] = static_cast<std::uint32_t>(numbering.tokens.size());
    numbering.tokens.push_back(token);
  }
  return numbering.node[token];
}

void NeighbourhoodFinder::Begin(Side side, std::span<const std::uint32_t> rows, Neighbourhood::Side* out) {
  sides_[side].tokens.clear();
  out->row.clear();
  for (const std::uint32_t token : rows) out->row.push_back(NodeOf(side, token));
  out->within.assign(1, static_cast<std::uint32_t>(sides_[side].tokens.size()));
  out->begin.assign(1, 0);
  out->neighbour.clear();
  out->scale.clear();
  out->share.clear();
}

void NeighbourhoodFinder::AddNeighbours(Side side, std::uint32_t end, Neighbourhood::Side* out) {
  for (std::size_t node = out->begin.size() - 1; node < end; ++node) {
    const std::uint32_t token = sides_[side].tokens[node];
    const auto all = options_.graph->neighbours(side, token);
    std::size_t taken = all.size(), first = 0;
    if (options_.max_neighbours > 0 && taken > options_.max_neighbours) {
      // From a random place on, round in a circle: each neighbour is as probable as any other.
      taken = options_.max_neighbours;
      first = Below(Mix(options_.seed, side, token), all.size());
    }
    for (std::size_t i = 0; i < taken; ++i) {
      const std::size_t place = first + i < all.size() ? first + i : first + i - all.size();
      out->neighbour.push_back(NodeOf(Other(side), all[place]));
    }
    out->begin.push_back(static_cast<std::uint32_t>(out->neighbour.size()));
    out->share.push_back(taken == 0 ? 1 : static_cast<float>(all.size()) / static_cast<float>(taken));
  }
}

void NeighbourhoodFinder::End(Side side, Neighbourhood::Side* out) {
  for (const std::uint32_t token : sides_[side].tokens) {
    const std::size_t degree = options_.graph->neighbours(side, token).size();
    out->scale.push_back(degree == 0 ? 0 : 1 / std::sqrt(static_cast<float>(degree)));
  }
}

void NeighbourhoodFinder::Find(std::span<const std::uint32_t> users, std::span<const std::uint32_t> items,
                               Neighbourhood* out) {
  if (++stamp_ == 0) {
    for (Numbering& numbering : sides_) std::fill(numbering.stamp.begin(), numbering.stamp.end(), 0u);
    stamp_ = 1;
  }
  Begin(UserItemGraph::kUser, users, &out->user);
  Begin(UserItemGraph::kItem, items, &out->item);
  for (std::uint32_t layer = 0; layer < options_.layers; ++layer) {
    AddNeighbours(UserItemGraph::kUser, out->user.within.back(), &out->user);
    AddNeighbours(UserItemGraph::kItem, out->item.within.back(), &out->item);
    out->user.within.push_back(static_cast<std::uint32_t>(sides_[UserItemGraph::kUser].tokens.size()));
    out->item.within.push_back(static_cast<std::uint32_t>(sides_[UserItemGraph::kItem].tokens.size()));
  }
  End(UserItemGraph::kUser, &out->user);
  End(UserItemGraph::kItem, &out->item);
}

}  // namespace sherd
