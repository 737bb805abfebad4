#include "ps/spill_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <random>

#include "base/file.h"
#include "tests/ps/faulty_scratch_file.h"

namespace sherd {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// A spill file and what it must hold.
class SpillFileTest : public ::testing::Test {
 protected:
  SpillFileTest() {
    std::string name = (std::filesystem::temp_directory_path() / "sherd-spill-XXXXXX").string();
    CHECK(mkdtemp(name.data()) != nullptr);
    folder_ = name;
  }
  ~SpillFileTest() override {
    spill_.reset();
    std::filesystem::remove_all(folder_);
  }

  void Open(std::uint32_t row_bytes, SpillFile::Options options = {.segment_records = 1024}) {
    auto file = OpenScratchFile(JoinPath(folder_, "spill")).value();
    auto faulty = std::make_unique<FaultyScratchFile>(std::move(file), &faults_);
    below_ = faulty.get();
    spill_ = std::make_unique<SpillFile>(std::move(faulty), folder_, row_bytes, options);
  }

  std::vector<std::byte> RowsOf(std::span<const Key> keys) const {
    std::vector<std::byte> rows;
    rows.reserve(keys.size() * spill_->row_bytes());
    for (const Key key : keys) {
      for (std::uint32_t i = 0; i < spill_->row_bytes(); i += 4) {
        const auto word = static_cast<std::uint32_t>(Mix(key, i));
        const auto bytes = std::as_bytes(std::span(&word, 1));
        rows.insert(rows.end(), bytes.begin(), bytes.end());
      }
    }
    return rows;
  }
  Status Append(std::uint32_t count) {
    std::vector<Key> keys(count);
    for (Key& key : keys) key = Mix(next_key_++);
    std::vector<std::uint32_t> numbers(count);
    RETURN_IF_ERROR(spill_->Append(keys, RowsOf(keys).data(), numbers.data()));
    for (std::uint32_t i = 0; i < count; ++i) EXPECT_TRUE(held_.emplace(numbers[i], keys[i]).second) << numbers[i];
    return {};
  }
  // Reads a random part of what must be there, in random order.
  Status ReadSome(std::size_t count) {
    std::vector<std::pair<std::uint32_t, Key>> wanted;
    std::sample(held_.begin(), held_.end(), std::back_inserter(wanted), count, random_);
    std::shuffle(wanted.begin(), wanted.end(), random_);
    std::vector<Key> keys;
    std::vector<std::uint32_t> numbers;
    for (const auto& [number, key] : wanted) {
      numbers.push_back(number);
      keys.push_back(key);
    }
    std::vector<std::byte> rows(keys.size() * spill_->row_bytes());
    if (in_parts_) {
      spill_->StartRead(std::span(numbers).first(count / 3));
      spill_->StartRead(std::span(numbers).subspan(count / 3));
      RETURN_IF_ERROR(spill_->FinishRead(keys, rows.data()));
    } else {
      RETURN_IF_ERROR(spill_->Read(keys, numbers, rows.data()));
    }
    EXPECT_TRUE(rows == RowsOf(keys)) << "other rows than were appended";
    return {};
  }
  void ExpectAllThere() {
    const Status status = ReadSome(held_.size());
    EXPECT_TRUE(status.ok()) << status.text();
    EXPECT_EQ(spill_->live_records(), held_.size());
  }
  void ReleaseSome(std::size_t count) {
    std::vector<std::pair<std::uint32_t, Key>> gone;
    std::sample(held_.begin(), held_.end(), std::back_inserter(gone), count, random_);
    for (const auto& [number, key] : gone) {
      spill_->Release(number);
      held_.erase(number);
    }
  }
  // Appends a segment's live records again, as the table does. False when no segment is worth it.
  bool Compact() {
    const auto segment = spill_->MostDeadSegment();
    if (!segment) return false;
    SpillFile::Records records;
    EXPECT_TRUE(spill_->ReadSegment(*segment, &records).ok());
    std::vector<std::uint32_t> numbers(records.keys.size());
    EXPECT_TRUE(spill_->Append(records.keys, records.rows.data(), numbers.data()).ok());
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      EXPECT_EQ(held_.at(records.numbers[i]), records.keys[i]);
      spill_->Release(records.numbers[i]);
      held_.erase(records.numbers[i]);
      held_[numbers[i]] = records.keys[i];
    }
    return true;
  }

