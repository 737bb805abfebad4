#include "scheduler/membership.h"

#include <glog/logging.h>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace sherd {
namespace {

std::string RoleName(proto::Role role) {
  switch (role) {
    case proto::SCHEDULER:
      return "scheduler";
    case proto::SERVER:
      return "server";
    case proto::WORKER:
      return "worker";
    case proto::SPARE:
      return "spare";
  }
  return "rank of an unknown role";
}

}  // namespace

Membership::Membership(MembershipOptions options) : options_(options) {
  const auto add = [this](proto::Role role, std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) {
      Member& member = members_.emplace_back();
      member.role = role;
      member.index = i;
      member.rank = static_cast<std::uint32_t>(members_.size());  // the scheduler is rank 0
    }
  };
  add(proto::SERVER, options.servers);
  add(proto::WORKER, options.workers);
  add(proto::SPARE, options.spares);
}

void Membership::AddPlace(proto::Role role, std::uint32_t index) {
  if (HasPlace(role, index)) return;
  Member& member = members_.emplace_back();
  member.role = role;
  member.index = index;
}

std::uint32_t Membership::WorkerPlaces() const {
  std::uint32_t places = 0;
  for (const Member& member : members_) {
    if (member.role == proto::WORKER) places = std::max(places, member.index + 1);
  }
  return places;
}

const Membership::Member* Membership::Find(proto::Role role, std::uint32_t index) const {
  for (const Member& member : members_) {
    if (member.role == role && member.index == index) return &member;
  }
  return nullptr;
}

Membership::Member* Membership::Find(proto::Role role, std::uint32_t index) {
  return const_cast<Member*>(std::as_const(*this).Find(role, index));
}

Status Membership::Register(const proto::Header& header, const proto::Register& body, Deadline now) {
  Member* const member = Find(header.role(), header.index());
  if (member == nullptr) {
    return Status::Invalid(RoleName(header.role()) + " " + std::to_string(header.index()) +
                           " is no rank of this job (" + std::to_string(options_.servers) + " servers, " +
                           std::to_string(options_.workers) + " workers)");
  }
  const int shards = header.role() == proto::SERVER ? static_cast<int>(options_.shards_per_server) : 0;
  const int followers = shards * static_cast<int>(options_.replicas - 1);
  if (body.shard_endpoint_size() != shards || body.follower_endpoint_size() < followers) {
    const auto text = [](int shards, int followers) {
      return std::to_string(shards) + " shards" +
             (followers > 0 ? " and " + std::to_string(followers) + " followers" : "");
    };
    return Status::Invalid(NameOf(header.role(), header.index()) + " registers " +
                           text(body.shard_endpoint_size(), body.follower_endpoint_size()) + " in place of " +
                           text(shards, followers));
  }
  if (member->expelled) return Status::Unavailable(WhyExpelled(*member));
  const bool same = header.incarnation() == member->incarnation && body.pid() == member->body.pid() &&
                    body.host() == member->body.host();
  if (member->registered && !same) {
    return Status::Invalid("the place is taken by " + NameOf(header.role(), header.index()));
  }
  member->registered = true;
  member->incarnation = header.incarnation();
  member->body = body;
  member->last_heard = now;
  // Ranks that wait for their welcome send no heartbeats: the time counts for all from the last registration on.
  if (complete()) {
    for (Member& each : members_) each.last_heard = now;
  }
  return {};
}

bool Membership::complete() const {
  return std::all_of(members_.begin(), members_.end(), [](const Member& member) {
    return member.registered || member.expelled || member.role == proto::SPARE;
  });
}

std::string Membership::Missing() const {
  std::string names;
  for (const Member& member : members_) {
    if (member.registered || member.expelled || member.role == proto::SPARE) continue;
    if (!names.empty()) names += ", ";
    names += NameOf(member.role, member.index);
  }
  return names;
}

std::vector<proto::Register> Membership::Registered(proto::Role role) const {
  std::vector<proto::Register> registered;
  for (const Member& member : members_) {
    if (member.role != role) continue;
    registered.resize(std::max<std::size_t>(registered.size(), member.index + 1));
    registered[member.index] = member.body;
  }
  return registered;
}

Status Membership::Hear(const proto::Header& header, Deadline now) {
  Member* const member = Find(header.role(), header.index());
  if (member == nullptr || !member->registered) {
    return Status::Invalid(RoleName(header.role()) + " " + std::to_string(header.index()) + " has not registered");
  }
  if (header.incarnation() != member->incarnation) {
    return Status::Unavailable(NameOf(member->role, member->index) + " is incarnation " +
                               std::to_string(member->incarnation) + ", not " + std::to_string(header.incarnation()));
  }
  if (member->expelled) return Status::Unavailable(WhyExpelled(*member));
  member->last_heard = now;
  return {};
}

