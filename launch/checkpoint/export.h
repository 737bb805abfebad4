#pragma once

#include <string>

#include "base/status.h"

namespace sherd {

struct ExportOptions {
  enum class Format { kNpy, kText };

  std::string table;  // empty: all, and the dense tensors
  Format format = Format::kNpy;
};

// `sherd checkpoint export`: writes the weights of the checkpoint in `dir` to the new folder `out` for other programs.
// Of each table, with R rows:
//
//   kNpy    <table>.keys.npy        uint64 [R]
//           <table>.<segment>.npy   float32 [R, dim], rows in the order of the keys
//   kText   <table>.<segment>.txt   as word2vec has it: a line "R dim", then a line "key w1 w2 …" a row, in the
//                                   shortest digits that give the same float
//
// and each dense tensor as <tensor>.npy, float32 [rows, cols]. The order of rows depends on their keys alone, so equal
// contents give equal files. Memory holds a few slots and the dense tensors. After an error there is no `out`.
Status ExportCheckpoint(const std::string& dir, const std::string& out, const ExportOptions& options);

}  // namespace sherd
