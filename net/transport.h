#pragma once

#include <string>

#include "base/status.h"
#include "net/seal.h"

namespace sherd {

// What an endpoint's name says of the way there.
enum class Transport { kMemory, kLocal, kTcp };

inline Result<Transport> TransportOf(const std::string& endpoint) {
  if (endpoint.starts_with("inproc://")) return Transport::kMemory;
  if (endpoint.starts_with("ipc://")) return Transport::kLocal;
  if (endpoint.starts_with("tcp://")) return Transport::kTcp;
  return Status::Invalid("endpoint '" + endpoint + "' is none of inproc://, ipc://, tcp://");
}

inline Checksums ChecksumsOf(Transport transport) {
  return transport == Transport::kTcp ? Checksums::kRequired : Checksums::kNone;
}

}  // namespace sherd
