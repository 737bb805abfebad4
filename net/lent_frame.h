#pragma once

#include <memory>
#include <new>
#include <utility>

#include "base/block_shelf.h"
#include "net/message.h"

namespace sherd {

// A frame that a library holds by a pointer until it calls GiveBackFrame with it, on any thread.
struct LentFrame {
  Frame frame;
  std::shared_ptr<BlockShelf> home;  // of this block
};

inline void* LendFrame(const Frame& frame, const std::shared_ptr<BlockShelf>& shelf) {
  return new (shelf->Take(sizeof(LentFrame))) LentFrame{frame, shelf};
}

inline void GiveBackFrame(void* /*data*/, void* block) {
  auto* lent = static_cast<LentFrame*>(block);
  const std::shared_ptr<BlockShelf> home = std::move(lent->home);
  lent->~LentFrame();
  home->Put(block);
}

}  // namespace sherd
