#include "ps/shard_file_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <thread>

#include "ps/shard_file_reader.h"
#include "tests/base/faulty_file_system.h"
#include "tests/ps/shard_cluster.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;

proto::ModelSpec OneTable() {
  proto::ModelSpec model;
  model.add_table()->set_name("t");
  return model;
}

// Keys of a slot, in the order of a file.
std::vector<Key> KeysOf(Slot slot, std::size_t count) {
  std::vector<Key> keys;
  for (Key key = 0; keys.size() < count; ++key) {
    if (SlotOf(key) == slot) keys.push_back(key);
  }
  std::ranges::sort(keys, ComesBefore);
  return keys;
}

// Sixteen bytes a row, which tell its key.
void Fill(FileBlock* block, Slot slot, std::span<const Key> keys) {
  block->header = {.table = 0,
                   .kind = BlockKind::kRows,
                   .slot = slot,
                   .rows = static_cast<std::uint32_t>(keys.size()),
                   .row_bytes = 16,
                   .payload_bytes = 0,
                   .stored_bytes = 0,
                   .crc = 0};
  block->bytes = keys.size() * 24;
  std::memcpy(block->payload(), keys.data(), keys.size() * sizeof(Key));
  for (std::size_t i = 0; i < keys.size(); ++i) {
    std::byte* row = block->payload() + keys.size() * sizeof(Key) + i * 16;
    std::memcpy(row, &keys[i], sizeof(Key));
    std::memset(row + 8, 7, 8);
  }
}

void FillDeleted(FileBlock* block, Slot slot, std::span<const Key> keys) {
  Fill(block, slot, keys);
  block->header.kind = BlockKind::kDeleted;
  block->header.row_bytes = 0;
  block->bytes = keys.size() * sizeof(Key);
}

class Rows : public ShardFileVisitor {
 public:
  Status OnRows(std::uint32_t, std::span<const Key> keys, std::span<const std::byte> bytes) override {
    for (std::size_t i = 0; i < keys.size(); ++i) {
      Key key;
      std::memcpy(&key, &bytes[i * 16], sizeof(key));
      EXPECT_EQ(key, keys[i]);
      EXPECT_EQ(bytes[i * 16 + 15], std::byte{7});
      rows.push_back(keys[i]);
    }
    return {};
  }
  Status OnCandidates(std::uint32_t, std::span<const Key>, std::span<const std::uint32_t>) override { return {}; }
  Status OnDeleted(std::uint32_t, std::span<const Key> keys) override {
    deleted.insert(deleted.end(), keys.begin(), keys.end());
    return {};
  }
  Status OnDense(std::uint32_t, std::uint32_t, std::uint32_t, std::span<const float>) override { return {}; }

  std::vector<Key> rows, deleted;
};

class ShardFileWriterTest : public testing::Test {
 protected:
  ShardFileWriter::Options Options() { return {.dir = folder_.path() + "/c", .first_slot = 2, .end_slot = 9}; }
  std::string path() const { return folder_.path() + "/c/shard-0.sherd"; }

  // More blocks than the writer has.
  Result<proto::ShardFile> WriteMuch(ShardFileWriter::Options options) {
    const std::vector<Key> keys = KeysOf(3, 500);
    const auto writer = ShardFileWriter::Start(OneTable(), options);
    for (Slot slot = 3; slot < 7; slot += 3) {
      const std::vector<Key> of_slot = KeysOf(slot, 500);
      for (std::size_t i = 0; i < of_slot.size(); i += 5) {
        FileBlock* const block = writer->Take(/*wait=*/true);
        if (block == nullptr) return writer->Wait();
        Fill(block, slot, std::span(of_slot).subspan(i, 5));
        writer->Give(block);
      }
    }
    writer->Finish();
    return writer->Wait();
  }

  TemporaryFolder folder_;
};

TEST_F(ShardFileWriterTest, WhatIsGivenIsInTheFileAndDescribed) {
  for (const bool compress : {false, true}) {
    auto options = Options();
    options.compress = compress;
    const auto file = WriteMuch(options);
    ASSERT_TRUE(file.ok()) << file.status().text();
    const std::string bytes = ReadFile(path()).value();
    EXPECT_EQ(file->name(), "shard-0.sherd");
    EXPECT_EQ(file->bytes(), bytes.size());
    EXPECT_EQ(file->crc(), Crc32c(std::as_bytes(std::span(bytes))));
    EXPECT_EQ(file->first_slot(), 2u);
    EXPECT_EQ(file->end_slot(), 9u);
    EXPECT_EQ(file->rows(), 1000u);
    EXPECT_FALSE(file->delta());
    EXPECT_EQ(bytes.size() < 1000 * 24, compress);
    const auto reader = ShardFileReader::Open(path()).value();
    EXPECT_EQ(reader->crc(), file->crc());
    Rows rows;
    for (Slot slot = 2; slot < 9; ++slot) {
      const Status status = reader->ReadSlot(slot, &rows);
      ASSERT_TRUE(status.ok()) << status.text();
    }
    std::vector<Key> expected = KeysOf(3, 500);
    std::ranges::copy(KeysOf(6, 500), std::back_inserter(expected));
    EXPECT_EQ(rows.rows, expected);
  }
}

