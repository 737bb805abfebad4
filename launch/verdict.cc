#include "launch/verdict.h"

#include <cstdlib>

#include "base/file.h"

namespace sherd {

int ExitCodeOf(const Status& status) {
  if (status.ok()) return 0;
  return status.code() == ErrorCode::kInvalid ? 2 : 1;
}

void LeaveVerdict(int exit_code) {
  const char* path = std::getenv("SHERD_VERDICT_FILE");
  if (path != nullptr && *path != '\0') LeaveVerdictIn(path, exit_code);
}

void LeaveVerdictIn(const std::string& path, int exit_code) {
  const Status status = WriteFileAtomically(path, std::to_string(exit_code) + "\n");
  if (!status.ok()) LOG(WARNING) << status.text();
}

}  // namespace sherd
