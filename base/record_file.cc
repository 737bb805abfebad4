#include "base/record_file.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <span>

#include "base/file.h"
#include "base/file_system.h"
#include "base/hash.h"

namespace sherd {
namespace {

constexpr std::string_view kMagic = "sherdrec";
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kHead = kMagic.size() + sizeof(kVersion);
constexpr std::size_t kRecordHead = 3 * sizeof(std::uint32_t);

FileSystem& Files() { return FileSystem::Current(); }

std::uint32_t CrcOf(std::string_view bytes) { return Crc32c(std::as_bytes(std::span(bytes))); }

void AppendNumber(std::uint32_t number, std::string* to) {
  to->append(reinterpret_cast<const char*>(&number), sizeof number);
}

std::uint32_t NumberAt(std::string_view text, std::size_t at) {
  std::uint32_t number = 0;
  std::memcpy(&number, text.data() + at, sizeof number);
  return number;
}

std::string Framed(std::string_view record) {
  std::string text;
  AppendNumber(static_cast<std::uint32_t>(record.size()), &text);
  AppendNumber(CrcOf(text), &text);
  AppendNumber(CrcOf(record), &text);
  return text.append(record);
}

std::string FileOf(std::string_view first) {
  std::string text(kMagic);
  AppendNumber(kVersion, &text);
  return text + Framed(first);
}

Status CheckHead(const std::string& path, std::string_view text) {
  if (text.substr(0, kMagic.size()) != kMagic) return Status::BadData(path + ": is not a file of records");
  const std::uint32_t version = NumberAt(text, kMagic.size());
  if (version == kVersion) return {};
  return Status::BadData(path + ": version " + std::to_string(version) + ", this program reads version " +
                         std::to_string(kVersion));
}

}  // namespace

Result<std::unique_ptr<RecordFile>> RecordFile::Create(const std::string& path, std::string_view first) {
  RETURN_IF_ERROR(WriteFileAtomically(path, FileOf(first)));
  const int descriptor = Files().Open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
  if (descriptor < 0) return Status::Io("open " + path, errno);
  return std::unique_ptr<RecordFile>(new RecordFile(path, descriptor));
}

Result<std::unique_ptr<RecordFile>> RecordFile::CreateIfAbsent(const std::string& path, std::string_view first) {
  const int descriptor = Files().Open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC);
  if (descriptor < 0 && errno == EEXIST) return std::unique_ptr<RecordFile>();
  if (descriptor < 0) return Status::Io("create " + path, errno);
  std::unique_ptr<RecordFile> file(new RecordFile(path, descriptor));
  RETURN_IF_ERROR(file->Write(FileOf(first)));
  RETURN_IF_ERROR(SyncDirectory(DirectoryOf(path)));
  return file;
}

RecordFile::~RecordFile() { Files().Close(descriptor_); }

Status RecordFile::Append(std::string_view record) { return Write(Framed(record)); }

Status RecordFile::Write(std::string_view bytes) {
  if (torn_) return Status::Io("write " + path_ + ", where a write has failed before", EIO);
  torn_ = true;
  for (std::size_t at = 0; at < bytes.size();) {
    const ssize_t written = Files().Write(descriptor_, std::as_bytes(std::span(bytes.substr(at))));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Status::Io("write " + path_, errno);
    at += static_cast<std::size_t>(written);
  }
  if (Files().Sync(descriptor_) != 0) return Status::Io("fsync " + path_, errno);
  torn_ = false;
  return {};
}

Result<std::vector<std::string>> ReadRecords(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return Status::NotFound(path + ": is not there");
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  std::vector<std::string> records;
  if (text.size() < kHead) {
    const bool torn = kMagic.starts_with(std::string_view(text).substr(0, kMagic.size()));
    return torn ? Result(std::move(records)) : Status::BadData(path + ": is not a file of records");
  }
  RETURN_IF_ERROR(CheckHead(path, text));
  for (std::size_t at = kHead; text.size() - at >= kRecordHead;) {
    const std::string where = path + ": record at byte " + std::to_string(at);
    if (CrcOf(std::string_view(text).substr(at, sizeof(std::uint32_t))) != NumberAt(text, at + 4)) {
      return Status::BadData(where + ": the checksum of its length does not match");
    }
    const std::size_t length = NumberAt(text, at);
    const std::uint32_t crc = NumberAt(text, at + 8);
    at += kRecordHead;
    if (text.size() - at < length) break;
    const std::string_view record = std::string_view(text).substr(at, length);
    if (CrcOf(record) != crc) return Status::BadData(where + ": its checksum does not match");
    records.emplace_back(record);
    at += length;
  }
  return records;
}

}  // namespace sherd
