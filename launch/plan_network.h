#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/status.h"
#include "launch/roles.h"
#include "net/curve_keys.h"
#include "net/zmq_network.h"
#include "proto/launch.pb.h"

namespace sherd {

// How a process of a launched job talks to the others, as its plan says.

// Where it binds; `address` is this host's, for tcp.
Binding BindingOf(const proto::LaunchPlan& plan, const std::string& address);
// `keys`: where connections are encrypted.
Result<std::unique_ptr<ZmqNetwork>> NetworkOf(const proto::LaunchPlan& plan, std::optional<CurveKeys> keys);
// At its end: what came over the network that it would not take.
void TellRefused(const ZmqNetwork& network);

}  // namespace sherd
