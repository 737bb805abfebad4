#include "base/manifest.h"

#include <cstdint>
#include <cstring>
#include <span>

#include "base/file.h"
#include "base/hash.h"
#include "base/host_name.h"

namespace sherd {
namespace {

constexpr std::uint32_t kVersion = 2, kOldestVersion = 1;
constexpr char kName[] = "manifest";

}  // namespace

Status WriteManifest(const std::string& dir, const proto::Manifest& manifest) {
  proto::Manifest versioned = manifest;
  versioned.set_version(kVersion);
  std::string text = versioned.SerializeAsString();
  const std::uint32_t crc = Crc32c(std::as_bytes(std::span(text)));
  text.append(reinterpret_cast<const char*>(&crc), sizeof(crc));
  return WriteFileAtomically(JoinPath(dir, kName), text);
}

Result<proto::Manifest> ReadManifest(const std::string& dir) {
  const std::string path = JoinPath(dir, kName);
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  std::uint32_t crc = 0;
  if (text.size() < sizeof(crc)) return Status::BadData(path + ": is cut off");
  const std::size_t size = text.size() - sizeof(crc);
  std::memcpy(&crc, text.data() + size, sizeof(crc));
  if (crc != Crc32c(std::as_bytes(std::span(text)).first(size)))
    return Status::BadData(path + ": checksum does not match");
  proto::Manifest manifest;
  if (!manifest.ParseFromArray(text.data(), static_cast<int>(size)))
    return Status::BadData(path + ": is not a manifest");
  if (manifest.version() < kOldestVersion || manifest.version() > kVersion) {
    return Status::BadData(path + ": version " + std::to_string(manifest.version()) + ", this program reads versions " +
                           std::to_string(kOldestVersion) + " to " + std::to_string(kVersion));
  }
  return manifest;
}

Result<proto::Manifest> OpenCheckpoint(const std::string& dir) {
  ASSIGN_OR_RETURN(proto::Manifest manifest, ReadManifest(dir));
  for (const proto::ShardFile& file : manifest.file()) {
    if (file.has_host() && file.host() != HostName()) continue;  // its server will see
    const auto reader = FileReader::Open(JoinPath(dir, file.name()));
    if (!reader.ok()) return reader.status().Annotate("checkpoint " + dir);
    const std::uint64_t size = reader.value()->size();
    if (size != file.bytes()) {
      return Status::BadData("checkpoint " + dir + ": " + file.name() + " has " + std::to_string(size) +
                             " bytes, not " + std::to_string(file.bytes()));
    }
  }
  return manifest;
}

}  // namespace sherd
