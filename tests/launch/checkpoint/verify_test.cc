#include "launch/checkpoint/verify.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/file.h"
#include "base/manifest.h"
#include "models/model.h"
#include "ps/checkpoint_reader.h"
#include "ps/slot_writer.h"
#include "tests/launch/checkpoint/small_checkpoint.h"

namespace sherd {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

void Overwrite(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

class VerifyTest : public testing::Test {
 protected:
  void SetUp() override { WriteCheckpoint(dir_, TrainedStores(3)); }
  std::string File(int shard) const { return dir_ + "/shard-" + std::to_string(shard) + ".sherd"; }

  // Is it good? What was printed is in text_.
  bool Good() {
    std::ostringstream text;
    const Status status = VerifyCheckpoint(dir_, text);
    text_ = text.str() + status.text();
    EXPECT_TRUE(status.ok() || status.code() == ErrorCode::kBadData || status.code() == ErrorCode::kNotFound);
    return status.ok();
  }

  // Writes shard 1's file anew, its contents changed in one slot, with a manifest that knows of it.
  void Rewrite(Slot slot, const std::function<void(CheckpointSlot*)>& change) {
    const auto reader = CheckpointReader::Open(dir_).value();
    const auto writer = SlotWriter::Create(reader->model(), {.dir = dir_ + "/new", .shard = 1, .shards = 3}).value();
    CheckpointSlot contents;
    for (Slot s = FirstSlot(1, 3); s < FirstSlot(2, 3); ++s) {
      ASSERT_TRUE(reader->ReadSlot(s, &contents).ok());
      if (s == slot) change(&contents);
      ASSERT_TRUE(writer->Write(contents).ok());
    }
    const proto::ShardFile file = writer->Finish().value();
    std::filesystem::rename(dir_ + "/new/shard-1.sherd", File(1));
    EditManifest(dir_, [&](proto::Manifest* manifest) { *manifest->mutable_file(1) = file; });
  }
  // The first slot of shard 1 for which this is true.
  Slot SlotWith(const std::function<bool(const CheckpointSlot&)>& condition) {
    const auto reader = CheckpointReader::Open(dir_).value();
    CheckpointSlot contents;
    for (Slot slot = FirstSlot(1, 3); slot < FirstSlot(2, 3); ++slot) {
      CHECK(reader->ReadSlot(slot, &contents).ok());
      if (condition(contents)) return slot;
    }
    LOG(FATAL) << "no slot is like that";
  }

  TemporaryFolder folder_;
  const std::string dir_ = folder_.path() + "/checkpoint-000001";
  std::string text_;
};

TEST_F(VerifyTest, AGoodOneHasALineAFileAndAVerdict) {
  EXPECT_TRUE(Good()) << text_;
  EXPECT_THAT(text_, AllOf(HasSubstr("good     manifest: small, 3 files"), HasSubstr("good     shard-0.sherd: "),
                           HasSubstr("good     shard-2.sherd: "), HasSubstr("is good: 3 files")));
}

TEST_F(VerifyTest, EveryFlippedBitIsFoundInItsFile) {
  const std::string good = ReadFile(File(1)).value();
  const std::size_t footer = good.size() - 40;
  for (std::size_t i = 0; i < good.size(); i += i < 40 || i >= footer ? 3 : std::min(good.size() / 23, footer - i)) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ (1 << (i % 8)));
    Overwrite(File(1), bad);
    ASSERT_FALSE(Good()) << "byte " << i;
    ASSERT_THAT(text_, AllOf(HasSubstr("good     shard-0.sherd"), HasSubstr("DAMAGED  shard-1.sherd"),
                             HasSubstr("good     shard-2.sherd"), HasSubstr("1 of 4 files")));
  }
}

TEST_F(VerifyTest, ABlockIsNamedByItsNumberAndSlot) {
  const Slot slot = SlotWith([](const CheckpointSlot& contents) { return !contents.tables[1].keys.empty(); });
  const auto reader = CheckpointReader::Open(dir_).value();
  CheckpointSlot contents;
  ASSERT_TRUE(reader->ReadSlot(slot, &contents).ok());
  // The bytes of that row stand in one place of the file.
  std::string bad = ReadFile(File(1)).value();
  const Key key = contents.tables[1].keys[0];
  const std::string bytes(reinterpret_cast<const char*>(&key), sizeof(key));
  const std::size_t at = bad.find(bytes);
  ASSERT_NE(at, std::string::npos);
  bad[at] ^= 1;
  Overwrite(File(1), bad);
  EXPECT_FALSE(Good());
  EXPECT_THAT(text_, ContainsRegex("shard-1.sherd: block [0-9]+ of slot " + std::to_string(slot)));
}

TEST_F(VerifyTest, AllDamageIsListed) {
  std::string bad = ReadFile(File(0)).value();
  const std::size_t middle = bad.size() / 2;
  bad[middle] ^= 1;
  bad[middle + bad.size() / 4] ^= 1;
  Overwrite(File(0), bad);
  std::filesystem::remove(File(1));
  Overwrite(File(2), ReadFile(File(2))->substr(0, 1000));
  EXPECT_FALSE(Good());
  EXPECT_THAT(text_, AllOf(HasSubstr("shard-1.sherd: no such file"), HasSubstr("3 of 4 files")));
  EXPECT_THAT(text_, ContainsRegex("has 1000 bytes, the manifest says"));
  EXPECT_THAT(text_, ContainsRegex("shard-0.sherd: block .*shard-0.sherd: block .*shard-0.sherd: has the checksum"));
}

