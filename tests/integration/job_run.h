#pragma once

#include <string>
#include <vector>

#include "proto/job.pb.h"
#include "tests/testing/process.h"

namespace sherd {

// A job of one test: a shipped job file with changes, and a private folder that holds all that the test reads and
// writes.
class TestJob {
 public:
  // `shipped` names a file of launch/jobs/ without its ending. Data paths are made absolute; no checkpoints are kept.
  explicit TestJob(const std::string& shipped);
  ~TestJob();
  TestJob(const TestJob&) = delete;
  TestJob& operator=(const TestJob&) = delete;

  proto::Job& job() { return job_; }
  // A path in the private folder.
  std::string Path(const std::string& name) const { return folder_ + "/" + name; }
  // Trains on the first `rows` rows of each training file alone.
  void Shorten(int rows);
  // Writes the job as it is now and returns the file's path.
  std::string Write();

 private:
  std::string folder_;
  proto::Job job_;
};

// The command lines of the program under test: as one process, or under mpirun by the start script.
std::vector<std::string> OneProcess(const std::vector<std::string>& arguments);
std::vector<std::string> UnderMpirun(int ranks, const std::vector<std::string>& arguments);

// Of the last line of a metrics file, which is the "done" event: {"event":"done",…,"test":{"auc":0.9}}. NaN: not there.
double DoneMetric(const std::string& metrics_file, const std::string& set, const std::string& metric);

std::vector<std::string> Lines(const std::string& text);
std::string ReadOrDie(const std::string& path);
void WriteOrDie(const std::string& path, const std::string& text);

// The rows and dense blocks of a checkpoint as text, one a line in ascending order: table, key and the bits of all
// weights and of the optimizer's state. Equal texts are equal checkpoints, however many files they stand in.
std::string CheckpointContents(const std::string& dir);

}  // namespace sherd
