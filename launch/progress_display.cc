#include "launch/progress_display.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <ctime>

#include "base/byte_count.h"
#include "launch/metrics_writer.h"
#include "launch/table_text.h"

namespace sherd {
namespace {

constexpr std::chrono::milliseconds kRedraw{100}, kLongestDistance{60000};

std::string Format(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

// "  auc 0.9012": nothing when it is unknown.
std::string Figure(const char* name, double value) {
  return std::isfinite(value) ? std::string("  ").append(name).append(Format(" %.4f", value)) : "";
}

// "  compute 97% busy": what holds the job back.
std::string BusiestStage(const std::vector<StageReport>& stages) {
  const auto busiest = std::ranges::max_element(stages, {}, &StageReport::worked);
  return busiest == stages.end() ? "" : "  " + busiest->name + Format(" %.0f%% busy", 100 * busiest->worked);
}

// "  SLOW: worker 1 (2.3 x the others)".
std::string SlowRanks(const std::vector<SlowRank>& ranks) {
  std::string text;
  for (const SlowRank& rank : ranks) {
    text += (text.empty() ? "  SLOW: " : ", ") + rank.name + Format(" (%.1f x the others)", rank.times);
  }
  return text;
}

// "compute x2    97% busy,   2% waiting for input,   1% for output".
std::string StageText(const StageReport& stage) {
  std::string name = stage.name + (stage.threads > 1 ? " x" + std::to_string(stage.threads) : "");
  name.resize(std::max<std::size_t>(name.size(), 12), ' ');
  return name + Format("%3.0f%% busy, ", 100 * stage.worked) +
         Format("%3.0f%% waiting for input, ", 100 * stage.waited_for_input) +
         Format("%3.0f%% for output", 100 * stage.waited_for_output);
}

// "log_loss" as people read it.
std::string Words(std::string name) {
  std::replace(name.begin(), name.end(), '_', ' ');
  return name;
}

// "  auc 0.8012 to 0.8034  …".
std::string IntervalsText(const std::map<std::string, Interval>& intervals) {
  std::string text;
  for (const auto& [name, interval] : intervals) {
    text += "  " + Words(name) + Format(" %.4f to ", interval.low) + Format("%.4f", interval.high);
  }
  return text;
}

std::string CalibrationText(std::size_t number, const CalibrationBucket& bucket) {
  std::string label = "  bucket " + std::to_string(number);
  label.resize(std::max<std::size_t>(label.size(), 14), ' ');
  return label + Format("weight %.0f", bucket.weight) + Format("  predicted %.4f", bucket.predicted) +
         Format("  observed %.4f", bucket.observed) +
         (bucket.observed > 0 ? Format("  predicted/observed %.3f", bucket.ratio()) : "");
}

std::string Head(const ProgressReport& r) {
  return "epoch " + std::to_string(r.epoch) + "/" + std::to_string(r.epochs);
}

std::string Tail(const ProgressReport& r) {
  std::string text = "  " + WithCommas(r.rows) + " rows  " + ShortCount(r.rows_per_second) + " rows/s";
  if (r.rows > 0) text += Figure("loss", r.loss) + Figure("auc", r.auc) + Figure("rmse", r.rmse) + Figure("mae", r.mae);
  text += "  stale " + std::to_string(r.staleness);
  text += BusiestStage(r.stages) + SlowRanks(r.slow);
  if (r.bad_rows > 0) text += "  bad " + WithCommas(r.bad_rows);
  if (r.failed_checkpoints > 0) text += "  NO CHECKPOINT (" + WithCommas(r.failed_checkpoints) + " failed)";
  if (r.seconds_left > 0 && std::isfinite(r.seconds_left)) text += "  " + ShortDuration(r.seconds_left) + " left";
  return text;
}

// "2026-11-26 22:00:00 UTC"
std::string UtcText(double unix_time) {
  const auto seconds = static_cast<std::time_t>(unix_time);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%F %T UTC", &parts)};
}

// The left column of the table at the end.
std::string Label(std::string text) {
  text.resize(std::max<std::size_t>(text.size() + 1, 12), ' ');
  return text;
}

std::string Percent(double share) { return Format("%3.0f%%", 100 * std::clamp(share, 0.0, 1.0)); }

std::string Bar(double share, int cells) {
  const int full = static_cast<int>(std::clamp(share, 0.0, 1.0) * cells);
  std::string bar(static_cast<std::size_t>(cells), ' ');
  for (int i = 0; i < full; ++i) bar[static_cast<std::size_t>(i)] = '=';
  if (full < cells) bar[static_cast<std::size_t>(full)] = '>';
  return std::string("[").append(bar).append("]");
}

}  // namespace

std::string WithCommas(std::uint64_t value) {
  std::string text = std::to_string(value);
  for (std::size_t i = text.size(); i > 3; i -= 3) text.insert(i - 3, ",");
  return text;
}

std::string ShortCount(double value) {
  if (!(value >= 0) || !std::isfinite(value)) return "?";
  if (value < 999.5) return Format("%.0f", value);
  if (value < 999.5e3) return Format(value < 99.95e3 ? "%.1fk" : "%.0fk", value / 1e3);
  return Format(value < 99.95e6 ? "%.1fM" : "%.0fM", value / 1e6);
}

std::string ShortDuration(double seconds) {
  if (!(seconds >= 0) || seconds > 1e9) return "?";
  const auto s = static_cast<std::uint64_t>(seconds + 0.5);
  char text[64];
  if (s < 3600) {
    std::snprintf(text, sizeof text, "%u:%02u", static_cast<unsigned>(s / 60), static_cast<unsigned>(s % 60));
  } else {
    std::snprintf(text, sizeof text, "%u:%02u:%02u", static_cast<unsigned>(s / 3600),
                  static_cast<unsigned>(s / 60 % 60), static_cast<unsigned>(s % 60));
  }
  return text;
}

std::string MetricsText(const Metrics& metrics) {
  std::string text;
  for (const auto& [name, value] : metrics) {
    text.append(text.empty() ? "" : "  ").append(Words(name)).append(" ");
    text += std::isfinite(value) ? Format(name == "auc_error" ? "%.1e" : "%.4f", value) : "?";
  }
  return text;
}

std::string ProgressBar(const ProgressReport& report, int width) {
  const std::string head = Head(report) + " ", tail = " " + Percent(report.epoch_share) + Tail(report);
  const int room = width - static_cast<int>(head.size() + tail.size()) - 2;
  std::string line = head + (room >= 5 ? Bar(report.epoch_share, std::min(room, 30)) : "") + tail;
  if (line.size() > static_cast<std::size_t>(std::max(width, 0)))
    line.resize(static_cast<std::size_t>(std::max(width, 0)));
  return line;
}

std::string ProgressLine(const ProgressReport& report) {
  return Head(report) + " " + Percent(report.epoch_share) + Tail(report);
}

void ProgressDisplay::Clear() {
  if (drawn_) std::fputs("\r\x1b[K", out_);
  drawn_ = false;
  std::fflush(out_);
}

void ProgressDisplay::Print(const std::string& line) {
  Clear();
  std::fprintf(out_, "%s\n", line.c_str());
  std::fflush(out_);
}

void ProgressDisplay::OnStart(std::uint32_t servers, std::uint32_t workers) {
  const auto count = [](std::uint32_t n, const char* what) {
    return std::to_string(n).append(" ").append(what).append(n == 1 ? "" : "s");
  };
  Print("1 scheduler, " + count(servers, "server") + ", " + count(workers, "worker"));
}

void ProgressDisplay::OnProgress(const ProgressReport& report) {
  const auto now = std::chrono::steady_clock::now();
  if (now < next_) return;
  if (style_ == Style::kTerminal) {
    next_ = now + kRedraw;
    std::fprintf(out_, "\r%s\x1b[K", ProgressBar(report, width_ - 1).c_str());
    std::fflush(out_);
    drawn_ = true;
    return;
  }
  if (next_ != std::chrono::steady_clock::time_point{}) {
    Print(ProgressLine(report));
    distance_ = std::min(distance_ * 3 / 2, kLongestDistance);
  }
  next_ = now + distance_;
}

void ProgressDisplay::OnEpochEnd(const EpochReport& r) {
  const double rate = r.seconds > 0 ? static_cast<double>(r.rows) / r.seconds : 0;
  std::uint64_t bytes = 0;
  for (const proto::TableStatus& table : r.tables) bytes += table.bytes();
  Print("epoch " + std::to_string(r.epoch) + "  " + WithCommas(r.rows) + " rows in " + Format("%.1f s", r.seconds) +
        "  " + ShortCount(rate) + " rows/s" + Figure("loss", r.loss) +
        (r.tables.empty() ? "" : "  tables " + BytesText(bytes)));
  tables_ = r.tables;
  FileRows all;
  for (const FileRows& file : r.files) {
    all.read += file.read;
    all.trained += file.trained;
    all.bad += file.bad;
    all.repeated += file.repeated;
  }
  if (all.bad == 0 && all.repeated == 0) return;
  Print("epoch " + std::to_string(r.epoch) + "  " + WithCommas(all.read) + " rows read, " + WithCommas(all.trained) +
        " trained, " + WithCommas(all.bad) + " bad, " + WithCommas(all.repeated) + " computed again after a loss");
}

void ProgressDisplay::OnPeriod(const PeriodReport& r) {
  Print("from " + UtcText(r.begin) + "  " + WithCommas(r.rows) + " rows, predicted before they were trained on" +
        Figure("loss", r.loss) + Figure("auc", r.auc));
}

void ProgressDisplay::OnEvaluation(const EvaluationReport& report) {
  std::string line = report.epoch > 0 ? "epoch " + std::to_string(report.epoch) + "  " : "";
  line.append(SetName(report.set)).append("  ").append(MetricsText(report.metrics));
  Print(line + (report.best ? "  (best)" : ""));
  if (!report.intervals.empty()) Print(std::string(SetName(report.set)) + "  95%" + IntervalsText(report.intervals));
  for (std::size_t i = 0; i < report.calibration.size(); ++i) {
    Print(CalibrationText(i + 1, report.calibration[i]));
  }
}

void ProgressDisplay::OnComparison(const ComparisonReport& r) {
  const std::string set = SetName(r.set);
  Print(set + "  " + MetricsText(r.metrics) + "  of " + r.against);
  for (const auto& [name, difference] : r.differences) {
    Print(set + "  " + Words(name) + Format(" %+.4f against it", difference.difference) +
          Format(", 95%% of samples %+.4f", difference.interval.low) + Format(" to %+.4f", difference.interval.high) +
          Format("  p %.3f", difference.p) + "  (" + WithCommas(r.groups) + " groups)");
  }
}

void ProgressDisplay::OnCheckpoint(const std::string& dir, std::uint64_t rows, double seconds) {
  Print(Label("checkpoint") + dir + " after " + WithCommas(rows) + " rows, in " + Format("%.1f s", seconds));
}

void ProgressDisplay::OnCheckpointFailed(const std::string& reason, std::uint32_t failures) {
  Print("no checkpoint: " + reason + (failures > 1 ? " (" + std::to_string(failures) + " in a row)" : ""));
}

void ProgressDisplay::OnShardRestored(const RestoredReport& r) {
  Print("shard " + std::to_string(r.shard) + " is what " + r.from + " has of it: " + WithCommas(r.pushes) +
        " pushes since are lost there, with " + WithCommas(r.updates) + " updates of rows" +
        (r.more ? ", and those of lost workers" : ""));
}

void ProgressDisplay::OnBadRow(const proto::BadRow& row) { Print("bad row: " + row.where() + ": " + row.reason()); }

void ProgressDisplay::OnMessage(const std::string& text) { Print(text); }

void ProgressDisplay::OnDone(const DoneReport& r) {
  const double rate = r.seconds > 0 ? static_cast<double>(r.rows) / r.seconds : 0;
  Print("");
  if (r.rows > 0) {
    const std::string& counted = wording_.counted;
    Print(Label(wording_.done) + WithCommas(r.rows) + " " + counted + " in " + ShortDuration(r.seconds) + ", " +
          ShortCount(rate) + " " + counted + "/s" +
          (r.best_epoch > 0 ? ", best epoch " + std::to_string(r.best_epoch) : ""));
  }
  if (r.lost.shards() > 0) {
    Print(Label("lost") + WithCommas(r.lost.pushes()) + " pushes with " + WithCommas(r.lost.updates()) +
          " updates of rows" + (r.lost.more() ? " and more" : "") + ", by " + std::to_string(r.lost.shards()) +
          (r.lost.shards() == 1 ? " shard that was restored" : " shards that were restored"));
  }
  if (r.bad_rows > 0) Print(Label("bad rows") + WithCommas(r.bad_rows) + " of " + WithCommas(r.read_rows) + " read");
  for (const proto::BadRow& kind : r.bad_kinds) {
    Print("            " + WithCommas(kind.count()) + " x " + kind.reason() + ", first at " + kind.where());
  }
  for (const StageReport& stage : r.stages) Print(Label("stage") + StageText(stage));
  for (const proto::TableStatus& table : tables_) Print(Label("table") + TableText(table));
  if (!r.eval.empty()) Print(Label("eval") + MetricsText(r.eval));
  if (!r.test.empty()) Print(Label("test") + MetricsText(r.test));
  if (!r.checkpoint.empty()) Print(Label("checkpoint") + r.checkpoint);
}

ProgressDisplay::Style DisplayStyle() {
  const char* said = std::getenv("SHERD_TERMINAL");
  bool terminal = isatty(STDOUT_FILENO) == 1 && std::getenv("OMPI_COMM_WORLD_SIZE") == nullptr;
  if (said != nullptr) terminal = std::string(said) == "1";
  return terminal ? ProgressDisplay::Style::kTerminal : ProgressDisplay::Style::kPlain;
}

int DisplayWidth() {
  const char* said = std::getenv("SHERD_COLUMNS");
  if (said != nullptr && std::atoi(said) > 0) return std::atoi(said);
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 120;
}

}  // namespace sherd