void Membership::Doing(const proto::Header& header, std::string what) {
  constexpr std::size_t kLongest = 200;
  if (Member* const member = Find(header.role(), header.index())) member->doing = what.substr(0, kLongest);
}

void Membership::Forgive(Clock::duration time) {
  for (Member& member : members_) member.last_heard += time;
}

bool Membership::IsSilent(const Member& member, Deadline now) const {
  return now - member.last_heard > options_.heartbeat_timeout;
}

bool Membership::Missed(const Member& member, Deadline now) const {
  return member.registered && !member.dismissed && !member.expelled && IsSilent(member, now);
}

std::string Membership::LastWordsOf(const Member& member) const {
  return NameOf(member.role, member.index) + (member.doing.empty() ? "" : ", last at: " + member.doing);
}

std::string Membership::Lost(const std::string& names) const {
  const double seconds = std::chrono::duration<double>(options_.heartbeat_timeout).count();
  char text[32];
  std::snprintf(text, sizeof text, "%g", seconds);
  return "lost (no heartbeat for " + std::string(text) + " s): " + names;
}

Status Membership::CheckAlive(Deadline now) const {
  std::string dead;
  for (const Member& member : members_) {
    if (member.role != proto::SERVER || !Missed(member, now)) continue;
    if (!dead.empty()) dead += "; ";
    dead += LastWordsOf(member);
  }
  return dead.empty() ? Status() : Status::Unavailable(Lost(dead));
}

std::vector<std::uint32_t> Membership::Silent(proto::Role role, Deadline now) const {
  std::vector<std::uint32_t> silent;
  for (const Member& member : members_) {
    if (member.role == role && Missed(member, now)) silent.push_back(member.index);
  }
  return silent;
}

std::uint32_t Membership::Expel(proto::Role role, std::uint32_t index) {
  AddPlace(role, index);
  Member* const member = Find(role, index);
  member->expelled = member->dismissed = true;
  return member->incarnation + 1;
}

bool Membership::expelled(proto::Role role, std::uint32_t index) const {
  const Member* const member = Find(role, index);
  return member != nullptr && member->expelled;
}

bool Membership::registered(proto::Role role, std::uint32_t index) const {
  const Member* const member = Find(role, index);
  return member != nullptr && member->registered;
}

std::string Membership::WhyExpelled(const Member& member) const {
  return NameOf(member.role, member.index) +
         " was silent for so long that it was taken for lost, and its work given to others";
}

std::vector<std::uint32_t> Membership::LiveWorkers() const {
  std::vector<std::uint32_t> live;
  for (const Member& member : members_) {
    if (member.role == proto::WORKER && !member.expelled) live.push_back(member.index);
  }
  std::ranges::sort(live);
  return live;
}

bool Membership::IsLiveWorker(std::uint32_t index) const {
  return HasPlace(proto::WORKER, index) && !expelled(proto::WORKER, index);
}

std::string Membership::Obituary(proto::Role role, std::uint32_t index) const {
  return Lost(LastWordsOf(*Find(role, index)));
}

const std::string& Membership::HostOf(std::uint32_t worker) const { return Find(proto::WORKER, worker)->body.host(); }

std::string Membership::WhatAllDo() const {
  std::string text;
  for (const Member& member : members_) {
    if (member.doing.empty()) continue;
    if (!text.empty()) text += "; ";
    text += NameOf(member.role, member.index) + " at: " + member.doing;
  }
  return text;
}

void Membership::Dismiss(const proto::Header& header) {
  if (Member* const member = Find(header.role(), header.index())) member->dismissed = true;
}

bool Membership::Awaited(proto::Role role, std::uint32_t index, Deadline now) const {
  const Member* const member = Find(role, index);
  return member != nullptr && member->registered && !member->dismissed && !IsSilent(*member, now);
}

bool Membership::AllDismissed(proto::Role role, Deadline now) const {
  return std::none_of(members_.begin(), members_.end(), [&](const Member& member) {
    return member.role == role && Awaited(member.role, member.index, now);
  });
}

std::string Membership::NameOf(proto::Role role, std::uint32_t index) const {
  std::string name = RoleName(role) + " " + std::to_string(index);
  const Member* const member = Find(role, index);
  if (member == nullptr) return name;
  name += member->rank == 0 ? " (joined" : " (rank " + std::to_string(member->rank);
  if (member->registered) name += ", process " + std::to_string(member->body.pid()) + " on host " + member->body.host();
  return name + ")";
}

}  // namespace sherd
