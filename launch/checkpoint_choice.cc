#include "launch/checkpoint_choice.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <utility>

#include "base/job_file.h"
#include "base/manifest.h"
#include "scheduler/checkpoint_folders.h"

namespace sherd {
namespace {

constexpr std::size_t kMostBefore = 16;

std::string Text(std::uint64_t value) { return std::to_string(value); }
std::string Text(const std::string& value) { return value; }
std::string Text(double value) {
  std::array<char, 32> digits;
  return {digits.data(), std::to_chars(digits.begin(), digits.end(), value).ptr};
}

// The training files; the same data may lie in another folder now.
std::string FileNames(const proto::Data& data) {
  std::string names = std::to_string(data.train_size()) + " files:";
  for (const std::string& path : data.train()) names += " " + std::filesystem::path(path).filename().string();
  return names;
}

// The share that is kept out of training: none where eval has files of its own.
double HeldOut(const proto::Data& data) { return data.eval().empty() ? data.eval_fraction() : 0; }

// Of the fields that say which rows a chunk's minibatches have: those that differ, with both values.
std::string RowDifferences(const proto::Job& there, const proto::Job& here) {
  std::string text;
  const auto compare = [&](const std::string& field, const auto& then, const auto& now) {
    if (then == now) return;
    text.append(text.empty() ? "" : "; ").append(field) += " " + Text(then) + " (here " + Text(now) + ")";
  };
  const proto::Data &then = there.data(), &now = here.data();
  compare("train.batch_size", std::uint64_t{there.train().batch_size()}, std::uint64_t{here.train().batch_size()});
  compare("data.train", FileNames(then), FileNames(now));
  compare("data.eval_fraction", HeldOut(then), HeldOut(now));
  compare("data.in_memory_bytes", std::uint64_t{then.in_memory_bytes()}, std::uint64_t{now.in_memory_bytes()});
  compare("data.negative_rate", then.negative_rate(), now.negative_rate());
  compare("data.user_item.negatives", std::uint64_t{then.user_item().negatives()},
          std::uint64_t{now.user_item().negatives()});
  compare("data.user_item.sequences.max_length", std::uint64_t{then.user_item().sequences().max_length()},
          std::uint64_t{now.user_item().sequences().max_length()});
  return text;
}

}  // namespace

CheckpointChoice ChooseCheckpoint(const std::string& job_dir) {
  CheckpointChoice choice;
  const auto folders = CheckpointsIn(job_dir);
  if (!folders.ok()) choice.passed_over.push_back(folders.status().text());
  for (const std::string& dir : folders.ok() ? *folders : std::vector<std::string>()) {
    auto manifest = OpenCheckpoint(dir);
    if (manifest.ok() && choice.dir.empty()) {
      choice.dir = dir;
      choice.manifest = std::move(*manifest);
    } else if (manifest.ok()) {
      choice.before.push_back({.dir = dir, .manifest = std::move(*manifest)});
      if (choice.before.size() == kMostBefore) break;
    } else if (choice.dir.empty()) {
      choice.passed_over.push_back("passing over a checkpoint that is not whole: " + manifest.status().text());
    }
  }
  return choice;
}

Status CheckSameModel(const proto::Manifest& manifest, const proto::Job& job, const std::string& dir) {
  if (manifest.job() == ModelFingerprint(job)) return {};
  std::string text = "checkpoint " + dir + " is of another model than the job file's";
  const auto there = ParseJob(manifest.job_text(), dir);
  if (!there.ok()) return Status::Invalid(text);
  for (const std::string& difference : ModelDifferences(*there, job)) text += "\n  " + difference;
  return Status::Invalid(text);
}

Status CheckSamePositions(const proto::Manifest& manifest, const proto::Job& job, const std::string& dir) {
  const std::string name = "checkpoint " + dir;
  if (manifest.seed() != job.train().seed()) {
    return Status::Invalid(name + " can only go on with train.seed " + std::to_string(manifest.seed()) + " (here " +
                           std::to_string(job.train().seed()) + ")");
  }
  const auto& chunks = manifest.state().chunk();
  if (std::all_of(chunks.begin(), chunks.end(), [](const proto::ChunkPosition& chunk) { return chunk.done(); })) {
    return {};
  }
  const std::string inside = name + " stands inside epoch " + std::to_string(manifest.state().epoch() + 1);
  const auto there = ParseJob(manifest.job_text(), dir);
  if (!there.ok()) return there.status().Annotate(inside + ", and the job that it is of can not be read");
  const std::string differences = RowDifferences(*there, job);
  if (differences.empty()) return {};
  return Status::Invalid(inside + ", which can only go on with " + differences);
}

}  // namespace sherd
