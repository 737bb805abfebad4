#pragma once

#include <memory>
#include <string>

#include "base/status.h"

namespace sherd {

// A folder of mode 0700 under $TMPDIR or /tmp, removed with all it holds at the end. Thread-compatible.
class TemporaryDir {
 public:
  static Result<std::unique_ptr<TemporaryDir>> Make();
  // In another folder.
  static Result<std::unique_ptr<TemporaryDir>> MakeIn(const std::string& folder);
  ~TemporaryDir();
  TemporaryDir(const TemporaryDir&) = delete;
  TemporaryDir& operator=(const TemporaryDir&) = delete;

  const std::string& path() const { return path_; }
  // It is others' to remove.
  void Keep() { keep_ = true; }

 private:
  static Result<std::unique_ptr<TemporaryDir>> MakeAs(std::string pattern);
  explicit TemporaryDir(std::string path) : path_(std::move(path)) {}
  const std::string path_;
  bool keep_ = false;
};

}  // namespace sherd
