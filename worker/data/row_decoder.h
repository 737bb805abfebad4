#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "worker/data/feature_encoder.h"
#include "worker/data/minibatch.h"
#include "worker/data/row_parser.h"
#include "worker/data/schema.h"

namespace sherd {

// Takes the rows of a file, one by one, from their texts to their places in a minibatch: parsed and encoded, whatever
// the format; formats with a faster way to the same end override that. Confined to one thread.
class RowDecoder {
 public:
  struct Options {
    RowParser::Labels labels = RowParser::Labels::kNeeded;
    bool groups = false;  // they are filled in
  };

  // For a file with this header line. Without `vocabularies` they are made of the statistics. All but `path` and
  // `header` must stay. BadData when the file lacks a column; Invalid when statistics lack a feature.
  static Result<std::unique_ptr<RowDecoder>> Make(const proto::Job& job, const FeatureLayout& layout,
                                                  const Schema& schema, const proto::Statistics& statistics,
                                                  const std::string& path, const std::string& header, Options options,
                                                  std::shared_ptr<const Vocabularies> vocabularies = nullptr);
  virtual ~RowDecoder() = default;

  // Takes a row apart and checks it, in place of the one before. `line` must stay until the next; it is empty when it
  // was too long to keep.
  virtual bool Parse(std::string_view line, RowError* error) { return parser_->Parse(line, &row_, error); }
  // Of the row that was parsed last.
  float label() const { return row_.label; }

  // Empties a minibatch that will have at most so many rows, of what Add fills.
  void Begin(std::uint32_t max_rows, Minibatch* minibatch) const { encoder_.Begin(max_rows, minibatch); }
  // Adds the row that was parsed last behind the minibatch->rows that it has; counting it is the caller's.
  void Add(Minibatch* minibatch);
  // After the last row.
  void End(Minibatch* minibatch) const { encoder_.End(minibatch); }

 protected:
  struct Parts {
    const Schema& schema;
    std::unique_ptr<RowParser> parser;
    FeatureEncoder encoder;
    Options options;
  };
  explicit RowDecoder(Parts parts);

  virtual void AddFeatures(Minibatch* minibatch) { encoder_.Add(row_, minibatch); }

  const Schema& schema_;
  const Options options_;
  const std::unique_ptr<RowParser> parser_;
  FeatureEncoder encoder_;
  Row row_;
};

}  // namespace sherd
