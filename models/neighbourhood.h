#pragma once

#include <cstdint>
#include <vector>

namespace sherd {

// The part of the graph of users and items that a minibatch's vectors are made of: its rows' users and items, their
// neighbours, those of the neighbours, and so on. An edge is a pair of the training rows, each once. Nodes are numbered
// side by side (users apart from items), nearer ones first, so that what a layer computes is always the first so many.
struct Neighbourhood {
  struct Side {
    std::vector<std::uint32_t> row;     // [batch rows]: the node of each row's user, or item
    std::vector<std::uint32_t> within;  // [layers + 1]: nodes [0, within[h]) are at most h edges away from a row's node
    std::vector<std::uint32_t> begin;   // CSR, [within[layers - 1] + 1]: their neighbours, which are …
    std::vector<std::uint32_t> neighbour;  // … nodes of the other side
    std::vector<float> scale;              // [nodes]: 1 / sqrt(degree in the whole graph); 0 without an edge
    std::vector<float> share;              // [within[layers - 1]]: degree / neighbours that are here; 1 when all are

    std::uint32_t nodes() const { return within.empty() ? 0 : within.back(); }
  };

  Side user, item;
};

}  // namespace sherd
