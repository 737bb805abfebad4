#include <gflags/gflags.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <map>
#include <optional>
#include <utility>

#include "base/job_rules.h"
#include "launch/chaos/plan.h"
#include "launch/check_command.h"
#include "launch/checkpoint/command.h"
#include "launch/convert/command.h"
#include "launch/doctor/command.h"
#include "launch/embedded.h"
#include "launch/file_limit.h"
#include "launch/gen_command.h"
#include "launch/job_request.h"
#include "launch/join/joining.h"
#include "launch/keys/command.h"
#include "launch/mpi_bootstrap.h"
#include "launch/mpirun_job.h"
#include "launch/plan/command.h"
#include "launch/process_log.h"
#include "launch/signal_watch.h"
#include "launch/usage.h"
#include "launch/verdict.h"

// Texts, so that every value is judged by the job's own rules and every problem is reported at once. What they mean
// stands in job_flags.cc and usage.cc; --log_dir is glog's own.
DEFINE_string(servers, "", "");
DEFINE_string(workers, "", "");
DEFINE_string(spares, "", "");
DEFINE_string(replicas, "", "");
DEFINE_string(shards_per_server, "", "");
DEFINE_string(epochs, "", "");
DEFINE_string(batch_size, "", "");
DEFINE_string(seed, "", "");
DEFINE_string(consistency, "", "");
DEFINE_string(max_staleness, "", "");
DEFINE_string(max_in_flight, "", "");
DEFINE_string(dense_staleness, "", "");
DEFINE_string(row_cache_clocks, "", "");
DEFINE_string(compute_threads, "", "");
DEFINE_string(wire_values, "", "");
DEFINE_string(dp, "", "");
DEFINE_string(dp_clip_norm, "", "");
DEFINE_string(dp_delta, "", "");
DEFINE_string(train, "", "");
DEFINE_string(follow, "", "");
DEFINE_string(eval, "", "");
DEFINE_string(test, "", "");
DEFINE_string(data_dir, "", "");
DEFINE_string(checkpoint_dir, "", "");
DEFINE_string(checkpoint_every_rows, "", "");
DEFINE_string(checkpoint_every_minutes, "", "");
DEFINE_string(checkpoint_full_every, "", "");
DEFINE_string(checkpoint_keep, "", "");
DEFINE_string(checkpoint_keep_every, "", "");
DEFINE_string(checkpoint_compression, "", "");
DEFINE_string(checkpoint_server_dir, "", "");
DEFINE_string(scheduler_wait, "", "");
DEFINE_string(memory_budget, "", "");
DEFINE_string(spill_dir, "", "");
DEFINE_string(interface, "", "");
DEFINE_string(transport, "", "");
DEFINE_string(security, "", "");
DEFINE_string(subject, "", "");
DEFINE_string(at, "", "");
DEFINE_string(allow, "", "");
DEFINE_string(deny, "", "");
DEFINE_string(mmr, "", "");
DEFINE_string(titles, "", "");
DEFINE_bool(explain, false, "");
DEFINE_bool(resume, false, "");
DEFINE_string(checkpoint, "", "");
DEFINE_string(against, "", "");
DEFINE_string(input, "", "");
DEFINE_string(output, "", "");
DEFINE_string(metrics, "", "");
DEFINE_string(out, "", "");
DEFINE_string(split, "", "");
DEFINE_string(text_bytes, "", "");
DEFINE_string(threads, "", "");
DEFINE_string(min_count, "", "");
DEFINE_bool(keep_tokens, false, "");
DEFINE_bool(overwrite, false, "");
DEFINE_string(sample_rows, "", "");
DEFINE_string(seconds, "", "");
DEFINE_bool(json, false, "");
DEFINE_string(key_file, "", "");
DEFINE_string(role, "spare", "");
DEFINE_string(chaos, "", "");
DEFINE_string(chaos_seed, "1", "");
DECLARE_string(log_dir);

