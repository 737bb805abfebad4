#include "ps/checkpoint_files.h"

#include "base/file.h"
#include "base/partition.h"

namespace sherd {

Result<std::vector<const proto::ShardFile*>> FilesOfSlots(const proto::Manifest& manifest, Slot first, Slot end) {
  std::vector<const proto::ShardFile*> files;
  std::vector<const proto::ShardFile*> full(kSlots, nullptr);  // by slot
  for (const proto::ShardFile& file : manifest.file()) {
    const auto bad = [&](Slot slot, const std::string& what) {
      return Status::BadData("manifest: file " + file.name() + ": slot " + std::to_string(slot) + " " + what);
    };
    if (file.end_slot() > kSlots) return bad(file.end_slot() - 1, "is none");
    bool wanted = false;
    for (Slot slot = std::max(first, file.first_slot()); slot < std::min(end, file.end_slot()); ++slot) {
      if (file.delta() && full[slot] == nullptr) return bad(slot, "has a delta before a full file");
      if (!file.delta() && full[slot] != nullptr) return bad(slot, "is in " + full[slot]->name() + " too");
      if (!file.delta()) full[slot] = &file;
      wanted = true;
    }
    if (wanted) files.push_back(&file);
  }
  for (Slot slot = first; slot < end; ++slot) {
    if (full[slot] == nullptr) return Status::BadData("manifest: no file holds slot " + std::to_string(slot));
  }
  return files;
}

Status CannotOpen(const Status& status, const proto::ShardFile& file) {
  if (status.code() != ErrorCode::kNotFound || !file.has_host()) return status;
  return Status::NotFound(status.text() + ": it was written to the local disk of host " + file.host() +
                          "; go on there, or copy the file to the same path here");
}

Result<std::unique_ptr<ShardFileReader>> OpenShardFile(const std::string& dir, const proto::ShardFile& file) {
  const std::string path = JoinPath(dir, file.name());
  auto opened = ShardFileReader::Open(path);
  if (!opened.ok()) return CannotOpen(opened.status(), file);
  auto reader = std::move(opened).value();
  if (reader->bytes() != file.bytes() || reader->first_slot() != file.first_slot() ||
      reader->end_slot() != file.end_slot() || reader->rows() != file.rows() || reader->delta() != file.delta() ||
      reader->crc().value_or(file.crc()) != file.crc()) {
    return Status::BadData(path + ": is not the file that the manifest describes, but of another job or cut");
  }
  return reader;
}

Status CheckContents(const ShardFileReader& reader, const proto::ShardFile& file) {
  if (reader.crc_read().value_or(file.crc()) == file.crc()) return {};
  return Status::BadData(reader.path() + ": the checksum of its bytes is not the one in the manifest");
}

}  // namespace sherd
