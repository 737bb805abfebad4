#include "base/byte_count.h"

#include <gtest/gtest.h>

namespace sherd {
namespace {

TEST(ByteCount, ReadsWhatPeopleWrite) {
  EXPECT_EQ(ParseBytes("0"), 0u);
  EXPECT_EQ(ParseBytes("8589934592"), 8589934592u);
  EXPECT_EQ(ParseBytes("8G"), 8589934592u);
  EXPECT_EQ(ParseBytes("8GiB"), 8589934592u);
  EXPECT_EQ(ParseBytes("512m"), 536870912u);
  EXPECT_EQ(ParseBytes("64kB"), 65536u);
  EXPECT_EQ(ParseBytes("1.5G"), 1610612736u);
  EXPECT_EQ(ParseBytes("18446744073709551615"), 18446744073709551615u);
}

TEST(ByteCount, ReadsNothingElse) {
  for (const char* text :
       {"", "G", "8X", "8 G", "-1", "8GG", "1.5", "1.2.3G", ".", "18446744073709551616", "16E", "99999999999P", "8G "})
    EXPECT_EQ(ParseBytes(text), std::nullopt) << text;
}

TEST(ByteCount, Text) {
  EXPECT_EQ(BytesText(0), "0 B");
  EXPECT_EQ(BytesText(1023), "1023 B");
  EXPECT_EQ(BytesText(1024), "1.0 kiB");
  EXPECT_EQ(BytesText(1825361101), "1.7 GiB");
  EXPECT_EQ(BytesText(1048575), "1.0 MiB");  // not 1024.0 kiB
  EXPECT_EQ(BytesText(~std::uint64_t{0}), "16.0 EiB");
}

}  // namespace
}  // namespace sherd
