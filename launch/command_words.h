#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"

namespace sherd {

struct CommandFlag {
  std::string name, value;  // what stands for its value in a usage line; empty: true or false
};

// The words of a command line that is no job, taken apart.
struct CommandWords {
  std::vector<std::string> paths;
  std::map<std::string, std::string> flags;  // without their dashes; none has an empty value

  bool Has(const std::string& name) const { return flags.contains(name); }
  std::string Flag(const std::string& name) const;  // "" without it
  // Invalid: it is no such number. A flag that is not given is `otherwise`.
  Result<std::uint64_t> Number(const std::string& name, std::uint64_t least, std::uint64_t most) const;
  Result<std::uint64_t> Number(const std::string& name, std::uint64_t least, std::uint64_t most,
                               std::uint64_t otherwise) const;
  Result<double> Real(const std::string& name, double otherwise) const;
  Result<bool> Bool(const std::string& name) const;  // false without it
};

// "--name: what"
Status BadFlag(const std::string& name, const std::string& what);

// " (did you mean x?)", or nothing.
std::string DidYouMean(const std::string& wrong, const std::vector<std::string>& names);

// `--flag=value`, `--flag value`, or a path. Invalid: a flag that `command` has not, or one without a value.
Result<CommandWords> TakeApart(const std::string& command, std::span<const CommandFlag> flags,
                               std::span<const std::string> words);

// A flag and what `sherd --help` says of it.
struct HelpfulFlag {
  CommandFlag flag;
  const char* help;
};
std::vector<CommandFlag> FlagNames(std::span<const HelpfulFlag> flags);
// `title`, and a line a flag.
std::string HelpOf(const std::string& title, std::span<const HelpfulFlag> flags);

// " [--name=VALUE] [--name]"
std::string FlagUsage(std::span<const CommandFlag> flags);

}  // namespace sherd
