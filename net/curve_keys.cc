// The rest, which needs libzmq, is in zmq_network.cc.
#include "net/curve_keys.h"

#include <string.h>

#include "base/hash.h"

namespace sherd {

CurveKeys::~CurveKeys() {
  for (std::string* key : {&server_public, &server_secret, &client_public, &client_secret}) Wipe(key);
}

std::uint64_t KeyFingerprint(const CurveKeys& keys) {
  return HashBytes(keys.client_public, HashBytes(keys.server_public));
}

// One that the compiler cannot leave out.
void Wipe(std::string* secret) {
  explicit_bzero(secret->data(), secret->size());
  secret->clear();
}

}  // namespace sherd
