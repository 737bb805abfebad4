#pragma once

#include <cstdint>
#include <memory>

#include "net/mailbox.h"
#include "proto/model_spec.pb.h"

namespace sherd::bench {

constexpr std::uint32_t kWireDim = 16;
constexpr float kWireRate = 0.01f;

// One table of one segment of kWireDim floats, that starts at zero.
proto::ModelSpec WireModel(const proto::Optimizer& optimizer);

// The one shard of a job with that model, on a thread of its own, as sherd's servers run it.
void ServeShard(const proto::ModelSpec& model, Network* network, std::unique_ptr<Mailbox> mailbox);

// What one writes first: a hash map of vectors, SGD, and the same messages over the same sockets, none of them checked.
void ServeMap(std::unique_ptr<Mailbox> mailbox);

}  // namespace sherd::bench
