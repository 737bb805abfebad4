#pragma once

#include <string>

#include "base/status.h"
#include "net/curve_keys.h"

namespace sherd {

// The keys of a job in a file that its owner alone may read, for networks on which the launch channel could be
// overheard. Lines of a name and a key; `#` begins a comment:
//
//   server_public <40 characters of Z85>
//   server_secret …
//   client_public …
//   client_secret …
//
// Errors name the file and what to do, and never a key.

// Makes a file of fresh keys with mode 0600. Invalid: there is something of that name already, be it a dangling link.
Status MakeKeyFile(const std::string& path);

// Invalid: it is no regular file, a symbolic link, of another owner, may be read or written by others, or does not hold
// two pairs of keys that fit.
Result<CurveKeys> ReadKeyFile(const std::string& path);

}  // namespace sherd
