#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/status.h"
#include "net/message.h"
#include "net/value_codec.h"
#include "ps/key_numbering.h"
#include "ps/shard_store.h"

namespace sherd {

// One section of a PULL or PUSH, as typed views of its frames.
struct SectionView {
  bool dense;
  std::uint32_t table;               // unless dense
  std::span<const Key> keys;         // unless dense
  std::size_t floats;                // of its values or gradients
  proto::Encoding encoding;          // of the gradients, or of those values that are to be sent
  std::size_t bytes;                 // of its values or gradients as they travel
  std::span<const float> gradients;  // of a PUSH: sums over the minibatch's rows, [keys, weight_floats] or all blocks'
  const std::byte* encoded;          // the same as they came
};

// The checked content of a PULL or PUSH. Its views point into the message's frames, but for gradients that came
// encoded: those are in `decoded`.
struct RequestView {
  std::vector<SectionView> sections;
  AlignedBuffer<float> decoded;
};

// Checks everything that a PULL or PUSH says against its frames and against the store, before any of it is used:
// counts, sizes, tables, that keys are the shard's own and distinct, that the answer to a pull can be sent. Invalid:
// the first thing that does not fit. Thread-compatible.
class RequestChecker {
 public:
  explicit RequestChecker(const ShardStore* store);

  Status ViewPull(const Message& message, RequestView* view);
  Status ViewPush(const Message& message, RequestView* view);
  // Of a message that has been viewed before: without looking at each key again.
  void ViewAgain(const Message& message, RequestView* view);
  // Of a push, once it is to be applied: `gradients` are there from now on, whatever they came as.
  void DecodeGradients(RequestView* view) const;

  const ValueCodec& row_codec(std::uint32_t table) const { return row_codecs_[table]; }
  const ValueCodec& dense_codec() const { return dense_codec_; }

 private:
  enum class Keys { kUnchecked, kChecked };

  Status View(const Message& message, Keys keys, RequestView* view);
  Status ViewSection(const proto::Section& section, const Message& message, Keys keys, std::size_t* frame,
                     SectionView* view);
  Status ViewKeys(const proto::Section& section, const Frame& frame, Keys keys, SectionView* view);
  Status ViewGradients(const proto::Section& section, const Frame& frame, SectionView* view) const;
  Status CheckKeys(std::span<const Key> keys);
  Status AddAnswer(const proto::Section& section, const SectionView& view, std::uint64_t* bytes) const;

  const ShardStore* const store_;
  std::vector<ValueCodec> row_codecs_;  // by table
  ValueCodec dense_codec_;
  std::vector<bool> seen_;  // tables with a section in this message
  KeyNumbering numbering_;
};

}  // namespace sherd
