#include "launch/keys/key_file.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "base/host_name.h"

namespace sherd {
namespace {

constexpr std::size_t kLongest = 4096;
constexpr mode_t kOthers = S_IRWXG | S_IRWXO;
constexpr std::array kNames = {"server_public", "server_secret", "client_public", "client_secret"};

std::string* KeyOf(std::string_view name, CurveKeys* keys) {
  const std::array<std::string*, kNames.size()> all = {&keys->server_public, &keys->server_secret, &keys->client_public,
                                                       &keys->client_secret};
  const auto found = std::find(kNames.begin(), kNames.end(), name);
  return found == kNames.end() ? nullptr : all[static_cast<std::size_t>(found - kNames.begin())];
}

// Text with secrets in it, wiped when it goes.
struct SecretText {
  std::array<char, kLongest> bytes{};
  std::size_t size = 0;

  ~SecretText() { explicit_bzero(bytes.data(), bytes.size()); }
  std::string_view view() const { return {bytes.data(), size}; }
  void Append(std::string_view text) {
    CHECK_LE(size + text.size(), bytes.size());
    std::copy(text.begin(), text.end(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
    size += text.size();
  }
};

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  int number() const { return number_; }

 private:
  const int number_;
};

Status Bad(const std::string& path, const std::string& what) {
  return Status::Invalid("key file " + path + " on host " + HostName() + ": " + what);
}

// Of the open file, so that what is judged is what will be read.
Status CheckGuarded(const std::string& path, int descriptor) {
  struct stat info {};
  if (fstat(descriptor, &info) != 0) return Bad(path, strerror(errno));
  if (!S_ISREG(info.st_mode)) return Bad(path, "it is no regular file");
  if (info.st_uid != geteuid()) {
    return Bad(path, "it belongs to user " + std::to_string(info.st_uid) + ", and this process runs as user " +
                         std::to_string(geteuid()) + ": make one of your own by sherd keygen");
  }
  if ((info.st_mode & kOthers) != 0) {
    return Bad(path,
               "others may read or write it: its keys may be known; make new ones by sherd keygen, or chmod 600 it");
  }
  return {};
}

Status ReadAll(const std::string& path, int descriptor, SecretText* text) {
  while (text->size < text->bytes.size()) {
    const ssize_t n = read(descriptor, text->bytes.data() + text->size, text->bytes.size() - text->size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Bad(path, strerror(errno));
    if (n == 0) return {};
    text->size += static_cast<std::size_t>(n);
  }
  return Bad(path, "it is too long to be a key file");
}

Status ParseLine(const std::string& path, std::size_t number, std::string_view line, CurveKeys* keys) {
  const std::string where = "line " + std::to_string(number) + ": ";
  const std::size_t space = std::min(line.find(' '), line.size());
  std::string* const key = KeyOf(line.substr(0, space), keys);
  if (key == nullptr) return Bad(path, where + "neither a comment nor a key's name, a space and the key");
  if (!key->empty()) return Bad(path, where + "the same key a second time");
  *key = line.substr(std::min(space + 1, line.size()));
  return {};
}

Status Parse(const std::string& path, std::string_view text, CurveKeys* keys) {
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    if (!line.empty() && line[0] != '#') RETURN_IF_ERROR(ParseLine(path, number, line, keys));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  for (const char* name : kNames) {
    if (KeyOf(name, keys)->empty()) return Bad(path, std::string(name) + " is missing");
  }
  const Status fit = CheckCurveKeys(*keys);
  return fit.ok() ? fit : Bad(path, fit.text());
}

Status WriteAll(const std::string& path, int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(descriptor, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Status::Io("write key file " + path, errno);
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return fsync(descriptor) == 0 ? Status() : Status::Io("write key file " + path, errno);
}

}  // namespace

Status MakeKeyFile(const std::string& path) {
  const Descriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR));
  if (file.number() < 0) {
    if (errno == EEXIST) return Status::Invalid("key file " + path + " is there already, and is not replaced");
    return Status::Io("make key file " + path, errno);
  }
  CurveKeys keys = MakeCurveKeys();
  SecretText text;
  text.Append("# The keys of a job of Sherd: whoever can read this file can do anything in the job.\n");
  for (const char* name : kNames) {
    text.Append(name);
    text.Append(" ");
    text.Append(*KeyOf(name, &keys));
    text.Append("\n");
  }
  const Status written = WriteAll(path, file.number(), text.view());
  if (!written.ok()) unlink(path.c_str());
  return written;
}

Result<CurveKeys> ReadKeyFile(const std::string& path) {
  // Without O_NONBLOCK a FIFO would keep us waiting for a writer.
  const Descriptor file(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  if (file.number() < 0) {
    if (errno == ELOOP)
      return Bad(path, "it is a symbolic link, which others could turn elsewhere: name the file itself");
    return Bad(path, std::string(strerror(errno)) + (errno == ENOENT ? ": make it by sherd keygen" : ""));
  }
  RETURN_IF_ERROR(CheckGuarded(path, file.number()));
  SecretText text;
  RETURN_IF_ERROR(ReadAll(path, file.number(), &text));
  CurveKeys keys;
  RETURN_IF_ERROR(Parse(path, text.view(), &keys));
  return keys;
}

}  // namespace sherd
