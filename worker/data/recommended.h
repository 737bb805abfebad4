#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/status.h"
#include "worker/data/interactions.h"
#include "worker/data/user_items.h"

namespace sherd {

// For whom `sherd recommend` makes lists, and of what: the job's Recommend with its files read. Immutable.
class Recommended {
 public:
  // `interactions` with texts, which must stay. Invalid names the file that can not be read or has no line.
  static Result<Recommended> Make(const proto::Job& job, const Interactions& interactions);

  // A line of the input. One that training has not seen has no number, and no list of the model's.
  struct Subject {
    std::string text;
    std::uint32_t number = Vocabulary::kNone;  // of the user or the item
    std::uint32_t user = Vocabulary::kNone;    // also where training has not seen him, but another of the job's files
  };
  bool of_items() const { return of_items_; }
  const std::vector<Subject>& subjects() const { return subjects_; }
  // Numbers of the subjects that have one, in their order.
  const std::vector<std::uint32_t>& known() const { return known_; }
  // Items that nobody is recommended, ascending.
  const std::shared_ptr<const std::vector<std::uint32_t>>& barred() const { return barred_; }
  // What a user has in any of the job's files, ascending.
  std::span<const std::uint32_t> seen(std::uint32_t user) const { return seen_.of(user); }
  // Rows for training by item: the number of its users, where each pair stands once.
  const std::vector<std::uint32_t>& popularity() const { return popularity_; }

 private:
  explicit Recommended(const Interactions& interactions);
  Status FindSubjects(const proto::Recommend& wanted, const Interactions& interactions);
  void AddSubject(const std::string& text, std::uint32_t number, const std::vector<std::uint32_t>& rows);
  Status FindBarred(const proto::Recommend& wanted, const Interactions& interactions);

  bool of_items_ = false;
  UserItems seen_;
  std::vector<std::uint32_t> popularity_, user_rows_;  // rows for training by item and by user
  std::vector<Subject> subjects_;
  std::vector<std::uint32_t> known_;
  std::shared_ptr<const std::vector<std::uint32_t>> barred_;
};

}  // namespace sherd
