#include "net/pulled_keys.h"

#include <utility>

namespace sherd {

// From the back, so that each gradients' frame is moved once, into a place that is free by then.
void GiveKeys(std::span<const Frame> keys, Message* push) {
  std::vector<Frame>& frames = push->frames;
  std::size_t from = frames.size(), key = keys.size(), to = from + key;
  frames.resize(to);
  for (int i = push->header.section_size() - 1; i >= 0 && from < to; --i) {
    frames[--to] = std::move(frames[--from]);
    if (!push->header.section(i).dense()) frames[--to] = keys[--key];
  }
}

void PulledKeys::Note(const Message& pull) {
  const std::uint64_t request = pull.header.request();
  if (!pulls_.empty() && request <= pulls_.back().request) return;  // repeated, or nothing that can be named
  Pull noted;
  if (!spare_.empty()) {
    noted = std::move(spare_.back());
    spare_.pop_back();
  }
  noted.request = request;
  noted.keys.assign(pull.frames.begin(), pull.frames.end());
  noted.bytes = 0;
  for (const proto::Section& section : pull.header.section()) {
    if (!section.dense()) noted.sections.emplace_back(section.table(), section.count());
  }
  for (const Frame& frame : noted.keys) noted.bytes += frame.size();
  bytes_ += noted.bytes;
  pulls_.push_back(std::move(noted));
  while (pulls_.size() > kMostPulls || bytes_ > kMostBytes) DropFirst();
}

const PulledKeys::Pull* PulledKeys::Find(std::uint64_t request) const {
  std::size_t first = 0, end = pulls_.size();
  while (first < end) {
    const std::size_t middle = (first + end) / 2;
    if (pulls_[middle].request < request) {
      first = middle + 1;
    } else {
      end = middle;
    }
  }
  return first < pulls_.size() && pulls_[first].request == request ? &pulls_[first] : nullptr;
}

PulledKeys::Given PulledKeys::GiveTo(Message* push) const {
  const Pull* const found = Find(push->header.keys_of());
  if (found == nullptr) return Given::kUnknown;
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
  Pull dropped = pulls_.pop_front();
  bytes_ -= dropped.bytes;
  dropped.sections.clear();
  dropped.keys.clear();
  spare_.push_back(std::move(dropped));
}

}  // namespace sherd