  std::string folder_;
  FaultyScratchFile::Faults faults_;
  FaultyScratchFile* below_ = nullptr;
  std::unique_ptr<SpillFile> spill_;
  std::map<std::uint32_t, Key> held_;  // number → key
  std::mt19937_64 random_{7};
  Key next_key_ = 1;
  bool in_parts_ = false;
};

TEST_F(SpillFileTest, HoldsWhatAMapHoldsThroughReuseAndCompaction) {
  Open(44, {});
  std::uint64_t appended = 0;
  for (int round = 0; round < 60; ++round) {
    const auto count = static_cast<std::uint32_t>(1 + Below(random_(), 20'000));
    ASSERT_TRUE(Append(count).ok());
    appended += count;
    in_parts_ = round % 2 == 1;
    ASSERT_TRUE(ReadSome(500).ok());
    ReleaseSome(Below(random_(), round < 20 ? 5'000 : 20'000));
    while (Compact()) EXPECT_LE(spill_->MostDeadSegment() ? 1 : 0, 1);
    EXPECT_LE(spill_->dead_records(), spill_->live_records() + 2 * 32'768);
  }
  ExpectAllThere();
  ASSERT_GT(appended, 400'000u);
  EXPECT_LT(spill_->file_bytes(), appended * spill_->record_bytes() * 3 / 4) << "segments are not used again";
}

TEST_F(SpillFileTest, RowsOfAnySizeComeBack) {
  for (const std::uint32_t row_bytes : {4u, 4100u, 200'000u}) {
    held_.clear();
    Open(row_bytes);
    const std::uint32_t scale = row_bytes > 100'000 ? 100 : 1;
    for (const std::uint32_t count : {1u, 1023u, 1u, 2500u, 340u, 341u}) {
      ASSERT_TRUE(Append(std::max(1u, count / scale)).ok()) << row_bytes;
      ReleaseSome(held_.size() / 3);
    }
    ExpectAllThere();
  }
}

TEST_F(SpillFileTest, AFileWithoutLiveRecordsTakesNoRoom) {
  Open(44);
  ASSERT_TRUE(Append(10'000).ok());
  EXPECT_GE(spill_->file_bytes(), 10'000u * spill_->record_bytes());
  ReleaseSome(10'000);
  EXPECT_EQ(spill_->file_bytes(), 0u);
  EXPECT_EQ(faults_.end, 0u) << "not cut";
  EXPECT_FALSE(spill_->MostDeadSegment());
  ASSERT_TRUE(Append(10).ok());
  ExpectAllThere();
}

TEST_F(SpillFileTest, NoNameIsLeftInTheFolder) {
  auto spill = SpillFile::Create(JoinPath(folder_, "deep/spill"), 44).value();
  EXPECT_TRUE(std::filesystem::is_empty(JoinPath(folder_, "deep/spill")));
  EXPECT_GT(spill->FreeBytes().value(), 0u);
  ASSERT_TRUE(WriteFileAtomically(JoinPath(folder_, "taken"), "a file").ok());
  const auto refused = SpillFile::Create(JoinPath(folder_, "taken"), 44);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.status().text(), HasSubstr("taken"));
}

TEST_F(SpillFileTest, NothingIsLostWhicheverCallFails) {
  for (const bool queue_fails : {false, true}) {
    for (std::int64_t call = 0; call < 24; ++call) {
      held_.clear();
      faults_ = {.fail_at = call, .error = call % 2 == 0 ? -EIO : -ENOSPC, .queue_fails = queue_fails};
      Open(2000);
      int failed = 0;
      for (int round = 0; round < 3; ++round) {
        const Status appended = Append(1100);
        const Status read = ReadSome(3);
        for (const Status& status : {appended, read}) {
          failed += status.ok() ? 0 : 1;
          EXPECT_THAT(status.ok() ? folder_ + " offset" : status.text(),
                      AllOf(HasSubstr(folder_), HasSubstr("offset")));
        }
      }
      EXPECT_EQ(failed, call < faults_.calls ? 1 : 0) << call;
      faults_.fail_at = -1;
      ExpectAllThere();
    }
  }
}

TEST_F(SpillFileTest, InterruptedAndShortCallsAreFinished) {
  for (const bool queue_fails : {false, true}) {
    for (std::int64_t call = 0; call < 10; ++call) {
      held_.clear();
      faults_ = {
          .fail_at = call, .error = call % 2 == 0 ? -EINTR : -EAGAIN, .short_calls = true, .queue_fails = queue_fails};
      Open(2000);
      for (int round = 0; round < 3; ++round) ASSERT_TRUE(Append(700).ok());
      ExpectAllThere();
    }
  }
}

TEST_F(SpillFileTest, AFullDiskTakesNothingAndTakesAgainWhenThereIsRoom) {
  Open(44);
  ASSERT_TRUE(Append(3'000).ok());
  faults_.room = 136 * 4096;  // nearly 10'000 records
  ASSERT_TRUE(Append(3'000).ok());
  for (int i = 0; i < 3; ++i) {
    const Status full = Append(20'000);
    EXPECT_EQ(full.code(), ErrorCode::kIo);
    EXPECT_THAT(full.text(), AllOf(HasSubstr(folder_), HasSubstr("No space left"), HasSubstr("MB are free"),
                                   HasSubstr("make room")));
    EXPECT_LE(faults_.end, 6u * 1024 * 56) << "what a failed Append wrote is not given back";
    ExpectAllThere();
  }
  ASSERT_TRUE(Append(100).ok());
  faults_.room = -1;
  ASSERT_TRUE(Append(20'000).ok());
  ExpectAllThere();
}

TEST_F(SpillFileTest, ATinyDiskFillsAndTakesAgain) {
  const std::string disk = JoinPath(folder_, "disk");
  std::filesystem::create_directory(disk);
  if (mount("none", disk.c_str(), "tmpfs", 0, "size=4m") != 0) GTEST_SKIP() << "may not mount a disk";
  spill_ = SpillFile::Create(disk, 44).value();
  Status status;
  for (int i = 0; i < 100 && status.ok(); ++i) status = Append(5'000);
  EXPECT_THAT(status.text(), AllOf(HasSubstr(disk), HasSubstr("No space left"))) << held_.size();
  EXPECT_GT(held_.size(), 60'000u);
  ExpectAllThere();
  ReleaseSome(held_.size());
  EXPECT_TRUE(Append(50'000).ok());
  ExpectAllThere();
  spill_.reset();
  EXPECT_EQ(umount(disk.c_str()), 0);
}

TEST_F(SpillFileTest, ADamagedRecordIsFoundAndNamed) {
  Open(44);
  ASSERT_TRUE(Append(2'000).ok());
  ExpectAllThere();
  const std::uint32_t number = 777;
  AlignedBuffer<std::byte> memory(3 * ScratchFile::kBlock);
  void* start = memory.data();
  std::size_t space = memory.size();
  auto* block = static_cast<std::byte*>(std::align(ScratchFile::kBlock, ScratchFile::kBlock, start, space));
  const std::uint64_t offset = number * std::uint64_t{spill_->record_bytes()};
  const std::uint64_t begin = offset / ScratchFile::kBlock * ScratchFile::kBlock;
  for (const std::uint64_t at : {0, 20, 55}) {
    const std::uint64_t flipped = (offset + at - begin) % ScratchFile::kBlock;
    const std::uint64_t first = offset + at - flipped;
    ASSERT_EQ(below_->ReadNow(first, {block, ScratchFile::kBlock}), static_cast<std::int64_t>(ScratchFile::kBlock));
    block[flipped] ^= std::byte{4};
    ASSERT_GT(below_->Write(first, {block, ScratchFile::kBlock}), 0);
    const Status status = ReadSome(held_.size());
    EXPECT_EQ(status.code(), ErrorCode::kBadData);
    EXPECT_THAT(status.text(), AllOf(HasSubstr(folder_), HasSubstr("record 777 at offset " + std::to_string(offset)),
                                     HasSubstr("key " + std::to_string(held_[number]))));
    block[flipped] ^= std::byte{4};
    ASSERT_GT(below_->Write(first, {block, ScratchFile::kBlock}), 0);
    ExpectAllThere();
  }
}

TEST_F(SpillFileTest, ARecordOfAnotherKeyIsNotTaken) {
  Open(44);
  ASSERT_TRUE(Append(10).ok());
  const std::vector<Key> keys = {held_[3], 12345};
  std::vector<std::byte> rows(2 * 44);
  const Status status = spill_->Read(keys, std::vector<std::uint32_t>{3, 4}, rows.data());
  EXPECT_EQ(status.code(), ErrorCode::kBadData);
  EXPECT_THAT(status.text(), AllOf(HasSubstr("record 4"), HasSubstr("key 12345 was expected")));
}

TEST_F(SpillFileTest, WithoutIoUringRowsAreReadOneByOneAndTheLogSaysSoOnce) {
  faults_.queue_fails = true;
  Open(44);
  ASSERT_TRUE(Append(5'000).ok());
  ::testing::internal::CaptureStderr();
  ExpectAllThere();
  ExpectAllThere();
  const std::string log = ::testing::internal::GetCapturedStderr();
  const std::size_t first = log.find("no io_uring");
  ASSERT_NE(first, std::string::npos) << log;
  EXPECT_EQ(log.find("no io_uring", first + 1), std::string::npos) << log;
}

TEST_F(SpillFileTest, ADiskThatDoesNotAnswerIsNamedAfterTheDeadline) {
  Open(44, {.segment_records = 1024, .deadline = std::chrono::milliseconds(50)});
  ASSERT_TRUE(Append(100).ok());
  faults_.stuck = true;
  const Status status = ReadSome(10);
  EXPECT_EQ(status.code(), ErrorCode::kIo);
  EXPECT_THAT(status.text(), AllOf(HasSubstr(folder_), HasSubstr("for 50 ms")));
}

// What a failing disk does to a part of a read is the whole one's error, once.
TEST_F(SpillFileTest, AReadMayBeStartedInParts) {
  Open(44);
  ASSERT_TRUE(Append(8192).ok());
  const auto read = [&](std::uint32_t parts) {
    std::vector<std::uint32_t> numbers;
    std::vector<Key> keys;
    for (std::uint32_t part = 0; part < parts; ++part) {
      const std::size_t begin = numbers.size();
      for (std::uint32_t i = 0; i < part % 3 * 20; ++i) {  // the parts lie across each other, some are empty
        numbers.push_back((i * 397 + part * 31) % 8192);
        keys.push_back(held_.at(numbers.back()));
      }
      spill_->StartRead(std::span(numbers).subspan(begin));
    }
    std::vector<std::byte> rows(keys.size() * 44);
    RETURN_IF_ERROR(spill_->FinishRead(keys, rows.data()));
    EXPECT_TRUE(rows == RowsOf(keys));
    return Status();
  };
  for (const std::uint32_t parts : {0, 1, 2, 3, 50, 300}) EXPECT_TRUE(read(parts).ok()) << parts;
  for (const std::int64_t call : {0, 15, 100}) {
    faults_.fail_at = faults_.calls + call;
    EXPECT_EQ(read(50).code(), ErrorCode::kIo) << call;
    EXPECT_TRUE(read(50).ok());
  }
}

TEST_F(SpillFileTest, WhenNumbersRunOutTheErrorSaysSo) {
  Open(44, {.segment_records = 1024, .max_records = 4096});
  ASSERT_TRUE(Append(4000).ok());
  EXPECT_THAT(Append(97).text(), AllOf(HasSubstr(folder_), HasSubstr("no numbers left")));
  ASSERT_TRUE(Append(96).ok());
  ExpectAllThere();
}

}  // namespace
}  // namespace sherd
