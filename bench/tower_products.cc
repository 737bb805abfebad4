#include "bench/tower_products.h"

#include <algorithm>
#include <barrier>
#include <ctime>
#include <thread>

#include "bench/bench_case.h"

namespace sherd::bench {
namespace {

constexpr int kMinibatches = 2;  // of a thread in a round

double ProcessSeconds() {
  std::timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

AlignedBuffer<float> Filled(std::size_t size) {
  AlignedBuffer<float> buffer(size);
  std::fill(buffer.begin(), buffer.end(), 0.01f);
  return buffer;
}

}  // namespace

Cost RunSideBySide(const std::vector<std::function<void()>>& works) {
  std::barrier start(static_cast<std::ptrdiff_t>(works.size()) + 1);
  std::vector<std::jthread> threads;
  for (const auto& work : works) {
    threads.emplace_back([&] {
      start.arrive_and_wait();
      work();
    });
  }
  Cost cost;
  const double cpu = ProcessSeconds();
  cost.wall = Seconds([&] {
    start.arrive_and_wait();
    threads.clear();  // waits for them
  });
  cost.cpu = ProcessSeconds() - cpu;
  return cost;
}

TowerProducts::TowerProducts(std::size_t rows, std::vector<std::size_t> widths) : rows_(rows) {
  for (const std::size_t width : widths) {
    const std::size_t stride = width == 1 ? 1 : (width + 15) / 16 * 16;
    sides_.push_back({width, stride, Filled(rows * stride), Filled(rows * stride)});
  }
  for (std::size_t i = 0; i + 1 < widths.size(); ++i) {
    weights_.push_back(Filled(widths[i] * widths[i + 1]));
    weight_gradients_.push_back(Filled(widths[i] * widths[i + 1]));
  }
}

void TowerProducts::Run(const Blas& blas) {
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    const Side& x = sides_[i];
    Side& y = sides_[i + 1];
    blas.multiply({false, false, rows_, y.width, x.width, x.values.data(), x.stride, weights_[i].data(), y.width,
                   y.values.data(), y.stride});
  }
  for (std::size_t i = weights_.size(); i-- > 0;) {
    Side& x = sides_[i];
    const Side& y = sides_[i + 1];
    blas.multiply({true, false, x.width, y.width, rows_, x.values.data(), x.stride, y.gradients.data(), y.stride,
                   weight_gradients_[i].data(), y.width});
    blas.multiply({false, true, rows_, x.width, y.width, y.gradients.data(), y.stride, weights_[i].data(), y.width,
                   x.gradients.data(), x.stride});
  }
}

ProductsFloor::ProductsFloor(std::size_t rows, const std::vector<std::size_t>& widths, std::size_t threads)
    : rows_(rows), libraries_(LoadBlas()), wall_(libraries_.size()), cpu_(libraries_.size()) {
  for (std::size_t i = 0; i < threads; ++i) towers_.emplace_back(rows, widths);
  for (const Blas& blas : libraries_) towers_[0].Run(blas);  // what they do once
}

void ProductsFloor::Measure() {
  for (std::size_t i = 0; i < libraries_.size(); ++i) {
    std::vector<std::function<void()>> works;
    for (TowerProducts& tower : towers_) {
      works.emplace_back([&tower, &blas = libraries_[i]] {
        for (int k = 0; k < kMinibatches; ++k) tower.Run(blas);
      });
    }
    const Cost cost = RunSideBySide(works);
    const double rows = static_cast<double>(rows_ * kMinibatches * towers_.size());
    wall_[i].push_back(cost.wall / rows);
    cpu_[i].push_back(cost.cpu / rows);
  }
}

ProductsFloor::Best ProductsFloor::best() const {
  Best best;
  for (std::size_t i = 0; i < libraries_.size(); ++i) {
    const Cost row{Median(wall_[i]), Median(cpu_[i])};
    if (best.blas.empty() || row.cpu < best.row.cpu) best = {libraries_[i].name, row};
  }
  return best;
}

}  // namespace sherd::bench
