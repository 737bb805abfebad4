#include "net/pulled_keys.h"

#include <gtest/gtest.h>

#include <string>

namespace sherd {
namespace {

using Given = PulledKeys::Given;

proto::Section* AddSection(std::uint32_t table, std::uint32_t count, Message* message) {
  proto::Section* section = message->header.add_section();
  section->set_table(table);
  section->set_count(count);
  return section;
}

Message Pull(std::uint64_t request, std::size_t bytes = 8) {
  Message message;
  message.header.set_request(request);
  AddSection(0, 1, &message);
  AddSection(3, 2, &message);
  message.header.add_section()->set_dense(true);
  message.frames = {Frame::Of(std::string(bytes, 'a')), Frame::Of(std::string(16, 'b'))};
  return message;
}

Message Push(std::uint64_t keys_of) {
  Message message;
  message.header.set_keys_of(keys_of);
  AddSection(0, 1, &message);
  AddSection(3, 2, &message);
  message.header.add_section()->set_dense(true);
  message.frames = {Frame::Of("first"), Frame::Of("second"), Frame::Of("dense")};
  return message;
}

std::string Text(const Frame& frame) { return {reinterpret_cast<const char*>(frame.bytes().data()), frame.size()}; }

TEST(PulledKeysTest, GivesAPushTheKeysOfItsPull) {
  PulledKeys pulled;
  pulled.Note(Pull(4));
  pulled.Note(Pull(7));
  pulled.Note(Pull(7));  // it came again
  Message push = Push(4);
  ASSERT_EQ(pulled.GiveTo(&push), Given::kYes);
  ASSERT_EQ(push.frames.size(), 5u);
  EXPECT_EQ(Text(push.frames[0]), "aaaaaaaa");
  EXPECT_EQ(Text(push.frames[1]), "first");
  EXPECT_EQ(Text(push.frames[2]), std::string(16, 'b'));
  EXPECT_EQ(Text(push.frames[3]), "second");
  EXPECT_EQ(Text(push.frames[4]), "dense");
}

TEST(PulledKeysTest, ForgetsWhatWasPushed) {
  PulledKeys pulled;
  for (const std::uint64_t request : {1, 2, 5}) pulled.Note(Pull(request));
  pulled.ForgetUpTo(2);
  for (const std::uint64_t request : {0, 1, 2, 3, 6}) {
    Message push = Push(request);
    EXPECT_EQ(pulled.GiveTo(&push), Given::kUnknown) << request;
  }
  Message push = Push(5);
  EXPECT_EQ(pulled.GiveTo(&push), Given::kYes);
}

TEST(PulledKeysTest, APushOfOtherSectionsIsLeftAsItIs) {
  PulledKeys pulled;
  pulled.Note(Pull(1));
  const auto misfits = [&](const std::function<void(Message*)>& change) {
    Message push = Push(1);
    change(&push);
    const std::size_t frames = push.frames.size();
    return pulled.GiveTo(&push) == Given::kMisfit && push.frames.size() == frames;
  };
  EXPECT_TRUE(misfits([](Message* push) { push->header.mutable_section(0)->set_table(1); }));
  EXPECT_TRUE(misfits([](Message* push) { push->header.mutable_section(1)->set_count(1); }));
  EXPECT_TRUE(misfits([](Message* push) { push->header.mutable_section(1)->set_dense(true); }));
  EXPECT_TRUE(misfits([](Message* push) { push->frames.pop_back(); }));
  EXPECT_TRUE(misfits([](Message* push) { push->frames.emplace_back(); }));
  EXPECT_TRUE(misfits([](Message* push) {
    push->frames.emplace_back();
    push->header.add_section();
  }));
}

TEST(PulledKeysTest, KeepsNoMoreThanItMay) {
  PulledKeys pulled;
  const auto knows = [&](std::uint64_t request) {
    Message push = Push(request);
    return pulled.GiveTo(&push) == Given::kYes;
  };
  for (std::uint64_t request = 1; request <= PulledKeys::kMostPulls + 1; ++request) pulled.Note(Pull(request));
  EXPECT_FALSE(knows(1));
  EXPECT_TRUE(knows(2));
  pulled.Note(Pull(1000, PulledKeys::kMostBytes / 2));
  pulled.Note(Pull(1001, PulledKeys::kMostBytes / 2));
  EXPECT_FALSE(knows(1000));
  EXPECT_TRUE(knows(1001));
}

}  // namespace
}  // namespace sherd
