#include "launch/checkpoint/command.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/job_rules.h"
#include "launch/checkpoint/diff.h"
#include "launch/checkpoint/export.h"
#include "launch/checkpoint/folder.h"
#include "launch/checkpoint/prune.h"
#include "launch/checkpoint/rewrite.h"
#include "launch/checkpoint/show.h"
#include "launch/checkpoint/verify.h"
#include "launch/verdict.h"

namespace sherd {
namespace {

// The words of a command line, taken apart.
struct Words {
  std::vector<std::string> paths;
  std::map<std::string, std::string> flags;  // without their dashes

  std::string Flag(const std::string& name) const {
    const auto found = flags.find(name);
    return found == flags.end() ? "" : found->second;
  }
};

struct Output {
  std::ostream &out, &err;
};

struct Command {
  std::string name, paths;  // what the paths are, in the usage line
  std::size_t least, most;  // of them
  struct Flag {
    std::string name, value;  // no value: true or false
  };
  std::vector<Flag> flags;
  std::string help;
  int failure;  // exit code when the world is to blame
  // Invalid: the words say what can not be.
  Result<int> (*run)(const Words& words, Output output);
};

constexpr std::size_t kAnyNumber = 1 << 20;
constexpr std::uint64_t kMostShards = 4096;  // one a slot

Status BadFlag(const std::string& name, const std::string& what) { return Status::Invalid("--" + name + ": " + what); }

Result<std::uint64_t> NumberOf(const Words& words, const std::string& name, std::uint64_t least, std::uint64_t most) {
  const std::string text = words.Flag(name);
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < least || number > most) {
    return BadFlag(name, (text.empty() ? "give a number from " : text + " is not a number from ") +
                             std::to_string(least) + " to " + std::to_string(most));
  }
  return number;
}

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
    ASSIGN_OR_RETURN(question.key, NumberOf(words, "key", 0, ~std::uint64_t{0}));
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
  ASSIGN_OR_RETURN(const std::uint64_t shards, NumberOf(words, "shards", 1, kMostShards));
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
  ASSIGN_OR_RETURN(const std::uint64_t keep, NumberOf(words, "keep", 1, 1000000));
  options.keep = static_cast<std::uint32_t>(keep);
  if (words.flags.contains("keep_every")) {
    ASSIGN_OR_RETURN(const std::uint64_t every, NumberOf(words, "keep_every", 1, 1000000));
    options.keep_every = static_cast<std::uint32_t>(every);
  }
  const std::string dry_run = words.Flag("dry_run");
  options.dry_run = dry_run == "true";
  if (!dry_run.empty() && !options.dry_run && dry_run != "false")
    return BadFlag("dry_run", dry_run + " is not true or false");
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
  std::string line = "sherd checkpoint " + command.name + " " + command.paths;
  for (const Command::Flag& flag : command.flags)
    line += " [--" + flag.name + (flag.value.empty() ? "" : "=" + flag.value) + "]";
  return line;
}

std::string Closest(const std::string& wrong, const std::vector<std::string>& names) {
  const std::string closest = ClosestName(wrong, names);
  return closest.empty() ? "" : " (did you mean " + closest + "?)";
}

Status AddFlag(const Command& command, const std::string& word, std::span<const std::string>* rest, Words* words) {
  const std::string stripped = word.substr(word.starts_with("--") ? 2 : 1);
  const std::size_t equals = stripped.find('=');
  const std::string name = stripped.substr(0, equals);
  const auto flag = std::ranges::find(command.flags, name, &Command::Flag::name);
  if (flag == command.flags.end()) {
    std::vector<std::string> names;
    for (const Command::Flag& known : command.flags) names.push_back(known.name);
    return Status::Invalid("checkpoint " + command.name + " has no flag --" + name + Closest(name, names));
  }
  if (words->flags.contains(name)) return BadFlag(name, "is given twice");
  std::string value = "true";
  if (equals != std::string::npos) {
    value = stripped.substr(equals + 1);
  } else if (!flag->value.empty()) {
    if (rest->empty()) return BadFlag(name, "a value is missing");
    value = rest->front();
    *rest = rest->subspan(1);
  }
  if (value.empty()) return BadFlag(name, "a value is missing");
  words->flags[name] = value;
  return {};
}

Result<Words> TakeApart(const Command& command, std::span<const std::string> rest) {
  Words words;
  while (!rest.empty()) {
    const std::string word = rest.front();
    rest = rest.subspan(1);
    if (word.size() > 1 && word[0] == '-') {
      RETURN_IF_ERROR(AddFlag(command, word, &rest, &words));
    } else {
      words.paths.push_back(word);
    }
  }
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
                        : "unknown command checkpoint " + words[0] + Closest(words[0], names) + "; there are");
  for (const std::string& name : names) err << ' ' << name << (name == names.back() ? "" : ",");
  err << "\nsherd --help lists commands and flags" << std::endl;
  return nullptr;
}

}  // namespace

int RunCheckpointCommand(std::span<const std::string> words, std::ostream& out, std::ostream& err) {
  const Command* const command = Find(words, err);
  if (command == nullptr) return 2;
  const auto taken = TakeApart(*command, words.subspan(1));
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
