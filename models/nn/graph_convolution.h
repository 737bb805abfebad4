#pragma once

#include "models/nn/graph.h"

namespace sherd::nn {

// Vectors of each row's user and item, [rows, dim] each.
template <typename T>
struct UserAndItem {
  Activation<T>*user, *item;
};

// Light graph convolution (He et al. 2020, equations 3 and 7) over the batch's neighbourhood N. Of a node n with d_n
// neighbours, from its embedding e_n^(0), which is the segment of its row,
//
//   e_n^(k) = sum over neighbours m of e_m^(k-1) / sqrt(d_n d_m),   y_n = (e_n^(0) + … + e_n^(layers)) / (layers + 1)
//
// with no weights and no nonlinearity. A node without neighbours has y_n = e_n^(0) / (layers + 1). The tables'
// occurrences are the neighbourhood's nodes. Where only some of a node's neighbours are in the batch, they stand for
// all: their sum is multiplied by its share. Backward writes the segments' part of each unique row's gradient.
template <typename T>
UserAndItem<T> GraphConvolution(Graph<T>* graph, const std::string& name, Segment user, Segment item,
                                std::uint32_t layers);

}  // namespace sherd::nn
