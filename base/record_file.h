#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace sherd {

// A file of records that grows by one at a time, and that can be read after its writer was killed at any moment.
//
//   file = magic (8 bytes: "sherdrec") version (u32: 1) record*
//   record = length (u32) crc of the length (u32) crc of the bytes (u32) bytes
//
// All numbers are little-endian, all checksums CRC32C. Thread-compatible.
class RecordFile {
 public:
  // Puts a file with this one record in the place of whatever was there: a reader sees the old file or the new one.
  static Result<std::unique_ptr<RecordFile>> Create(const std::string& path, std::string_view first);
  // The same, unless there is a file of this name: then nothing. Whoever is the first of several, on any hosts, has it.
  static Result<std::unique_ptr<RecordFile>> CreateIfAbsent(const std::string& path, std::string_view first);
  ~RecordFile();
  RecordFile(const RecordFile&) = delete;
  RecordFile& operator=(const RecordFile&) = delete;

  // The record is on disk when this returns. After a failure the file may end in a part of it, and takes no more.
  Status Append(std::string_view record);

 private:
  RecordFile(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  Status Write(std::string_view bytes);

  const std::string path_;
  const int descriptor_;
  bool torn_ = false;
};

// All records of a file. One that was not written to its end, which is the last then, is left out. NotFound: there is
// no file; BadData: what is there is damaged, or no such file.
Result<std::vector<std::string>> ReadRecords(const std::string& path);

}  // namespace sherd