namespace sherd {
namespace {

using Command = JobRequest::Command;

const std::map<std::string, Command> kCommands = {
    {"train", Command::kTrain},         {"eval", Command::kEvaluate}, {"predict", Command::kPredict},
    {"recommend", Command::kRecommend}, {"check", Command::kCheck},   {"convert", Command::kConvert},
    {"plan", Command::kPlan},           {"doctor", Command::kDoctor}, {"join", Command::kJoin}};

std::vector<std::string> FlagNames() {
  std::vector<std::string> names{"resume",    "checkpoint", "against",     "input",    "output",    "metrics",
                                 "out",       "split",      "text_bytes",  "threads",  "min_count", "keep_tokens",
                                 "overwrite", "json",       "sample_rows", "seconds",  "log_dir",   "help",
                                 "version",   "chaos",      "chaos_seed",  "key_file", "role"};
  for (const JobFlag& flag : JobFlags()) names.push_back(flag.name);
  return names;
}

// Flags that need no value.
bool IsSwitch(const std::string& name) {
  static const std::set<std::string> kSwitches{"resume", "noresume", "keep_tokens", "overwrite", "json", "explain"};
  return kSwitches.contains(name);
}

bool IsBool(const std::string& text) { return text == "true" || text == "false"; }

// What is wrong with the flags, before gflags sees them: it would end the program in its own way.
std::vector<std::string> FlagProblems(int argc, char** argv) {
  std::vector<std::string> problems;
  const std::vector<std::string> names = FlagNames();
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--") break;
    if (argument.size() < 2 || argument[0] != '-') continue;
    const std::string stripped = argument.substr(argument.find_first_not_of('-') == 1 ? 1 : 2);
    const std::size_t equals = stripped.find('=');
    const std::string name = stripped.substr(0, equals);
    if (std::find(names.begin(), names.end(), name) == names.end() && name != "noresume") {
      const std::string closest = ClosestName(name, names);
      problems.push_back("unknown flag --" + name + (closest.empty() ? "" : " (did you mean --" + closest + "?)"));
    } else if (equals == std::string::npos && !IsSwitch(name)) {
      if (i + 1 == argc) problems.push_back("--" + name + ": a value is missing");
      ++i;
    } else if (IsSwitch(name) && equals != std::string::npos && !IsBool(stripped.substr(equals + 1))) {
      problems.push_back("--" + name + ": " + stripped.substr(equals + 1) + " is not true or false");
    }
  }
  return problems;
}

std::optional<Command> CommandOf(int argc, char** argv) {
  if (argc < 2) return std::nullopt;
  const auto found = kCommands.find(argv[1]);
  return found == kCommands.end() ? std::nullopt : std::optional(found->second);
}

// The request of a command line whose flags gflags has taken out; problems are added to the list.
JobRequest RequestOf(Command command, int argc, char** argv, std::vector<std::string>* problems) {
  JobRequest request;
  request.command = command;
  if (argc > 2) request.job_file = argv[2];
  for (int i = 3; i < argc; ++i) problems->push_back(std::string("one job file only, but there is also ") + argv[i]);
  for (const JobFlag& flag : JobFlags()) {
    const auto info = gflags::GetCommandLineFlagInfoOrDie(flag.name);
    if (!info.is_default) request.flags.push_back({flag.name, info.current_value});
  }
  request.resume = FLAGS_resume;
  request.checkpoint = FLAGS_checkpoint;
  request.against = FLAGS_against;
  request.input = FLAGS_input;
  request.output = FLAGS_output;
  request.metrics = FLAGS_metrics;
  request.convert = {.out = FLAGS_out,
                     .split = FLAGS_split,
                     .text_bytes = FLAGS_text_bytes,
                     .threads = FLAGS_threads,
                     .min_count = FLAGS_min_count,
                     .keep_tokens = FLAGS_keep_tokens,
                     .overwrite = FLAGS_overwrite};
  request.sample_rows = FLAGS_sample_rows;
  request.seconds = FLAGS_seconds;
  request.json = FLAGS_json;
  request.role = FLAGS_role;
  request.key_file = FLAGS_key_file;
  request.chaos = FLAGS_chaos;
  request.chaos_seed = FLAGS_chaos_seed;
  return request;
}

// All else is as the job was started with.
std::vector<std::string> JoinProblems(const JobRequest& request) {
  std::vector<std::string> problems;
  for (const FlagValue& flag : request.flags) {
    if (flag.name != "checkpoint_dir") problems.push_back("--" + flag.name + " is not for join");
  }
  if (!request.metrics.empty()) problems.push_back("--metrics is not for join");
  if (request.key_file.empty()) problems.push_back("--key_file: is required to join: the one that the job has");
  if (request.role != "spare" && request.role != "worker") {
    problems.push_back("--role: " + request.role + " is not spare or worker");
  }
  return problems;
}

std::vector<std::string> RequestProblems(const JobRequest& request) {
  std::vector<std::string> problems;
  const bool train = request.command == Command::kTrain, predict = request.command == Command::kPredict;
  const bool recommend = request.command == Command::kRecommend;
  const bool from_checkpoint = predict || recommend || request.command == Command::kEvaluate;
  if (request.job_file.empty() && request.checkpoint.empty()) {
    problems.push_back(from_checkpoint ? "give a job file or --checkpoint" : "which job file?");
  }
  if (request.resume && !train) problems.push_back("--resume is for train");
  if (!request.checkpoint.empty() && !from_checkpoint)
    problems.push_back("--checkpoint is for eval, predict and recommend");
  if (!request.against.empty() && request.command != Command::kEvaluate) problems.push_back("--against is for eval");
  if (!request.input.empty() && !predict && !recommend) problems.push_back("--input is for predict and recommend");
  if (!request.output.empty() && !predict && !recommend) problems.push_back("--output is for predict and recommend");
  const bool of_plan = request.json || !request.sample_rows.empty() || !request.seconds.empty();
  if (of_plan && request.command != Command::kPlan) {
    problems.push_back("--json, --sample_rows and --seconds are for plan");
  }
  if (predict && request.input.empty()) problems.push_back("--input: is required to predict");
  if (predict && request.output.empty()) problems.push_back("--output: is required to predict");
  if (recommend && request.output.empty()) problems.push_back("--output: is required to recommend");
  const bool join = request.command == Command::kJoin;
  if (!request.key_file.empty() && !train && !join && !from_checkpoint && request.command != Command::kDoctor) {
    problems.push_back("--key_file is for train, join, eval, predict and doctor");
  }
  if (join) {
    for (std::string& problem : JoinProblems(request)) problems.push_back(std::move(problem));
  } else if (!gflags::GetCommandLineFlagInfoOrDie("role").is_default) {
    problems.push_back("--role is for join");
  }
  if (!request.chaos.empty()) {
    const Result<ChaosPlan> chaos = ParseChaos(request.chaos, request.chaos_seed);
    if (!chaos.ok()) problems.push_back(chaos.status().text());
    if (!train && !from_checkpoint) problems.push_back("--chaos is for train, eval and predict");
    if (chaos.ok() && !chaos->acts.empty() && RanksFromEnvironment() < 2) {
      problems.push_back(
          "--chaos: to kill or stall a rank needs a process for each: start the job by launch/sherd-mpirun");
    }
  }
  if (request.command == Command::kConvert) {
    if (request.convert.out.empty()) problems.push_back("--out: is required to convert");
  } else {
    for (const char* flag : {"out", "split", "text_bytes", "threads", "min_count", "keep_tokens", "overwrite"}) {
      if (!gflags::GetCommandLineFlagInfoOrDie(flag).is_default)
        problems.push_back(std::string("--") + flag + " is for convert");
    }
  }
  return problems;
}

// Once the program is to end: what a person should read, the verdict, the exit code.
int Finish(const RankOutcome& outcome) {
  const int code = ExitCodeOf(outcome.status);
  if (!outcome.status.ok()) std::cerr << "sherd: " << outcome.status.text() << std::endl;
  if (outcome.speaks_for_job) LeaveVerdict(code);
  return code;
}

int Finish(const Status& status) { return Finish(RankOutcome{status, RankFromEnvironment() == 0}); }

// All ranks see the same command line; rank 0 speaks for them.
int BadUsage(const std::vector<std::string>& problems) {
  if (RankFromEnvironment() != 0) return 0;
  for (const std::string& problem : problems) std::cerr << "sherd: " << problem << '\n';
  std::cerr << "sherd --help lists commands and flags" << std::endl;
  LeaveVerdict(2);
  return 2;
}

[[noreturn]] void EndAtOnce(const std::string& reason) {
  if (RankFromEnvironment() == 0) {
    std::cerr << "\nsherd: ended at once by " << reason << std::endl;
    LeaveVerdict(1);
  }
  _exit(RankFromEnvironment() == 0 ? 1 : 0);
}

int RunCommand(const JobRequest& request) {
  StartLog(FLAGS_log_dir);
  RaiseFileLimit();
  const std::uint32_t ranks = RanksFromEnvironment();
  SignalWatch signals(/*watch_parent=*/ranks > 0, EndAtOnce);
  if (request.command == Command::kCheck) return RankFromEnvironment() == 0 ? Finish(CheckJob(request)) : 0;
  if (request.command == Command::kConvert) return Finish(RunConvert(request, &signals));
  if (request.command == Command::kPlan) {
    return RankFromEnvironment() == 0 ? Finish(RunPlanCommand(request, &signals, std::cout)) : 0;
  }
  if (request.command == Command::kDoctor) return Finish(RunDoctor(request, &signals, std::cout));
  if (request.command == Command::kJoin) return Finish(JoinJob(request, &signals));
  if (ranks > 1) return Finish(RunUnderMpi(request, &signals));
  return Finish(RunEmbedded(request, &signals));
}

// An exception that nobody foresaw is a bug, but the other ranks should not have to wait until they miss us.
int Run(const JobRequest& request) {
  try {
    return RunCommand(request);
  } catch (const std::exception& error) {
    return Finish(Status(ErrorCode::kIo, std::string("unexpected: ") + error.what()));
  }
}

// A command that is no job. Under mpirun rank 0 alone does it.
template <typename Tool>
int RunTool(Tool&& tool) {
  if (RankFromEnvironment() != 0) return 0;
  StartLog(FLAGS_log_dir);
  try {
    const int code = tool();
    LeaveVerdict(code);
    return code;
  } catch (const std::exception& error) {
    return Finish(Status(ErrorCode::kIo, std::string("unexpected: ") + error.what()));
  }
}

int Main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const bool help = argument == "--help" || argument == "-h" || argument == "-help" || (i == 1 && argument == "help");
    if (!help && argument != "--version" && argument != "-version") continue;
    if (RankFromEnvironment() == 0) std::cout << (help ? HelpText() : VersionText() + "\n") << std::flush;
    LeaveVerdict(0);
    return 0;
  }
  const std::string first = argc > 1 ? argv[1] : "";
  std::vector<std::string> words(argv + std::min(argc, 2), argv + argc);
  if (first == "checkpoint" || first == "inspect") {  // as `checkpoint show` was called before
    if (first == "inspect") words.insert(words.begin(), "show");
    return RunTool([&] { return RunCheckpointCommand(words, std::cout, std::cerr); });
  }
  if (first == "keygen") return RunTool([&] { return Finish(RunKeygen(words, std::cout)); });
  if (first == "gen") return RunTool([&] { return Finish(RunGenCommand(words, std::cout)); });
  const std::optional<Command> command = CommandOf(argc, argv);
  if (!command) {
    return BadUsage(
        {argc < 2
             ? "which command? train, join, eval, predict, recommend, check, doctor, plan, convert, gen, keygen or "
               "checkpoint"
             : std::string("unknown command ") + argv[1] +
                   "; there are train, join, eval, predict, recommend, check, doctor, plan, convert, gen, keygen and "
                   "checkpoint"});
  }
  std::vector<std::string> problems = FlagProblems(argc, argv);
  if (!problems.empty()) return BadUsage(problems);
  gflags::ParseCommandLineFlags(&argc, &argv, /*remove_flags=*/true);
  const JobRequest request = RequestOf(*command, argc, argv, &problems);
  for (std::string& problem : RequestProblems(request)) problems.push_back(std::move(problem));
  return problems.empty() ? Run(request) : BadUsage(problems);
}

}  // namespace
}  // namespace sherd

int main(int argc, char** argv) { return sherd::Main(argc, argv); }
