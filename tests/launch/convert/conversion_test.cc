#include "launch/convert/conversion.h"

#include <gmock/gmock.h>

#include <atomic>
#include <cmath>

#include "base/file.h"
#include "base/file_system.h"
#include "base/job_file.h"
#include "launch/convert/crew.h"
#include "tests/base/faulty_file_system.h"
#include "tests/launch/convert/conversion_testing.h"
#include "worker/data/recorded_statistics.h"

namespace sherd {
namespace {

using proto::Chunk;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::UnorderedElementsAre;

ConvertRequest InPieces(const std::string& text_bytes = "4k") {
  ConvertRequest flags;
  flags.text_bytes = text_bytes;
  return flags;
}

std::vector<std::string> NamesIn(const std::string& path) {
  std::vector<std::string> names;
  for (const auto& [name, bytes] : FilesIn(path)) names.push_back(name);
  return names;
}

proto::DataStatistics StatisticsIn(const std::string& out) {
  const auto statistics = ParseStatistics(*ReadFile(out + "/statistics.pbtxt"), out);
  CHECK(statistics.ok()) << statistics.status().text();
  return *statistics;
}

TEST(ConversionTest, TheRowsAreThoseOfTheTextHashedAndKept) {
  ConversionFolder folder("train: 'rows.csv' train: 'more.csv' test: 'test.csv'");
  folder.Write("rows.csv", ConversionFolder::Rows(0, 1000));
  folder.Write("more.csv", Gzip(ConversionFolder::Rows(1000, 1300)));
  folder.Write("test.csv", ConversionFolder::Rows(1300, 1500));
  ConvertRequest kept = InPieces();
  kept.keep_tokens = true;
  ASSERT_EQ(folder.Convert("hashed", InPieces()).ok(), true);
  const Status status = folder.Convert("kept", kept);
  ASSERT_TRUE(status.ok()) << status.text();
  for (const Chunk::Set set : {Chunk::TRAIN, Chunk::TEST}) {
    const std::vector<std::string> rows = RowTexts(folder.Job(), set);
    EXPECT_EQ(rows.size(), set == Chunk::TRAIN ? 1300u : 200u);
    EXPECT_EQ(RowTexts(folder.Job("hashed"), set), rows);
    EXPECT_EQ(RowTexts(folder.Job("kept"), set), rows);
  }
  EXPECT_THAT(NamesIn(folder.Path("hashed")),
              IsSupersetOf({"job.pbtxt", "statistics.pbtxt", "train-00000.sherd", "train-00005.sherd",
                            "test-00000.sherd", "test-00001.sherd"}));
  EXPECT_THAT(folder.said(), AllOf(HasSubstr("1,300 rows"), HasSubstr("200 rows"), HasSubstr("token")));
}

TEST(ConversionTest, TheBytesAreTheSameOnAnyThreadsAndRanks) {
  ConversionFolder folder("train: 'rows.csv' train: 'more.csv' eval_fraction: 0.1");
  folder.Write("rows.csv", ConversionFolder::Rows(0, 3000));
  folder.Write("more.csv", Xz(ConversionFolder::Rows(3000, 5000)));
  ConvertRequest flags = InPieces("10k");
  flags.split = "time:when:0.2";
  ASSERT_TRUE(folder.Convert("one", flags).ok());
  ASSERT_TRUE(folder.Convert("four", flags, 4).ok());
  ASSERT_TRUE(folder.Convert("ranks", flags, 2, 3).ok());
  const auto one = FilesIn(folder.Path("one"));
  EXPECT_GT(one.size(), 20u);
  EXPECT_EQ(FilesIn(folder.Path("four")), one);
  EXPECT_EQ(FilesIn(folder.Path("ranks")), one);
}

TEST(ConversionTest, EvaluationRowsAreThoseThatTrainingWouldKeepOut) {
  ConversionFolder folder("train: 'rows.csv' eval_fraction: 0.2");
  folder.Write("rows.csv", ConversionFolder::Rows(0, 2000));
  ASSERT_TRUE(folder.Convert("out", InPieces()).ok());
  for (const Chunk::Set set : {Chunk::TRAIN, Chunk::EVAL}) {
    EXPECT_EQ(RowTexts(folder.Job("out"), set), RowTexts(folder.Job(), set));
  }
}

// The largest and smallest `when` of a set's rows: the test's job has it as a feature.
std::pair<double, double> Times(proto::Job job, Chunk::Set set) {
  OpenedData data(std::move(job));
  double least = 1e9, most = -1;
  for (const ReadRow& row : data.ReadAll(set)) {
    least = std::min<double>(least, row.numbers.back());
    most = std::max<double>(most, row.numbers.back());
  }
  return {least, most};
}

TEST(ConversionTest, SplitsByTimeAndByPlace) {
  for (const char* split : {"time:when:0.25", "last:0.25"}) {
    ConversionFolder folder("train: 'rows.csv'");
    const std::string job = *ReadFile(folder.Path("job.pbtxt"));
    folder.Write("job.pbtxt", job + "feature { name: \"zz\" column: \"when\" number { transform: NONE } }");
    folder.Write("rows.csv", ConversionFolder::Rows(0, 2000));
    ConvertRequest flags = InPieces();
    flags.split = split;
    const Status status = folder.Convert("out", flags, 2);
    ASSERT_TRUE(status.ok()) << status.text();
    EXPECT_EQ(Times(folder.Job("out"), Chunk::TRAIN), std::pair(0.0, 1499.0)) << split;
    EXPECT_EQ(Times(folder.Job("out"), Chunk::TEST), std::pair(1500.0, 1999.0)) << split;
  }
}

TEST(ConversionTest, SplitsByHash) {
  ConversionFolder folder("train: 'rows.csv'");
  folder.Write("rows.csv", ConversionFolder::Rows(0, 5000));
  ConvertRequest flags = InPieces("16k");
  flags.split = "hash:0.1";
  ASSERT_TRUE(folder.Convert("out", flags).ok());
  std::vector<std::string> train = RowTexts(folder.Job("out"), Chunk::TRAIN);
  const std::vector<std::string> test = RowTexts(folder.Job("out"), Chunk::TEST);
  EXPECT_NEAR(static_cast<double>(test.size()), 500, 100);
  EXPECT_EQ(train.size() + test.size(), 5000u);
}

TEST(ConversionTest, BadSplitsAreRefused) {
  ConversionFolder folder("train: 'rows.csv'");
  folder.Write("rows.csv", ConversionFolder::Rows(0, 100));
  for (const char* split : {"0.1", "hash:", "hash:1", "hash:x", "time:0.1", "time::0.1", "time:t:0.1", "time:no:0.1",
                            "last:a:0.1", "middle:0.1"}) {
    ConvertRequest flags;
    flags.split = split;
    const Status status = folder.Convert("out", flags);
    ASSERT_FALSE(status.ok()) << split;
    EXPECT_EQ(status.code(), ErrorCode::kInvalid) << split;
    EXPECT_THAT(status.text(), HasSubstr("--split")) << split;
    EXPECT_THAT(NamesIn(folder.Path("out")), IsEmpty()) << split;
  }
}

TEST(ConversionTest, BadRowsAreLeftOutCountedAndShown) {
  ConversionFolder folder("train: 'rows.csv' max_bad_fraction: 0.01");
  std::string text = ConversionFolder::Rows(0, 2000);
  const std::string bad = "1,many,t,l,5,g\n7,1,t,l,5,g\n1,lots,t,l,5,g\n";
  folder.Write("rows.csv", text + bad);
  const Status status = folder.Convert("out", InPieces(), 3);
  ASSERT_TRUE(status.ok()) << status.text();
  EXPECT_THAT(folder.said(), AllOf(HasSubstr("bad rows  3"), HasSubstr("2 x number expected, got \"many\""),
                                   HasSubstr("rows.csv:2002: column n"), HasSubstr("rows.csv:2003: column label")));
  EXPECT_EQ(RowTexts(folder.Job("out"), Chunk::TRAIN).size(), 2000u);
}

// A wrong delimiter, say: days of files need not be read for it.
TEST(ConversionTest, TooManyBadRowsAreFoundOutLongBeforeTheEnd) {
  ConversionFolder folder("train: 'rows.csv' max_bad_fraction: 0.01");
  std::string rows = ConversionFolder::Rows(0, 100);
  for (int i = 0; i < 200'000; ++i) rows += "no;row\n";
  folder.Write("rows.csv", rows);
  const Status status = folder.Convert("out", InPieces("64k"), 2, 2);
  EXPECT_EQ(status.code(), ErrorCode::kBadData);
  EXPECT_THAT(status.text(),
              HasSubstr("rows read so far are bad, more than data.max_bad_fraction = 0.01; one of them: " +
                        folder.Path("rows.csv") + ":"));
  const std::string of = " of the ";
  const std::uint64_t read = std::stoull(status.text().substr(status.text().find(of) + of.size()));
  EXPECT_LT(read, 50'000u);
  EXPECT_THAT(FilesIn(folder.Path("out")), IsEmpty());
}

TEST(ConversionTest, AFullDiskFailsAndNothingIsLeft) {
  ConversionFolder folder("train: 'rows.csv'");
  folder.Write("rows.csv", ConversionFolder::Rows(0, 2000));
  FaultyFileSystem disk;
  disk.room = 20'000;  // a part of the pieces
  Status status;
  {
    const FileSystemReplacement replacement(&disk);
    status = folder.Convert("out", InPieces("8k"), 2);
  }
  EXPECT_EQ(status.code(), ErrorCode::kIo);
  EXPECT_THAT(status.text(), AllOf(HasSubstr(folder.Path("out")), HasSubstr("No space left on device")));
  EXPECT_THAT(FilesIn(folder.Path("out")), IsEmpty());
}

TEST(ConversionTest, TooManyBadRowsFailAndNothingIsLeft) {
  ConversionFolder folder("train: 'rows.csv' max_bad_fraction: 0.001");
  folder.Write("rows.csv", ConversionFolder::Rows(0, 1000) + "1,many,t,l,5,g\n1,many,t,l,5,g\n");
  const Status status = folder.Convert("out", InPieces(), 2, 2);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.code(), ErrorCode::kBadData);
  EXPECT_THAT(status.text(), AllOf(HasSubstr("2 of 1002 rows"), HasSubstr("rows.csv:1002")));
  EXPECT_THAT(NamesIn(folder.Path("out")), IsEmpty());
}

TEST(ConversionTest, ASetWithoutARowThatCanBeReadFailsHoweverFewItHas) {
  ConversionFolder folder("train: 'bad.csv' test: 'rows.csv' max_bad_fraction: 0.5");
  folder.Write("rows.csv", ConversionFolder::Rows(0, 1000));
  folder.Write("bad.csv", ConversionFolder::Rows(0, 0) + "1,many,t,l,5,g\n");
  const Status status = folder.Convert("out");
  EXPECT_EQ(status.code(), ErrorCode::kBadData);
  EXPECT_THAT(status.text(), AllOf(HasSubstr("data.train"), HasSubstr("bad.csv:2: column n")));
  EXPECT_THAT(NamesIn(folder.Path("out")), IsEmpty());
}

TEST(ConversionTest, AFolderWithFilesIsRefusedAndReplacedWhenTold) {
  ConversionFolder folder("train: 'rows.csv'");
  folder.Write("rows.csv", ConversionFolder::Rows(0, 1000));
  ASSERT_TRUE(folder.Convert("out", InPieces("4k")).ok());
  const auto before = FilesIn(folder.Path("out"));
  const Status refused = folder.Convert("out");
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.text(), HasSubstr("--overwrite"));
  EXPECT_EQ(FilesIn(folder.Path("out")), before);
  ConvertRequest flags;
  flags.overwrite = true;
  ASSERT_TRUE(folder.Convert("out", flags).ok());
  EXPECT_THAT(NamesIn(folder.Path("out")), UnorderedElementsAre("job.pbtxt", "statistics.pbtxt", "train-00000.sherd"));
  folder.Write("out/notes.txt", "mine");
  const Status foreign = folder.Convert("out", flags);
  ASSERT_FALSE(foreign.ok());
  EXPECT_THAT(foreign.text(), HasSubstr("notes.txt"));
  EXPECT_EQ(FilesIn(folder.Path("out")).size(), 4u);
}

TEST(ConversionTest, AFailureLeavesWhatWasThereBefore) {
  ConversionFolder folder("train: 'rows.csv'");
  folder.Write("rows.csv", ConversionFolder::Rows(0, 1000));
  ASSERT_TRUE(folder.Convert("out").ok());
  const auto before = FilesIn(folder.Path("out"));
  folder.Write("rows.csv", ConversionFolder::Rows(0, 10) + "bad\nbad\nbad\n");
  ConvertRequest flags;
  flags.overwrite = true;
  ASSERT_FALSE(folder.Convert("out", flags).ok());
  EXPECT_EQ(FilesIn(folder.Path("out")), before);
}

TEST(ConversionTest, StatisticsAreThoseOfTheTrainingRows) {
  ConversionFolder folder("train: 'rows.csv'");
  folder.Write("rows.csv", ConversionFolder::Rows(0, 3000));
  ASSERT_TRUE(folder.Convert("out", InPieces("8k"), 2).ok());
  const proto::DataStatistics statistics = StatisticsIn(folder.Path("out"));
  int positives = 0, missing = 0;
  for (int i = 0; i < 3000; ++i) {
    positives += Mix(i) % 4 == 0;
    missing += i % 11 == 0;
  }
  EXPECT_EQ(statistics.rows(), 3000u);
  EXPECT_DOUBLE_EQ(statistics.label_mean(), positives / 3000.0);
  ASSERT_EQ(statistics.column(0).name(), "n");
  EXPECT_EQ(statistics.column(0).missing(), static_cast<std::uint64_t>(missing));
  EXPECT_EQ(statistics.column(0).count(), static_cast<std::uint64_t>(3000 - missing));
  EXPECT_EQ(statistics.column(1).name(), "t");
  EXPECT_EQ(statistics.column(1).distinct(), 37u);
  EXPECT_EQ(statistics.column(1).token_count_error(), 0u);
  // What training takes from it is what its own pass finds.
  const proto::Job job = folder.Job("out");
  OpenedData text(folder.Job());
  const proto::Statistics own = *text->ComputeStatistics();
  const auto recorded = FindRecordedStatistics(job, *FeatureLayout::Make(job));
  ASSERT_TRUE(recorded.ok()) << recorded.status().text();
  ASSERT_TRUE(recorded->has_value());
  ASSERT_EQ((*recorded)->statistics.column_size(), own.column_size());
  for (int i = 0; i < own.column_size(); ++i) {
    const proto::ColumnStatistics &a = (*recorded)->statistics.column(i), &b = own.column(i);
    EXPECT_EQ(a.name(), b.name());
    EXPECT_EQ(a.count(), b.count());
    EXPECT_EQ(a.missing(), b.missing());
    EXPECT_EQ(a.min(), b.min());
    EXPECT_EQ(a.max(), b.max());
    EXPECT_NEAR(a.mean(), b.mean(), 1e-12 * std::abs(b.mean()));
    EXPECT_NEAR(a.deviation(), b.deviation(), 1e-12 * b.deviation());
    if (b.quantile_edge_size() == 0) continue;  // one that standardises has no use for them
    EXPECT_EQ(std::vector<double>(a.quantile_edge().begin(), a.quantile_edge().end()),
              std::vector<double>(b.quantile_edge().begin(), b.quantile_edge().end()));
  }
}

// With the job's vocabularies the rows have the keys of all tokens, so that other data may be converted later.
TEST(ConversionTest, VocabulariesOfTheJobAreCountedOnTheWay) {
  ConversionFolder folder("train: 'rows.csv' test: 'test.csv'");
  folder.Write("rows.csv", ConversionFolder::Rows(0, 3000));
  folder.Write("test.csv", ConversionFolder::Rows(3000, 3300));
  folder.Write("job.pbtxt",
               *ReadFile(folder.Path("job.pbtxt")) +
                   "feature { name: 'frequent' column: 't' categorical { vocabulary { min_count: 81 } } }\n"
                   "feature { name: 'few' column: 'l' table: 'lists' categorical { separator: '|' "
                   "vocabulary { max_tokens: 3 } } }\n");
  const proto::Statistics own = *OpenedData(folder.Job())->ComputeStatistics();
  const std::vector<std::string> rows = RowTexts(folder.Job(), Chunk::TEST);
  ConvertRequest kept = InPieces("8k");
  kept.keep_tokens = true;
  for (const ConvertRequest& flags : {InPieces("8k"), kept}) {
    const std::string out = flags.keep_tokens ? "kept" : "hashed";
    const Status status = folder.Convert(out, flags, 2, 2);
    ASSERT_TRUE(status.ok()) << status.text();
    proto::Job job = folder.Job(out);
    const auto recorded = FindRecordedStatistics(job, *FeatureLayout::Make(job));
    ASSERT_TRUE(recorded.ok() && recorded->has_value()) << out;
    int found = 0;
    for (const proto::ColumnStatistics& column : (*recorded)->statistics.column()) {
      for (const proto::ColumnStatistics& same : own.column()) {
        if (same.name() != column.name() || same.token_size() == 0) continue;
        EXPECT_EQ(std::vector(column.token().begin(), column.token().end()),
                  std::vector(same.token().begin(), same.token().end()));
        ++found;
      }
    }
    EXPECT_EQ(found, 2);
    // A pass over the row files themselves finds the same, and the rows have the same keys.
    EXPECT_EQ(RowTexts(job, Chunk::TEST), rows);
    for (proto::Feature& feature : *job.mutable_feature()) {
      if (feature.name() == "few") feature.mutable_categorical()->mutable_vocabulary()->set_max_tokens(4);
    }
    EXPECT_FALSE(FindRecordedStatistics(job, *FeatureLayout::Make(job))->has_value()) << "another vocabulary";
  }
  ConvertRequest rare;
  rare.min_count = "5";
  EXPECT_THAT(folder.Convert("rare", rare).text(),
              HasSubstr("--min_count: feature frequent has a vocabulary by the job file"));
}

TEST(ConversionTest, RareTokensShareOneKeyAndTheOthersStandInVocabularies) {
  ConversionFolder folder("train: 'rows.csv' test: 'test.csv'");
  std::string rows = "label,n,t,l,when,g\n", test = rows;
  for (int i = 0; i < 60; ++i) {
    // often: 40 rows, sometimes: 10, and ten tokens of one row; in lists x stands everywhere, y in 5 rows.
    const std::string token = i < 40 ? "often" : i < 50 ? "sometimes" : "once" + std::to_string(i);
    rows += std::string(i % 2 == 0 ? "1" : "0") + ",1," + token + ",x" + (i < 5 ? "|y" : "") + ",0,g\n";
  }
  test += "1,1,often,x|y|z,0,g\n1,1,never,z,0,g\n0,1,once55,y,0,g\n0,1,,,0,g\n";
  folder.Write("rows.csv", rows);
  folder.Write("test.csv", test);
  ConvertRequest flags = InPieces("200");
  flags.min_count = "10";
  const Status status = folder.Convert("out", flags, 2);
  ASSERT_TRUE(status.ok()) << status.text();
  EXPECT_EQ(*ReadFile(folder.Path("out/vocabulary/t")), "40\toften\n10\tsometimes\n");
  EXPECT_EQ(*ReadFile(folder.Path("out/vocabulary/l")), "60\tx\n");
  // As if the texts had said so.
  std::string replaced = "label,n,t,l,when,g\n";
  replaced += "1,1,often,x|<rare>|<rare>,0,g\n1,1,<rare>,<rare>,0,g\n0,1,<rare>,<rare>,0,g\n0,1,,,0,g\n";
  folder.Write("test.csv", replaced);
  EXPECT_EQ(RowTexts(folder.Job("out"), Chunk::TEST), RowTexts(folder.Job(), Chunk::TEST));
  ASSERT_TRUE(folder.Convert("ranks", flags, 1, 3).ok());
  folder.Write("test.csv", test);
  ASSERT_TRUE(folder.Convert("again", flags, 1, 3).ok());
  EXPECT_EQ(FilesIn(folder.Path("again")), FilesIn(folder.Path("out")));
  flags.min_count = "none";
  EXPECT_EQ(folder.Convert("bad", flags).code(), ErrorCode::kInvalid);
}

bool AreFound(const proto::Job& job) {
  const FeatureLayout layout = *FeatureLayout::Make(job);
  const auto found = FindRecordedStatistics(job, layout);
  CHECK(found.ok()) << found.status().text();
  return found->has_value();
}

TEST(ConversionTest, StatisticsOfOtherFilesOrFeaturesAreNotTaken) {
  ConversionFolder folder("train: 'rows.csv'");
  folder.Write("rows.csv", ConversionFolder::Rows(0, 1000));
  ASSERT_TRUE(folder.Convert("out", InPieces()).ok());
  const proto::Job job = folder.Job("out");
  EXPECT_TRUE(AreFound(job));
  proto::Job fewer = job;
  fewer.mutable_data()->set_train(0, "train-00000.sherd");
  EXPECT_FALSE(AreFound(fewer)) << "of some of the files";
  proto::Job split = job;
  split.mutable_data()->set_eval_fraction(0.1);
  EXPECT_FALSE(AreFound(split)) << "of some of the rows";
  proto::Job finer = job;
  for (proto::Feature& feature : *finer.mutable_feature()) {
    if (feature.bucket().has_quantiles()) feature.mutable_bucket()->set_quantiles(8);
  }
  EXPECT_FALSE(AreFound(finer)) << "other buckets";
  std::string bytes = *ReadFile(folder.Path("out/train-00001.sherd"));
  bytes[bytes.size() / 2] ^= 1;
  folder.Write("out/train-00001.sherd", bytes);
  EXPECT_FALSE(AreFound(job)) << "a file that is another";
}

TEST(CrewTest, AllWorkIsDoneOnceAndAFailureStopsTheRest) {
  Crew crew(nullptr, 4);
  std::vector<std::atomic<int>> done(100);
  const Status good = crew.Run(done.size(), [&](std::size_t i) {
    ++done[i];
    return Status();
  });
  EXPECT_TRUE(good.ok());
  for (const std::atomic<int>& times : done) EXPECT_EQ(times, 1);
  const Status bad = crew.Run(1000, [&](std::size_t i) { return i == 7 ? Status::BadData("the seventh") : Status(); });
  EXPECT_EQ(bad.text(), "the seventh");
}

TEST(CrewTest, ACrewThatIsStoppedSaysWhy) {
  Crew crew(nullptr, 2);
  crew.Stop("a signal");
  const Status status = crew.Run(10, [](std::size_t) { return Status(); });
  EXPECT_EQ(status.code(), ErrorCode::kStopped);
  EXPECT_EQ(status.text(), "a signal");
}

}  // namespace
}  // namespace sherd
