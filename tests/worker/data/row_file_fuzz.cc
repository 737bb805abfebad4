// libFuzzer's entrance: any bytes as a row file. Checksums are made right first, or nothing but them would be tested.
#include <glog/logging.h>
#include <stdlib.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <span>
#include <string>

#include "base/hash.h"
#include "tests/worker/data/row_file_bytes.h"
#include "worker/data/row_file_format.h"

namespace sherd {
namespace {

template <typename T>
T Get(const std::string& bytes, std::size_t at) {
  T value = {};
  if (at <= bytes.size() && bytes.size() - at >= sizeof(T)) std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}
template <typename T>
void Put(std::string* bytes, std::size_t at, const T& value) {
  if (at <= bytes->size() && bytes->size() - at >= sizeof(T)) std::memcpy(bytes->data() + at, &value, sizeof(T));
}
std::uint32_t CrcOf(const std::string& bytes, std::size_t begin, std::size_t size, std::uint32_t crc = 0) {
  begin = std::min(begin, bytes.size());
  return Crc32c(std::as_bytes(std::span(bytes).subspan(begin, std::min(size, bytes.size() - begin))), crc);
}

void MendBlock(std::string* bytes, std::size_t offset, std::size_t stored_bytes) {
  // The streams are as many as fit before what they say they store.
  std::size_t head = offset + sizeof(BlockHead), sum = sizeof(BlockHead), count = 0;
  while (head + sizeof(StreamHeader) <= bytes->size() && sum < stored_bytes) {
    sum += sizeof(StreamHeader) + Get<StreamHeader>(*bytes, head).stored_bytes;
    head += sizeof(StreamHeader);
    ++count;
  }
  std::size_t payload = head;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t at = offset + sizeof(BlockHead) + i * sizeof(StreamHeader);
    StreamHeader header = Get<StreamHeader>(*bytes, at);
    header.crc = CrcOf(*bytes, payload, header.stored_bytes);
    Put(bytes, at, header);
    payload += header.stored_bytes;
  }
  const std::uint32_t rows = CrcOf(*bytes, offset, sizeof(std::uint32_t));
  Put(bytes, offset + sizeof(std::uint32_t),
      CrcOf(*bytes, offset + sizeof(BlockHead), count * sizeof(StreamHeader), rows));
}

void Mend(std::string* bytes) {
  if (bytes->size() < sizeof(RowFileHeader) + sizeof(RowFileFooter)) return;
  auto header = Get<RowFileHeader>(*bytes, 0);
  std::memcpy(header.magic, kRowFileMagic, sizeof(header.magic));
  header.version = kRowFileVersion;
  header.schema_crc = CrcOf(*bytes, sizeof(header), header.schema_bytes);
  Put(bytes, 0, header);
  Put(bytes, offsetof(RowFileHeader, crc), CrcOf(*bytes, 0, offsetof(RowFileHeader, crc)));
  const std::size_t end = bytes->size() - sizeof(RowFileFooter);
  auto footer = Get<RowFileFooter>(*bytes, end);
  footer.schema_crc = header.schema_crc;
  if (footer.index_offset < end) {
    for (std::size_t at = footer.index_offset; at + sizeof(BlockEntry) <= end; at += sizeof(BlockEntry)) {
      const auto block = Get<BlockEntry>(*bytes, at);
      if (block.offset < end) MendBlock(bytes, block.offset, block.stored_bytes);
    }
    footer.index_crc = CrcOf(*bytes, footer.index_offset, end - footer.index_offset);
  }
  std::memcpy(footer.magic, kRowFileEnd, sizeof(footer.magic));
  Put(bytes, end, footer);
  Put(bytes, end + offsetof(RowFileFooter, crc), CrcOf(*bytes, end, offsetof(RowFileFooter, crc)));
}

}  // namespace
}  // namespace sherd

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::string path = [] {
    std::string folder = std::string(getenv("TEST_TMPDIR") != nullptr ? getenv("TEST_TMPDIR") : "/tmp") + "/rowsXXXXXX";
    CHECK(mkdtemp(folder.data()) != nullptr);
    return folder + "/rows";
  }();
  std::string bytes(reinterpret_cast<const char*>(data), size);
  if (bytes.ends_with('D')) sherd::Mend(&bytes);  // as a row file does; else as it is
  std::FILE* const file = std::fopen(path.c_str(), "w");
  CHECK(file != nullptr);
  CHECK_EQ(std::fwrite(bytes.data(), 1, bytes.size(), file), bytes.size());
  std::fclose(file);
  (void)sherd::ReadWholeRowFile(path);
  return 0;
}
