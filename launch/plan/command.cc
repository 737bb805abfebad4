#include "launch/plan/command.h"

#include "launch/command_words.h"
#include "launch/plan/plan.h"
#include "launch/plan/report.h"

namespace sherd {

Status RunPlanCommand(const JobRequest& request, SignalWatch* signals, std::ostream& out) {
  CommandWords words;
  if (!request.sample_rows.empty()) words.flags["sample_rows"] = request.sample_rows;
  if (!request.seconds.empty()) words.flags["seconds"] = request.seconds;
  PlanOptions options;
  ASSIGN_OR_RETURN(options.sample_rows, words.Number("sample_rows", 1, std::uint64_t{1} << 40, options.sample_rows));
  ASSIGN_OR_RETURN(options.seconds, words.Real("seconds", options.seconds));
  if (options.seconds <= 0 || options.seconds > 86400) {
    return BadFlag("seconds", "give a number above 0, and at most 86400");
  }
  ASSIGN_OR_RETURN(const Plan plan, MakePlan(request, options, signals));
  request.json ? PrintPlanJson(plan, out) : PrintPlan(plan, out);
  return {};
}

}  // namespace sherd
