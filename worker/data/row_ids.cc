#include "worker/data/row_ids.h"

#include <algorithm>

#include "worker/data/huge_pages.h"

// The file includes itself once a SIMD target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "worker/data/row_ids.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#ifndef SHERD_DATA_ROW_IDS_TYPES_
#define SHERD_DATA_ROW_IDS_TYPES_
namespace sherd {
// Eight streams of a block. Where there are fewer the others are empty: no bits of its first bytes.
struct PackedStreams {
  static constexpr std::size_t kStreams = 8;
  alignas(kAlignment) std::uint64_t next_bit[kStreams] = {};  // of the next row's id, from the block's memory on
  alignas(kAlignment) std::uint64_t bits[kStreams] = {};
  alignas(kAlignment) std::uint64_t mask[kStreams] = {};
  alignas(kAlignment) std::uint64_t largest[kStreams] = {};
};
}  // namespace sherd
#endif

HWY_BEFORE_NAMESPACE();
namespace sherd::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The next ids of `rows` rows, a vector of streams at a time: eight ids a row are written, whatever they are needed
// for.
template <typename Id>
HWY_ATTR HWY_INLINE void Unpack(const std::byte* memory, std::uint32_t rows, std::size_t stride, PackedStreams* streams,
                                Id* out) {
  const hn::CappedTag<std::uint64_t, PackedStreams::kStreams> d;
  const hn::RebindToSigned<decltype(d)> di;
  const hn::Rebind<Id, decltype(d)> d_id;
  const auto* const words = reinterpret_cast<const std::uint64_t*>(memory);
  for (std::size_t s = PackedStreams::kStreams; s > 0;) {
    s -= hn::Lanes(d);
    auto next = hn::Load(d, streams->next_bit + s), largest = hn::Load(d, streams->largest + s);
    const auto bits = hn::Load(d, streams->bits + s), mask = hn::Load(d, streams->mask + s), seven = hn::Set(d, 7);
    Id* to = out + s;
    for (std::uint32_t row = 0; row < rows; ++row, to += stride) {
      const auto word = hn::GatherOffset(d, words, hn::BitCast(di, hn::ShiftRight<3>(next)));
      const auto id = hn::And(hn::Shr(word, hn::And(next, seven)), mask);
      largest = hn::Max(largest, id);
      hn::StoreU(hn::TruncateTo(d_id, id), d_id, to);
      next = hn::Add(next, bits);
    }
    hn::Store(next, d, streams->next_bit + s);
    hn::Store(largest, d, streams->largest + s);
  }
}

HWY_ATTR void Unpack16(const std::byte* memory, std::uint32_t rows, std::size_t stride, PackedStreams* streams,
                       std::uint16_t* out) {
  Unpack(memory, rows, stride, streams, out);
}
HWY_ATTR void Unpack32(const std::byte* memory, std::uint32_t rows, std::size_t stride, PackedStreams* streams,
                       std::uint32_t* out) {
  Unpack(memory, rows, stride, streams, out);
}

}  // namespace sherd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sherd {
HWY_EXPORT(Unpack16);
HWY_EXPORT(Unpack32);

namespace {

constexpr std::uint32_t kTile = 256;  // rows that stay in the first cache while streams are unpacked

void UnpackRows(const std::byte* memory, std::uint32_t rows, std::size_t stride, PackedStreams* streams,
                std::uint16_t* out) {
  HWY_DYNAMIC_DISPATCH(Unpack16)(memory, rows, stride, streams, out);
}
void UnpackRows(const std::byte* memory, std::uint32_t rows, std::size_t stride, PackedStreams* streams,
                std::uint32_t* out) {
  HWY_DYNAMIC_DISPATCH(Unpack32)(memory, rows, stride, streams, out);
}

std::vector<PackedStreams> Group(const RowBlock& block, const std::vector<const BlockStream*>& streams) {
  std::vector<PackedStreams> groups((streams.size() + PackedStreams::kStreams - 1) / PackedStreams::kStreams);
  for (std::size_t i = 0; i < streams.size(); ++i) {
    if (streams[i]->direct()) continue;
    PackedStreams& group = groups[i / PackedStreams::kStreams];
    const std::size_t lane = i % PackedStreams::kStreams;
    group.next_bit[lane] = 8 * static_cast<std::uint64_t>(streams[i]->ids.bytes() - block.memory.data());
    group.bits[lane] = streams[i]->header.id_bits;
    group.mask[lane] = (std::uint64_t{1} << streams[i]->header.id_bits) - 1;
  }
  return groups;
}

// What is written beyond a row's last stream is written again, since rows ascend and the last streams come first.
template <typename Id>
void UnpackAll(const RowBlock& block, const std::vector<const BlockStream*>& streams,
               std::vector<PackedStreams>* groups, AlignedBuffer<Id>* ids) {
  const std::size_t stride = streams.size();
  ids->Resize(block.rows * stride + PackedStreams::kStreams);
  AskForHugePages(ids);
  for (std::uint32_t begin = 0; begin < block.rows; begin += kTile) {
    const std::uint32_t rows = std::min(kTile, block.rows - begin);
    Id* const tile = ids->data() + begin * stride;
    for (std::size_t g = groups->size(); g-- > 0;) {
      UnpackRows(block.memory.data(), rows, stride, &(*groups)[g], tile + g * PackedStreams::kStreams);
    }
  }
  for (std::size_t s = 0; s < stride; ++s) {
    if (!streams[s]->direct()) continue;
    for (std::uint32_t row = 0; row < block.rows; ++row) (*ids)[row * stride + s] = static_cast<Id>(row);
  }
}

}  // namespace

std::vector<std::uint64_t> RowIds::Fill(const RowBlock& block, const std::vector<const BlockStream*>& streams) {
  streams_ = streams.size();
  narrow_ = IsNarrow(block.rows);
  std::vector<PackedStreams> groups = Group(block, streams);
  if (narrow_) UnpackAll(block, streams, &groups, &ids16_);
  if (!narrow_) UnpackAll(block, streams, &groups, &ids32_);
  std::vector<std::uint64_t> largest(streams_);
  for (std::size_t i = 0; i < streams_; ++i) {
    largest[i] = groups[i / PackedStreams::kStreams].largest[i % PackedStreams::kStreams];
  }
  return largest;
}

}  // namespace sherd
#endif  // HWY_ONCE
