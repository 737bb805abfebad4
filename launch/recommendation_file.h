#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/file.h"
#include "launch/share_text.h"
#include "scheduler/scheduler.h"
#include "worker/data/interaction_dataset.h"

namespace sherd {

// What `sherd recommend` writes (docs/recommending.md): a line an item of each list, in the order of the input. Those
// whom the model does not know get the most popular items. The file gets its name when it is complete.
// Thread-compatible.
class RecommendationFile : public RecommendationSink {
 public:
  // `dataset`, which recommends, must outlive the file.
  static Result<std::unique_ptr<RecommendationFile>> Create(const std::string& path, const proto::Recommend& wanted,
                                                            const InteractionDataset* dataset);
  ~RecommendationFile() override;

  Status Write(const RecommendedLists& lists) override;
  // Says, on standard output, how many lists are by popularity, how many shorter than was asked for, and of how many
  // items the shares are not exact.
  Status Finish() override;

 private:
  RecommendationFile(std::string path, std::unique_ptr<FileWriter> writer, const proto::Recommend& wanted,
                     const InteractionDataset* dataset);
  // Those who come before the next one with a list of the model's.
  void AddUnknown();
  void AddPopular(const Recommended::Subject& subject);
  // `shares`: with their TAB between them; nothing where they are not asked for.
  void AddLine(const std::string& subject, std::uint32_t rank, std::uint32_t item, float score, const char* by,
               const std::string& shares);
  void CountList(std::uint32_t length);
  Status Flush();

  const std::string path_;
  std::unique_ptr<FileWriter> writer_;  // null once finished
  const std::uint32_t at_;
  const InteractionDataset* const dataset_;
  const Recommended& recommended_;
  std::vector<std::uint32_t> popular_;  // items that training has seen, the most frequent first
  std::unordered_map<std::string, std::string> titles_;
  bool with_titles_ = false;
  const bool explain_;
  ShareText shares_;
  std::size_t next_ = 0;  // subject
  std::uint64_t by_popularity_ = 0, short_ = 0;
  std::string lines_;
};

}  // namespace sherd
