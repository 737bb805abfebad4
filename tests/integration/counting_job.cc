#include "tests/integration/counting_job.h"

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <map>
#include <thread>

#include "base/file.h"
#include "launch/checkpoint_choice.h"
#include "ps/checkpoint_reader.h"

namespace sherd {
namespace {

constexpr double kRate = 1e-9;
constexpr const char* kOwn[] = {"a", "b", "c"};  // fields with a token of each row's own

void AddField(const std::string& name, proto::Job* job) {
  job->mutable_data()->mutable_delimited()->add_column()->set_name(name);
  proto::Feature* feature = job->add_feature();
  feature->set_column(name);
  feature->mutable_categorical();
}

std::uint64_t SumOf(const std::string& line, const std::string& name, std::uint64_t* count = nullptr) {
  const std::string field = "\"" + name + "\":";
  std::uint64_t sum = 0;
  for (std::size_t at = line.find(field); at != std::string::npos; at = line.find(field, at + 1)) {
    sum += std::strtoull(line.c_str() + at + field.size(), nullptr, 10);
    if (count != nullptr) ++*count;
  }
  return sum;
}

}  // namespace

CountingJob::CountingJob(Shape shape) : shape_(shape), test_("adult_deepfm") {
  proto::Job job;
  job.set_name("counting");
  proto::Data* data = job.mutable_data();
  data->set_format(proto::Data::DELIMITED);
  data->add_train(test_.Path("data/*"));
  data->set_in_memory_bytes(shape.in_memory);
  data->set_max_bad_fraction(0.5);
  proto::Column* label = data->mutable_delimited()->add_column();
  label->set_name("label");
  label->set_type(proto::Column::FLOAT);
  data->mutable_delimited()->set_label("label");
  for (const char* name : kOwn) AddField(name, &job);
  AddField("file", &job);
  job.mutable_model()->set_name("lr");
  job.mutable_model()->mutable_embedding_optimizer()->mutable_sgd()->set_learning_rate(kRate);
  job.mutable_model()->mutable_dense_optimizer()->mutable_sgd()->set_learning_rate(kRate);
  job.mutable_train()->set_batch_size(kBatch);
  job.mutable_cluster()->set_heartbeat_timeout(3);
  job.mutable_cluster()->set_request_timeout(30);
  job.mutable_checkpoint()->set_dir(test_.Path("checkpoints"));
  test_.job() = job;
  WriteData();
}

void CountingJob::WriteData() {
  CHECK(MakeDirectory(test_.Path("data")).ok());
  for (std::uint32_t file = 0; file < shape_.files; ++file) {
    const std::string name = "f" + std::to_string(file);
    std::string text;
    for (std::uint32_t row = 0; row < shape_.rows; ++row) {
      const bool bad = shape_.bad_every > 0 && row % shape_.bad_every == 1;
      ++(bad ? bad_ : good_);
      text += bad ? "x" : "0";
      for (const char* field : kOwn) text.append(",").append(name).append("r" + std::to_string(row)).append(field);
      text.append(",").append(name).append("\n");
    }
    WriteOrDie(test_.Path("data/" + name), text);
  }
}

Result<std::map<double, std::uint64_t>> CountingJob::WeightsByCount() const {
  const CheckpointChoice choice = ChooseCheckpoint(test_.Path("checkpoints"));
  if (choice.dir.empty()) return Status::NotFound("there is no checkpoint");
  ASSIGN_OR_RETURN(const auto opened, CheckpointReader::Open(choice.dir));
  CheckpointReader& reader = *opened;
  const double step = -kRate * 0.5 / kBatch;
  std::map<double, std::uint64_t> weights_of;  // by count
  for (int table = 0; table < reader.model().table_size(); ++table) {
    RETURN_IF_ERROR(
        reader.ForEachRow(static_cast<std::uint32_t>(table), [&](Key, std::span<const float> row) -> Status {
          ++weights_of[std::round(row[0] / step * 10) / 10];
          return {};
        }));
  }
  return weights_of;
}

std::optional<std::uint64_t> CountingJob::MissingUpdates() const {
  const auto weights_of = WeightsByCount();
  if (!weights_of.ok()) return {};
  std::uint64_t updates = 0;
  for (const auto& [count, weights] : *weights_of) {
    if (count > shape_.rows * 1.001 || (count > 1 && count < kBatch)) return {};
    updates += weights * (count == 1 ? 1 : static_cast<std::uint64_t>(std::round(count / kBatch)));
  }
  const std::uint64_t expected = std::size(kOwn) * good_ + good_ / kBatch;
  return updates <= expected ? std::optional(expected - updates) : std::nullopt;
}

std::string CountingJob::WrongCounts(std::uint32_t epochs) const {
  const auto weights_of = WeightsByCount();
  if (!weights_of.ok()) return weights_of.status().text();
  std::map<double, std::uint64_t> expected;
  expected[epochs] += std::size(kOwn) * good_;
  expected[std::round(epochs * shape_.rows)] += shape_.files;
  // A file's token is stepped many times, so its count is known to a part in a thousand.
  std::map<double, std::uint64_t> found;
  for (const auto& [count, weights] : *weights_of) {
    found[count > 100 ? std::round(count / epochs) * epochs : count] += weights;
  }
  if (found == expected) return "";
  std::string text = "weights by count:";
  for (const auto& [count, weights] : found) text += " " + std::to_string(count) + ": " + std::to_string(weights) + ";";
  return text;
}

EpochAccounts AccountsOf(const std::string& metrics_file, int epoch) {
  EpochAccounts accounts;
  for (const std::string& line : Lines(ReadOrDie(metrics_file))) {
    if (line.find("\"event\":\"epoch\"") == std::string::npos || --epoch > 0) continue;
    const std::string files = line.substr(line.find("\"files\":"));
    accounts.read = SumOf(files, "read", &accounts.files);
    accounts.trained = SumOf(files, "trained");
    accounts.bad = SumOf(files, "bad");
    accounts.repeated = SumOf(files, "repeated");
    accounts.seconds = std::strtod(line.c_str() + line.find("\"seconds\":") + 10, nullptr);
    break;
  }
  return accounts;
}

bool WaitForEvent(const std::string& metrics_file, const std::string& event, double seconds, int times) {
  const std::string wanted = "\"event\":\"" + event + "\"";
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (std::chrono::steady_clock::now() < deadline) {
    const Result<std::string> text = ReadFile(metrics_file);
    int found = 0;
    for (std::size_t at = 0; text.ok() && (at = text->find(wanted, at)) != std::string::npos; ++at) ++found;
    if (found >= times) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return false;
}

}  // namespace sherd
