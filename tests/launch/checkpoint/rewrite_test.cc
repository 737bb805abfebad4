#include "launch/checkpoint/rewrite.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/file.h"
#include "base/job_file.h"
#include "base/manifest.h"
#include "launch/checkpoint/verify.h"
#include "models/model.h"
#include "tests/launch/checkpoint/small_checkpoint.h"

namespace sherd {
namespace {

using proto::RowStorage;
using testing::HasSubstr;

void ExpectSound(const std::string& dir) {
  std::ostringstream text;
  const Status status = VerifyCheckpoint(dir, text);
  EXPECT_TRUE(status.ok()) << status.text() << '\n' << text.str();
}

TEST(RewriteCheckpoint, AReshardedCheckpointHasTheBytesThatSoManyShardsWrite) {
  for (const auto& [from, to] : {std::pair(1u, 3u), std::pair(3u, 1u), std::pair(3u, 5u)}) {
    TemporaryFolder folder;
    const std::string dir = folder.path() + "/from", out = folder.path() + "/to", twin = folder.path() + "/twin";
    WriteCheckpoint(dir, TrainedStores(from));
    WriteCheckpoint(twin, TrainedStores(to));
    const Status status = RewriteCheckpoint(dir, out, {.shards = to, .weights = {}, .state = {}});
    ASSERT_TRUE(status.ok()) << status.text();
    EXPECT_TRUE(FilesIn(out) == FilesIn(twin)) << from << " -> " << to;
    ExpectSound(out);
  }
}

TEST(RewriteCheckpoint, CastRowsAreThoseOfTheCodec) {
  TemporaryFolder folder;
  const std::string dir = folder.path() + "/from";
  const auto stores = TrainedStores(3);
  WriteCheckpoint(dir, stores);
  const Contents full = ContentsOfAll(stores);
  for (const auto weights : {RowStorage::FP32, RowStorage::BF16, RowStorage::FP16, RowStorage::INT8}) {
    for (const auto state : {RowStorage::FP32, RowStorage::BF16}) {
      const std::string out =
          folder.path() + "/" + RowStorage::Precision_Name(weights) + RowStorage::Precision_Name(state);
      const Status status = RewriteCheckpoint(dir, out, {.shards = 0, .weights = weights, .state = state});
      ASSERT_TRUE(status.ok()) << status.text();
      ExpectSound(out);
      const proto::ModelSpec model = ReadManifest(out)->model();
      const Contents cast = RestoredContents(out, model);
      ASSERT_EQ(cast.size(), full.size());
      for (const auto& [place, floats] : full) {
        std::vector<float> expected = floats;
        const auto round = [&](Precision precision, std::size_t first, std::size_t count) {
          std::vector<std::byte> bytes(EncodedBytes(precision, count));
          const std::span<float> part = std::span(expected).subspan(first, count);
          Encode(precision, part, {}, bytes.data());
          Decode(precision, bytes.data(), part);
        };
        if (place.first >= 0) {
          std::size_t at = 0;
          for (const auto& segment : model.table(place.first).segment()) {
            round(weights, at, segment.dim());
            at += segment.dim();
          }
          // What an INT8 row does not keep begins anew: Adagrad's and FTRL's sums are zero here.
          if (weights == RowStorage::INT8) {
            expected.resize(at);
            auto found = cast.at(place);
            found.resize(at);
            ASSERT_EQ(found, expected) << place.second;
            continue;
          }
          round(state, at, expected.size() - at);
        }
        ASSERT_EQ(cast.at(place), expected) << "table " << place.first << " key " << place.second;
      }
    }
  }
}

TEST(RewriteCheckpoint, ACastOneSaysHowItsRowsAreKept) {
  TemporaryFolder folder;
  const std::string dir = folder.path() + "/from", out = folder.path() + "/to";
  WriteCheckpoint(dir, TrainedStores(2));
  ASSERT_TRUE(RewriteCheckpoint(dir, out, {.shards = 0, .weights = RowStorage::INT8, .state = {}}).ok());
  const proto::Manifest manifest = ReadManifest(out).value();
  ASSERT_EQ(manifest.file_size(), 2);
  const proto::Job job = ParseJob(manifest.job_text(), "there").value();
  EXPECT_EQ(DescribeModel(job)->SerializeAsString(), manifest.model().SerializeAsString());
  EXPECT_EQ(manifest.model().table(1).storage().weights(), RowStorage::INT8);
  EXPECT_EQ(manifest.model().table(1).storage().admit_after(), 2u);  // all else stays
  EXPECT_EQ(manifest.job(), ModelFingerprint(SmallJob()));
  EXPECT_EQ(manifest.state().rows(), 12345u);
}

TEST(RewriteCheckpoint, TheFolderOfTheBestOneIsFoundFromWhereItIs) {
  TemporaryFolder folder;
  const auto best_after = [&](const std::string& best, const std::string& out) {
    EditManifest(folder.path() + "/job/checkpoint-000002",
                 [&](proto::Manifest* manifest) { manifest->mutable_state()->set_best_checkpoint(best); });
    const Status status = RewriteCheckpoint(folder.path() + "/job/checkpoint-000002/", folder.path() + "/" + out, {});
    EXPECT_TRUE(status.ok()) << status.text();
    return ReadManifest(folder.path() + "/" + out)->state().best_checkpoint();
  };
  WriteCheckpoint(folder.path() + "/job/checkpoint-000002", TrainedStores(1));
  EXPECT_EQ(best_after("checkpoint-000002", "job/a"), "a");
  EXPECT_EQ(best_after("checkpoint-000001", "job/b"), "checkpoint-000001");
  const std::string from_elsewhere = best_after("checkpoint-000001", "c");
  EXPECT_TRUE(std::filesystem::path(from_elsewhere).is_absolute());
  EXPECT_EQ(std::filesystem::path(from_elsewhere),
            std::filesystem::path(folder.path() + "/job/checkpoint-000001").lexically_normal());
}

TEST(RewriteCheckpoint, WhatStandsThereIsNotTouched) {
  TemporaryFolder folder;
  const std::string dir = folder.path() + "/from", out = folder.path() + "/to";
  WriteCheckpoint(dir, TrainedStores(1));
  std::filesystem::create_directory(out);
  std::ofstream(out + "/thesis.txt") << "precious";
  const Status status = RewriteCheckpoint(dir, out, {.shards = 2, .weights = {}, .state = {}});
  EXPECT_EQ(status.code(), ErrorCode::kInvalid);
  EXPECT_THAT(status.text(), HasSubstr("name a new folder"));
  EXPECT_EQ(FilesIn(out).size(), 1u);
  EXPECT_EQ(RewriteCheckpoint(dir, out + "/thesis.txt", {}).code(), ErrorCode::kInvalid);
  EXPECT_EQ(RewriteCheckpoint(dir, dir, {}).code(), ErrorCode::kInvalid);
}

TEST(RewriteCheckpoint, OfADamagedOneNothingIsLeft) {
  TemporaryFolder folder;
  const std::string dir = folder.path() + "/from", out = folder.path() + "/to";
  WriteCheckpoint(dir, TrainedStores(2));
  std::string bytes = ReadFile(dir + "/shard-1.sherd").value();
  bytes[bytes.size() / 2] ^= 4;
  std::ofstream(dir + "/shard-1.sherd", std::ios::binary) << bytes;
  const Status status = RewriteCheckpoint(dir, out, {.shards = 3, .weights = {}, .state = {}});
  EXPECT_EQ(status.code(), ErrorCode::kBadData);
  EXPECT_THAT(status.text(), HasSubstr("shard-1.sherd: block "));
  EXPECT_FALSE(std::filesystem::exists(out));
}

TEST(RewriteCheckpoint, OneWithoutItsJobFileIsReshardedToo) {
  TemporaryFolder folder;
  const std::string dir = folder.path() + "/from", out = folder.path() + "/to";
  WriteCheckpoint(dir, TrainedStores(1));
  EditManifest(dir, [](proto::Manifest* manifest) { manifest->clear_job_text(); });
  const Status status = RewriteCheckpoint(dir, out, {.shards = 3, .weights = {}, .state = {}});
  ASSERT_TRUE(status.ok()) << status.text();
  const proto::ModelSpec model = ReadManifest(out)->model();
  EXPECT_EQ(RestoredContents(out, model), RestoredContents(dir, model));
}

TEST(RewriteCheckpoint, FilesAreCompressedWhereTheJobHasThemSo) {
  TemporaryFolder folder;
  const std::string plain = folder.path() + "/plain", from = folder.path() + "/from", out = folder.path() + "/out";
  WriteCheckpoint(plain, TrainedStores(3));
  std::filesystem::copy(plain, from, std::filesystem::copy_options::recursive);
  EditManifest(from, [](proto::Manifest* manifest) {
    proto::Job job = ParseJob(manifest->job_text(), "job").value();
    job.mutable_checkpoint()->set_compression(proto::Checkpoint::ZSTD);
    manifest->set_job_text(JobToText(job));
  });
  const Status status = RewriteCheckpoint(from, out, {.shards = 3, .weights = {}, .state = {}});
  ASSERT_TRUE(status.ok()) << status.text();
  ExpectSound(out);
  EXPECT_LT(ReadManifest(out)->file(1).bytes(), ReadManifest(plain)->file(1).bytes());
  const proto::ModelSpec model = ReadManifest(out)->model();
  EXPECT_EQ(RestoredContents(out, model), RestoredContents(plain, model));
}

}  // namespace
}  // namespace sherd
