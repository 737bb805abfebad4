#include "launch/keys/key_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "launch/temporary_dir.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class KeyFileTest : public ::testing::Test {
 protected:
  KeyFileTest() : folder_(TemporaryDir::Make().value()), path_(folder_->path() + "/job.keys") {
    const Status made = MakeKeyFile(path_);
    CHECK(made.ok()) << made.text();
    text_ = Text();
  }

  std::string Text() const {
    std::ifstream file(path_);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }
  void Rewrite(const std::string& text) const { std::ofstream(path_) << text; }
  // Why the file is refused: never with a key in it.
  std::string Problem(const std::string& path) const {
    const auto keys = ReadKeyFile(path);
    EXPECT_FALSE(keys.ok());
    EXPECT_EQ(keys.status().code(), ErrorCode::kInvalid);
    EXPECT_THAT(keys.status().text(), HasSubstr(path));
    std::istringstream words(text_);
    for (std::string word; words >> word;) {
      if (word.size() == 40) {
        EXPECT_THAT(keys.status().text(), Not(HasSubstr(word)));
      }
    }
    return keys.status().text();
  }
  std::string Problem() const { return Problem(path_); }

  const std::unique_ptr<TemporaryDir> folder_;
  const std::string path_;
  std::string text_;  // as it was made
};

TEST_F(KeyFileTest, IsReadAsItWasMadeByItsOwnerAlone) {
  struct stat info {};
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  const auto keys = ReadKeyFile(path_);
  ASSERT_TRUE(keys.ok()) << keys.status().text();
  EXPECT_THAT(text_, HasSubstr("\nclient_secret " + keys->client_secret + "\n"));
  EXPECT_TRUE(CheckCurveKeys(*keys).ok());
  EXPECT_EQ(KeyFingerprint(*keys), KeyFingerprint(*ReadKeyFile(path_)));
  EXPECT_NE(KeyFingerprint(*keys), KeyFingerprint(MakeCurveKeys()));
}

TEST_F(KeyFileTest, IsNeverReplaced) {
  EXPECT_THAT(MakeKeyFile(path_).text(), HasSubstr("is there already"));
  EXPECT_EQ(Text(), text_);
  const std::string link = folder_->path() + "/dangling";
  ASSERT_EQ(symlink((folder_->path() + "/elsewhere").c_str(), link.c_str()), 0);
  EXPECT_FALSE(MakeKeyFile(link).ok());
  EXPECT_FALSE(std::filesystem::exists(folder_->path() + "/elsewhere"));
}

TEST_F(KeyFileTest, ThatOthersMayReadOrWriteIsRefused) {
  for (const mode_t mode : {0640, 0604, 0620, 0602, 0601, 0777}) {
    ASSERT_EQ(chmod(path_.c_str(), mode), 0);
    EXPECT_THAT(Problem(), HasSubstr("others may read or write it"));
  }
  ASSERT_EQ(chmod(path_.c_str(), 0400), 0);
  EXPECT_TRUE(ReadKeyFile(path_).ok());
}

TEST_F(KeyFileTest, OfAnotherOwnerIsRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  ASSERT_EQ(chown(path_.c_str(), 65534, 65534), 0);
  EXPECT_THAT(Problem(), HasSubstr("belongs to user 65534"));
}

TEST_F(KeyFileTest, ThatIsNoRegularFileIsRefusedAtOnce) {
  const std::string link = folder_->path() + "/link", fifo = folder_->path() + "/fifo";
  ASSERT_EQ(symlink(path_.c_str(), link.c_str()), 0);
  EXPECT_THAT(Problem(link), HasSubstr("symbolic link"));
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_THAT(Problem(fifo), HasSubstr("no regular file"));
  EXPECT_THAT(Problem(folder_->path()), HasSubstr("no regular file"));
  EXPECT_THAT(Problem(folder_->path() + "/nothing"), HasSubstr("sherd keygen"));
}

TEST_F(KeyFileTest, ThatIsDamagedSaysWhereAndNotWhatStandsThere) {
  Rewrite(text_.substr(0, text_.size() - 20));
  EXPECT_THAT(Problem(), HasSubstr("a CURVE key is not 40 characters"));
  Rewrite(text_.substr(0, text_.find("client_secret")));
  EXPECT_THAT(Problem(), HasSubstr("client_secret is missing"));
  Rewrite(text_ + text_);
  EXPECT_THAT(Problem(), HasSubstr("line 7: the same key a second time"));
  Rewrite(text_ + "server_key 1\n");
  EXPECT_THAT(Problem(), HasSubstr("line 6: neither a comment"));
  Rewrite(text_ + std::string(5000, '#'));
  EXPECT_THAT(Problem(), HasSubstr("too long"));
  Rewrite("");
  EXPECT_THAT(Problem(), HasSubstr("server_public is missing"));
  std::string swapped = text_;
  const std::size_t at = swapped.find("server_secret ") + 14;
  swapped.replace(at, 40, text_.substr(text_.find("client_secret ") + 14, 40));
  Rewrite(swapped);
  EXPECT_THAT(Problem(), HasSubstr("a public CURVE key is not that"));
}

}  // namespace
}  // namespace sherd
