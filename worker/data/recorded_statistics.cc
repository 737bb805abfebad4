#include "worker/data/recorded_statistics.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/job_file.h"
#include "worker/data/input_files.h"
#include "worker/data/statistics.h"

namespace sherd {
namespace {

constexpr std::uint64_t kTailBytes = 64 << 10;

// Are these the files that the statistics are of, all in one folder?
Result<bool> AreOf(const proto::DataStatistics& recorded, const std::string& folder,
                   const std::vector<InputFile>& files) {
  if (recorded.file_size() != static_cast<int>(files.size())) return false;
  for (int i = 0; i < recorded.file_size(); ++i) {
    const proto::DataFile& known = recorded.file(i);
    if (files[i].path != JoinPath(folder, known.name()) || files[i].size != known.bytes()) return false;
    ASSIGN_OR_RETURN(const std::uint32_t crc, TailCrc(files[i].path));
    if (crc != known.tail_crc()) return false;
  }
  return true;
}

// False: a feature is not there, or was bucketed otherwise.
bool TakeFeatures(const proto::DataStatistics& recorded, const FeatureLayout& layout, proto::Statistics* statistics) {
  for (const FeatureLayout::FeatureColumn& feature : layout.features) {
    if (!NeedsStatistics(*feature.config)) continue;
    const std::uint32_t quantiles = feature.config->bucket().quantiles();
    const proto::Categorical& categorical = feature.config->categorical();
    const auto fits = [&](const proto::FeatureStatistics& one) {
      return one.statistics().name() == feature.name && one.column() == feature.column &&
             one.quantiles() == quantiles && one.has_min_count() == categorical.has_vocabulary() &&
             (!one.has_min_count() || (one.min_count() == categorical.vocabulary().min_count() &&
                                       one.max_tokens() == categorical.vocabulary().max_tokens()));
    };
    const auto found = std::find_if(recorded.feature().begin(), recorded.feature().end(), fits);
    if (found == recorded.feature().end()) return false;
    *statistics->add_column() = found->statistics();
  }
  return true;
}

}  // namespace

Result<std::uint32_t> TailCrc(const std::string& path) {
  ASSIGN_OR_RETURN(const std::unique_ptr<FileReader> file, FileReader::Open(path));
  std::vector<std::byte> tail(std::min(kTailBytes, file->size()));
  RETURN_IF_ERROR(file->ReadAt(file->size() - tail.size(), tail));
  return Crc32c(tail);
}

Result<std::optional<RecordedStatistics>> FindRecordedStatistics(const proto::Job& job, const FeatureLayout& layout) {
  const std::optional<RecordedStatistics> none;
  const bool needed = std::any_of(layout.features.begin(), layout.features.end(),
                                  [](const auto& feature) { return NeedsStatistics(*feature.config); });
  const proto::Data& data = job.data();
  if (!needed || data.format() != proto::Data::ROW_FILE || data.train().empty()) return none;
  if (data.eval().empty() && data.eval_fraction() > 0) return none;  // only some rows of the files are for training
  ASSIGN_OR_RETURN(const std::vector<InputFile> files, FindInputFiles(data, data.train()));
  const std::string folder = DirectoryOf(files[0].path);
  RecordedStatistics found = {.path = JoinPath(folder, "statistics.pbtxt"), .statistics = {}};
  const auto text = ReadFile(found.path);
  if (!text.ok()) return none;
  const auto recorded = ParseStatistics(*text, found.path);
  if (!recorded.ok()) return none;
  ASSIGN_OR_RETURN(const bool same, AreOf(*recorded, folder, files));
  if (!same || !TakeFeatures(*recorded, layout, &found.statistics)) return none;
  return std::optional(std::move(found));
}

}  // namespace sherd
