#include "tests/launch/convert/conversion_testing.h"

#include <algorithm>
#include <barrier>
#include <filesystem>
#include <sstream>
#include <thread>

#include "base/file.h"
#include "base/hash.h"
#include "base/job_file.h"
#include "launch/convert/conversion.h"
#include "launch/convert/crew.h"

namespace sherd {
namespace {

constexpr char kColumns[] = R"(
  delimited {
    header: true
    column { name: "label" type: INTEGER } column { name: "n" type: FLOAT } column { name: "t" } column { name: "l" }
    column { name: "when" type: INTEGER } column { name: "g" }
    label: "label"
  }
})";
constexpr char kFeatures[] = R"(
feature { column: "n" number { transform: LOG } }
feature { name: "nb" column: "n" bucket { edge: 3 edge: 10.5 } }
feature { column: "t" categorical {} }
feature { name: "again" column: "t" categorical {} }
feature { column: "l" categorical { separator: "|" pooling: MEAN } table: "lists" }
feature { name: "standard" column: "n" number {} }
feature { name: "quarter" column: "n" bucket { quantiles: 4 } }
model { name: "lr" }
train { batch_size: 64 }
)";

// Ranks as threads of this process.
class ThreadRanks {
 public:
  explicit ThreadRanks(std::uint32_t ranks) : barrier_(ranks), texts_(ranks) {}

  class Rank : public RankGroup {
   public:
    Rank(ThreadRanks* all, std::uint32_t rank) : all_(*all), rank_(rank) {}
    std::uint32_t rank() const override { return rank_; }
    std::uint32_t size() const override { return static_cast<std::uint32_t>(all_.texts_.size()); }
    Status Broadcast(std::string*, double) override { return Status::Unavailable("not here"); }
    Result<std::vector<std::string>> Gather(const std::string& text, double) override {
      all_.texts_[rank_] = text;
      all_.barrier_.arrive_and_wait();
      std::vector<std::string> texts = all_.texts_;
      all_.barrier_.arrive_and_wait();
      return texts;
    }

   private:
    ThreadRanks& all_;
    const std::uint32_t rank_;
  };

 private:
  std::barrier<> barrier_;
  std::vector<std::string> texts_;
};

}  // namespace

std::string ConversionFolder::Rows(int begin, int end) {
  std::string text = "label,n,t,l,when,g\n";
  for (int i = begin; i < end; ++i) {
    const auto word = [i](int column, int of) { return std::to_string(Mix(i, column) % of); };
    text += Mix(i) % 4 == 0 ? "1," : "0,";
    text += (i % 11 == 0 ? "" : i % 3 == 0 ? word(1, 5000) + ".25" : word(1, 20)) + ",";
    text += (i % 13 == 0 ? "" : "token" + word(2, 37)) + ",";
    text += "a" + word(3, 5) + "||b" + word(4, 9) + "," + std::to_string(i) + ",g" + word(5, 3) + "\n";
  }
  return text;
}

ConversionFolder::ConversionFolder(const std::string& data) {
  Write("job.pbtxt", "name: \"rows\" data { format: DELIMITED " + data + kColumns + kFeatures);
}

Status ConversionFolder::Convert(const std::string& out, const ConvertRequest& flags, std::uint32_t threads,
                                 std::uint32_t ranks) {
  JobRequest request;
  request.command = JobRequest::Command::kConvert;
  request.job_file = Path("job.pbtxt");
  request.convert = flags;
  request.convert.out = Path(out);
  ThreadRanks all(ranks);
  std::vector<Status> ends(ranks);
  std::ostringstream said;
  std::vector<std::thread> running;
  for (std::uint32_t i = 0; i < ranks; ++i) {
    running.emplace_back([&, i] {
      ThreadRanks::Rank rank(&all, i);
      Crew crew(&rank, threads);
      ends[i] = Conversion(request, &crew, &said).Run();
    });
  }
  for (std::thread& rank : running) rank.join();
  said_ = said.str();
  for (const Status& end : ends) EXPECT_EQ(end.ok() ? "" : end.text(), ends[0].ok() ? "" : ends[0].text());
  return ends[0];
}

proto::Job ConversionFolder::Job(const std::string& out) const {
  const std::string folder = out.empty() ? folder_.path() : Path(out);
  const auto text = ReadFile(folder + "/job.pbtxt");
  CHECK(text.ok()) << text.status().text();
  auto job = ParseJob(*text, folder + "/job.pbtxt");
  CHECK(job.ok()) << job.status().text();
  job->mutable_data()->set_data_dir(folder);
  return *job;
}

std::map<std::string, std::string> FilesIn(const std::string& path) {
  std::map<std::string, std::string> files;
  std::error_code none;
  for (std::filesystem::recursive_directory_iterator entry(path, none), end; !none && entry != end;
       entry.increment(none)) {
    const std::string name = std::filesystem::relative(entry->path(), path).string();
    files[name] = entry->is_directory() ? "folder" : *ReadFile(entry->path().string());
  }
  return files;
}

std::vector<std::string> RowTexts(const proto::Job& job, proto::Chunk::Set set) {
  OpenedData data(job);
  std::vector<std::string> texts;
  for (const ReadRow& row : data.ReadAll(set)) {
    std::ostringstream text;
    text.precision(9);
    text << row.label;
    for (const float number : row.numbers) text << ' ' << number;
    for (std::size_t t = 0; t < row.keys.size(); ++t) {
      for (std::size_t f = 0; f < row.keys[t].size(); ++f) {
        for (std::size_t i = 0; i < row.keys[t][f].size(); ++i) {
          text << ' ' << row.keys[t][f][i] << '*' << row.weights[t][f][i];
        }
      }
    }
    texts.push_back(text.str());
  }
  std::sort(texts.begin(), texts.end());
  return texts;
}

}  // namespace sherd
