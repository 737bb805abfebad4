#include "base/job_file.h"

#include <gmock/gmock.h>

#include <sstream>

namespace sherd {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

constexpr char kGood[] = R"(name: "toy"
data {
  format: CRITEO_TSV
  train: "a.tsv"
}
feature { column: "C1..C26" categorical {} }
model { name: "lr" }
train {
  batch_size: 256
  consistency: BSP
}
)";

std::vector<std::string> Problems(const std::string& text) {
  const auto job = ParseJob(text, "j.pbtxt");
  if (job.ok()) return {};
  EXPECT_EQ(job.status().code(), ErrorCode::kInvalid);
  std::vector<std::string> lines;
  std::istringstream in(job.status().text());
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

proto::Job Good() { return ParseJob(kGood, "j.pbtxt").value(); }

std::string With(const std::string& from, const std::string& to) {
  std::string text = kGood;
  return text.replace(text.find(from), from.size(), to);
}

TEST(JobFile, ReadsWhatItWrites) {
  const proto::Job job = Good();
  EXPECT_EQ(job.train().batch_size(), 256);
  EXPECT_EQ(JobToText(ParseJob(JobToText(job), "again").value()), JobToText(job));
}

// Each kind of mistake at once, each with its own line: that is what saves a user from one run a mistake.
TEST(JobFile, ReportsEverythingAtOnceInTheOrderOfTheFile) {
  EXPECT_THAT(
      Problems(R"(data {
  format: CRITEO_TVS
  eval_fraction: 0.95
  negative_rate: 0
}
feature { column: "C1" categorical {} dimension: 3 }
feature { bucket { quantiles: 1 edge: 3 } }
model { }
train {
  batchsize: 12
  epochs: 0
  epochs_more { a: 1 b { c: "}" } }
  seed: -3
  max_staleness: 99999999999
  consistency: SOMETIMES
}
evaluation { restore_best: maybe }
)"),
      ElementsAre(
          "j.pbtxt: name: is required",
          "j.pbtxt:2: data.format: CRITEO_TVS is not one of DELIMITED, CRITEO_TSV, LIBSVM, USER_ITEM, ROW_FILE, "
          "LIBFFM, JSON_LINES, TF_RECORD",
          "j.pbtxt:3: data.eval_fraction: 0.95 is outside 0..0.9",
          "j.pbtxt:4: data.negative_rate: 0 is outside 0..1 without 0",
          "j.pbtxt:6: dimension: unknown field of Feature",
          "j.pbtxt:7: feature[1].bucket.quantiles: 1 is outside 2..10000", "j.pbtxt:8: model.name: is required",
          "j.pbtxt:10: batchsize: unknown field of Train (did you mean batch_size?)",
          "j.pbtxt:11: train.epochs: 0 is outside 1..100000", "j.pbtxt:12: epochs_more: unknown field of Train",
          "j.pbtxt:13: train.seed: -3 is outside 0..18446744073709551615",
          "j.pbtxt:14: train.max_staleness: 99999999999 is outside 1..10000",
          "j.pbtxt:15: train.consistency: SOMETIMES is not one of BSP, BOUNDED, ASYNC",
          "j.pbtxt:17: evaluation.restore_best: maybe is not true or false"));
}

TEST(JobFile, NamesTheTypeThatANumberShouldHave) {
  EXPECT_THAT(Problems(With("256", "1.5")), ElementsAre("j.pbtxt:9: train.batch_size: 1.5 is not a whole number"));
  EXPECT_THAT(Problems(With("256", "\"x\"")), ElementsAre("j.pbtxt:9: train.batch_size: \"x\" is not a whole number"));
  EXPECT_THAT(Problems(With("256", "-7")), ElementsAre("j.pbtxt:9: train.batch_size: -7 is outside 1..1048576"));
  EXPECT_THAT(Problems(With("train: \"a.tsv\"", "eval_fraction: nan")),
              ElementsAre("j.pbtxt:4: data.eval_fraction: nan is outside 0..0.9"));
}

TEST(JobFile, NamesTheFieldThatShouldBeText) {
  EXPECT_THAT(Problems(With("\"toy\"", "5")), ElementsAre("j.pbtxt:1: name: 5 is not a text in quotes"));
  EXPECT_THAT(Problems(With("\"a.tsv\"", "a.tsv")),
              ElementsAre("j.pbtxt:4: data.train[0]: a.tsv is not a text in quotes"));
}

TEST(JobFile, ASyntaxErrorComesWithItsLineAndWhatWasFoundBefore) {
  const auto problems = Problems("name: \"x\"\nnonsense: 3\ndata { format CRITEO }\n");
  ASSERT_EQ(problems.size(), 2u);
  EXPECT_THAT(problems[0], StartsWith("j.pbtxt:2: nonsense: unknown field of Job"));
  EXPECT_THAT(problems[1], StartsWith("j.pbtxt:3: syntax error: "));
}

// A value that cannot be put right may not keep the parser trying for ever.
TEST(JobFile, OddTextEndsInAnError) {
  for (const char* text :
       {"train { consistency: # consistency: X\n X }", "train { consistency: [BSP, X] }", "train { epochs: - }",
        "train { epochs: }", "train { epochs: -", "\"", "{", "}", "train <", "train { consistency: X consistency: X }",
        "train {\tseed: -1\tseed: -1 }", "1: 2", "[a.b]: 3", "train { epochs: 'a\nb' }"}) {
    EXPECT_THAT(Problems(text), testing::Not(IsEmpty())) << text;
  }
  EXPECT_THAT(Problems(std::string("name: \"\0\xff", 9)), testing::Not(IsEmpty()));
  EXPECT_THAT(Problems(""), testing::Contains("j.pbtxt: data: is required"));
}

