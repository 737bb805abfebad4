#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "proto/data_statistics.pb.h"
#include "proto/wire.pb.h"

namespace sherd {

// What a conversion came to; by set: train, eval, test.
struct ConversionFigures {
  double seconds = 0;
  std::uint64_t bytes_in = 0, bytes_out = 0;
  std::uint64_t rows[3] = {};
  std::size_t files[3] = {};
  double label_sums[3] = {};
  std::uint64_t bad_rows = 0;
};

// For people: some lines, and a table of the first columns.
std::string DescribeConversion(const ConversionFigures& figures, const proto::DataStatistics& statistics,
                               const std::vector<proto::BadRow>& bad);

}  // namespace sherd
