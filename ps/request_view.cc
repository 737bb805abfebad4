#include "ps/request_view.h"

#include <cmath>
#include <string>

namespace sherd {
namespace {

Status Bad(const proto::Section& section, const std::string& what) {
  const std::string where = section.dense() ? "dense section" : "section of table " + std::to_string(section.table());
  return Status::Invalid(where + ": " + what);
}

ValueCodec DenseCodec(const ShardStore& store) {
  std::vector<DenseBlock> blocks;
  for (const DenseBlocks::Block& block : store.dense().blocks()) blocks.push_back(block.place);
  return ValueCodec::OfBlocks(store.model(), blocks);
}

}  // namespace

RequestChecker::RequestChecker(const ShardStore* store)
    : store_(store), dense_codec_(DenseCodec(*store)), seen_(store->tables()) {
  for (const proto::TableSpec& table : store->model().table()) row_codecs_.push_back(ValueCodec::OfRow(table));
}

Status RequestChecker::ViewPull(const Message& message, RequestView* view) {
  return View(message, Keys::kUnchecked, view);
}

void RequestChecker::ViewAgain(const Message& message, RequestView* view) {
  const Status status = View(message, Keys::kChecked, view);
  CHECK(status.ok()) << status.text();
}

Status RequestChecker::ViewPush(const Message& message, RequestView* view) {
  const proto::Header& header = message.header;
  if (header.rows() == 0 && header.section_size() > 0) return Status::Invalid("gradients of 0 rows");
  if (!std::isfinite(header.learning_rate_scale()) || header.learning_rate_scale() < 0) {
    return Status::Invalid("learning_rate_scale is not a number of 0 or more");
  }
  // Those that were given to it with the pull that it names have been looked at.
  return View(message, header.has_keys_of() ? Keys::kChecked : Keys::kUnchecked, view);
}

Status RequestChecker::View(const Message& message, Keys keys, RequestView* view) {
  view->sections.clear();
  seen_.assign(seen_.size(), false);
  bool dense = false;
  std::size_t frame = 0;
  std::uint64_t answer = 0;
  for (const proto::Section& section : message.header.section()) {
    if (dense) return Status::Invalid("a section after the dense one");
    dense = section.dense();
    SectionView& part = view->sections.emplace_back();
    RETURN_IF_ERROR(ViewSection(section, message, keys, &frame, &part));
    if (message.header.kind() == proto::PULL) RETURN_IF_ERROR(AddAnswer(section, part, &answer));
  }
  if (frame != message.frames.size()) {
    return Status::Invalid("the sections have " + std::to_string(frame) + " frames, " +
                           std::to_string(message.frames.size()) + " came");
  }
  return {};
}

Status RequestChecker::ViewSection(const proto::Section& section, const Message& message, Keys keys, std::size_t* frame,
                                   SectionView* view) {
  const bool push = message.header.kind() == proto::PUSH;
  const std::size_t frames = (section.dense() ? 0 : 1) + (push ? 1 : 0);
  if (message.frames.size() - *frame < frames) return Bad(section, "its frames are missing");
  if (!ValueCodec::Knows(section.encoding())) return Bad(section, "unknown encoding");
  view->encoding = section.encoding();
  view->dense = section.dense();
  view->table = section.table();
  if (section.dense()) {
    view->floats = dense_codec_.floats();
    view->bytes = dense_codec_.bytes(view->encoding);
    const std::size_t blocks = store_->dense().blocks().size();
    if (section.count() != blocks) {
      return Bad(section, std::to_string(section.count()) + " blocks, the shard has " + std::to_string(blocks));
    }
  } else {
    const bool trains = push && section.table() < store_->tables();
    if (trains && store_->table(section.table()).layout().storage().weights() == proto::RowStorage::INT8) {
      return Bad(section, "its rows are kept as INT8, for serving alone");
    }
    RETURN_IF_ERROR(ViewKeys(section, message.frames[(*frame)++], keys, view));
    view->floats = view->keys.size() * row_codecs_[section.table()].floats();
    view->bytes = view->keys.size() * row_codecs_[section.table()].bytes(view->encoding);
  }
  return push ? ViewGradients(section, message.frames[(*frame)++], view) : Status();
}

Status RequestChecker::ViewKeys(const proto::Section& section, const Frame& frame, Keys keys, SectionView* view) {
  if (section.table() >= store_->tables()) return Bad(section, "there is no such table");
  if (seen_[section.table()]) return Bad(section, "comes twice");
  seen_[section.table()] = true;
  if (frame.size() != std::uint64_t{section.count()} * sizeof(Key)) {
    return Bad(section,
               std::to_string(section.count()) + " keys in a frame of " + std::to_string(frame.size()) + " bytes");
  }
  view->keys = frame.As<Key>();
  return keys == Keys::kChecked ? Status() : CheckKeys(view->keys);
}

Status RequestChecker::CheckKeys(std::span<const Key> keys) {
  bool ascending = true, owned = true;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    ascending &= i == 0 || keys[i - 1] < keys[i];
    owned &= store_->Owns(keys[i]);
  }
  if (ascending && owned) return {};
  numbering_.Start(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const Key key = keys[i];
    if (!store_->Owns(key)) {
      return Status::Invalid("key " + std::to_string(key) + " of slot " + std::to_string(SlotOf(key)) +
                             " is not of this shard, whose slots are " + std::to_string(store_->first_slot()) + ".." +
                             std::to_string(store_->end_slot() - 1));
    }
    if (numbering_.Number(key) != i) return Status::Invalid("key " + std::to_string(key) + " comes twice");
  }
  return {};
}

// A few bytes of keys may ask for any number of rows' bytes, and the answer to a pull is one buffer.
Status RequestChecker::AddAnswer(const proto::Section& section, const SectionView& view, std::uint64_t* bytes) const {
  const std::uint64_t mine = view.bytes;
  *bytes += mine;
  if (*bytes <= kMaxFrameBytes) return {};
  const std::string sum = *bytes == mine ? "" : ", " + std::to_string(*bytes) + " with the sections before it";
  return Bad(section, "its values have " + std::to_string(mine) + " bytes" + sum + "; an answer has at most " +
                          std::to_string(kMaxFrameBytes));
}

Status RequestChecker::ViewGradients(const proto::Section& section, const Frame& frame, SectionView* view) const {
  if (section.floats() != view->floats || frame.size() != view->bytes) {
    return Bad(section, std::to_string(view->floats) + " gradients expected, " + std::to_string(section.floats()) +
                            " announced, in a frame of " + std::to_string(frame.size()) + " bytes");
  }
  view->encoded = frame.bytes().data();
  if (view->encoding == proto::FP32) view->gradients = frame.As<float>();
  return {};
}

void RequestChecker::DecodeGradients(RequestView* view) const {
  std::size_t floats = 0;
  for (const SectionView& section : view->sections) floats += section.encoding == proto::FP32 ? 0 : section.floats;
  view->decoded.Resize(floats);
  float* to = view->decoded.data();
  for (SectionView& section : view->sections) {
    if (section.encoding == proto::FP32) continue;
    const ValueCodec& codec = section.dense ? dense_codec_ : row_codecs_[section.table];
    section.gradients = {to, section.floats};
    const std::size_t row_bytes = codec.bytes(section.encoding);
    for (const std::byte* in = section.encoded, *end = in + section.bytes; in != end; in += row_bytes) {
      codec.Decode(section.encoding, in, to);
      to += codec.floats();
    }
  }
}

}  // namespace sherd
