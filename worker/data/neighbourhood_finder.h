#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "models/neighbourhood.h"
#include "worker/data/interactions.h"
#include "worker/data/user_items.h"

namespace sherd {

// The graph of the training rows: users, items, and an edge for each pair of them, once. 8 bytes an edge; each worker
// holds all of it, and propagates over what its own minibatches need. Immutable.
class UserItemGraph {
 public:
  explicit UserItemGraph(const Interactions& interactions);

  enum Side { kUser, kItem };
  std::uint32_t size(Side side) const { return sizes_[side]; }
  // Of a user its items, of an item its users; ascending. Empty: training does not have it.
  std::span<const std::uint32_t> neighbours(Side side, std::uint32_t token) const { return lists_[side].of(token); }

 private:
  const std::array<std::uint32_t, 2> sizes_;
  const std::array<UserItems, 2> lists_;
};

// Finds the part of the graph that a minibatch's vectors are made of. Its buffers are used again. Confined to one
// thread.
class NeighbourhoodFinder {
 public:
  struct Options {
    const UserItemGraph* graph = nullptr;  // must stay; null: the model has no use for it
    std::uint32_t layers = 0;
    std::uint32_t max_neighbours = 0;  // of a node; 0: all
    std::uint64_t seed = 0;            // of which neighbours are taken, where not all are
  };

  explicit NeighbourhoodFinder(Options options);

  // Of rows that are pairs of a user and an item. Time and memory go by the edges that it finds.
  void Find(std::span<const std::uint32_t> users, std::span<const std::uint32_t> items, Neighbourhood* out);
  // Of the last one: which user, or item, each node is.
  std::span<const std::uint32_t> tokens(UserItemGraph::Side side) const { return sides_[side].tokens; }

 private:
  using Side = UserItemGraph::Side;

  struct Numbering {
    std::vector<std::uint32_t> node, stamp;  // by token; the node holds where the stamp is the current one
    std::vector<std::uint32_t> tokens;       // by node
  };

  void Begin(Side side, std::span<const std::uint32_t> rows, Neighbourhood::Side* out);
  std::uint32_t NodeOf(Side side, std::uint32_t token);
  // Appends the neighbours of the nodes from those that have theirs up to `end`.
  void AddNeighbours(Side side, std::uint32_t end, Neighbourhood::Side* out);
  void End(Side side, Neighbourhood::Side* out);

  const Options options_;
  std::uint32_t stamp_ = 0;
  std::array<Numbering, 2> sides_;
};

}  // namespace sherd
