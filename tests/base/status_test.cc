#include "base/status.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>

namespace sherd {
namespace {

TEST(Status, EachLevelSaysWhatItWasDoing) {
  const Status status = Status::Io("write shard-3", ENOSPC).Annotate("checkpoint 7").Annotate("train");
  EXPECT_EQ(status.code(), ErrorCode::kIo);
  EXPECT_EQ(status.text(), "train: checkpoint 7: write shard-3: No space left on device");
}

TEST(Status, SuccessStaysSuccess) {
  const Status status = Status().Annotate("train");
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(status.text(), "");
}

Result<int> Half(int x) {
  if (x % 2 != 0) return Status::Invalid(std::to_string(x) + " is odd");
  return x / 2;
}

Result<int> Quarter(int x) {
  ASSIGN_OR_RETURN(const int half, Half(x));
  ASSIGN_OR_RETURN(const int quarter, Half(half));
  return quarter;
}

Status Check(int x) {
  RETURN_IF_ERROR(Quarter(x).status().Annotate("quarter of " + std::to_string(x)));
  return {};
}

TEST(Result, ErrorsPassThroughTheMacros) {
  EXPECT_EQ(Quarter(8).value(), 2);
  EXPECT_EQ(Quarter(6).status().text(), "3 is odd");
  EXPECT_TRUE(Check(4).ok());
  EXPECT_EQ(Check(6).text(), "quarter of 6: 3 is odd");
  EXPECT_EQ(Check(6).code(), ErrorCode::kInvalid);
}

TEST(Result, HoldsWhatCanOnlyBeMoved) {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(5);
  ASSERT_TRUE(result.ok());
  const std::unique_ptr<int> value = std::move(result).value();
  EXPECT_EQ(*value, 5);
}

TEST(ResultDeathTest, TheValueOfAnErrorIsABugThatNamesTheError) {
  EXPECT_DEATH(Half(3).value(), "3 is odd");
  EXPECT_DEATH((void)Status().code(), "");
}

}  // namespace
}  // namespace sherd
