// Preloaded (LD_PRELOAD) into the processes of a job, it makes the disk of some of them fail: from the moment that the
// file $FAILING_READS_FROM is there, files whose paths contain $FAILING_READS_OF can not be opened (EIO) by the ranks
// that $FAILING_READS_RANKS lists, as ",4,5,".
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string>

namespace {

bool Fails(const char* path) {
  const char* const of = getenv("FAILING_READS_OF");
  const char* const from = getenv("FAILING_READS_FROM");
  const char* const ranks = getenv("FAILING_READS_RANKS");
  const char* const rank = getenv("OMPI_COMM_WORLD_RANK");
  if (of == nullptr || from == nullptr || ranks == nullptr || rank == nullptr) return false;
  if (strstr(path, of) == nullptr || access(from, F_OK) != 0) return false;
  return strstr(ranks, ("," + std::string(rank) + ",").c_str()) != nullptr;
}

int Open(const char* path, int flags, mode_t mode) {
  if (Fails(path)) {
    errno = EIO;
    return -1;
  }
  return static_cast<int>(syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}

mode_t ModeOf(int flags, va_list rest) { return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0; }

}  // namespace

extern "C" {

[[gnu::visibility("default")]] int open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = ModeOf(flags, rest);
  va_end(rest);
  return Open(path, flags, mode);
}

[[gnu::visibility("default")]] int open64(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = ModeOf(flags, rest);
  va_end(rest);
  return Open(path, flags | O_LARGEFILE, mode);
}

}  // extern "C"
