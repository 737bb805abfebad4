#include "launch/checkpoint/command.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "launch/checkpoint/diff.h"
#include "launch/checkpoint/export.h"
#include "launch/checkpoint/folder.h"
#include "launch/checkpoint/prune.h"
#include "launch/checkpoint/rewrite.h"
#include "launch/checkpoint/show.h"
#include "launch/checkpoint/verify.h"
#include "launch/command_words.h"
#include "launch/verdict.h"

namespace sherd {
namespace {

using Words = CommandWords;

struct Output {
  std::ostream &out, &err;
};

struct Command {
  std::string name, paths;  // what the paths are, in the usage line
  std::size_t least, most;  // of them
  std::vector<CommandFlag> flags;
  std::string help;
  int failure;  // exit code when the world is to blame
  // Invalid: the words say what can not be.
  Result<int> (*run)(const Words& words, Output output);
};

constexpr std::size_t kAnyNumber = 1 << 20;
constexpr std::uint64_t kMostShards = 4096;  // one a slot

Result<std::optional<Precision>> PrecisionOf(const Words& words, const std::string& name,
                                             const std::vector<Precision>& choices) {
  if (!words.flags.contains(name)) return std::optional<Precision>();
  std::string text = words.Flag(name), list;
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::toupper(c); });
  for (const Precision choice : choices) {
    std::string known = proto::RowStorage::Precision_Name(choice);
    if (text == known) return std::optional(choice);
    std::ranges::transform(known, known.begin(), [](unsigned char c) { return std::tolower(c); });
    list += (list.empty() ? "" : ", ") + known;
  }
  return BadFlag(name, words.Flag(name) + " is not one of " + list);
}

Result<int> Verify(const Words& words, Output output) {
  int code = 0;
  for (const std::string& path : words.paths) {
    const auto dir = CheckpointMeant(path, output.out);
    const Status status = dir.ok() ? VerifyCheckpoint(*dir, output.out) : dir.status();
    if (status.ok()) continue;
    output.out.flush();
    output.err << "sherd: " << status.text() << std::endl;
    code = 1;
  }
  return code;
}

Result<int> Show(const Words& words, Output output) {
  RowQuestion question{.table = words.Flag("table"), .key = std::nullopt, .feature = "", .text = ""};
  const bool by_key = words.flags.contains("key"), by_token = words.flags.contains("token");
  if (by_key && by_token) return Status::Invalid("give --key or --token, not both");
  if (!by_key && !by_token && words.flags.contains("table")) {
    return BadFlag("table", "which row? Add --key=NUMBER or --token=FEATURE=TEXT");
  }
  if (by_key) {
    ASSIGN_OR_RETURN(question.key, words.Number("key", 0, ~std::uint64_t{0}));
  }
  if (by_token) {
    const std::string token = words.Flag("token");
    const std::size_t equals = token.find('=');
    if (equals == std::string::npos) return BadFlag("token", "write --token=FEATURE=TEXT, not " + token);
    question.feature = token.substr(0, equals);
    question.text = token.substr(equals + 1);
  }
  ASSIGN_OR_RETURN(const std::string dir, CheckpointMeant(words.paths[0], output.out));
  RETURN_IF_ERROR(by_key || by_token ? ShowRows(dir, question, output.out) : ShowCheckpoint(dir, output.out));
  return 0;
}

Result<int> Diff(const Words& words, Output output) {
  ASSIGN_OR_RETURN(const std::string a, CheckpointMeant(words.paths[0], output.out));
  ASSIGN_OR_RETURN(const std::string b, CheckpointMeant(words.paths[1], output.out));
  ASSIGN_OR_RETURN(const bool equal, CompareCheckpoints(a, b, output.out));
  return equal ? 0 : 1;
}

Result<int> Rewrite(const Words& words, const Rewriting& rewriting, Output output) {
  ASSIGN_OR_RETURN(const std::string dir, CheckpointMeant(words.paths[0], output.out));
  RETURN_IF_ERROR(RewriteCheckpoint(dir, words.paths[1], rewriting));
  output.out << "written to " << words.paths[1] << std::endl;
  return 0;
}

Result<int> Reshard(const Words& words, Output output) {
  ASSIGN_OR_RETURN(const std::uint64_t shards, words.Number("shards", 1, kMostShards));
  return Rewrite(words, {.shards = static_cast<std::uint32_t>(shards), .weights = {}, .state = {}}, output);
}

Result<int> Cast(const Words& words, Output output) {
  using proto::RowStorage;
  Rewriting rewriting;
  ASSIGN_OR_RETURN(
      rewriting.weights,
      PrecisionOf(words, "precision", {RowStorage::BF16, RowStorage::FP16, RowStorage::FP32, RowStorage::INT8}));
  ASSIGN_OR_RETURN(rewriting.state, PrecisionOf(words, "state", {RowStorage::BF16, RowStorage::FP32}));
  if (!rewriting.weights && !rewriting.state) {
    return Status::Invalid("to what? Give --precision=bf16|fp16|fp32|int8 for weights, --state=bf16|fp32, or both");
  }
  return Rewrite(words, rewriting, output);
}

