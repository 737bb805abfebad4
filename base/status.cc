#include "base/status.h"

#include <cstring>

namespace sherd {

Status Status::Io(std::string text, int error_number) {
  return {ErrorCode::kIo, std::move(text) + ": " + std::strerror(error_number)};
}

const std::string& Status::text() const {
  static const std::string kNone;
  return ok() ? kNone : error_->second;
}

Status Status::Annotate(const std::string& doing) const {
  return ok() ? *this : Status(error_->first, doing + ": " + error_->second);
}

}  // namespace sherd
