#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/status.h"
#include "worker/data/input_files.h"
#include "worker/data/user_items.h"
#include "worker/data/vocabulary.h"

namespace sherd {

// What each test row's true item is ranked against. Immutable once made.
class CandidateLists {
 public:
  // Read from a file, `(user,item) TAB item TAB item …`, one line a row of `rows`, in their order. Repeated items and
  // the true one are left out, as is the list of a row that could not be read (its user kNone): the others are then
  // numbered as if it was not there. BadData names the line that does not fit.
  static Result<CandidateLists> Read(InputFile file, std::span<const Interaction> rows, const Vocabulary& users,
                                     Vocabulary* items);
  void Renumber(std::span<const std::uint32_t> new_number);

  std::span<const std::uint32_t> of(std::size_t row) const {
    return {list_.data() + begin_[row], list_.data() + begin_[row + 1]};
  }
  std::uint32_t longest() const;

 private:
  Status AddLine(std::string_view text, const Interaction& row, const Vocabulary& users, Vocabulary* items);

  std::vector<std::uint64_t> begin_ = {0};  // [rows + 1]
  std::vector<std::uint32_t> list_;
};

// `count` distinct items that the user does not have (all, where there are fewer), uniformly, by hashes of `seed`
// (Floyd's algorithm). Replaces `out`.
void SampleOthers(const UserItems& known, std::uint32_t user, std::uint32_t count, std::uint64_t seed,
                  std::vector<std::uint32_t>* out);

}  // namespace sherd
