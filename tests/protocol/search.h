#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tests/protocol/rules.h"

namespace sherd::protocol {

struct SearchOptions {
  Rules rules;
  int mishaps = 1;                       // at most
  std::size_t most_states = 50'000'000;  // or it is given up
  // Also that from each state an end can be reached without further mishaps.
  bool ends = false;
};

struct Found {
  std::size_t states = 0, depth = 0;
  bool complete = false;           // all states were seen
  std::string violation;           // empty: none
  std::vector<std::string> trace;  // the shortest way to it, step by step
};

// Breadth first through all states that can be. Which were seen is known by hashes of 64 bits: that two of ten million
// states have the same one, so that one is missed, has a chance of three in a million.
Found Search(const SearchOptions& options);

}  // namespace sherd::protocol
