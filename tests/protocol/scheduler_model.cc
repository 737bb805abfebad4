#include "tests/protocol/scheduler_model.h"

#include <optional>
#include <tuple>
#include <utility>

#include "base/status.h"
#include "tests/protocol/placement_model.h"

namespace sherd::protocol {
namespace {

std::uint8_t Bit(int server) { return server == kNobody ? 0 : static_cast<std::uint8_t>(1 << server); }

}  // namespace

void SchedulerModel::AddMap(const Map& map) {
  const auto order = [](const Map& m) { return std::tuple(m.term, m.epoch, m.join); };
  std::size_t place = 0;
  while (place < state_.map_count && order(state_.maps[place]) < order(map)) ++place;
  CHECK_LT(state_.map_count, kMaps) << "room for maps";
  std::copy_backward(state_.maps.begin() + static_cast<std::ptrdiff_t>(place), state_.maps.begin() + state_.map_count,
                     state_.maps.begin() + state_.map_count + 1);
  state_.maps[place] = map;
  ++state_.map_count;
}

Map* SchedulerModel::NewestMap() {
  for (std::uint8_t i = state_.map_count; i > 0; --i) {
    Map& map = state_.maps[i - 1];
    if (map.term == term_ && !map.join && map.epoch == self_.placement.epoch) return &map;
  }
  return nullptr;
}

bool SchedulerModel::AllHaveIt(const Map& map) const {
  const std::uint8_t replicas = Bit(map.primary) | Bit(map.follower);
  return (map.answered & replicas) == replicas;
}

void SchedulerModel::TellServers(std::uint8_t freed) {
  if (rules_(Rule::kJournalFirst)) self_.written = self_.placement;
  const Placement& now = self_.placement;
  AddMap({.term = term_,
          .epoch = now.epoch,
          .primary = now.primary,
          .follower = now.follower,
          .targets = static_cast<std::uint8_t>(Bit(now.primary) | Bit(now.follower) | freed)});
}

void SchedulerModel::WriteJournal() { self_.written = self_.placement; }

void SchedulerModel::LoseServer(int server) {
  if (!acts() || (self_.expelled & Bit(server)) != 0) return;
  const Lost lost = Lose(self_.placement, server);
  self_.expelled |= Bit(server);
  if (lost.gone) {
    self_.ended = true;
    return;
  }
  self_.placement = lost.placement;
  if (self_.joining != kNobody) DropJoining();
  TellServers(std::exchange(freed_, 0));
}

void SchedulerModel::DropFollower() {
  if (!acts() || self_.placement.follower == kNobody) return;
  const std::uint8_t follower = self_.placement.follower;
  if (rules_(Rule::kOutIsOut)) {
    self_.placement = Drop(self_.placement);
    self_.apart |= Bit(follower);
    TellServers(Bit(follower));
    return;
  }
  // By the map it is out; to us it is not.
  ++self_.placement.epoch;
  Placement out = self_.placement;
  out.follower = kNobody;
  const Placement ours = std::exchange(self_.placement, out);
  TellServers(Bit(follower));
  self_.placement = self_.written = ours;
}

void SchedulerModel::BeginJoining() {
  if (!acts() || self_.placement.follower != kNobody || self_.joining != kNobody) return;
  const Map* const newest = NewestMap();
  if (newest == nullptr || !AllHaveIt(*newest)) return;
  const auto rooms =
      static_cast<std::uint8_t>(self_.registered & ~self_.expelled & ~Bit(self_.placement.primary) & ~self_.apart);
  const std::optional<int> room = TakeRoom(self_.placement, rooms);
  if (!room.has_value()) return;
  self_.joining = static_cast<std::uint8_t>(*room);
  self_.asks_primary = false;
  const Placement& now = self_.placement;
  AddMap({.term = term_,
          .epoch = now.epoch,
          .primary = now.primary,
          .follower = self_.joining,
          .join = true,
          .targets = Bit(self_.joining)});
  if (!rules_(Rule::kJoinedBeforeMap)) self_.placement.follower = self_.joining;
}

void SchedulerModel::GoOnJoining() {
  if (!acts() || self_.joining == kNobody) return;
  for (std::uint8_t i = 0; i < state_.map_count; ++i) {
    Map& map = state_.maps[i];
    if (!map.join || map.term != term_ || map.epoch != self_.placement.epoch) continue;
    if (!self_.asks_primary) {
      if ((map.answered & Bit(self_.joining)) == 0) return;
      self_.asks_primary = true;
      map.targets |= Bit(self_.placement.primary);
      return;
    }
    if ((map.answered & Bit(self_.placement.primary)) == 0) return;
    self_.placement = Add(self_.placement, std::exchange(self_.joining, kNobody));
    self_.asks_primary = false;
    return TellServers(0);
  }
}

void SchedulerModel::DropJoining() {
  const std::uint8_t follower = std::exchange(self_.joining, kNobody);
  self_.asks_primary = false;
  if ((self_.expelled & Bit(follower)) != 0) return;
  self_.placement = GiveBack(self_.placement, follower);
  freed_ |= Bit(follower);
}

void SchedulerModel::GiveUpJoining() {
  if (!acts() || self_.joining == kNobody) return;
  DropJoining();
  TellServers(std::exchange(freed_, 0));
}

void SchedulerModel::TellWorker() {
  if (!acts()) return;
  Map* const newest = NewestMap();
  if (newest == nullptr || !AllHaveIt(*newest) || newest->epoch <= state_.worker.map_epoch) return;
  newest->heard = true;
  state_.worker.map_epoch = newest->epoch;
}

void SchedulerModel::TakeOver() {
  if (!self_.alive || self_.acts || self_.ended || !state_.claimed) return;
  const Scheduler& before = state_.schedulers[0];
  self_.acts = true;
  self_.placement = before.written;
  self_.expelled = before.expelled;
  self_.ended = before.ended;
  if (!state_.worker.registered && rules_(Rule::kAbsentAreLost)) self_.ended = true;  // no worker is left
  for (int server = 0; server < kServers; ++server) {
    const bool replica = server == self_.placement.primary || server == self_.placement.follower;
    if (!replica || (self_.registered & Bit(server)) != 0 || !rules_(Rule::kAbsentAreLost)) continue;
    self_.expelled |= Bit(server);
    const Lost lost = Lose(self_.placement, server);
    if (lost.gone) self_.ended = true;
    if (!lost.gone) self_.placement = lost.placement;
  }
  if (self_.ended) return;
  self_.placement = Renew(self_.placement);
  const auto replicas = static_cast<std::uint8_t>(Bit(self_.placement.primary) | Bit(self_.placement.follower));
  TellServers(static_cast<std::uint8_t>(self_.registered & ~self_.expelled & ~replicas));
}

}  // namespace sherd::protocol
