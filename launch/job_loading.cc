#include "launch/job_loading.h"

#include <filesystem>
#include <optional>
#include <sstream>

#include "base/file.h"
#include "base/job_file.h"
#include "base/manifest.h"
#include "launch/checkpoint_choice.h"
#include "launch/storage_rules.h"
#include "launch/warm_start.h"
#include "models/feature_layout.h"
#include "models/model.h"

namespace sherd {
namespace {

using Command = JobRequest::Command;
using Problems = std::vector<std::string>;

bool NeedsCheckpoint(const JobRequest& request) {
  return request.command == Command::kEvaluate || request.command == Command::kPredict ||
         request.command == Command::kRecommend;
}

void Append(const Problems& more, const std::string& prefix, Problems* problems) {
  for (const std::string& problem : more) problems->push_back(prefix + problem);
}

Status ProblemStatus(const Problems& problems) {
  std::string text;
  for (const std::string& problem : problems) text.append(text.empty() ? "" : "\n").append(problem);
  return Status::Invalid(text);
}

// The job file, or the one that stands in a checkpoint.
Result<proto::Job> ReadJob(const JobRequest& request) {
  if (request.job_file.empty()) {
    const auto manifest = OpenCheckpoint(request.checkpoint);
    if (!manifest.ok()) return Status::Invalid(manifest.status().text());
    return ParseJob(manifest->job_text(), request.checkpoint + " (job file)");
  }
  const auto text = ReadFile(request.job_file);
  if (!text.ok()) return Status::Invalid(text.status().text());
  return ParseJob(*text, request.job_file);
}

// A job file's data_dir starts from the job file's folder; ApplyFlags makes a flag's absolute before this.
void ResolveDataDir(const std::string& job_file, proto::Job* job) {
  const std::string folder = job_file.empty() ? "." : DirectoryOf(job_file);
  const std::string dir = JoinPath(folder, job->data().data_dir());
  job->mutable_data()->set_data_dir(std::filesystem::absolute(dir).lexically_normal().string());
}

Problems UseInput(const std::string& input, proto::Job* job) {
  proto::Data& data = *job->mutable_data();
  data.clear_test();
  std::istringstream in(input);
  for (std::string path; std::getline(in, path, ',');) {
    if (path.empty()) return {"--input: an empty path"};
    data.add_test(AbsolutePath(path));
  }
  return {};
}

// A job's part for recommending is there for that command alone, so that who has the job knows what it is to do.
Problems UseRecommend(const JobRequest& request, proto::Job* job) {
  if (request.command != Command::kRecommend) {
    Problems problems;
    for (const FlagValue& flag : request.flags) {
      if (IsOfRecommending(flag.name)) problems.push_back("--" + flag.name + " is for recommend");
    }
    job->clear_recommend();
    return problems;
  }
  proto::Recommend& recommend = *job->mutable_recommend();
  if (!request.input.empty()) recommend.clear_input();
  std::istringstream in(request.input);
  for (std::string path; std::getline(in, path, ',');) {
    if (path.empty()) return {"--input: an empty path"};
    recommend.add_input(path);
  }
  for (std::string& path : *recommend.mutable_input()) path = AbsolutePath(path);
  if (recommend.has_allow()) recommend.set_allow(AbsolutePath(recommend.allow()));
  if (recommend.has_deny()) recommend.set_deny(AbsolutePath(recommend.deny()));
  if (recommend.has_titles()) recommend.set_titles(AbsolutePath(recommend.titles()));
  return {};
}

// The workers that the command line asks for. A job file's are those of a run without mpirun.
std::optional<std::uint32_t> WorkersByFlag(const JobRequest& request, const proto::Job& job) {
  for (const FlagValue& flag : request.flags) {
    if (flag.name == "workers") return job.cluster().workers();
  }
  return std::nullopt;
}

Problems FormatProblems(const proto::Job& job) {
  const proto::Data& data = job.data();
  const auto needs = [](const char* part, const char* format) {
    return Problems{std::string("data.").append(part).append(": is required with format ").append(format)};
  };
  if (data.format() == proto::Data::DELIMITED && !data.has_delimited()) return needs("delimited", "DELIMITED");
  if (data.format() == proto::Data::JSON_LINES && !data.has_delimited()) return needs("delimited", "JSON_LINES");
  if (data.format() == proto::Data::TF_RECORD && !data.has_delimited()) return needs("delimited", "TF_RECORD");
  if (data.format() == proto::Data::LIBFFM && !data.has_libffm()) return needs("libffm", "LIBFFM");
  if (data.format() == proto::Data::USER_ITEM && !data.has_user_item()) return needs("user_item", "USER_ITEM");
  const bool labels = data.format() != proto::Data::USER_ITEM && job.model().loss() == proto::Model::LOG_LOSS;
  if (data.negative_rate() < 1 && !labels) {
    return {"data.negative_rate: needs model.loss LOG_LOSS and a format with labels"};
  }
  return {};
}

Problems RankingProblems(const proto::Job& job) {
  const bool user_item = job.data().format() == proto::Data::USER_ITEM;
  Problems problems;
  if (job.evaluation().has_full_ranking() && !user_item) {
    problems.push_back("evaluation.full_ranking: ranks the items of a user, which only format USER_ITEM has");
  }
  if (job.evaluation().has_full_ranking() && job.data().user_item().has_candidates_file()) {
    problems.push_back(
        "evaluation.full_ranking: ranks all items, and data.user_item.candidates_file a few; leave one out");
  }
  if (job.model().loss() == proto::Model::BPR && (!user_item || job.data().user_item().negatives() == 0)) {
    problems.push_back(
        "model.loss: BPR compares items with negatives, which needs format USER_ITEM and "
        "data.user_item.negatives of 1 or more");
  }
  if (job.model().loss() == proto::Model::IN_BATCH_SOFTMAX && (!user_item || job.data().user_item().negatives() > 0)) {
    problems.push_back(
        "model.loss: IN_BATCH_SOFTMAX takes a minibatch's other items for negatives, which needs format USER_ITEM and "
        "data.user_item.negatives: 0");
  }
  return problems;
}

// What is not the sum of what its rows add to it.
Problems ExplainProblems(const proto::Job& job) {
  const proto::Model& model = job.model();
  if (!job.recommend().explain()) return {};
  if (job.recommend().subject() == proto::Recommend::ITEMS) {
    return {"recommend.explain: is of users' items, and not of items that are alike"};
  }
  if (model.name() == "lightgcn") {
    return {
        "recommend.explain: a score of lightgcn is made of the embeddings of a whole neighbourhood, and not of "
        "the features of a user and an item"};
  }
  if (model.tower().unit_length()) {
    return {
        "recommend.explain: with model.tower.unit_length a score jumps as the embeddings leave zero, so that it "
        "is not the sum of what they add"};
  }
  return {};
}

// What can not be recommended from.
Problems RecommendProblems(const proto::Job& job, const proto::ModelSpec& model) {
  if (!job.has_recommend()) return {};
  if (job.data().format() != proto::Data::USER_ITEM) {
    return {"recommend: format " + proto::Data::Format_Name(job.data().format()) +
            " has no items that could be recommended to users; USER_ITEM has"};
  }
  if (job.data().user_item().has_bags()) {
    return {"recommend: " + job.model().name() +
            " predicts ratings of bags (data.user_item.bags), and has no lists of all items"};
  }
  Problems problems = ExplainProblems(job);
  if (job.data().train_size() == 0) {
    problems.push_back("data.train: is required to recommend, which goes by what users have there");
  }
  if (job.recommend().subject() == proto::Recommend::ITEMS && !model.has_factors()) {
    problems.push_back("recommend.subject: " + job.model().name() +
                       " has no vectors of items that could be compared; bpr_mf, two_tower and lightgcn have");
  }
  if (job.recommend().has_mmr() && !model.has_factors()) {
    problems.push_back("recommend.mmr: " + job.model().name() +
                       " has no vectors of items that could be compared; bpr_mf, two_tower and lightgcn have");
  }
  return problems;
}

Problems ConsistencyProblems(const proto::Train& train) {
  if (train.consistency() != proto::Train::BSP) return {};
  Problems problems;
  const auto refuse = [&](const std::string& field) {
    problems.push_back("train." + field + ": in BSP all weights are of one clock; use it with ASYNC or BOUNDED");
  };
  if (train.has_dense_staleness()) refuse("dense_staleness");
  if (train.row_cache_clocks() > 0) refuse("row_cache_clocks");
  return problems;
}

// What the noise of train.dp would not hide, or could not be told apart by row.
Problems PrivacyProblems(const proto::Job& job) {
  if (!job.train().has_dp()) return {};
  Problems problems;
  if (job.data().format() == proto::Data::USER_ITEM) {
    problems.push_back("train.dp: rows of format USER_ITEM are not alone: a user has many, and they draw negatives");
  }
  if (job.data().has_follow()) {
    problems.push_back("train.dp: goes with a fixed set of rows, and not with data.follow");
  }
  if (job.data().negative_rate() < 1) {
    problems.push_back("train.dp: goes with data.negative_rate: 1, all rows");
  }
  if (job.model().tower().batch_norm()) {
    problems.push_back("train.dp: model.tower.batch_norm mixes the rows of a minibatch; leave it out");
  }
  return problems;
}

// leave_one_out gives one only where worker/data/interactions.cc takes it out of the training rows.
bool HasEvalSet(const proto::Job& job) {
  const proto::Data& data = job.data();
  if (data.eval_size() > 0 || data.eval_fraction() > 0) return true;
  return data.user_item().leave_one_out() && data.test().empty() && job.has_evaluation() &&
         !job.evaluation().test_each_epoch();
}
bool HasTestSet(const proto::Data& data) { return data.test_size() > 0 || data.user_item().leave_one_out(); }

// What is to come of showing an item is no figure of its row.
Problems RewardProblems(const proto::Job& job, Command command) {
  const bool q_learning = job.model().loss() == proto::Model::Q_LEARNING;
  if (!q_learning && job.model().loss() != proto::Model::POLICY_GRADIENT) return {};
  Problems problems;
  const bool predicts = command == Command::kPredict;  // its input is a test set
  if (!predicts && (HasEvalSet(job) || HasTestSet(job.data()))) {
    problems.push_back(
        "data: model.loss " + proto::Model::Loss_Name(job.model().loss()) +
        " has no eval or test set, as what a policy is worth is no mean over rows; predict the scores of all "
        "choices and play them");
  }
  if (q_learning && job.train().has_dp()) {
    problems.push_back("train.dp: the target network of model.loss Q_LEARNING can not follow through noise");
  }
  return problems;
}

Problems FollowProblems(const proto::Job& job) {
  Problems problems;
  if (!job.data().has_follow()) return problems;
  if (job.data().format() == proto::Data::USER_ITEM) {
    problems.push_back("data.follow: format USER_ITEM, which is held in memory as a whole, can not be followed");
  }
  if (job.train().learning_rate().epoch_factor() != 1) {
    problems.push_back("train.learning_rate.epoch_factor: with data.follow there is no last epoch; use step or cosine");
  }
  return problems;
}

Problems EvaluationProblems(const proto::Job& job) {
  const proto::Evaluation& evaluation = job.evaluation();
  const bool chosen_by_test = evaluation.test_each_epoch() && HasTestSet(job.data());
  Problems problems;
  if (evaluation.test_each_epoch() && !HasTestSet(job.data())) {
    problems.push_back("evaluation.test_each_epoch: there is no test set; give data.test");
  }
  if (HasEvalSet(job) || chosen_by_test) return problems;
  const std::string no_set = ": there is no eval set to go by; give data.eval or data.eval_fraction";
  if (evaluation.patience() > 0) problems.push_back("evaluation.patience" + no_set);
  if (job.train().learning_rate().plateau_factor() < 1)
    problems.push_back("train.learning_rate.plateau_factor" + no_set);
  return problems;
}

Problems LabelRangeProblems(const proto::Job& job) {
  if (!job.data().has_label_range()) return {};
  Problems problems;
  if (job.model().loss() != proto::Model::SQUARED_ERROR) {
    problems.push_back("data.label_range: is for labels that are numbers, with model.loss SQUARED_ERROR");
  }
  if (!(job.data().label_range().min() < job.data().label_range().max())) {
    problems.push_back("data.label_range: min must be less than max");
  }
  return problems;
}

Problems MetricProblems(const proto::Job& job) {
  if (!job.evaluation().has_metric()) return {};
  const proto::Evaluation::Metric metric = job.evaluation().metric();
  const bool full = metric == proto::Evaluation::RECALL || metric == proto::Evaluation::PRECISION ||
                    metric == proto::Evaluation::MRR || metric == proto::Evaluation::MAP;
  const bool ranking = full || metric == proto::Evaluation::HIT_RATE || metric == proto::Evaluation::NDCG;
  const std::string name = proto::Evaluation::Metric_Name(metric);
  if (ranking && job.data().format() != proto::Data::USER_ITEM) {
    return {"evaluation.metric: " + name + " needs candidate lists, which only format USER_ITEM has"};
  }
  if (full && !job.evaluation().has_full_ranking()) {
    return {"evaluation.metric: " + name + " needs evaluation.full_ranking { }"};
  }
  if (job.evaluation().has_full_ranking() && !ranking) {
    return {"evaluation.metric: " + name + " is of rows with labels, and evaluation.full_ranking asks for rankings"};
  }
  const bool classes = job.model().loss() == proto::Model::CROSS_ENTROPY;
  if (classes && metric != proto::Evaluation::ACCURACY) {
    return {"evaluation.metric: with model.loss CROSS_ENTROPY there is ACCURACY alone"};
  }
  const bool squared = job.model().loss() == proto::Model::SQUARED_ERROR;
  if (squared && !ranking && metric != proto::Evaluation::RMSE && metric != proto::Evaluation::MAE) {
    return {"evaluation.metric: " + name + " needs model.loss LOG_LOSS"};
  }
  if (!squared && metric == proto::Evaluation::MAE) {
    return {"evaluation.metric: MAE needs model.loss SQUARED_ERROR"};
  }
  return {};
}

Problems CheckpointProblems(const JobRequest& request, const proto::Job& job) {
  Problems problems;
  const bool folder = !job.checkpoint().dir().empty();
  const std::string nowhere = ": there is no checkpoint.dir to write to";
  if (job.checkpoint().every_rows() > 0 && !folder) problems.push_back("checkpoint.every_rows" + nowhere);
  if (job.checkpoint().every_minutes() > 0 && !folder) problems.push_back("checkpoint.every_minutes" + nowhere);
  if (!job.checkpoint().server_dir().empty() && !folder) {
    problems.push_back("checkpoint.server_dir: there is no checkpoint.dir for the manifests");
  }
  if (request.resume && !folder) problems.push_back("--resume: the job has no checkpoint.dir; give --checkpoint_dir");
  if (NeedsCheckpoint(request) && request.checkpoint.empty() && !folder) {
    problems.push_back("--checkpoint: is required, because the job has no checkpoint.dir");
  }
  return problems;
}

// Of the servers that there will be.
Problems ReplicaProblems(const proto::Job& job, std::uint32_t servers) {
  const std::uint32_t replicas = job.cluster().replicas();
  if (replicas == 1) return {};
  Problems problems;
  const std::string name = "cluster.replicas: ";
  if (servers < replicas) {
    problems.push_back(name + "each shard is to be on " + std::to_string(replicas) + " servers, and there is " +
                       std::to_string(servers) + "; give --servers=2 or more");
  }
  if (!job.checkpoint().server_dir().empty()) {
    problems.push_back(name +
                       "a follower can not read what its primary has written to checkpoint.server_dir; use "
                       "checkpoint.dir alone, on a disk that all hosts see");
  }
  return problems;
}

// The newest checkpoint of the job's folder that is whole, and those before it. None: dir stays empty.
void ChooseStart(const JobRequest& request, LoadedJob* loaded) {
  const std::string& folder = loaded->job.checkpoint().dir();
  auto choice = ChooseCheckpoint(folder);
  loaded->notes = choice.passed_over;
  loaded->from_checkpoint = choice.dir;
  loaded->manifest = std::move(choice.manifest);
  for (StartingPoint& before : choice.before) {
    const bool fits = CheckSameModel(before.manifest, loaded->job, before.dir).ok() &&
                      (!request.resume || CheckSamePositions(before.manifest, loaded->job, before.dir).ok());
    if (fits) loaded->fallbacks.push_back(std::move(before));
  }
}

Status FindWarmStart(LoadedJob* loaded) {
  if (!loaded->job.has_warm_start()) return {};
  const proto::WarmStart& wanted = loaded->job.warm_start();
  CheckpointChoice choice = ChooseCheckpoint(wanted.checkpoint());
  if (choice.dir.empty()) {
    auto manifest = OpenCheckpoint(wanted.checkpoint());
    if (!manifest.ok()) return Status::Invalid("warm_start.checkpoint: " + manifest.status().text());
    choice = {.dir = wanted.checkpoint(), .manifest = std::move(*manifest), .before = {}, .passed_over = {}};
  }
  loaded->notes.insert(loaded->notes.end(), choice.passed_over.begin(), choice.passed_over.end());
  ASSIGN_OR_RETURN(loaded->warm_start, ResolveWarmStart(wanted, loaded->model, choice.manifest.model()));
  loaded->warm_start.set_dir(AbsolutePath(choice.dir));
  loaded->notes.push_back("warm start from " + choice.dir);
  return {};
}

// What else than the model is not as it was: it may be, but nobody should be surprised.
void NoteDifferences(LoadedJob* loaded) {
  const auto there = ParseJob(loaded->manifest.job_text(), loaded->from_checkpoint);
  if (!there.ok()) return;
  for (const std::string& difference : TrainingDifferences(*there, loaded->job)) {
    loaded->notes.push_back("  " + difference);
  }
}

// The checkpoint to compare with. It has to read the same rows in the same way.
Status FindOther(const std::string& dir, LoadedJob* loaded) {
  auto manifest = OpenCheckpoint(dir);
  if (!manifest.ok()) return manifest.status().Annotate("--against");
  RETURN_IF_ERROR(CheckSameModel(*manifest, loaded->job, dir).Annotate("--against"));
  if (manifest->statistics().SerializeAsString() != loaded->manifest.statistics().SerializeAsString()) {
    return Status::Invalid("--against: " + dir + " has other statistics of the training rows than " +
                           loaded->from_checkpoint + ", so the two see different numbers; evaluate each alone");
  }
  loaded->against = AbsolutePath(dir);
  return {};
}

// Fills what the job begins from. A resumed job without a checkpoint begins as one that is not resumed, and says so.
Status FindStart(const JobRequest& request, LoadedJob* loaded) {
  const bool trains = request.command == Command::kTrain || request.command == Command::kCheck;
  if (!request.resume && !NeedsCheckpoint(request)) return trains ? FindWarmStart(loaded) : Status();
  if (!request.checkpoint.empty()) {
    ASSIGN_OR_RETURN(loaded->manifest, OpenCheckpoint(request.checkpoint));
    loaded->from_checkpoint = request.checkpoint;
  } else {
    ChooseStart(request, loaded);
    const std::string nothing = "no checkpoint in " + loaded->job.checkpoint().dir();
    if (loaded->from_checkpoint.empty() && request.resume) {
      loaded->notes.push_back("--resume: " + nothing + ", starting from nothing");
      return FindWarmStart(loaded);
    }
    if (loaded->from_checkpoint.empty()) return Status::NotFound(nothing);
    loaded->notes.push_back((request.resume ? "resuming from " : "checkpoint ") + loaded->from_checkpoint);
  }
  RETURN_IF_ERROR(CheckSameModel(loaded->manifest, loaded->job, loaded->from_checkpoint));
  if (request.resume) {
    NoteDifferences(loaded);
    return CheckSamePositions(loaded->manifest, loaded->job, loaded->from_checkpoint);
  }
  if (!request.against.empty()) RETURN_IF_ERROR(FindOther(request.against, loaded));
  // Keys that training never saw get the rows that it would have given them.
  loaded->job.mutable_train()->set_seed(loaded->manifest.seed());
  return {};
}

}  // namespace

std::vector<std::string> FindContradictions(const proto::Job& job, Command command) {
  Problems problems = FormatProblems(job);
  const auto layout = FeatureLayout::Make(job);
  if (!layout.ok()) problems.push_back(layout.status().text());
  if (layout.ok()) {
    const auto model = DescribeModel(job);
    if (!model.ok()) problems.push_back(model.status().text());
    if (model.ok()) Append(StorageProblems(job, *model, command), "", &problems);
    if (model.ok()) Append(RecommendProblems(job, *model), "", &problems);
  }
  Append(LabelRangeProblems(job), "", &problems);
  Append(MetricProblems(job), "", &problems);
  Append(RankingProblems(job), "", &problems);
  Append(RewardProblems(job, command), "", &problems);
  Append(ConsistencyProblems(job.train()), "", &problems);
  if (command == Command::kTrain || command == Command::kCheck) {
    if (job.data().train_size() == 0 && !job.data().has_follow()) {
      problems.push_back("data.train: is required to train");
    }
    Append(FollowProblems(job), "", &problems);
    Append(PrivacyProblems(job), "", &problems);
    Append(EvaluationProblems(job), "", &problems);
  }
  if (command == Command::kEvaluate && !HasEvalSet(job) && !HasTestSet(job.data())) {
    problems.push_back("data: there is neither an eval nor a test set; give --eval or --test");
  }
  return problems;
}

Result<LoadedJob> LoadJob(const JobRequest& request, std::uint32_t ranks) {
  LoadedJob loaded;
  auto job = ReadJob(request);
  Problems problems;
  if (!job.ok()) problems.push_back(job.status().text());
  if (job.ok()) loaded.job = std::move(*job);
  Append(ApplyFlags(request.flags, &loaded.job), "", &problems);
  if (!problems.empty()) return ProblemStatus(problems);

  ResolveDataDir(request.job_file, &loaded.job);
  // So that they are the same folders on every rank, whatever their own current ones are.
  if (const std::string dir = loaded.job.cluster().spill_dir(); !dir.empty()) {
    loaded.job.mutable_cluster()->set_spill_dir(AbsolutePath(dir));
  }
  if (const std::string dir = loaded.job.checkpoint().server_dir(); !dir.empty()) {
    loaded.job.mutable_checkpoint()->set_server_dir(AbsolutePath(dir));
  }
  if (request.command == Command::kPredict) Append(UseInput(request.input, &loaded.job), "", &problems);
  Append(UseRecommend(request, &loaded.job), "", &problems);
  const std::string prefix = (request.job_file.empty() ? request.checkpoint : request.job_file) + ": ";
  Append(FindContradictions(loaded.job, request.command), prefix, &problems);
  Append(CheckpointProblems(request, loaded.job), "", &problems);
  const auto workers = WorkersByFlag(request, loaded.job);
  const auto plan = ranks > 1 ? PlanRoles(loaded.job.cluster(), ranks, workers) : PlanEmbedded(loaded.job.cluster());
  if (!plan.ok()) problems.push_back(plan.status().text());
  if (plan.ok()) Append(ReplicaProblems(loaded.job, plan->servers), "", &problems);
  if (!problems.empty()) return ProblemStatus(problems);

  loaded.plan = *plan;
  ASSIGN_OR_RETURN(loaded.model, DescribeModel(loaded.job));
  RETURN_IF_ERROR(FindStart(request, &loaded));
  return loaded;
}

}  // namespace sherd
