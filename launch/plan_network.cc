#include "launch/plan_network.h"

#include <glog/logging.h>

#include <utility>

namespace sherd {

Binding BindingOf(const proto::LaunchPlan& plan, const std::string& address) {
  if (!plan.ipc_dir().empty()) return {.kind = Binding::Kind::kIpc, .where = plan.ipc_dir()};
  return {.kind = Binding::Kind::kTcp, .where = address};
}

Result<std::unique_ptr<ZmqNetwork>> NetworkOf(const proto::LaunchPlan& plan, std::optional<CurveKeys> keys) {
  return ZmqNetwork::Create({.job = plan.job_id(), .keys = std::move(keys)});
}

void TellRefused(const ZmqNetwork& network) {
  LOG_IF(WARNING, network.malformed() > 0) << network.malformed() << " messages were refused as damaged or malformed";
  LOG_IF(WARNING, network.refused_connections() > 0)
      << network.refused_connections() << " connections were refused: they had not the job's key";
}

}  // namespace sherd
