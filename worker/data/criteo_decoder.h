#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "worker/data/field_ends.h"
#include "worker/data/integer_fields.h"
#include "worker/data/row_decoder.h"
#include "worker/data/token_hasher.h"

namespace sherd {

// Decodes Criteo's TSV by vectors, from where the columns of a line end straight to keys: of tokens, and of logarithmic
// buckets. What other features are made of goes through the row's values as in any format, and a row that is out of the
// ordinary, as all that are malformed are, goes the way of any format altogether.
class CriteoDecoder : public RowDecoder {
 public:
  // May the job's files be decoded so?
  static bool Suits(const proto::Job& job, const Parts& parts);
  explicit CriteoDecoder(Parts parts);

  bool Parse(std::string_view line, RowError* error) override;

 protected:
  void AddFeatures(Minibatch* minibatch) override;

 private:
  static constexpr int kColumns = 40;  // label, I1..I13, C1..C26
  static constexpr int kIntegers = 13;

  struct Column {
    int slot;      // of the row's values
    int position;  // in the line
  };

  static int PositionOf(const Schema& schema, int slot);
  void FillIn(int slot);
  // False: the row is out of the ordinary.
  bool Split(std::string_view line);
  bool ReadOthers(std::uint32_t fields);
  std::string_view Field(int position) const;

  TokenHasher tokens_;     // the encoder's first features
  LogBucketKeys buckets_;  // and its next ones
  std::vector<Column> filled_in_;
  std::uint32_t read_integers_ = 0;  // bits: those that the job reads

  bool ordinary_ = false;  // the row at hand is
  const char* line_ = nullptr;
  std::array<std::uint32_t, kColumns + kFieldEndsSlack> ends_;
  IntegerFields integers_;
};

}  // namespace sherd
