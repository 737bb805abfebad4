#include "net/pulled_keys.h"

#include <algorithm>

namespace sherd {

void GiveKeys(std::span<const Frame> keys, Message* push) {
  std::vector<Frame> frames;
  frames.reserve(keys.size() + push->frames.size());
  for (int i = 0; i < push->header.section_size(); ++i) {
    if (!push->header.section(i).dense()) {
      frames.push_back(keys.front());
      keys = keys.subspan(1);
    }
    frames.push_back(std::move(push->frames[static_cast<std::size_t>(i)]));
  }
  push->frames = std::move(frames);
}

void PulledKeys::Note(const Message& pull) {
  const std::uint64_t request = pull.header.request();
  if (!pulls_.empty() && request <= pulls_.back().request) return;  // repeated, or nothing that can be named
  Pull noted{.request = request, .sections = {}, .keys = pull.frames, .bytes = 0};
  for (const proto::Section& section : pull.header.section()) {
    if (!section.dense()) noted.sections.emplace_back(section.table(), section.count());
  }
  for (const Frame& frame : noted.keys) noted.bytes += frame.size();
  bytes_ += noted.bytes;
  pulls_.push_back(std::move(noted));
  while (pulls_.size() > kMostPulls || bytes_ > kMostBytes) DropFirst();
}

PulledKeys::Given PulledKeys::GiveTo(Message* push) const {
  const auto found = std::ranges::lower_bound(pulls_, push->header.keys_of(), {}, &Pull::request);
  if (found == pulls_.end() || found->request != push->header.keys_of()) return Given::kUnknown;
  if (push->frames.size() != static_cast<std::size_t>(push->header.section_size())) return Given::kMisfit;
  std::size_t next = 0;
  for (const proto::Section& section : push->header.section()) {
    if (section.dense()) continue;
    if (next == found->sections.size() || found->sections[next].first != section.table() ||
        found->sections[next].second != section.count()) {
      return Given::kMisfit;
    }
    ++next;
  }
  if (next != found->sections.size()) return Given::kMisfit;
  GiveKeys(found->keys, push);
  return Given::kYes;
}

void PulledKeys::ForgetUpTo(std::uint64_t request) {
  while (!pulls_.empty() && pulls_.front().request <= request) DropFirst();
}

void PulledKeys::DropFirst() {
  bytes_ -= pulls_.front().bytes;
  pulls_.pop_front();
}

}  // namespace sherd
