#include <gmock/gmock.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <stdlib.h>

#include <filesystem>
#include <limits>
#include <sstream>

#include "base/file.h"
#include "launch/json_line.h"
#include "launch/metrics_writer.h"
#include "launch/prediction_file.h"
#include "launch/progress_display.h"
#include "launch/table_text.h"
#include "launch/temporary_dir.h"
#include "launch/verdict.h"

namespace sherd {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// Protobuf's reader of JSON is not ours, so it can judge what we write.
google::protobuf::Struct Parse(const std::string& text) {
  google::protobuf::Struct parsed;
  const auto status = google::protobuf::util::JsonStringToMessage(text, &parsed);
  EXPECT_TRUE(status.ok()) << text << ": " << status.ToString();
  return parsed;
}

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

TEST(JsonLine, AnyTextComesBackAsItWas) {
  std::string every_ascii;
  for (char c = 1; c < 127; ++c) every_ascii += c;
  for (const std::string& text : {every_ascii, std::string("\0x", 2), std::string("ü € 😀"), std::string("\x7f")}) {
    EXPECT_EQ(Parse(JsonLine("e").Add("text", text).text()).fields().at("text").string_value(), text);
  }
}

TEST(JsonLine, BytesThatAreNoUtf8AreReplaced) {
  // A lone continuation, a cut sequence, an overlong form, a surrogate, one beyond U+10FFFF.
  for (const char* text : {"\x80", "a\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff"}) {
    EXPECT_THAT(Parse(JsonLine("e").Add("t", text).text()).fields().at("t").string_value(), HasSubstr("\ufffd"));
  }
}

TEST(JsonLine, NumbersAreExactAndWhatIsNoneIsNull) {
  const double third = 1.0 / 3;
  const auto parsed = Parse(JsonLine("e")
                                .Add("third", third)
                                .Add("nan", kNan)
                                .Add("inf", std::numeric_limits<double>::infinity())
                                .Add("m", Metrics{{"hr@10", 0.7}, {"auc", kNan}})
                                .text());
  EXPECT_EQ(parsed.fields().at("third").number_value(), third);
  EXPECT_EQ(parsed.fields().at("nan").kind_case(), google::protobuf::Value::kNullValue);
  EXPECT_EQ(parsed.fields().at("inf").kind_case(), google::protobuf::Value::kNullValue);
  EXPECT_EQ(parsed.fields().at("m").struct_value().fields().at("hr@10").number_value(), 0.7);
  EXPECT_EQ(parsed.fields().at("m").struct_value().fields().at("auc").kind_case(), google::protobuf::Value::kNullValue);
}

TEST(MetricsWriter, EachLineIsAnObjectAndTheLastIsDone) {
  const auto dir = TemporaryDir::Make().value();
  const std::string path = JoinPath(dir->path(), "m.jsonl");
  auto writer = MetricsWriter::Create(path).value();
  writer->OnStart(2, 3);
  for (int i = 0; i < 5; ++i) writer->OnProgress({.epoch = 1, .rows = 10, .auc = kNan, .stages = {}});
  proto::BadRow bad;
  bad.set_where("a.tsv:3: \"x\"");
  bad.set_reason("number expected");
  writer->OnBadRow(bad);
  DoneReport done;
  done.rows = 100;
  done.seconds = 4;
  done.test = {{"auc", 0.75}};
  writer->OnDone(done);
  const auto lines = Lines(ReadFile(path).value());
  ASSERT_EQ(lines.size(), 4u);  // of five reports at once only the first is worth a line
  const auto last = Parse(lines[3]);
  EXPECT_EQ(last.fields().at("event").string_value(), "done");
  EXPECT_EQ(last.fields().at("rows_per_second").number_value(), 25);
  EXPECT_EQ(last.fields().at("test").struct_value().fields().at("auc").number_value(), 0.75);
  EXPECT_EQ(Parse(lines[2]).fields().at("where").string_value(), "a.tsv:3: \"x\"");
  EXPECT_EQ(Parse(lines[1]).fields().at("auc").kind_case(), google::protobuf::Value::kNullValue);
}

TEST(MetricsWriter, AFileThatCannotBeMadeIsAnError) {
  EXPECT_THAT(MetricsWriter::Create("/nonexistent/m").status().text(), HasSubstr("--metrics: create /nonexistent/m"));
}

const ProgressReport kReport{.epoch = 2,
                             .epochs = 8,
                             .epoch_share = 0.25,
                             .rows = 1234567,
                             .seconds = 10,
                             .rows_per_second = 45210,
                             .loss = 0.31214,
                             .auc = 0.9012,
                             .staleness = 2,
                             .seconds_left = 65,
                             .bad_rows = 0,
                             .stages = {}};

TEST(ProgressDisplay, ShowsWhatAPersonWantsToKnow) {
  EXPECT_EQ(ProgressLine(kReport),
            "epoch 2/8  25%  1,234,567 rows  45.2k rows/s  loss 0.3121  auc 0.9012  stale 2  1:05 left");
  EXPECT_EQ(ProgressBar(kReport, 104),
            "epoch 2/8 [===>        ]  25%  1,234,567 rows  45.2k rows/s  loss 0.3121  auc 0.9012  stale 2  1:05 left");
  ProgressReport unknown = kReport;
  unknown.auc = kNan;
  unknown.seconds_left = std::numeric_limits<double>::infinity();
  EXPECT_THAT(ProgressLine(unknown), Not(HasSubstr("auc")));
  EXPECT_THAT(ProgressLine(unknown), Not(HasSubstr("left")));
}

TEST(ProgressDisplay, SquaredErrorHasItsOwnFigures) {
  ProgressReport ratings = kReport;
  ratings.auc = kNan;
  ratings.rmse = 0.9402;
  ratings.mae = 0.7311;
  EXPECT_THAT(ProgressLine(ratings), HasSubstr("loss 0.3121  rmse 0.9402  mae 0.7311  stale"));
}

TEST(MetricsWriter, UncertaintyAndComparisonsStandThereToo) {
  const auto dir = TemporaryDir::Make().value();
  const std::string path = JoinPath(dir->path(), "m.jsonl");
  auto writer = MetricsWriter::Create(path).value();
  writer->OnEvaluation({.set = proto::Chunk::TEST,
                        .metrics = {{"auc", 0.75}},
                        .intervals = {{"auc", {0.7, 0.8}}},
                        .calibration = {{.weight = 20, .predicted = 0.25, .observed = 0.5}}});
  writer->OnComparison({.set = proto::Chunk::TEST,
                        .against = "b",
                        .metrics = {{"auc", 0.74}},
                        .groups = 12,
                        .differences = {{"auc", {.difference = 0.01, .interval = {-0.01, 0.03}, .p = 0.25}}}});
  const auto lines = Lines(ReadFile(path).value());
  ASSERT_EQ(lines.size(), 2u);
  const auto evaluation = Parse(lines[0]).fields(), comparison = Parse(lines[1]).fields();
  EXPECT_EQ(evaluation.at("intervals").struct_value().fields().at("auc").list_value().values(1).number_value(), 0.8);
  EXPECT_EQ(evaluation.at("calibration").list_value().values(0).struct_value().fields().at("observed").number_value(),
            0.5);
  const auto& auc = comparison.at("differences").struct_value().fields().at("auc").struct_value().fields();
  EXPECT_EQ(auc.at("difference").number_value(), 0.01);
  EXPECT_EQ(auc.at("low").number_value(), -0.01);
  EXPECT_EQ(auc.at("p").number_value(), 0.25);
}

TEST(ProgressDisplay, MissingCheckpointsStandOnTheLineUntilOneIsThere) {
  ProgressReport failing = kReport;
  failing.failed_checkpoints = 2;
  EXPECT_THAT(ProgressLine(failing), HasSubstr("stale 2  NO CHECKPOINT (2 failed)  1:05 left"));
  EXPECT_THAT(ProgressLine(kReport), Not(HasSubstr("CHECKPOINT")));
}

TEST(MetricsWriter, AFailedCheckpointIsAnEvent) {
  const auto dir = TemporaryDir::Make().value();
  const std::string path = JoinPath(dir->path(), "m.jsonl");
  auto writer = MetricsWriter::Create(path).value();
  writer->OnCheckpointFailed("write shard-0: No space left on device", 3);
  ProgressReport failing = kReport;
  failing.failed_checkpoints = 3;
  writer->OnProgress(failing);
  const auto lines = Lines(ReadFile(path).value());
  ASSERT_EQ(lines.size(), 2u);
  const auto event = Parse(lines[0]);
  EXPECT_EQ(event.fields().at("event").string_value(), "checkpoint_failed");
  EXPECT_EQ(event.fields().at("reason").string_value(), "write shard-0: No space left on device");
  EXPECT_EQ(event.fields().at("failures").number_value(), 3);
  EXPECT_EQ(Parse(lines[1]).fields().at("failed_checkpoints").number_value(), 3);
}

const std::vector<StageReport> kStages = {
    {.name = "read", .threads = 1, .worked = 0.2, .waited_for_input = 0.05, .waited_for_output = 0.75, .cpu = 0.1},
    {.name = "compute", .threads = 2, .worked = 0.97, .waited_for_input = 0.03, .waited_for_output = 0, .cpu = 0.9}};

TEST(ProgressDisplay, SaysWhatHoldsTheJobBack) {
  ProgressReport report = kReport;
  report.stages = kStages;
  EXPECT_THAT(ProgressLine(report), HasSubstr("  stale 2  compute 97% busy  1:05 left"));
}

TEST(ProgressDisplay, NamesWhoIsSlow) {
  ProgressReport report = kReport;
  report.slow = {{.name = "worker 1", .times = 2.34}, {.name = "shard 0", .times = 12}};
  EXPECT_THAT(ProgressLine(report), HasSubstr("  SLOW: worker 1 (2.3 x the others), shard 0 (12.0 x the others)  "));
  const auto line = Parse(JsonLine("e").Add("slow", report.slow).text());
  const auto& slow = line.fields().at("slow").list_value();
  ASSERT_EQ(slow.values_size(), 2);
  EXPECT_EQ(slow.values(1).struct_value().fields().at("name").string_value(), "shard 0");
  EXPECT_EQ(slow.values(1).struct_value().fields().at("times").number_value(), 12);
}

TEST(MetricsWriter, StagesAreObjects) {
  const auto line = Parse(JsonLine("e").Add("stages", kStages).text());
  const auto& stages = line.fields().at("stages").list_value();
  ASSERT_EQ(stages.values_size(), 2);
  const auto& fields = stages.values(1).struct_value().fields();
  EXPECT_EQ(fields.at("name").string_value(), "compute");
  EXPECT_EQ(fields.at("threads").number_value(), 2);
  EXPECT_EQ(fields.at("worked").number_value(), 0.97);
  EXPECT_EQ(fields.at("cpu").number_value(), 0.9);
}

// A line that wraps can not be drawn over.
TEST(ProgressDisplay, NeverIsWiderThanTheTerminal) {
  for (int width = 1; width < 200; ++width)
    EXPECT_LE(ProgressBar(kReport, width).size(), static_cast<std::size_t>(width));
}

TEST(ProgressDisplay, Numbers) {
  EXPECT_EQ(WithCommas(0), "0");
  EXPECT_EQ(WithCommas(999), "999");
  EXPECT_EQ(WithCommas(1000), "1,000");
  EXPECT_EQ(WithCommas(1234567890), "1,234,567,890");
  EXPECT_EQ(ShortCount(999.4), "999");
  EXPECT_EQ(ShortCount(999.6), "1.0k");
  EXPECT_EQ(ShortCount(99960), "100k");
  EXPECT_EQ(ShortCount(1.3e6), "1.3M");
  EXPECT_EQ(ShortCount(kNan), "?");
  EXPECT_EQ(ShortDuration(7.4), "0:07");
  EXPECT_EQ(ShortDuration(59.9), "1:00");
  EXPECT_EQ(ShortDuration(3 * 3600 + 2 * 60 + 11), "3:02:11");
}

TEST(ProgressDisplay, PlainOutputHasNoControlCharacters) {
  char* text = nullptr;
  std::size_t size = 0;
  std::FILE* out = open_memstream(&text, &size);
  ProgressDisplay display(ProgressDisplay::Style::kPlain, 80, {"predicted"}, out);
  for (int i = 0; i < 3; ++i) display.OnProgress(kReport);
  DoneReport done;
  done.rows = 10;
  done.seconds = 1;
  done.checkpoint = "/c";
  done.stages = kStages;
  display.OnDone(done);
  std::fclose(out);
  EXPECT_THAT(std::string(text), Not(HasSubstr("\x1b")));
  EXPECT_THAT(std::string(text), Not(HasSubstr("\r")));
  EXPECT_THAT(Lines(text), testing::Contains("checkpoint  /c"));
  EXPECT_THAT(Lines(text), testing::Contains("predicted   10 rows in 0:01, 10 rows/s"));
  EXPECT_THAT(Lines(text),
              testing::Contains("stage       compute x2   97% busy,   3% waiting for input,   0% for output"));
  free(text);
}

proto::TableStatus Table() {
  proto::TableStatus table;
  table.set_name("embedding");
  table.set_rows(1234567);
  table.set_bytes(1825361101);
  table.set_key_bytes(9876536);
  table.set_dropped_updates(3);
  table.set_refused_rows(2);
  table.set_refused_key(18446744073709551615u);
  return table;
}

TEST(TableText, SaysWhatThereIsToSay) {
  EXPECT_EQ(
      TableText(Table()),
      "embedding: 1,234,567 rows, 1.7 GiB (keys 9.4 MiB), 3 updates of candidates dropped, 2 updates refused, the "
      "last of key 18446744073709551615");
}

TEST(MetricsWriter, AnEpochHasAnObjectForEachTable) {
  const auto dir = TemporaryDir::Make().value();
  const std::string path = JoinPath(dir->path(), "m.jsonl");
  auto writer = MetricsWriter::Create(path).value();
  proto::TableStatus dense;
  dense.set_name("dense");
  writer->OnEpochEnd({.epoch = 1, .rows = 5, .seconds = 2, .loss = 0.5, .tables = {Table(), dense}});
  const auto line = Parse(Lines(ReadFile(path).value()).at(0));
  const auto& tables = line.fields().at("tables").list_value();
  ASSERT_EQ(tables.values_size(), 2);
  const auto& first = tables.values(0).struct_value().fields();
  EXPECT_EQ(first.at("name").string_value(), "embedding");
  EXPECT_EQ(first.at("bytes").number_value(), 1825361101);
  EXPECT_EQ(first.at("dropped_updates").number_value(), 3);
  EXPECT_EQ(first.at("refused_key").string_value(), "18446744073709551615");
  EXPECT_EQ(tables.values(1).struct_value().fields().count("refused_key"), 0u);
}

TEST(ProgressDisplay, ShowsTheTablesAtTheEnd) {
  char* text = nullptr;
  std::size_t size = 0;
  std::FILE* out = open_memstream(&text, &size);
  ProgressDisplay display(ProgressDisplay::Style::kPlain, 80, {"trained"}, out);
  display.OnEpochEnd({.epoch = 1, .rows = 5, .seconds = 2, .loss = 0.5, .tables = {Table()}});
  display.OnDone({});
  std::fclose(out);
  EXPECT_THAT(Lines(text), testing::Contains("epoch 1  5 rows in 2.0 s  2 rows/s  loss 0.5000  tables 1.7 GiB"));
  EXPECT_THAT(Lines(text), testing::Contains(testing::StartsWith("table       embedding: 1,234,567 rows, 1.7 GiB")));
  free(text);
}

TEST(PredictionFile, OneLineARowAndNothingForABadOne) {
  const auto dir = TemporaryDir::Make().value();
  const std::string path = JoinPath(dir->path(), "p");
  auto file = PredictionFile::Create(path).value();
  const float values[] = {0.1f, std::numeric_limits<float>::quiet_NaN(), 1e-20f};
  ASSERT_TRUE(file->Write(values).ok());
  EXPECT_FALSE(std::filesystem::exists(path));  // half a file is no file
  ASSERT_TRUE(file->Finish().ok());
  const auto lines = Lines(ReadFile(path).value());
  EXPECT_THAT(lines, ElementsAre("0.1", "", "1e-20"));
  EXPECT_EQ(std::stof(lines[0]), 0.1f);
}

TEST(PredictionFile, IsNoFolder) {
  const auto dir = TemporaryDir::Make().value();
  const Status status = PredictionFile::Create(dir->path()).status();
  EXPECT_EQ(status.code(), ErrorCode::kInvalid);
  EXPECT_THAT(status.text(), HasSubstr("is a folder"));
}

TEST(PredictionFile, LeavesNothingBehindWhenItIsNotFinished) {
  const auto dir = TemporaryDir::Make().value();
  { auto file = PredictionFile::Create(JoinPath(dir->path(), "p")).value(); }
  EXPECT_TRUE(std::filesystem::is_empty(dir->path()));
}

TEST(TemporaryDir, IsPrivateAndGoesAway) {
  std::string path;
  {
    const auto dir = TemporaryDir::Make().value();
    path = dir->path();
    EXPECT_EQ(std::filesystem::status(path).permissions(), std::filesystem::perms::owner_all);
    EXPECT_TRUE(WriteFileAtomically(JoinPath(path, "x"), "y").ok());
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(Verdict, GoesToTheFileThatIsNamed) {
  const auto dir = TemporaryDir::Make().value();
  const std::string path = JoinPath(dir->path(), "verdict");
  setenv("SHERD_VERDICT_FILE", path.c_str(), 1);
  LeaveVerdict(2);
  unsetenv("SHERD_VERDICT_FILE");
  EXPECT_EQ(ReadFile(path).value(), "2\n");
}

TEST(ProgressDisplay, ShowsTheRowsOfAnEpochWhenThereIsMoreToSay) {
  FILE* out = std::tmpfile();
  ProgressDisplay display(ProgressDisplay::Style::kPlain, 100, {"trained"}, out);
  const FileRows plain{.file = "a", .read = 1200, .trained = 1200};
  const FileRows disturbed{.file = "b", .read = 100, .trained = 99, .bad = 1, .repeated = 64};
  display.OnEpochEnd({.epoch = 1, .rows = 1200, .seconds = 2, .loss = 0.5, .tables = {}, .files = {plain}});
  display.OnEpochEnd({.epoch = 2, .rows = 1299, .seconds = 2, .loss = 0.5, .tables = {}, .files = {plain, disturbed}});
  std::rewind(out);
  char text[1000];
  text[std::fread(text, 1, sizeof text - 1, out)] = 0;
  std::fclose(out);
  EXPECT_EQ(std::string(text).find("epoch 1  1,200 rows read"), std::string::npos) << text;
  EXPECT_NE(std::string(text).find("epoch 2  1,300 rows read, 1,299 trained, 1 bad, 64 computed again after a loss"),
            std::string::npos)
      << text;
}

}  // namespace
}  // namespace sherd