TEST_F(VerifyTest, AManifestOfAnotherCheckpointIsFound) {
  const std::string other = folder_.path() + "/other";
  WriteCheckpoint(other, TrainedStores(3, 2));
  std::filesystem::copy_file(other + "/manifest", dir_ + "/manifest",
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_FALSE(Good());
  // All that the files say of themselves is as it should be.
  EXPECT_THAT(text_, AllOf(ContainsRegex("shard-0.sherd: has the checksum .* as a whole, the manifest says"),
                           HasSubstr("3 of 4 files")));
}

TEST_F(VerifyTest, AManifestOfAnotherModelIsFound) {
  EditManifest(dir_, [](proto::Manifest* manifest) {
    manifest->mutable_model()->mutable_table(0)->mutable_segment(0)->set_dim(9);
    manifest->set_job(manifest->job() + 1);
  });
  EXPECT_FALSE(Good());
  EXPECT_THAT(text_, AllOf(HasSubstr("is of another model than the manifest"),
                           HasSubstr("manifest: its job file is of another model than its fingerprint")));
}

TEST_F(VerifyTest, ADamagedManifestIsFound) {
  std::string bad = ReadFile(dir_ + "/manifest").value();
  bad[20] ^= 1;
  Overwrite(dir_ + "/manifest", bad);
  EXPECT_FALSE(Good());
  EXPECT_THAT(text_, HasSubstr("manifest: checksum does not match"));
}

TEST_F(VerifyTest, EachSlotHasToBeThereOnce) {
  EditManifest(dir_, [](proto::Manifest* manifest) { *manifest->mutable_file(0) = manifest->file(1); });
  EXPECT_FALSE(Good());
  EXPECT_THAT(text_, AllOf(HasSubstr("manifest: slots 0 to 1366 are in no file"),
                           HasSubstr("manifest: slots 1366 to 2731 are in 2 files")));
}

TEST_F(VerifyTest, ADeltaNeedsWhatItBuildsOn) {
  EditManifest(dir_, [](proto::Manifest* manifest) { manifest->mutable_file(1)->set_delta(true); });
  EXPECT_FALSE(Good());
  EXPECT_THAT(text_, HasSubstr("manifest: slots 1366 to 2731 have a delta before a full file"));
}

// What follows has all checksums right.

TEST_F(VerifyTest, KeysOutOfOrderAreFound) {
  const auto several = [](const CheckpointSlot& contents) { return contents.tables[0].keys.size() > 1; };
  const Slot slot = SlotWith(several);
  Rewrite(slot, [](CheckpointSlot* contents) { std::swap(contents->tables[0].keys[0], contents->tables[0].keys[1]); });
  EXPECT_FALSE(Good());
  EXPECT_THAT(text_, HasSubstr("of slot " + std::to_string(slot)));
}

TEST_F(VerifyTest, AKeyOfAnotherSlotIsFound) {
  const Slot slot = SlotWith([](const CheckpointSlot& contents) { return contents.tables[0].keys.size() == 1; });
  Rewrite(slot, [](CheckpointSlot* contents) { contents->tables[0].keys[0] += 1; });
  EXPECT_FALSE(Good());
  EXPECT_THAT(text_, HasSubstr("of slot " + std::to_string(slot)));
  EXPECT_THAT(text_, HasSubstr("another slot"));
}

TEST_F(VerifyTest, ADenseBlockThatIsLackingIsFound) {
  const auto dense = [](const CheckpointSlot& contents) { return !contents.dense.empty(); };
  const Slot slot = SlotWith(dense);
  CheckpointSlot::Dense block;
  Rewrite(slot, [&](CheckpointSlot* contents) {
    block = contents->dense.back();
    contents->dense.pop_back();
  });
  EXPECT_FALSE(Good());
  EXPECT_THAT(text_, HasSubstr("shard-1.sherd: lacks 1 dense blocks of its slots"));
  // Nor may it come twice, or be somewhere else.
  Rewrite(slot, [&](CheckpointSlot* contents) { contents->dense = {block, block}; });
  EXPECT_FALSE(Good());
  EXPECT_THAT(text_, HasSubstr("comes twice"));
  Rewrite(slot, [&](CheckpointSlot* contents) { contents->dense = {}; });
  Rewrite(slot + 1, [&](CheckpointSlot* contents) { contents->dense = {block}; });
  EXPECT_FALSE(Good());
  EXPECT_THAT(text_, HasSubstr("not of this slot"));
}

TEST_F(VerifyTest, AFileThatIsMissingHereSaysOnWhoseDiskItIs) {
  std::filesystem::remove(File(1));
  EditManifest(dir_, [](proto::Manifest* manifest) { manifest->mutable_file(1)->set_host("node-17"); });
  EXPECT_FALSE(Good());
  EXPECT_THAT(text_, HasSubstr("local disk of host node-17"));
}

}  // namespace
}  // namespace sherd
