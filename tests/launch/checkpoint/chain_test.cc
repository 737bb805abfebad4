// The commands on checkpoints whose last ones hold only what has changed.
#include <gmock/gmock.h>

#include <filesystem>
#include <sstream>

#include "base/manifest.h"
#include "launch/checkpoint/diff.h"
#include "launch/checkpoint/export.h"
#include "launch/checkpoint/rewrite.h"
#include "launch/checkpoint/show.h"
#include "launch/checkpoint/verify.h"
#include "tests/launch/checkpoint/small_checkpoint.h"

namespace sherd {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// Three checkpoints of two shards, in which rows have come, changed and gone, candidates have become rows and gone.
class ChainTest : public testing::Test {
 protected:
  void SetUp() override {
    CheckpointChain chain(folder_.path() + "/job");
    chain.Write(stores_);
    const EmbeddingTable &embedding = stores_[0]->table(0), &cross = stores_[0]->table(1);
    std::uint64_t rows = embedding.rows();
    const std::uint64_t candidates = cross.candidates();
    for (std::uint64_t clock = 3; clock < 10; ++clock) TrainOn(stores_, clock);
    EXPECT_GT(embedding.rows(), rows);
    EXPECT_GT(cross.candidates(), candidates);
    rows = cross.rows();
    chain.Write(stores_);
    for (std::uint64_t clock = 10; clock < 60; ++clock) {
      for (const auto& store : stores_) store->Advance(clock, 0);
    }
    EXPECT_LT(cross.rows(), rows);
    TrainOn(stores_, 60);
    newest_ = chain.Write(stores_);
    WriteCheckpoint(full_, stores_);
  }

  TemporaryFolder folder_;
  const std::string full_ = folder_.path() + "/full", out_ = folder_.path() + "/out";
  const std::vector<std::unique_ptr<ShardStore>> stores_ = TrainedStores(2);
  std::string newest_;
};

TEST_F(ChainTest, ItIsRewrittenToTheBytesOfAFullOne) {
  ASSERT_EQ(ReadManifest(newest_)->file_size(), 6);
  const Status status = RewriteCheckpoint(newest_, out_, {});
  ASSERT_TRUE(status.ok()) << status.text();
  EXPECT_TRUE(FilesIn(out_) == FilesIn(full_));
}

TEST_F(ChainTest, ItIsEqualToAFullOne) {
  std::ostringstream text;
  EXPECT_TRUE(CompareCheckpoints(newest_, full_, text).value()) << text.str();
  std::ostringstream before;
  EXPECT_FALSE(CompareCheckpoints(folder_.path() + "/job/checkpoint-000002", newest_, before).value());
  EXPECT_THAT(before.str(), HasSubstr("candidates"));
}

TEST_F(ChainTest, ItIsExportedAsAFullOne) {
  ASSERT_TRUE(ExportCheckpoint(newest_, out_, {}).ok());
  ASSERT_TRUE(ExportCheckpoint(full_, out_ + "2", {}).ok());
  EXPECT_TRUE(FilesIn(out_) == FilesIn(out_ + "2"));
}

TEST_F(ChainTest, AllItsFilesAreVerified) {
  std::ostringstream text;
  const Status status = VerifyCheckpoint(newest_, text);
  EXPECT_TRUE(status.ok()) << status.text() << text.str();
  EXPECT_THAT(text.str(), AllOf(HasSubstr("good     ../checkpoint-000001/shard-1.sherd: "),
                                HasSubstr("good     ../checkpoint-000002/shard-0.sherd (delta): "),
                                HasSubstr("good     shard-1.sherd (delta): ")));
  std::filesystem::remove(folder_.path() + "/job/checkpoint-000002/shard-1.sherd");
  std::ostringstream damaged;
  EXPECT_FALSE(VerifyCheckpoint(newest_, damaged).ok());
  EXPECT_THAT(damaged.str(), HasSubstr("DAMAGED  ../checkpoint-000002/shard-1.sherd (delta)"));
}

TEST_F(ChainTest, ItsPartsAreShown) {
  std::ostringstream text;
  ASSERT_TRUE(ShowCheckpoint(newest_, text).ok());
  EXPECT_THAT(text.str(), AllOf(HasSubstr("files     2 full of "), HasSubstr(", in checkpoint-000001\n"),
                                HasSubstr("files     2 with changes of ")));
}

TEST_F(ChainTest, ChangesWithoutWhatTheyChangeAreNoCheckpoint) {
  EditManifest(newest_, [](proto::Manifest* manifest) { manifest->mutable_file()->SwapElements(0, 1); });
  const Status status = RewriteCheckpoint(newest_, out_, {});
  EXPECT_EQ(status.code(), ErrorCode::kBadData);
  EXPECT_THAT(status.text(), HasSubstr("slot 0 has a delta before a full file"));
}

}  // namespace
}  // namespace sherd
