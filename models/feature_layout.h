#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "proto/job.pb.h"

namespace sherd {

// The job's features after "C1..C26" is expanded, and where each goes: keyed features into a table's fields, numbers
// into the number columns. Data and models both go by this, so that a minibatch's columns are the model's. Immutable.
struct FeatureLayout {
  struct FeatureColumn {
    std::string name;    // also the field name in the key's hash
    std::string column;  // of the input; empty for crosses
    const proto::Feature* config;
    int table = -1;            // index in tables; -1: a number
    int field = -1;            // position among the table's fields, or among the numbers
    std::vector<int> crossed;  // crosses: indexes of the features that are combined
  };
  struct TableFields {
    std::string name;
    std::vector<int> features;  // by field
  };

  std::vector<FeatureColumn> features;
  std::vector<TableFields> tables;  // in the order of their first feature; the id of a table everywhere
  std::vector<int> numbers;

  // Features of a job must stay alive and unchanged for as long as the layout. Invalid names the feature and its fault.
  static Result<FeatureLayout> Make(const proto::Job& job);
  int TableId(const std::string& name) const;  // -1: no such table
};

// The names of the columns that an entry of data.delimited.column stands for: its own, or each of "p0..p783".
std::vector<std::string> NamesOf(const proto::Column& column);

}  // namespace sherd
