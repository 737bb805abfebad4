#include "worker/gradient_encoder.h"

#include <algorithm>
#include <cmath>

#include "base/hash.h"

namespace sherd {

void GradientEncoder::Encode(Work* work) {
  if (encoding_ == proto::FP32) return;
  work->encoded.resize(work->keys.size() + layout_->shards);
  for (std::uint32_t table = 0; table < work->keys.size(); ++table) EncodeRows(table, work);
  for (std::uint32_t shard = 0; shard < layout_->shards; ++shard) EncodeBlocks(shard, work);
}

void GradientEncoder::EncodeRows(std::uint32_t table, Work* work) const {
  const ValueCodec& codec = layout_->row_codecs[table];
  const AlignedBuffer<Key>& keys = work->keys[table].keys;
  AlignedBuffer<std::byte>& encoded = work->encoded[table];
  encoded.Resize(keys.size() * codec.bytes(encoding_));
  const std::uint64_t noise = Mix(worker_, work->clock, table);
  const float* from = work->gradients[table].data();
  std::byte* to = encoded.data();
  for (const Key key : keys.span()) {
    codec.Encode(encoding_, from, Mix(noise, key), to);
    from += codec.floats();
    to += codec.bytes(encoding_);
  }
}

void GradientEncoder::EncodeBlocks(std::uint32_t shard, Work* work) {
  const ValueCodec& codec = layout_->dense_codecs[shard];
  const std::size_t floats = codec.floats();
  if (floats == 0) return;
  AlignedBuffer<float>& left_out = left_out_[shard];
  if (left_out.size() == 0) {
    left_out.Resize(floats);
    std::ranges::fill(left_out, 0.0f);
  }
  const float* gradients = work->dense_gradients[shard].data();
  sums_.Resize(floats);
  for (std::size_t i = 0; i < floats; ++i) sums_[i] = gradients[i] + left_out[i];
  AlignedBuffer<std::byte>& encoded = work->encoded[work->keys.size() + shard];
  encoded.Resize(codec.bytes(encoding_));
  codec.Encode(encoding_, sums_.data(), std::nullopt, encoded.data());
  codec.Decode(encoding_, encoded.data(), left_out.data());
  for (std::size_t i = 0; i < floats; ++i) {
    const float rest = sums_[i] - left_out[i];
    left_out[i] = std::isfinite(rest) ? rest : 0;  // the shard refuses the block; the next one may be sound
  }
}

const std::byte* GradientEncoder::Rows(const Work& work, std::uint32_t table, std::size_t first) const {
  const ValueCodec& codec = layout_->row_codecs[table];
  if (encoding_ != proto::FP32) return work.encoded[table].data() + first * codec.bytes(encoding_);
  return std::as_bytes(work.gradients[table].span()).data() + first * codec.bytes(proto::FP32);
}

const std::byte* GradientEncoder::Blocks(const Work& work, std::uint32_t shard) const {
  if (encoding_ != proto::FP32) return work.encoded[work.keys.size() + shard].data();
  return std::as_bytes(work.dense_gradients[shard].span()).data();
}

void GradientEncoder::Forget() {
  for (AlignedBuffer<float>& left_out : left_out_) left_out.Resize(0);
}

}  // namespace sherd
