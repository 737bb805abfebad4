#include "launch/metrics_writer.h"

#include <cerrno>

namespace sherd {

const char* SetName(proto::Chunk::Set set) {
  return set == proto::Chunk::TRAIN ? "train" : set == proto::Chunk::EVAL ? "eval" : "test";
}

Result<std::unique_ptr<MetricsWriter>> MetricsWriter::Create(const std::string& path, Begin begin) {
  std::FILE* file = std::fopen(path.c_str(), begin == Begin::kAnew ? "we" : "ae");
  if (file == nullptr) return Status::Io("--metrics: create " + path, errno);
  return std::unique_ptr<MetricsWriter>(new MetricsWriter(path, file));
}

Result<std::unique_ptr<MetricsWriter>> MetricsWriter::CreateIfNamed(const std::string& path, Begin begin) {
  if (path.empty()) return std::unique_ptr<MetricsWriter>();
  return Create(path, begin);
}

MetricsWriter::~MetricsWriter() { std::fclose(file_); }

void MetricsWriter::Write(const JsonLine& line) {
  const std::string text = line.text() + "\n";
  const bool written = std::fwrite(text.data(), 1, text.size(), file_) == text.size() && std::fflush(file_) == 0;
  if (!written && !failed_) PLOG(WARNING) << "write " << path_;
  failed_ = failed_ || !written;
}

void MetricsWriter::OnStart(std::uint32_t servers, std::uint32_t workers) {
  Write(JsonLine("start").Add("servers", servers).Add("workers", workers));
}

void MetricsWriter::OnProgress(const ProgressReport& r) {
  const auto now = std::chrono::steady_clock::now();
  if (now < next_progress_) return;
  next_progress_ = now + std::chrono::milliseconds(950);
  Write(JsonLine("progress")
            .Add("epoch", r.epoch)
            .Add("epochs", r.epochs)
            .Add("epoch_share", r.epoch_share)
            .Add("rows", r.rows)
            .Add("seconds", r.seconds)
            .Add("rows_per_second", r.rows_per_second)
            .Add("loss", r.loss)
            .Add("auc", r.auc)
            .Add("rmse", r.rmse)
            .Add("mae", r.mae)
            .Add("staleness", r.staleness)
            .Add("seconds_left", r.seconds_left)
            .Add("bad_rows", r.bad_rows)
            .Add("failed_checkpoints", r.failed_checkpoints)
            .Add("slow", r.slow)
            .Add("stages", r.stages));
}

void MetricsWriter::OnEpochEnd(const EpochReport& r) {
  Write(JsonLine("epoch")
            .Add("epoch", r.epoch)
            .Add("rows", r.rows)
            .Add("seconds", r.seconds)
            .Add("loss", r.loss)
            .Add("tables", r.tables)
            .Add("files", r.files));
}

void MetricsWriter::OnPeriod(const PeriodReport& r) {
  Write(JsonLine("period")
            .Add("begin", r.begin)
            .Add("seconds", r.seconds)
            .Add("rows", r.rows)
            .Add("loss", r.loss)
            .Add("auc", r.auc)
            .Add("positive_rate", r.positive_rate));
}

void MetricsWriter::OnEvaluation(const EvaluationReport& r) {
  Write(JsonLine("evaluation")
            .Add("set", SetName(r.set))
            .Add("epoch", r.epoch)
            .Add("rows", r.rows)
            .Add("seconds", r.seconds)
            .Add("metrics", r.metrics)
            .Add("best", r.best)
            .Add("intervals", r.intervals)
            .Add("calibration", r.calibration));
}

void MetricsWriter::OnComparison(const ComparisonReport& r) {
  Write(JsonLine("comparison")
            .Add("set", SetName(r.set))
            .Add("against", r.against)
            .Add("metrics", r.metrics)
            .Add("groups", r.groups)
            .Add("differences", r.differences));
}

void MetricsWriter::OnCheckpoint(const std::string& dir, std::uint64_t rows, double seconds) {
  Write(JsonLine("checkpoint").Add("checkpoint", dir).Add("rows", rows).Add("seconds", seconds));
}

void MetricsWriter::OnCheckpointFailed(const std::string& reason, std::uint32_t failures) {
  Write(JsonLine("checkpoint_failed").Add("reason", reason).Add("failures", failures));
}

void MetricsWriter::OnShardRestored(const RestoredReport& r) {
  Write(JsonLine("shard_restored")
            .Add("shard", r.shard)
            .Add("checkpoint", r.from)
            .Add("lost_pushes", r.pushes)
            .Add("lost_updates", r.updates)
            .Add("and_of_lost_workers", r.more));
}

void MetricsWriter::OnBadRow(const proto::BadRow& row) {
  Write(JsonLine("bad_row").Add("where", row.where()).Add("reason", row.reason()));
}

void MetricsWriter::OnMessage(const std::string& text) { Write(JsonLine("message").Add("text", text)); }

void MetricsWriter::OnDone(const DoneReport& r) {
  Write(JsonLine("done")
            .Add("rows", r.rows)
            .Add("seconds", r.seconds)
            .Add("rows_per_second", r.seconds > 0 ? static_cast<double>(r.rows) / r.seconds : 0.0)
            .Add("epochs", r.epochs)
            .Add("best_epoch", r.best_epoch)
            .Add("eval", r.eval)
            .Add("test", r.test)
            .Add("checkpoint", r.checkpoint)
            .Add("read_rows", r.read_rows)
            .Add("bad_rows", r.bad_rows)
            .Add("lost_pushes", r.lost.pushes())
            .Add("lost_updates", r.lost.updates())
            .Add("stages", r.stages));
}

void MetricsWriter::OnFailure(const std::string& reason) { Write(JsonLine("failed").Add("reason", reason)); }

}  // namespace sherd
