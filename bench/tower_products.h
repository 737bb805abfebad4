#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/aligned_buffer.h"
#include "bench/blas.h"

namespace sherd::bench {

// What some work took: seconds by the clock on the wall, and of processor time of the whole process.
struct Cost {
  double wall = 0, cpu = 0;
};

// Runs the works side by side, each on a thread of its own.
Cost RunSideBySide(const std::vector<std::function<void()>>& works);

// The matrix products of a tower of fully connected layers at a minibatch, forward and backward: for each layer its
// output, its weights' gradient and its input's. In buffers of its own, whose rows are as far apart as a graph's.
// Confined to one thread.
class TowerProducts {
 public:
  // `widths`: of the input, the hidden layers and the output.
  TowerProducts(std::size_t rows, std::vector<std::size_t> widths);
  void Run(const Blas& blas);

 private:
  struct Side {  // of a layer
    std::size_t width, stride;
    AlignedBuffer<float> values, gradients;
  };
  const std::size_t rows_;
  std::vector<Side> sides_;
  std::vector<AlignedBuffer<float>> weights_, weight_gradients_;
};

// The floor of training: the products alone, on all cores at once, by the library that does them fastest here.
class ProductsFloor {
 public:
  ProductsFloor(std::size_t rows, const std::vector<std::size_t>& widths, std::size_t threads);

  // One round of each library.
  void Measure();

  struct Best {
    std::string blas;
    Cost row;  // by medians over the rounds: of one row of a minibatch
  };
  Best best() const;
  bool empty() const { return libraries_.empty(); }

 private:
  const std::size_t rows_;
  std::vector<TowerProducts> towers_;  // by thread
  std::vector<Blas> libraries_;
  std::vector<std::vector<double>> wall_, cpu_;  // by library
};

}  // namespace sherd::bench
