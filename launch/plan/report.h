#pragma once

#include <ostream>

#include "launch/plan/plan.h"

namespace sherd {

// For people.
void PrintPlan(const Plan& plan, std::ostream& out);
// JSON lines: one "field" a field, one "table" a table, then "plan" with the rest.
void PrintPlanJson(const Plan& plan, std::ostream& out);

}  // namespace sherd
