// sherd-bench [--list] [CASE…]: prints a JSON line for each case, all of them by default. bench/README.md has the
// figures.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <string>
#include <vector>

#include "bench/bench_case.h"

namespace sherd::bench {
namespace {

constexpr Case kCases[] = {
    {"table.pull", "rows of DeepFM's width looked up in a table beyond the cache",
     "copying the same rows from known places, prefetched", TablePull},
    {"table.push", "one Adagrad step on each of the same rows", "the same steps on rows at known places, prefetched",
     TablePush},
    {"table.insert", "first pushes to a new table", "the same steps on rows at known places, prefetched", TableInsert},
    {"train.deepfm", "forward, loss, backward of DeepFM 16, 400-400-400, batch 4096, one thread",
     "its matrix products alone", TrainDeepFm},
    {"data.tsv", "Criteo lines decoded into minibatches, one thread", "finding the lines' separators", DataTsv},
    {"wire.push_pull", "pull and push of a minibatch's rows, there and back over ipc",
     "copying the same bytes in memory", WirePushPull},
};

bool Run(const Case& c) {
  const Result<Figure> figure = c.run();
  if (!figure.ok()) {
    std::fprintf(stderr, "sherd-bench: %s: %s\n", c.name, figure.status().text().c_str());
    return false;
  }
  std::printf("{\"case\":\"%s\",\"value\":%.6g,\"unit\":\"%s\",\"floor\":%.6g,\"ratio\":%.4g}\n", c.name,
              figure.value().value, figure.value().unit.c_str(), figure.value().floor, figure.value().ratio);
  std::fflush(stdout);
  return true;
}

int Main(const std::vector<std::string>& names) {
  std::vector<Case> chosen;
  for (const std::string& name : names) {
    const auto found =
        std::find_if(std::begin(kCases), std::end(kCases), [&](const Case& c) { return name == c.name; });
    if (found == std::end(kCases)) {
      std::fprintf(stderr, "sherd-bench: no case %s; sherd-bench --list names them\n", name.c_str());
      return 2;
    }
    chosen.push_back(*found);
  }
  if (names.empty()) chosen.assign(std::begin(kCases), std::end(kCases));
  bool good = true;
  for (const Case& c : chosen) good = Run(c) && good;
  return good ? 0 : 1;
}

void List() {
  for (const Case& c : kCases) std::printf("%-16s %s; floor: %s\n", c.name, c.what, c.floor);
}

}  // namespace
}  // namespace sherd::bench

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "--list") == 0) {
    sherd::bench::List();
    return 0;
  }
  return sherd::bench::Main({argv + 1, argv + argc});
}
