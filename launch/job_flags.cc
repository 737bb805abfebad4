#include "launch/job_flags.h"

#include <algorithm>
#include <filesystem>
#include <optional>

#include "base/byte_count.h"
#include "base/job_file.h"

namespace sherd {
namespace {

constexpr JobFlag kFlags[] = {
    {"servers", "cluster.servers", "N", "server processes"},
    {"workers", "cluster.workers", "N", "worker threads of a run without mpirun"},
    {"spares", "cluster.spares", "N",
     "ranks that wait for a lost scheduler's place and, with --replicas=2, a lost server's shards"},
    {"shards_per_server", "cluster.shards_per_server", "N", "threads of a server, each with its share of the rows"},
    {"epochs", "train.epochs", "N", "passes over the training data"},
    {"batch_size", "train.batch_size", "N", "rows of a worker's minibatch"},
    {"seed", "train.seed", "N", "of first weights, shuffling and sampling"},
    {"consistency", "train.consistency", "bsp|bounded|async", "how far workers may drift apart"},
    {"max_staleness", "train.max_staleness", "N", "clocks, when bounded"},
    {"max_in_flight", "train.max_in_flight", "N", "minibatches of a worker pulled and not yet pushed"},
    {"dense_staleness", "train.dense_staleness", "N", "clocks, of the dense weights alone; 0: synchronous"},
    {"row_cache_clocks", "train.row_cache_clocks", "N", "a worker computes with pulled rows for so many clocks more"},
    {"compute_threads", "cluster.compute_threads", "N", "threads of a worker that compute"},
    {"wire_values", "train.wire_values", "fp32|bf16|int8", "how weights and gradients travel"},
    {"dp", "train.dp.noise_multiplier", "NOISE", "differentially private training, with so much noise"},
    {"dp_clip_norm", "train.dp.clip_norm", "NORM", "what each row's gradient is clipped to"},
    {"dp_delta", "train.dp.delta", "DELTA", "that epsilon is told for"},
    {"train", "data.train", "FILE,...", "training files"},
    {"follow", "data.follow.files", "PATTERN", "goes on with files that come there"},
    {"eval", "data.eval", "FILE,...", "evaluation files"},
    {"test", "data.test", "FILE,...", "test files"},
    {"data_dir", "data.data_dir", "DIR", "folder of the job's input files"},
    {"checkpoint_dir", "checkpoint.dir", "DIR", "folder of the job's checkpoints"},
    {"checkpoint_every_rows", "checkpoint.every_rows", "N", "a checkpoint each so many trained rows"},
    {"checkpoint_every_minutes", "checkpoint.every_minutes", "N", "… each so many minutes"},
    {"checkpoint_full_every", "checkpoint.full_every", "N", "each so-many-th is full, deltas between"},
    {"checkpoint_keep", "checkpoint.keep", "N", "so many are kept besides the best"},
    {"checkpoint_keep_every", "checkpoint.keep_every", "N", "each so-many-th is kept for good"},
    {"checkpoint_compression", "checkpoint.compression", "none|zstd", "of the shards' files"},
    {"checkpoint_server_dir", "checkpoint.server_dir", "DIR", "folder on each server's own disk for its shards' files"},
    {"replicas", "cluster.replicas", "1|2", "servers that hold each shard: with 2, the loss of one is survived"},
    {"scheduler_wait", "cluster.scheduler_wait", "SECONDS", "that ranks look for a lost scheduler's successor"},
    {"memory_budget", "cluster.memory_budget", "BYTES", "what a server's tables may take: 8G, 512M, or bytes"},
    {"spill_dir", "cluster.spill_dir", "DIR", "folder on a fast local disk for rows that memory has no place for"},
    {"interface", "cluster.interface", "NAME", "network interface or address for TCP"},
    {"transport", "cluster.transport", "auto|ipc|tcp", "how processes talk to each other"},
    {"security", "cluster.security", "curve|none", "encryption of TCP"},
    {"subject", "recommend.subject", "users|items", "recommend: for whom, or like which items"},
    {"at", "recommend.at", "N", "recommend: items in a list"},
    {"allow", "recommend.allow", "FILE", "recommend: of these items alone, one a line"},
    {"deny", "recommend.deny", "FILE", "recommend: none of these items"},
    {"mmr", "recommend.mmr.lambda", "LAMBDA", "recommend: less alike; 1 is by score alone, 0 by difference"},
    {"titles", "recommend.titles", "FILE", "recommend: CSV of the items' titles"},
    {"explain", "recommend.explain", "", "recommend: what each feature, or item of the history, adds to the score"},
};

const JobFlag* Find(const std::string& name) {
  for (const JobFlag& flag : kFlags) {
    if (name == flag.name) return &flag;
  }
  return nullptr;
}

// The input files that a flag names; nullptr: it names none.
google::protobuf::RepeatedPtrField<std::string>* FilesOf(const std::string& flag, proto::Data* data) {
  if (flag == "train") return data->mutable_train();
  if (flag == "eval") return data->mutable_eval();
  return flag == "test" ? data->mutable_test() : nullptr;
}

// What a person writes on a command line, as its field has it.
Result<std::string> FieldText(const FlagValue& flag) {
  if (flag.name != "memory_budget") return flag.value;
  const std::optional<std::uint64_t> bytes = ParseBytes(flag.value);
  if (bytes) return std::to_string(*bytes);
  return Status::Invalid(flag.value + " is no number of bytes; write 8G, 512M or 8589934592");
}

// A flag's paths, once its field is set.
Status ResolvePaths(const std::string& flag, const std::string& value, bool from_data_dir, proto::Job* job) {
  const Status empty = Status::Invalid("an empty path");
  if (IsOfRecommending(flag) && value.empty()) return empty;
  if (flag == "spill_dir" && job->cluster().spill_dir().empty()) return empty;
  if (flag == "checkpoint_server_dir" && job->checkpoint().server_dir().empty()) return empty;
  proto::Data* const data = job->mutable_data();
  if (flag == "data_dir") {
    if (data->data_dir().empty()) return empty;
    data->set_data_dir(AbsolutePath(data->data_dir()));
  }
  if (flag == "follow") {
    std::string* const files = data->mutable_follow()->mutable_files();
    if (files->empty()) return empty;
    if (!from_data_dir) *files = AbsolutePath(*files);
    return {};
  }
  auto* files = FilesOf(flag, data);
  if (files == nullptr) return {};
  if (std::any_of(files->begin(), files->end(), [](const std::string& path) { return path.empty(); })) return empty;
  for (std::string& path : *files) {
    if (!from_data_dir) path = AbsolutePath(path);
  }
  return {};
}

}  // namespace

std::string AbsolutePath(const std::string& path) {
  CHECK(!path.empty());
  return std::filesystem::absolute(path).lexically_normal().string();
}

std::span<const JobFlag> JobFlags() { return kFlags; }

bool IsOfRecommending(const std::string& flag) {
  const JobFlag* const found = Find(flag);
  return found != nullptr && std::string_view(found->field).starts_with("recommend.");
}

std::vector<std::string> ApplyFlags(const std::vector<FlagValue>& flags, proto::Job* job) {
  std::vector<std::string> problems;
  bool data_dir = false;
  for (const FlagValue& flag : flags) data_dir = data_dir || flag.name == "data_dir";
  for (const FlagValue& given : flags) {
    const JobFlag* flag = CHECK_NOTNULL(Find(given.name));
    const Result<std::string> value = FieldText(given);
    Status status = value.status();
    if (status.ok()) status = SetJobField(job, flag->field, *value);
    if (status.ok()) status = ResolvePaths(given.name, given.value, data_dir, job);
    if (!status.ok()) problems.push_back("--" + given.name + ": " + status.text());
  }
  return problems;
}

}  // namespace sherd
