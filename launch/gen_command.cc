#include "launch/gen_command.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "base/byte_count.h"
#include "launch/command_words.h"
#include "launch/progress_display.h"
#include "launch/simulator_command.h"
#include "worker/data/click_log/file.h"

namespace sherd {
namespace {

constexpr std::uint64_t kMostRows = 1ull << 62;  // behind them are those that the bias comes from

const std::vector<HelpfulFlag>& Flags() {
  static const std::vector<HelpfulFlag> flags = {
      {{"output", "FILE"}, "where to; without it only the figures are printed"},
      {{"format", "NAME"}, "tsv (Criteo's, the default), delimited, libsvm, libffm, jsonl, tfrecord or row_file"},
      {{"compress", "NAME"}, "none (the default), zstd or gzip"},
      {{"keep_tokens", ""}, "in row files: the tokens' texts in place of their keys"},
      {{"rows", "N"}, "how many; default 1000000"},
      {{"first_row", "N"}, "number of the first; default 0"},
      {{"seed", "N"}, "another log; default 1"},
      {{"scale", "X"}, "distinct tokens in proportion to Criteo's; default 1"},
      {{"first_order", "X"}, "deviation of the logit by single columns; default 1.5"},
      {{"second_order", "X"}, "… by pairs of columns; default 1.2"},
      {{"click_rate", "X"}, "default 0.25"},
      {{"threads", "N"}, "default: the cores of the host"},
  };
  return flags;
}

Result<Compression> CompressionOf(const CommandWords& words) {
  const std::string name = words.Flag("compress");
  if (name.empty() || name == "none") return Compression::kNone;
  if (name == "zstd") return Compression::kZstd;
  if (name == "gzip") return Compression::kGzip;
  return BadFlag("compress", name + " is not one of none, zstd, gzip");
}

Result<ClickLogFormat> FormatOf(const CommandWords& words) {
  if (!words.Has("format")) return ClickLogFormat::kCriteoTsv;
  const auto format = ClickLogFormatOf(words.Flag("format"));
  if (format) return *format;
  std::string names;
  for (const std::string& name : ClickLogFormatNames()) names += (names.empty() ? "" : ", ") + name;
  return BadFlag("format", words.Flag("format") + " is not one of " + names);
}

Result<ClickLogFile> FileOf(const CommandWords& words) {
  ClickLogFile file;
  file.path = words.Flag("output");
  std::error_code error;
  const auto there = std::filesystem::status(file.path, error);
  if (!file.path.empty() && std::filesystem::exists(there) && !std::filesystem::is_regular_file(there)) {
    return BadFlag("output", file.path + " is there, and no regular file");
  }
  ASSIGN_OR_RETURN(file.format, FormatOf(words));
  ASSIGN_OR_RETURN(file.compression, CompressionOf(words));
  ASSIGN_OR_RETURN(file.keep_tokens, words.Bool("keep_tokens"));
  const bool row_file = file.format == ClickLogFormat::kRowFile;
  if (row_file && file.compression != Compression::kNone) {
    return BadFlag("compress", "a row file's blocks are compressed as it is; none reads one that is packed again");
  }
  if (!row_file && file.keep_tokens) return BadFlag("keep_tokens", "only row files have keys in place of tokens");
  ASSIGN_OR_RETURN(file.rows, words.Number("rows", 1, kMostRows, 1'000'000));
  ASSIGN_OR_RETURN(file.first_row, words.Number("first_row", 0, kMostRows - file.rows, 0));
  const std::uint64_t cores = std::max(1u, std::thread::hardware_concurrency());
  ASSIGN_OR_RETURN(const std::uint64_t threads, words.Number("threads", 1, 1024, cores));
  file.threads = static_cast<std::uint32_t>(threads);
  return file;
}

Result<ClickLogOptions> OptionsOf(const CommandWords& words) {
  ClickLogOptions options;
  ASSIGN_OR_RETURN(options.seed, words.Number("seed", 0, ~std::uint64_t{0}, options.seed));
  ASSIGN_OR_RETURN(options.scale, words.Real("scale", options.scale));
  ASSIGN_OR_RETURN(options.first_order, words.Real("first_order", options.first_order));
  ASSIGN_OR_RETURN(options.second_order, words.Real("second_order", options.second_order));
  ASSIGN_OR_RETURN(options.click_rate, words.Real("click_rate", options.click_rate));
  return options;
}

void Describe(const ClickLogFile& file, const WrittenClickLog& written, std::ostream& out) {
  char line[256];
  const BestFigures& best = written.best;
  out << "rows      " << WithCommas(best.rows) << ", from row " << WithCommas(file.first_row) << " on\n";
  if (!file.path.empty()) {
    std::snprintf(line, sizeof line, ", %.1f bytes a row\n",
                  static_cast<double>(written.bytes) / static_cast<double>(best.rows));
    out << "file      " << file.path << ", " << BytesText(written.bytes) << line;
  }
  std::snprintf(line, sizeof line, "clicks    %.5f of the rows\n", best.click_rate);
  out << line;
  std::snprintf(line, sizeof line, "best      AUC %.5f, log loss %.5f are possible on these clicks\n", best.auc,
                best.log_loss);
  out << line;
  std::snprintf(line, sizeof line, "expected  AUC %.5f, log loss %.5f over all clicks that these rows could have had\n",
                best.expected_auc, best.expected_log_loss);
  out << line << std::flush;
}

}  // namespace

Status RunGenCommand(std::span<const std::string> words, std::ostream& out) {
  const auto is_simulator = [](const std::string& word) { return word.starts_with("--simulator"); };
  if (std::ranges::any_of(words, is_simulator)) return RunSimulatorCommand(words, out);
  ASSIGN_OR_RETURN(const CommandWords taken, TakeApart("gen", FlagNames(Flags()), words));
  if (!taken.paths.empty()) return Status::Invalid("gen takes flags alone: --output=" + taken.paths[0] + "?");
  ASSIGN_OR_RETURN(const ClickLogFile file, FileOf(taken));
  ASSIGN_OR_RETURN(const ClickLogOptions options, OptionsOf(taken));
  const auto log = ClickLog::Make(options);
  if (!log.ok()) return Status::Invalid("--" + log.status().text());
  ASSIGN_OR_RETURN(const WrittenClickLog written, WriteClickLog(**log, file));
  Describe(file, written, out);
  return {};
}

std::string GenHelp() { return HelpOf("Flags of gen:", Flags()) + SimulatorHelp(); }

}  // namespace sherd
