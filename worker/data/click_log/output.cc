#include "worker/data/click_log/output.h"

#include <cerrno>
#include <utility>

#include "base/file.h"
#include "base/file_system.h"
#include "worker/data/packer.h"

namespace sherd {
namespace {

constexpr std::uint32_t kBlockRows = 16384;

class TextPacker : public ClickRowPacker {
 public:
  TextPacker(ClickLogFormat format, std::unique_ptr<Packer> packer) : format_(format), packer_(std::move(packer)) {}

  Status Pack(std::span<const ClickRow> rows, EncodedBlock* block) override {
    text_.clear();
    AppendClickRows(format_, rows, &text_);
    return packer_->Pack(text_, &block->bytes);
  }

 private:
  const ClickLogFormat format_;
  const std::unique_ptr<Packer> packer_;
  std::string text_;
};

// Lines or records, one behind the other.
class TextOutput : public ClickLogOutput {
 public:
  static Result<std::unique_ptr<ClickLogOutput>> Create(const ClickLogFile& file) {
    ASSIGN_OR_RETURN(auto writer, FileWriter::Create(PartialPath(file)));
    return std::unique_ptr<ClickLogOutput>(new TextOutput(file, std::move(writer)));
  }
  ~TextOutput() override {
    if (writer_ == nullptr) return;
    writer_.reset();
    (void)FileSystem::Current().Remove(PartialPath(file_));
  }

  std::uint32_t block_rows() const override { return kBlockRows; }

  Result<std::unique_ptr<ClickRowPacker>> MakePacker() const override {
    ASSIGN_OR_RETURN(auto packer, sherd::MakePacker(file_.compression));
    return std::unique_ptr<ClickRowPacker>(std::make_unique<TextPacker>(file_.format, std::move(packer)));
  }

  Status Append(const EncodedBlock& block) override { return writer_->Append(std::as_bytes(std::span(block.bytes))); }

  Status Finish() override {
    RETURN_IF_ERROR(writer_->Finish());
    bytes_ = writer_->size();
    const std::string partial = PartialPath(file_);
    if (FileSystem::Current().Rename(partial, file_.path) != 0) {
      return Status::Io("rename " + partial + " to " + file_.path, errno);
    }
    writer_.reset();
    return SyncDirectory(DirectoryOf(file_.path));
  }

  std::uint64_t bytes() const override { return bytes_; }

 private:
  TextOutput(const ClickLogFile& file, std::unique_ptr<FileWriter> writer) : file_(file), writer_(std::move(writer)) {}
  static std::string PartialPath(const ClickLogFile& file) { return file.path + ".partial"; }

  const ClickLogFile file_;
  std::unique_ptr<FileWriter> writer_;  // null: finished
  std::uint64_t bytes_ = 0;
};

}  // namespace

Result<std::unique_ptr<ClickLogOutput>> ClickLogOutput::Create(const ClickLogFile& file) {
  return file.format == ClickLogFormat::kRowFile ? CreateRowFileOutput(file) : TextOutput::Create(file);
}

}  // namespace sherd
