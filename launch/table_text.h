#pragma once

#include <string>

#include "proto/wire.pb.h"

namespace sherd {

// "embedding: 1,234,567 rows, 1.7 GiB (keys 9.4 MiB, index 5.1 MiB, …), 12 evicted, …": what a table takes, and what
// has become of its rows, as far as there is anything to say.
std::string TableText(const proto::TableStatus& table);

}  // namespace sherd
