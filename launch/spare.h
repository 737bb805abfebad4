#pragma once

#include <cstdint>

#include "base/status.h"
#include "launch/roles.h"
#include "net/mailbox.h"

namespace sherd {

// A rank that waits: registers, sends heartbeats, ends when the scheduler says stop or is gone for good.
Status RunSpare(Network* network, const JobPlan& plan, std::uint32_t index);

}  // namespace sherd
