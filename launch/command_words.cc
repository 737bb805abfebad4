#include "launch/command_words.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/job_rules.h"

namespace sherd {
namespace {

Status AddFlag(const std::string& command, std::span<const CommandFlag> flags, const std::string& word,
               std::span<const std::string>* rest, CommandWords* words) {
  const std::string stripped = word.substr(word.starts_with("--") ? 2 : 1);
  const std::size_t equals = stripped.find('=');
  const std::string name = stripped.substr(0, equals);
  const auto flag = std::ranges::find(flags, name, &CommandFlag::name);
  if (flag == flags.end()) {
    std::vector<std::string> names;
    for (const CommandFlag& known : flags) names.push_back(known.name);
    return Status::Invalid(command + " has no flag --" + name + DidYouMean(name, names));
  }
  if (words->Has(name)) return BadFlag(name, "is given twice");
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

}  // namespace

std::string CommandWords::Flag(const std::string& name) const {
  const auto found = flags.find(name);
  return found == flags.end() ? "" : found->second;
}

Result<std::uint64_t> CommandWords::Number(const std::string& name, std::uint64_t least, std::uint64_t most) const {
  const std::string text = Flag(name);
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < least || number > most) {
    return BadFlag(name, (text.empty() ? "give a number from " : text + " is not a number from ") +
                             std::to_string(least) + " to " + std::to_string(most));
  }
  return number;
}

Result<std::uint64_t> CommandWords::Number(const std::string& name, std::uint64_t least, std::uint64_t most,
                                           std::uint64_t otherwise) const {
  return Has(name) ? Number(name, least, most) : otherwise;
}

Result<double> CommandWords::Real(const std::string& name, double otherwise) const {
  if (!Has(name)) return otherwise;
  const std::string text = Flag(name);
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(number)) {
    return BadFlag(name, text + " is not a number");
  }
  return number;
}

Result<bool> CommandWords::Bool(const std::string& name) const {
  const std::string text = Flag(name);
  if (!text.empty() && text != "true" && text != "false") return BadFlag(name, text + " is not true or false");
  return text == "true";
}

Status BadFlag(const std::string& name, const std::string& what) { return Status::Invalid("--" + name + ": " + what); }

std::string DidYouMean(const std::string& wrong, const std::vector<std::string>& names) {
  const std::string closest = ClosestName(wrong, names);
  return closest.empty() ? "" : " (did you mean " + closest + "?)";
}

Result<CommandWords> TakeApart(const std::string& command, std::span<const CommandFlag> flags,
                               std::span<const std::string> words) {
  CommandWords taken;
  while (!words.empty()) {
    const std::string word = words.front();
    words = words.subspan(1);
    if (word.size() > 1 && word[0] == '-') {
      RETURN_IF_ERROR(AddFlag(command, flags, word, &words, &taken));
    } else {
      taken.paths.push_back(word);
    }
  }
  return taken;
}

std::vector<CommandFlag> FlagNames(std::span<const HelpfulFlag> flags) {
  std::vector<CommandFlag> names;
  for (const HelpfulFlag& flag : flags) names.push_back(flag.flag);
  return names;
}

std::string HelpOf(const std::string& title, std::span<const HelpfulFlag> flags) {
  std::string text = title + "\n";
  for (const auto& [flag, help] : flags) {
    std::string line = "  --" + flag.name + (flag.value.empty() ? "" : "=" + flag.value);
    line.resize(std::max<std::size_t>(line.size() + 2, 36), ' ');
    text += line + help + "\n";
  }
  return text;
}

std::string FlagUsage(std::span<const CommandFlag> flags) {
  std::string text;
  for (const CommandFlag& flag : flags) {
    text += " [--" + flag.name + (flag.value.empty() ? "" : "=" + flag.value) + "]";
  }
  return text;
}

}  // namespace sherd
