// sherd-bench [--list] [--rows=N] [--dim=N] [--threads=N] [--click_log=FILE] [--spill_dir=PATH] [CASE…]: prints JSON
// lines for each case, all of them by default. bench/README.md has the figures.
#include <gflags/gflags.h>

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "bench/bench_case.h"

DEFINE_bool(list, false, "name the cases");
DEFINE_uint64(rows, 0, "rows of the tables; 0: what each case has by default");
DEFINE_uint32(dim, 16, "weights of a row");
DEFINE_uint32(threads, 2, "threads, and shards, of table.shards; compute threads, and workers, of train.…");
DEFINE_string(click_log, "", "Criteo TSV that train.… read; empty: they write their own");
DEFINE_uint64(turns, 0, "of train.… with its floor; 0: as many as usual");
DEFINE_string(against, "",
              "lines of /bin/sh that train the same in turns with train.…: bench/against_pytorch.py gives them");
DEFINE_string(spill_dir, "",
              "where table.spill and checkpoint.… make their folders, on a fast disk; empty: the current folder");

namespace sherd::bench {
namespace {

constexpr Case kCases[] = {
    {"table.pull", "rows looked up in a table far beyond the cache; the same in maps of vectors",
     "copying the same rows from known places, prefetched; the maps", TablePull},
    {"table.push", "one step of row-wise Adagrad on each of the same rows; the same in maps of vectors",
     "the same steps on rows at known places, prefetched; the maps", TablePush},
    {"table.insert", "first pushes to a new table", "writing the same rows side by side", TableInsert},
    {"table.growth", "table.pull at a hundredth, a tenth and all of a growing table's rows", "that of table.pull",
     TableGrowth},
    {"table.shards", "pulls and pushes of shards on a thread each", "one table on one thread", TableShards},
    {"table.bytes_per_row", "resident memory of a table as it grows", "its keys and rows alone", TableBytesPerRow},
    {"table.capacity", "first pushes of 200 M rows, the last tenth of them", "the first tenth", TableCapacity},
    {"table.spill", "pulls of recent rows, and of some cold ones, from a table that spills to disk",
     "a table that fits in memory; what the disk's random reads allow", TableSpill},
    {"checkpoint.write", "a full checkpoint of two shards, nothing else running", "writing as many bytes in sequence",
     CheckpointWrite},
    {"checkpoint.restore", "the same read into as many shards, and into one more, none of it in the page cache",
     "reading the files in sequence", CheckpointRestore},
    {"checkpoint.stall", "rows trained a second while a full checkpoint is written", "before and after it",
     CheckpointStall},
    {"checkpoint.delta", "time and bytes of a checkpoint of the 1 % of the rows that have changed", "a full one",
     CheckpointDelta},
    {"checkpoint.memory", "the most memory of checkpoint verify, reshard and diff, and of a restore beside its tables",
     "256 MiB", CheckpointMemory},
    {"train.compute", "forward, loss, backward of DeepFM 16, 400-400-400, batch 4096, a model a thread",
     "its fp32 matrix products alone, by the best library", TrainCompute},
    {"train.compute_bf16", "the same with dense_precision: BF16", "the same fp32 products", TrainComputeBf16},
    {"train.deepfm", "the same model trained by a whole job in one process, from rows in memory",
     "that of train.compute", TrainDeepFm},
    {"train.deepfm_bf16", "the same with dense_precision: BF16", "the same fp32 products", TrainDeepFmBf16},
    {"train.deepfm_small", "DeepFM 8, 128-64 trained by a whole job in one process, from rows in memory",
     "its forward, loss and backward alone, rows in an array", TrainDeepFmSmall},
    {"train.wide_deep", "the same of Wide&Deep 16, 400-400-400, FTRL, crosses",
     "its forward, loss and backward alone, rows in an array", TrainWideDeep},
    {"train.neumf", "the same of NeuMF 8, 64-32-16-8 on pairs, minibatches of 1024",
     "its forward, loss and backward alone, rows in an array", TrainNeuMf},
    {"train.neumf_4096", "the same, minibatches of 4096", "likewise", TrainNeuMf4096},
    {"train.fm", "the same of FM 16", "a plain Hogwild FM on arrays", TrainFm},
    {"train.overhead", "share of a train.deepfm's processor time that is no product, activation or row update",
     "what it is to stay below", TrainOverhead},
    {"train.latency", "train.deepfm through a proxy that adds 10 ms each way", "through the same proxy at 0 ms",
     TrainLatency},
    {"train.bytes", "bytes on the wire a row of DeepFM, and the AUC reached, by how values travel", "FP32", TrainBytes},
    {"data.tsv", "Criteo lines decoded into minibatches, by processor time of one thread",
     "a plain loop of memchr and from_chars that hashes alike", DataTsv},
    {"data.convert", "Criteo lines to row files by sherd convert, two threads", "zstd -3 -T2 of the same lines",
     DataConvert},
    {"data.rowfile", "a row file decoded into minibatches, one thread; its size",
     "the same rows from Criteo lines; those lines under zstd -3", DataRowFile},
    {"data.training", "train.deepfm's model trained while row files are read", "the same from memory", DataTraining},
    {"data.growth", "FM 4 trained by a whole job from row files of a hundredth, a tenth and all of --rows rows",
     "the fewest rows", DataGrowth},
    {"fault.replicas", "train.deepfm's model trained by a whole job of two servers with replicas: 2",
     "the same with replicas: 1", FaultReplicas},
    {"wire.push_pull", "rows pulled from and pushed to one server process over tcp",
     "a server that is a map of vectors", WirePushPull},
};

void Print(const Case& c, const Figure& figure) {
  std::printf("{\"case\":\"%s%s\",\"value\":%.6g,\"unit\":\"%s\",\"floor\":%.6g,\"ratio\":%.4g", c.name,
              figure.part.c_str(), figure.value, figure.unit.c_str(), figure.floor, figure.ratio);
  for (const auto& [name, value] : figure.fields) std::printf(",\"%s\":%s", name.c_str(), value.c_str());
  std::printf("}\n");
  std::fflush(stdout);
}

bool Run(const Case& c, const Options& options) {
  const Status status = c.run(options, [&](const Figure& figure) { Print(c, figure); });
  if (!status.ok()) std::fprintf(stderr, "sherd-bench: %s: %s\n", c.name, status.text().c_str());
  return status.ok();
}

int Main(const std::vector<std::string>& names, const Options& options) {
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
  for (const Case& c : chosen) good = Run(c, options) && good;
  return good ? 0 : 1;
}

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

void List() {
  for (const Case& c : kCases) std::printf("%-20s %s; floor: %s\n", c.name, c.what, c.floor);
}

}  // namespace
}  // namespace sherd::bench

int main(int argc, char** argv) {
  gflags::SetUsageMessage(
      "[--list] [--rows=N] [--dim=N] [--threads=N] [--click_log=FILE] [--spill_dir=PATH] [--turns=N] [CASE…]");
  gflags::ParseCommandLineFlags(&argc, &argv, true);
  if (FLAGS_list) {
    sherd::bench::List();
    return 0;
  }
  if (FLAGS_dim == 0 || FLAGS_threads == 0 || (FLAGS_rows != 0 && FLAGS_rows < 1000) || FLAGS_rows > 2'000'000'000) {
    std::fprintf(stderr, "sherd-bench: --dim and --threads are at least 1, --rows 1,000 to 2,000,000,000\n");
    return 2;
  }
  return sherd::bench::Main({argv + 1, argv + argc}, {.rows = FLAGS_rows,
                                                      .dim = FLAGS_dim,
                                                      .threads = FLAGS_threads,
                                                      .click_log = FLAGS_click_log,
                                                      .spill_dir = FLAGS_spill_dir,
                                                      .turns = FLAGS_turns,
                                                      .against = sherd::bench::Lines(FLAGS_against)});
}