TEST_F(ShardFileWriterTest, ADeltaHasDeletedKeysAndSaysSo) {
  auto options = Options();
  options.delta = true;
  const auto writer = ShardFileWriter::Start(OneTable(), options);
  FileBlock* block = writer->Take(true);
  Fill(block, 4, KeysOf(4, 2));
  writer->Give(block);
  block = writer->Take(true);
  FillDeleted(block, 4, KeysOf(4, 30));
  writer->Give(block);
  writer->Finish();
  const auto file = writer->Wait();
  ASSERT_TRUE(file.ok()) << file.status().text();
  EXPECT_TRUE(file->delta());
  EXPECT_EQ(file->rows(), 2u);
  const auto reader = ShardFileReader::Open(path()).value();
  EXPECT_TRUE(reader->delta());
  Rows rows;
  ASSERT_TRUE(reader->ReadSlot(4, &rows).ok());
  EXPECT_EQ(rows.rows, KeysOf(4, 2));
  EXPECT_EQ(rows.deleted, KeysOf(4, 30));
}

// An event loop that takes what there is and sleeps until it is woken.
TEST_F(ShardFileWriterTest, WhoFindsNoBlockIsWokenWhenThereAreSome) {
  std::atomic<int> woken = 0;
  auto options = Options();
  options.wake = [&] { ++woken; };
  const auto writer = ShardFileWriter::Start(OneTable(), options);
  const std::vector<Key> keys = KeysOf(5, 3000);
  for (std::size_t i = 0; i < keys.size();) {
    const int before = woken;
    FileBlock* const block = writer->Take();
    if (block == nullptr) {
      while (woken == before) std::this_thread::sleep_for(std::chrono::microseconds(50));
      continue;
    }
    Fill(block, 5, {&keys[i++], 1});
    writer->Give(block);
  }
  const int before = woken;
  writer->Finish();
  while (woken == before) std::this_thread::sleep_for(std::chrono::microseconds(50));
  ASSERT_TRUE(writer->Outcome().has_value());
  EXPECT_EQ(writer->Outcome()->value().rows(), 3000u);
}

TEST_F(ShardFileWriterTest, ARowLargerThanABlock) {
  const auto writer = ShardFileWriter::Start(OneTable(), Options());
  FileBlock* const block = writer->Take(true);
  const std::vector<Key> keys = KeysOf(5, 1);
  Fill(block, 5, keys);
  block->header.row_bytes = 3'000'000;
  block->bytes = 3'000'008;
  const auto payload = block->Reserve(block->bytes);
  ASSERT_EQ(payload.size(), block->bytes);
  std::memcpy(payload.data(), keys.data(), sizeof(Key));
  std::memset(&payload[8], 5, 3'000'000);
  writer->Give(block);
  writer->Finish();
  ASSERT_TRUE(writer->Wait().ok());
  EXPECT_GT(std::filesystem::file_size(path()), 3'000'000u);
}

TEST_F(ShardFileWriterTest, WhatIsNotFinishedIsRemoved) {
  {
    const auto writer = ShardFileWriter::Start(OneTable(), Options());
    for (Slot slot = 2; slot < 9; ++slot) {
      FileBlock* const block = writer->Take(true);
      Fill(block, slot, KeysOf(slot, 3));
      writer->Give(block);
    }
    EXPECT_FALSE(writer->Outcome().has_value());
  }
  EXPECT_FALSE(std::filesystem::exists(path()));
}

TEST_F(ShardFileWriterTest, AFolderThatCanNotBeMadeIsAnErrorAtOnce) {
  const auto writer = ShardFileWriter::Start(OneTable(), {.dir = "/proc/no/such", .first_slot = 0, .end_slot = 1});
  while (FileBlock* const block = writer->Take(true)) {
    Fill(block, 0, KeysOf(0, 1));
    writer->Give(block);
  }
  ASSERT_TRUE(writer->Outcome().has_value());
  EXPECT_EQ(writer->Outcome()->status().code(), ErrorCode::kIo);
  EXPECT_THAT(writer->Outcome()->status().text(), HasSubstr("/proc/no"));
}

TEST_F(ShardFileWriterTest, WhicheverCallFailsTheErrorIsToldAndNothingIsLeft) {
  std::int64_t calls = 0;
  {
    FaultyFileSystem files;
    const FileSystemReplacement replacement(&files);
    ASSERT_TRUE(WriteMuch(Options()).ok());
    calls = files.calls();
  }
  EXPECT_GE(calls, 9);  // folder with its sync, open, write, sync, close, sync of the folder
  int failed = 0;
  for (std::int64_t call = 0; call < calls; ++call) {
    ASSERT_TRUE(RemoveTree(folder_.path() + "/c").ok());
    FaultyFileSystem files;
    files.fail_at = call;
    const FileSystemReplacement replacement(&files);
    const auto file = WriteMuch(Options());
    EXPECT_EQ(file.ok(), std::filesystem::exists(path())) << call;
    if (file.ok()) continue;  // a direct open, in whose place is another; a close behind the sync of a folder
    ++failed;
    EXPECT_THAT(file.status().text(), HasSubstr(folder_.path())) << call;
  }
  EXPECT_GE(failed, calls - 3);
}

TEST_F(ShardFileWriterTest, ADiskThatBecomesFullIsAnErrorAndThePartIsRemoved) {
  for (const std::int64_t room : {0, 1, 4095, 4097, 20000}) {
    FaultyFileSystem files;
    files.room = room;
    const FileSystemReplacement replacement(&files);
    const auto file = WriteMuch(Options());
    ASSERT_FALSE(file.ok()) << room;
    EXPECT_THAT(file.status().text(), HasSubstr("No space left"));
    EXPECT_FALSE(std::filesystem::exists(path()));
  }
}

}  // namespace
}  // namespace sherd
