#include "base/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "base/file.h"
#include "base/hash.h"
#include "base/host_name.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;

class ManifestTest : public ::testing::Test {
 protected:
  ManifestTest() {
    std::string name = (std::filesystem::temp_directory_path() / "sherd-manifest-XXXXXX").string();
    CHECK(mkdtemp(name.data()) != nullptr);
    folder_ = name;
  }
  ~ManifestTest() override { std::filesystem::remove_all(folder_); }

  // As a program of that version would have written it.
  void WriteOfVersion(std::uint32_t version) {
    proto::Manifest manifest;
    manifest.set_version(version);
    manifest.set_job_name("old");
    std::string text = manifest.SerializeAsString();
    const std::uint32_t crc = Crc32c(std::as_bytes(std::span(text)));
    text.append(reinterpret_cast<const char*>(&crc), sizeof(crc));
    ASSERT_TRUE(WriteFileAtomically(JoinPath(folder_, "manifest"), text).ok());
  }
  proto::Manifest WithFile(std::uint64_t bytes) {
    proto::Manifest manifest;
    manifest.add_file()->set_name("shard-0");
    manifest.mutable_file(0)->set_bytes(bytes);
    return manifest;
  }

  std::string folder_;
};

TEST_F(ManifestTest, IsWrittenInTheNewestVersionAndReadInBoth) {
  ASSERT_TRUE(WriteManifest(folder_, {}).ok());
  EXPECT_EQ(ReadManifest(folder_)->version(), 2u);
  WriteOfVersion(1);
  EXPECT_EQ(ReadManifest(folder_)->job_name(), "old");
  for (const std::uint32_t version : {0u, 3u}) {
    WriteOfVersion(version);
    EXPECT_THAT(ReadManifest(folder_).status().text(), HasSubstr("this program reads versions 1 to 2"));
  }
}

TEST_F(ManifestTest, ACheckpointIsWholeWhenItsFilesAreThereInFullSize) {
  ASSERT_TRUE(WriteManifest(folder_, WithFile(4)).ok());
  EXPECT_EQ(OpenCheckpoint(folder_).status().code(), ErrorCode::kNotFound);
  ASSERT_TRUE(WriteFileAtomically(JoinPath(folder_, "shard-0"), "row").ok());
  EXPECT_THAT(OpenCheckpoint(folder_).status().text(), HasSubstr("shard-0 has 3 bytes, not 4"));
  ASSERT_TRUE(WriteFileAtomically(JoinPath(folder_, "shard-0"), "rows").ok());
  EXPECT_TRUE(OpenCheckpoint(folder_).ok());
}

TEST_F(ManifestTest, FilesOfOtherHostsAreTheirBusiness) {
  proto::Manifest manifest = WithFile(4);
  manifest.mutable_file(0)->set_name("/nowhere/shard-0");
  manifest.mutable_file(0)->set_host("elsewhere");
  ASSERT_TRUE(WriteManifest(folder_, manifest).ok());
  EXPECT_TRUE(OpenCheckpoint(folder_).ok());
  manifest.mutable_file(0)->set_host(HostName());
  ASSERT_TRUE(WriteManifest(folder_, manifest).ok());
  EXPECT_FALSE(OpenCheckpoint(folder_).ok());
}

}  // namespace
}  // namespace sherd
