#pragma once

#include <glog/logging.h>

#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace sherd {

// What went wrong in the world: bad input, a dead peer, a torn file. Our own bugs are CHECKs instead.
enum class ErrorCode {
  kInvalid,      // what the caller or the user gave is wrong: exit code 2 when it is a config or a flag
  kBadData,      // an input file or a checkpoint does not hold what it should
  kNotFound,     // a file or a name that is not there
  kUnavailable,  // a peer that does not answer
  kIo,           // the operating system refused
  kStopped,      // the job is being ended; not a failure of its own
};

// Success, or an error code with a text that names the place (file, line, peer, key) and says what to do. Each level
// that passes an error on says what it was doing by Annotate: "restore checkpoint: read shard-3: disk full". Immutable,
// cheap when it is a success.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(ErrorCode code, std::string text) : error_(std::in_place, code, std::move(text)) {}

  static Status Invalid(std::string text) { return {ErrorCode::kInvalid, std::move(text)}; }
  static Status BadData(std::string text) { return {ErrorCode::kBadData, std::move(text)}; }
  static Status NotFound(std::string text) { return {ErrorCode::kNotFound, std::move(text)}; }
  static Status Unavailable(std::string text) { return {ErrorCode::kUnavailable, std::move(text)}; }
  static Status Stopped(std::string text) { return {ErrorCode::kStopped, std::move(text)}; }
  // With the text of errno appended.
  static Status Io(std::string text, int error_number);

  bool ok() const { return !error_.has_value(); }
  ErrorCode code() const { return CHECK_NOTNULL(get())->first; }
  const std::string& text() const;
  Status Annotate(const std::string& doing) const;

 private:
  const std::pair<ErrorCode, std::string>* get() const { return error_ ? &*error_ : nullptr; }

  std::optional<std::pair<ErrorCode, std::string>> error_;
};

// A value or the error that kept it from being made.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit by intent
  Result(Status error) : state_(std::in_place_index<1>, std::move(error)) { CHECK(!status_().ok()); }  // NOLINT

  bool ok() const { return state_.index() == 0; }
  Status status() const { return ok() ? Status() : status_(); }
  T& value() & {
    CHECK(ok()) << status_().text();
    return std::get<0>(state_);
  }
  const T& value() const& {
    CHECK(ok()) << status_().text();
    return std::get<0>(state_);
  }
  T&& value() && {
    CHECK(ok()) << status_().text();
    return std::get<0>(std::move(state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  const Status& status_() const { return std::get<1>(state_); }

  std::variant<T, Status> state_;
};

}  // namespace sherd

// Returns from the enclosing function with the error of `expression`, if it is one.
#define RETURN_IF_ERROR(expression)                                            \
  do {                                                                         \
    if (::sherd::Status status_ = (expression); !status_.ok()) return status_; \
  } while (false)

#define SHERD_CONCAT_INNER(a, b) a##b
#define SHERD_CONCAT(a, b) SHERD_CONCAT_INNER(a, b)

// ASSIGN_OR_RETURN(auto x, F()): x is F's value, or the enclosing function returns F's error.
#define ASSIGN_OR_RETURN(declaration, expression) \
  ASSIGN_OR_RETURN_INNER(SHERD_CONCAT(result_, __LINE__), declaration, expression)
#define ASSIGN_OR_RETURN_INNER(result, declaration, expression) \
  auto result = (expression);                                   \
  if (!result.ok()) return result.status();                     \
  declaration = std::move(result).value()
