#include "worker/data/row_gather.h"

#include <algorithm>

// The file includes itself once a SIMD target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "worker/data/row_gather.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace sherd::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// As many 64-bit lanes of ids.
template <class D>
HWY_ATTR HWY_INLINE hn::Vec<D> LoadIds(D d, const std::uint16_t* ids) {
  const hn::Rebind<std::uint32_t, D> d32;
  return hn::PromoteTo(d, hn::PromoteTo(d32, hn::LoadU(hn::Rebind<std::uint16_t, D>(), ids)));
}
template <class D>
HWY_ATTR HWY_INLINE hn::Vec<D> LoadIds(D d, const std::uint32_t* ids) {
  return hn::PromoteTo(d, hn::LoadU(hn::Rebind<std::uint32_t, D>(), ids));
}

template <typename Id>
HWY_ATTR HWY_INLINE void Gather(const IdColumns<Id>& from, const PickedRows& rows, const Key* values, Key* out,
                                std::size_t out_stride) {
  const hn::ScalableTag<std::uint64_t> d;
  const hn::RebindToSigned<decltype(d)> di;
  const std::size_t lanes = hn::Lanes(d);
  constexpr std::size_t kAhead = 16;  // rows
  for (std::size_t i = 0; i < rows.count; ++i) {
    const Id* const later = from.ids + rows.rows[std::min(i + kAhead, rows.count - 1)] * from.stride;
    __builtin_prefetch(later);
    __builtin_prefetch(later + from.columns - 1);
    const Id* const ids = from.ids + rows.rows[i] * from.stride;
    Key* const to = out + rows.places[i] * out_stride;
    std::size_t c = 0;
    for (; c + lanes <= from.columns; c += lanes) {
      const auto at = hn::Add(hn::BitCast(di, LoadIds(d, ids + c)), hn::LoadU(di, from.begins + c));
      hn::StoreU(hn::GatherIndex(d, values, at), d, to + c);
    }
    for (; c < from.columns; ++c) to[c] = values[from.begins[c] + ids[c]];
  }
}

HWY_ATTR void GatherKeys16(const IdColumns<std::uint16_t>& from, const PickedRows& rows, const Key* values, Key* out,
                           std::size_t out_stride) {
  Gather(from, rows, values, out, out_stride);
}
HWY_ATTR void GatherKeys32(const IdColumns<std::uint32_t>& from, const PickedRows& rows, const Key* values, Key* out,
                           std::size_t out_stride) {
  Gather(from, rows, values, out, out_stride);
}

}  // namespace sherd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sherd {
HWY_EXPORT(GatherKeys16);
HWY_EXPORT(GatherKeys32);

void GatherRows(const IdColumns<std::uint16_t>& from, const PickedRows& rows, const Key* values, Key* out,
                std::size_t out_stride) {
  HWY_DYNAMIC_DISPATCH(GatherKeys16)(from, rows, values, out, out_stride);
}
void GatherRows(const IdColumns<std::uint32_t>& from, const PickedRows& rows, const Key* values, Key* out,
                std::size_t out_stride) {
  HWY_DYNAMIC_DISPATCH(GatherKeys32)(from, rows, values, out, out_stride);
}
}  // namespace sherd
#endif  // HWY_ONCE
