#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/ring.h"
#include "net/message.h"

namespace sherd {

// A PUSH that names its pull (`keys_of`) comes without keys: docs/wire_format.md, "Keys of a pull".

// Gives a push its keys frames, one for each section but the dense one, and leaves the gradients as they are. The push
// has a frame for each section.
void GiveKeys(std::span<const Frame> keys, Message* push);

// What the receiver of one worker's pulls keeps of them until they are pushed: the latest, up to a number and a size.
// Thread-compatible.
class PulledKeys {
 public:
  static constexpr std::size_t kMostPulls = 256;
  static constexpr std::size_t kMostBytes = std::size_t{256} << 20;

  // A pull that is well-formed; it may be a repeated one.
  void Note(const Message& pull);
  enum class Given { kYes, kUnknown, kMisfit };
  // Gives a push the keys of the pull that it names. kUnknown: it is not, or no more, here. kMisfit: its sections are
  // not those of the pull, or its frames not one a section. The push is unchanged then.
  Given GiveTo(Message* push) const;
  // The pulls up to this one have been pushed.
  void ForgetUpTo(std::uint64_t request);

 private:
  struct Pull {
    std::uint64_t request;
    std::vector<std::pair<std::uint32_t, std::uint32_t>> sections;  // table, count; without the dense one
    std::vector<Frame> keys;
    std::size_t bytes;
  };

  void DropFirst();
  const Pull* Find(std::uint64_t request) const;

  Ring<Pull> pulls_;         // by ascending request
  std::vector<Pull> spare_;  // whose memory is used again
  std::size_t bytes_ = 0;
};

}  // namespace sherd
