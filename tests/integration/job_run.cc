#include "tests/integration/job_run.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <bit>
#include <cstdio>
#include <fstream>
#include <limits>
#include <sstream>

#include "base/file.h"
#include "base/job_file.h"
#include "launch/checkpoint_choice.h"
#include "ps/checkpoint_reader.h"

namespace sherd {
namespace {

void MakeAbsolute(const std::string& data_dir, google::protobuf::RepeatedPtrField<std::string>* paths) {
  for (std::string& path : *paths) path = JoinPath(data_dir, path);
}

// " 3f800000 …": every bit, so that a zero's sign and a NaN count too.
void AppendBits(std::span<const float> values, std::string* text) {
  char hex[16];
  for (const float value : values) {
    std::snprintf(hex, sizeof hex, " %08x", std::bit_cast<std::uint32_t>(value));
    *text += hex;
  }
  *text += '\n';
}

}  // namespace

TestJob::TestJob(const std::string& shipped) : folder_("/tmp/sherd-job-XXXXXX") {
  CHECK(::mkdtemp(folder_.data()) != nullptr) << "no folder for a test's files";
  const std::string jobs = std::string(SHERD_SOURCE_DIR) + "/launch/jobs";
  const std::string file = jobs + "/" + shipped + ".pbtxt";
  Result<proto::Job> job = ParseJob(ReadOrDie(file), file);
  CHECK(job.ok()) << job.status().text();
  job_ = *std::move(job);
  proto::Data* data = job_.mutable_data();
  const std::string data_dir = JoinPath(jobs, data->data_dir());
  MakeAbsolute(data_dir, data->mutable_train());
  MakeAbsolute(data_dir, data->mutable_eval());
  MakeAbsolute(data_dir, data->mutable_test());
  data->clear_data_dir();
  job_.clear_checkpoint();
}

TestJob::~TestJob() {
  if (::testing::Test::HasFailure()) return;  // for whoever looks into it
  const Status removed = RemoveTree(folder_);
  LOG_IF(WARNING, !removed.ok()) << removed.text();
}

void TestJob::Shorten(int rows) {
  for (int i = 0; i < job_.data().train_size(); ++i) {
    std::istringstream all(ReadOrDie(job_.data().train(i)));
    std::string text, line;
    for (int row = 0; row < rows && std::getline(all, line); ++row) text += line + "\n";
    const std::string path = Path("train" + std::to_string(i));
    WriteOrDie(path, text);
    job_.mutable_data()->set_train(i, path);
  }
}

std::string TestJob::Write() {
  const std::string path = Path("job.pbtxt");
  WriteOrDie(path, JobToText(job_));
  return path;
}

std::vector<std::string> OneProcess(const std::vector<std::string>& arguments) {
  std::vector<std::string> command = {SHERD_BINARY};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return command;
}

std::vector<std::string> UnderMpirun(int ranks, const std::vector<std::string>& arguments) {
  std::vector<std::string> command = {"env", "SHERD=" SHERD_BINARY, SHERD_SOURCE_DIR "/launch/sherd-mpirun", "-np",
                                      std::to_string(ranks)};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return command;
}

double DoneMetric(const std::string& metrics_file, const std::string& set, const std::string& metric) {
  const double nothing = std::numeric_limits<double>::quiet_NaN();
  const std::vector<std::string> lines = Lines(ReadOrDie(metrics_file));
  if (lines.empty() || lines.back().find("\"event\":\"done\"") == std::string::npos) return nothing;
  const std::string& line = lines.back();
  const std::size_t begin = line.find("\"" + set + "\":{");
  if (begin == std::string::npos) return nothing;
  const std::string object = line.substr(begin, line.find('}', begin) - begin);
  const std::size_t at = object.find("\"" + metric + "\":");
  return at == std::string::npos ? nothing : std::strtod(object.c_str() + at + metric.size() + 3, nullptr);
}

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::string ReadOrDie(const std::string& path) {
  Result<std::string> text = ReadFile(path);
  CHECK(text.ok()) << text.status().text();
  return *std::move(text);
}

void WriteOrDie(const std::string& path, const std::string& text) {
  std::ofstream file(path);  // not by the layer that a test may have replaced
  file << text;
  CHECK(file.flush()) << path;
}

std::string CheckpointContents(const std::string& job_dir) {
  const CheckpointChoice choice = ChooseCheckpoint(job_dir);
  CHECK(!choice.dir.empty()) << "no checkpoint in " << job_dir;
  Result<std::unique_ptr<CheckpointReader>> opened = CheckpointReader::Open(choice.dir);
  CHECK(opened.ok()) << opened.status().text();
  CheckpointReader& reader = **opened;
  std::string text;
  for (int i = 0; i < reader.model().table_size(); ++i) {
    const Status read = reader.ForEachRow(static_cast<std::uint32_t>(i), [&](Key key, std::span<const float> row) {
      text += reader.model().table(i).name() + " " + std::to_string(key);
      AppendBits(row, &text);
      return Status();
    });
    CHECK(read.ok()) << read.text();
  }
  const Status read = reader.ForEachDenseBlock(
      [&](std::uint32_t tensor, std::uint32_t first, std::uint32_t length, std::span<const float> values) {
        text += reader.model().tensor(static_cast<int>(tensor)).name() + " " + std::to_string(first);
        AppendBits(values, &text);
        return Status();
      });
  CHECK(read.ok()) << read.text();
  return text;
}

}  // namespace sherd
