#include <utility>

#include "worker/data/unpackers.h"

namespace sherd {
namespace {
constexpr std::size_t kBlockBytes = 256 << 10;
}  // namespace

PackedInput::PackedInput(std::string name, std::unique_ptr<ByteSource> source)
    : name_(std::move(name)), source_(std::move(source)), buffer_(std::make_unique<char[]>(kBlockBytes)) {}

Status PackedInput::Refill() {
  if (begin_ < end_ || at_end_) return {};
  ASSIGN_OR_RETURN(const std::size_t n, source_->Read(buffer_.get(), kBlockBytes));
  begin_ = 0;
  end_ = n;
  at_end_ = n == 0;
  return {};
}

void PackedInput::Consume(std::size_t n) {
  begin_ += n;
  consumed_ += n;
}

Status PackedInput::Error(const std::string& text) const {
  return Status::BadData(name_ + ": " + text + " at byte " + std::to_string(consumed_) + " of the compressed file");
}

}  // namespace sherd