TEST(JobFile, ChangedValuesAreCheckedWithoutLines) {
  proto::Job job = Good();
  EXPECT_THAT(FindRuleViolations(job), IsEmpty());
  job.mutable_train()->set_batch_size(0);
  job.mutable_model()->mutable_tower()->add_hidden(64);
  job.mutable_model()->mutable_tower()->add_hidden(0);
  job.mutable_model()->mutable_tower()->set_dropout(1);
  EXPECT_THAT(FindRuleViolations(job), ElementsAre("model.tower.hidden[1]: 0 is outside 1..65536",
                                                   "model.tower.dropout: 1 is outside 0..1 without 1",
                                                   "train.batch_size: 0 is outside 1..1048576"));
}

TEST(JobFile, SetsFieldsByText) {
  proto::Job job = Good();
  EXPECT_TRUE(SetJobField(&job, "train.epochs", "7").ok());
  EXPECT_TRUE(SetJobField(&job, "train.consistency", "bounded").ok());
  EXPECT_TRUE(SetJobField(&job, "data.train", "x,y,z").ok());
  EXPECT_TRUE(SetJobField(&job, "cluster.interface", "eth0").ok());
  EXPECT_EQ(job.train().epochs(), 7);
  EXPECT_EQ(job.train().consistency(), proto::Train::BOUNDED);
  EXPECT_THAT(job.data().train(), ElementsAre("x", "y", "z"));
  EXPECT_EQ(job.cluster().interface(), "eth0");
  const auto problem = [&](const char* path, const char* value) { return SetJobField(&job, path, value).text(); };
  EXPECT_EQ(problem("train.epochs", "0"), "0 is outside 1..100000");
  EXPECT_EQ(problem("train.epochs", "-1"), "-1 is outside 1..100000");
  EXPECT_EQ(problem("train.epochs", "many"), "many is not a whole number");
  EXPECT_EQ(problem("train.consistency", "sometimes"), "sometimes is not one of BSP, BOUNDED, ASYNC");
  EXPECT_EQ(problem("data.eval_fraction", "1e9"), "1000000000 is outside 0..0.9");
}

TEST(JobFile, FingerprintIsOfTheModelAlone) {
  const std::uint64_t original = ModelFingerprint(Good());
  proto::Job job = Good();
  // Where and how long a model is trained does not make it another one; nor does spelling out a default.
  job.mutable_train()->set_epochs(9);
  job.mutable_data()->add_train("b.tsv");
  job.mutable_cluster()->set_servers(7);
  job.mutable_model()->set_embedding_dim(16);
  EXPECT_EQ(ModelFingerprint(job), original);
  job.mutable_model()->mutable_embedding_optimizer()->mutable_adam();
  const std::uint64_t with_adam = ModelFingerprint(job);
  EXPECT_NE(with_adam, original);
  job.mutable_model()->mutable_embedding_optimizer()->mutable_adam()->set_learning_rate(0.5);
  EXPECT_EQ(ModelFingerprint(job), with_adam);
  job.mutable_model()->set_embedding_dim(17);
  EXPECT_NE(ModelFingerprint(job), with_adam);
  proto::Job renamed = Good();
  renamed.mutable_feature(0)->set_name("clicks");
  EXPECT_NE(ModelFingerprint(renamed), original);
}

// A job that stopped for want of memory goes on with other storage.
TEST(JobFile, FingerprintIsNotOfTheStorage) {
  const std::uint64_t original = ModelFingerprint(Good());
  proto::Job job = Good();
  job.mutable_model()->mutable_storage()->set_weights(proto::RowStorage::BF16);
  proto::Table* const table = job.add_table();
  table->set_name("embedding");
  table->mutable_storage()->set_at_budget(proto::RowStorage::SPILL);
  EXPECT_EQ(ModelFingerprint(job), original);
  EXPECT_THAT(ModelDifferences(Good(), job), IsEmpty());
  table->set_dim(3);
  EXPECT_NE(ModelFingerprint(job), original);
}

TEST(JobFile, FingerprintIsNotOfThePrecisionOfProducts) {
  proto::Job job = Good();
  job.mutable_model()->set_dense_precision(proto::Model::BF16);
  EXPECT_EQ(ModelFingerprint(job), ModelFingerprint(Good()));
}

TEST(JobFile, DifferencesNameTheFields) {
  proto::Job there = Good(), here = Good();
  EXPECT_THAT(ModelDifferences(there, here), IsEmpty());
  here.mutable_model()->set_embedding_dim(32);
  here.mutable_model()->mutable_tower()->add_hidden(8);
  here.add_feature()->set_column("C9");
  const auto lines = ModelDifferences(there, here);
  EXPECT_EQ(lines.size(), 3u);  // nothing twice
  EXPECT_THAT(lines, testing::Contains("model.embedding_dim: default there, 32 here"));
  EXPECT_THAT(lines, testing::Contains(HasSubstr("feature[1]: default there, {")));
  EXPECT_THAT(lines, testing::Contains(HasSubstr("model.tower: default there, {hidden: 8} here")));
}

}  // namespace
}  // namespace sherd