Result<int> Export(const Words& words, Output output) {
  const std::string format = words.Flag("format");
  if (!format.empty() && format != "npy" && format != "text")
    return BadFlag("format", format + " is not one of npy, text");
  ASSIGN_OR_RETURN(const std::string dir, CheckpointMeant(words.paths[0], output.out));
  RETURN_IF_ERROR(
      ExportCheckpoint(dir, words.paths[1],
                       {.table = words.Flag("table"),
                        .format = format == "text" ? ExportOptions::Format::kText : ExportOptions::Format::kNpy}));
  output.out << "written to " << words.paths[1] << std::endl;
  return 0;
}

Result<int> Prune(const Words& words, Output output) {
  PruneOptions options;
  ASSIGN_OR_RETURN(const std::uint64_t keep, words.Number("keep", 1, 1000000));
  options.keep = static_cast<std::uint32_t>(keep);
  if (words.flags.contains("keep_every")) {
    ASSIGN_OR_RETURN(const std::uint64_t every, words.Number("keep_every", 1, 1000000));
    options.keep_every = static_cast<std::uint32_t>(every);
  }
  ASSIGN_OR_RETURN(options.dry_run, words.Bool("dry_run"));
  RETURN_IF_ERROR(PruneCheckpoints(words.paths[0], options, output.out));
  return 0;
}

const std::vector<Command>& Commands() {
  static const std::vector<Command> commands = {
      {"verify", "DIR...", 1, kAnyNumber, {}, "reads every byte; is all of it right?", 1, Verify},
      {"show",
       "DIR",
       1,
       1,
       {{"table", "T"}, {"key", "NUMBER"}, {"token", "FEATURE=TEXT"}},
       "what it holds; or a row of it",
       1,
       Show},
      {"diff", "A B", 2, 2, {}, "which rows differ, and by how much; exit code 1 if any does", 2, Diff},
      {"reshard", "DIR OUT", 2, 2, {{"shards", "M"}}, "writes it as so many shards would", 1, Reshard},
      {"cast",
       "DIR OUT",
       2,
       2,
       {{"precision", "bf16|fp16|fp32|int8"}, {"state", "bf16|fp32"}},
       "writes it with weights, or state, of another precision",
       1,
       Cast},
      {"prune",
       "JOB_DIR",
       1,
       1,
       {{"keep", "N"}, {"keep_every", "K"}, {"dry_run", ""}},
       "deletes old ones, but none that others need",
       1,
       Prune},
      {"export",
       "DIR OUT",
       2,
       2,
       {{"table", "T"}, {"format", "npy|text"}},
       "writes weights and keys for other programs",
       1,
       Export},
  };
  return commands;
}

std::string UsageLine(const Command& command) {
  return "sherd checkpoint " + command.name + " " + command.paths + FlagUsage(command.flags);
}

Result<Words> TakeWords(const Command& command, std::span<const std::string> rest) {
  ASSIGN_OR_RETURN(Words words, TakeApart("checkpoint " + command.name, command.flags, rest));
  if (words.paths.size() < command.least || words.paths.size() > command.most) {
    return Status::Invalid("usage: " + UsageLine(command));
  }
  return words;
}

const Command* Find(std::span<const std::string> words, std::ostream& err) {
  std::vector<std::string> names;
  for (const Command& command : Commands()) {
    if (!words.empty() && words[0] == command.name) return &command;
    names.push_back(command.name);
  }
  err << "sherd: "
      << (words.empty() ? "checkpoint what? There are"
                        : "unknown command checkpoint " + words[0] + DidYouMean(words[0], names) + "; there are");
  for (const std::string& name : names) err << ' ' << name << (name == names.back() ? "" : ",");
  err << "\nsherd --help lists commands and flags" << std::endl;
  return nullptr;
}

}  // namespace

int RunCheckpointCommand(std::span<const std::string> words, std::ostream& out, std::ostream& err) {
  const Command* const command = Find(words, err);
  if (command == nullptr) return 2;
  const auto taken = TakeWords(*command, words.subspan(1));
  const auto code = taken.ok() ? command->run(*taken, {out, err}) : taken.status();
  if (code.ok()) return *code;
  err << "sherd: " << code.status().text() << std::endl;
  return ExitCodeOf(code.status()) == 2 ? 2 : command->failure;
}

std::string CheckpointHelp() {
  std::string text = "Checkpoints:\n\n";
  for (const Command& command : Commands()) text += "  " + UsageLine(command) + "\n      " + command.help + "\n";
  return text + "\nDIR is a checkpoint, or a job's folder, of which the newest is taken. OUT is a new folder.\n";
}

}  // namespace sherd
