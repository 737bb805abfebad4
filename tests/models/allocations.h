#pragma once

namespace sherd {

// How often the program has called operator new so far, on any thread.
long Allocations();

}  // namespace sherd
