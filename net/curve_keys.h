#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"

namespace sherd {

// The keys of a job in Z85 text (40 characters each). Every rank holds them all: whoever has the client pair may talk
// to the job, whoever has the server pair may be talked to. Secrets; never logged, and each copy is wiped when it goes.
struct CurveKeys {
  std::string server_public, server_secret;
  std::string client_public, client_secret;

  ~CurveKeys();
};

// Fresh keys from the system's random numbers.
CurveKeys MakeCurveKeys();
// Invalid: one is not a key, or a public one is not that of its secret one. The error does not hold a key.
Status CheckCurveKeys(const CurveKeys& keys);

// What tells the keys of one job from those of another, and nothing about the secret ones.
std::uint64_t KeyFingerprint(const CurveKeys& keys);

// Overwrites a secret, be it about to go or not.
void Wipe(std::string* secret);

}  // namespace sherd
