#include "tests/protocol/steps.h"

#include <algorithm>

#include "tests/protocol/scheduler_model.h"
#include "tests/protocol/server_model.h"

namespace sherd::protocol {
namespace {

using Kind = Step::Kind;

const Scheduler& Authority(const State& state) { return state.schedulers[state.schedulers[1].acts ? 1 : 0]; }

// Whoever has the shard by the newest word has all that the worker was promised.
std::string CheckPromises(const State& state) {
  const Scheduler& authority = Authority(state);
  if (authority.ended) return "";
  for (const std::uint8_t number : {authority.placement.primary, authority.placement.follower}) {
    if (number == kNobody || !state.servers[number].alive) continue;
    for (int push = 1; push <= kPushes; ++push) {
      if (!state.promised[push - 1] || state.servers[number].rows.applied[push - 1] > 0) continue;
      return "push " + std::to_string(push) + " was acknowledged, and server " + std::to_string(number) + ", by map " +
             std::to_string(authority.placement.epoch) +
             (number == authority.placement.primary ? " the primary" : " the follower") + ", does not have it";
    }
  }
  return "";
}

void MessagesTo(const State& state, std::vector<Step>* steps) {
  for (std::uint8_t i = 0; i < state.map_count; ++i) {
    for (std::uint8_t server = 0; server < kServers; ++server) {
      const bool sent = (state.maps[i].targets >> server & 1) != 0;
      if (sent && state.servers[server].alive) steps->push_back({Kind::kServerTakesMap, server, i});
    }
    if (state.maps[i].heard && state.servers[state.maps[i].primary].alive) {
      for (std::uint8_t push = 1; push <= kPushes; ++push) steps->push_back({Kind::kServerTakesPush, push, i});
    }
  }
  for (std::uint8_t i = 0; i < state.sent_count; ++i) {
    if (state.servers[state.sent[i].to].alive) steps->push_back({Kind::kServerTakesOperation, 0, i});
  }
  for (std::uint8_t i = 0; i < state.acknowledgement_count; ++i) {
    if (state.servers[state.acknowledgements[i].to].alive) steps->push_back({Kind::kServerTakesAnswer, 0, i});
  }
}

void OfServers(const State& state, Rules rules, bool unlucky, std::vector<Step>* steps) {
  for (std::uint8_t i = 0; i < kServers; ++i) {
    const Server& server = state.servers[i];
    if (!server.alive) continue;
    if (server.joining != kNobody && !server.copied) steps->push_back({Kind::kServerCopies, i});
    if (server.copied && unlucky) steps->push_back({Kind::kServerInterruptsCopy, i, 0, true});
    if (!rules(Rule::kAloneByMap)) steps->push_back({Kind::kServerGoesOnAlone, i});
    if (state.claimed && server.term == 1) steps->push_back({Kind::kServerFindsScheduler, i});
    if (server.term == 2 && (state.schedulers[1].registered >> i & 1) == 0) {
      steps->push_back({Kind::kSpareHearsServer, i});
    }
    if (unlucky) steps->push_back({Kind::kServerDies, i, 0, true});
  }
}

// The primary has begun by this map, and is at it no more, nor has come to an end.
bool JoiningFailed(const State& state, const Scheduler& scheduler) {
  const Server& primary = state.servers[scheduler.placement.primary];
  return primary.alive && primary.part == Part::kPrimary && primary.log_id == scheduler.placement.epoch &&
         primary.joining == kNobody && primary.follower == kNobody;
}

void OfSchedulers(const State& state, Rules rules, bool unlucky, std::vector<Step>* steps) {
  for (std::uint8_t term = 1; term <= 2; ++term) {
    const Scheduler& scheduler = state.schedulers[term - 1];
    if (!scheduler.alive || !scheduler.acts || scheduler.ended) continue;
    for (std::uint8_t server = 0; server < kServers; ++server) {
      const bool dead = !state.servers[server].alive;
      if ((scheduler.expelled >> server & 1) != 0 || (!dead && !unlucky)) continue;
      steps->push_back({Kind::kSchedulerLosesServer, term, server, !dead});
    }
    if (scheduler.placement.follower != kNobody && unlucky) {
      steps->push_back({Kind::kSchedulerDropsFollower, term, 0, true});
    }
    if (scheduler.joining != kNobody) {
      const bool failed = JoiningFailed(state, scheduler);
      if (failed || unlucky) steps->push_back({Kind::kSchedulerGivesUpJoining, term, 0, !failed});
    }
    steps->push_back({Kind::kSchedulerBeginsJoining, term});
    steps->push_back({Kind::kSchedulerGoesOnJoining, term});
    if (state.worker.term == term) steps->push_back({Kind::kWorkerTakesMap, term});
    if (!rules(Rule::kJournalFirst)) steps->push_back({Kind::kSchedulerWrites, term});
  }
  if (state.schedulers[0].alive && unlucky) steps->push_back({Kind::kSchedulerDies, 0, 0, true});
  const bool lost = !state.schedulers[0].alive;
  if (!state.claimed && (lost || unlucky)) steps->push_back({Kind::kSpareClaims, 0, 0, !lost});
}

// It waits for all that are left for a while, which those who live make use of, but for mishaps.
void OfSpare(const State& state, Rules rules, bool unlucky, std::vector<Step>* steps) {
  if (!state.claimed || state.schedulers[1].acts || state.schedulers[1].ended) return;
  if (state.worker.term == 1) steps->push_back({Kind::kWorkerFindsScheduler});
  bool all = state.worker.registered;
  for (int i = 0; i < kServers; ++i) {
    const bool awaited = state.servers[i].alive && (state.schedulers[0].expelled >> i & 1) == 0;
    if (awaited && (state.schedulers[1].registered >> i & 1) == 0) all = false;
  }
  if (!rules(Rule::kAbsentAreLost)) all = true;  // nobody is waited for
  if (all || unlucky) steps->push_back({Kind::kSpareTakesOver, 0, 0, !all});
}

// Whether the message can never change anything any more, so that states which differ by it alone are one.
bool IsSpent(const State& state, const Acknowledgement& answer) {
  const Server& to = state.servers[answer.to];
  if (!to.alive) return true;
  if (answer.changed > 0) return answer.changed <= to.map_epoch;
  return answer.log_id < to.log_id || (answer.log_id == to.log_id && answer.number <= to.acknowledged && to.released);
}

bool IsSpent(const State& state, const Sent& sent) {
  const Server& to = state.servers[sent.to];
  if (!to.alive) return true;
  if (to.part == Part::kPrimary) return !state.servers[sent.from].alive;
  return to.part == Part::kFollower &&
         (sent.log_id < to.redone_log || (sent.log_id == to.redone_log && sent.number <= to.redone));
}

bool IsSpent(const State& state, const Map& map) {
  if (map.targets != 0) return false;
  const Server& primary = state.servers[map.primary];
  const bool pushes = map.heard && primary.alive && primary.map_epoch <= map.epoch;
  const Scheduler& scheduler = state.schedulers[map.term - 1];
  const bool asked = scheduler.alive && scheduler.acts && scheduler.placement.epoch == map.epoch;
  return !pushes && !asked && map.epoch != state.worker.map_epoch;
}

template <typename Message, std::size_t n>
void ForgetSpent(const State& state, std::array<Message, n>* messages, std::uint8_t* count) {
  const auto end = std::remove_if(messages->begin(), messages->begin() + *count,
                                  [&](const Message& message) { return IsSpent(state, message); });
  const std::uint8_t left = static_cast<std::uint8_t>(end - messages->begin());
  std::fill(end, messages->begin() + *count, Message());
  *count = left;
}

// By the rules that make it true.
void Forget(Rules rules, State* state) {
  const bool known = rules(Rule::kNewerMapsOnly) && rules(Rule::kSeatRemembers) && rules(Rule::kLogsHaveNames) &&
                     rules(Rule::kOneCopyAMap) && rules(Rule::kPrimaryRefuses) && rules(Rule::kTermFence);
  if (!known) return;
  for (std::uint8_t i = 0; i < state->map_count; ++i) {
    Map& map = state->maps[i];
    for (int server = 0; server < kServers; ++server) {
      const Server& to = state->servers[server];
      const bool older = to.map_epoch > map.epoch || (to.map_epoch == map.epoch && !map.join);
      const bool answered = (map.answered >> server & 1) != 0;
      if (!to.alive || map.term < to.term || (older && answered))
        map.targets &= static_cast<std::uint8_t>(~(1 << server));
    }
  }
  ForgetSpent(*state, &state->maps, &state->map_count);
  ForgetSpent(*state, &state->sent, &state->sent_count);
  ForgetSpent(*state, &state->acknowledgements, &state->acknowledgement_count);
}

std::string NameOf(const Map& map) {
  std::string name = "map " + std::to_string(map.epoch) + " of scheduler " + std::to_string(map.term) + " (primary " +
                     std::to_string(map.primary);
  if (map.follower == kNobody) return name + ", no follower)";
  return name + (map.join ? ", to be followed by " : ", follower ") + std::to_string(map.follower) + ")";
}

std::string NameOf(const Operation& operation) {
  return operation.push == 0 ? "copy" : "push " + std::to_string(operation.push);
}

}  // namespace

State FirstState() {
  State state{};
  Server& primary = state.servers[0];
  primary.part = Part::kPrimary;
  primary.follower = primary.log_to = 1;
  primary.log_id = 1;
  primary.released = primary.gates = true;
  state.servers[1].part = Part::kFollower;
  for (Server& server : state.servers) server.map_epoch = 1;
  Scheduler& scheduler = state.schedulers[0];
  scheduler.acts = true;
  scheduler.registered = (1 << kServers) - 1;
  state.maps[0] = {.term = 1, .epoch = 1, .primary = 0, .follower = 1, .targets = 3, .answered = 3, .heard = true};
  state.map_count = 1;
  return state;
}

bool IsEnd(const State& state) {
  if (Authority(state).ended || state.schedulers[1].ended) return true;
  for (const bool promised : state.promised) {
    if (!promised) return false;
  }
  return true;
}

void StepsFrom(const State& state, Rules rules, int mishaps, std::vector<Step>* steps) {
  steps->clear();
  if (Authority(state).ended || state.schedulers[1].ended) return;
  const bool unlucky = state.mishaps < mishaps;
  MessagesTo(state, steps);
  OfServers(state, rules, unlucky, steps);
  OfSchedulers(state, rules, unlucky, steps);
  OfSpare(state, rules, unlucky, steps);
}

std::string Take(const Step& step, Rules rules, State* state) {
  if (step.mishap) ++state->mishaps;
  int server = step.a;
  if (step.kind == Kind::kServerTakesPush) server = state->maps[step.b].primary;
  if (step.kind == Kind::kServerTakesOperation) server = state->sent[step.b].to;
  if (step.kind == Kind::kServerTakesAnswer) server = state->acknowledgements[step.b].to;
  ServerModel at(rules, state, std::min(server, kServers - 1));
  SchedulerModel scheduler(rules, state, step.a == 2 ? 2 : 1);
  switch (step.kind) {
    case Kind::kServerTakesMap:
      at.TakeMap(&state->maps[step.b]);
      break;
    case Kind::kServerTakesPush:
      at.TakePush(step.a, state->maps[step.b].epoch);
      break;
    case Kind::kServerTakesOperation:
      at.TakeOperation(Sent(state->sent[step.b]));
      break;
    case Kind::kServerTakesAnswer:
      at.TakeAcknowledgement(Acknowledgement(state->acknowledgements[step.b]));
      break;
    case Kind::kServerCopies:
      at.Copy();
      break;
    case Kind::kServerInterruptsCopy:
      at.InterruptCopy();
      break;
    case Kind::kServerGoesOnAlone:
      at.GoOnAlone();
      break;
    case Kind::kServerFindsScheduler:
      state->servers[step.a].term = 2;
      break;
    case Kind::kWorkerFindsScheduler:
      state->worker.term = 2;
      state->worker.registered = true;
      break;
    case Kind::kWorkerTakesMap:
      scheduler.TellWorker();
      break;
    case Kind::kSchedulerLosesServer:
      scheduler.LoseServer(step.b);
      break;
    case Kind::kSchedulerDropsFollower:
      scheduler.DropFollower();
      break;
    case Kind::kSchedulerBeginsJoining:
      scheduler.BeginJoining();
      break;
    case Kind::kSchedulerGoesOnJoining:
      scheduler.GoOnJoining();
      break;
    case Kind::kSchedulerGivesUpJoining:
      scheduler.GiveUpJoining();
      break;
    case Kind::kSchedulerWrites:
      scheduler.WriteJournal();
      break;
    case Kind::kSpareClaims:
      state->claimed = true;
      break;
    case Kind::kSpareHearsServer:
      state->schedulers[1].registered |= static_cast<std::uint8_t>(1 << step.a);
      break;
    case Kind::kSpareTakesOver:
      SchedulerModel(rules, state, 2).TakeOver();
      break;
    case Kind::kServerDies:
      state->servers[step.a] = Server{.alive = false};
      break;
    case Kind::kSchedulerDies:
      state->schedulers[0].alive = false;
      break;
  }
  std::string violation = at.violation().empty() ? CheckPromises(*state) : at.violation();
  if (violation.empty()) Forget(rules, state);
  return violation;
}

std::string Describe(const Step& step, const State& before) {
  const std::string a = std::to_string(step.a), b = std::to_string(step.b), server = "server " + a;
  switch (step.kind) {
    case Kind::kServerTakesMap:
      return server + " takes " + NameOf(before.maps[step.b]);
    case Kind::kServerTakesPush:
      return "server " + std::to_string(before.maps[step.b].primary) + " takes push " + a + ", sent by " +
             NameOf(before.maps[step.b]);
    case Kind::kServerTakesOperation: {
      const Sent& sent = before.sent[step.b];
      return "server " + std::to_string(sent.to) + " takes operation " + std::to_string(sent.number) +
             " of the log of server " + std::to_string(sent.from) + " since map " + std::to_string(sent.log_id) + " (" +
             NameOf(sent.operation) + ")";
    }
    case Kind::kServerTakesAnswer: {
      const Acknowledgement& answer = before.acknowledgements[step.b];
      return "server " + std::to_string(answer.to) + " hears of " + std::to_string(answer.from) + ": " +
             (answer.changed > 0 ? "not by map " + std::to_string(answer.changed)
                                 : "operation " + std::to_string(answer.number) + " is done, of the log since map " +
                                       std::to_string(answer.log_id));
    }
    case Kind::kServerCopies:
      return server + " writes a copy for " + std::to_string(before.servers[step.a].joining);
    case Kind::kServerInterruptsCopy:
      return server + " gives the copy up for a checkpoint";
    case Kind::kServerGoesOnAlone:
      return server + " goes on alone";
    case Kind::kServerFindsScheduler:
      return server + " finds scheduler 2";
    case Kind::kWorkerFindsScheduler:
      return "the worker finds scheduler 2";
    case Kind::kWorkerTakesMap:
      return "the worker takes the newest map of scheduler " + a;
    case Kind::kSchedulerLosesServer:
      return "scheduler " + a + " takes server " + b + " for lost" + (step.mishap ? ", wrongly" : "");
    case Kind::kSchedulerDropsFollower:
      return "scheduler " + a + " does without the follower";
    case Kind::kSchedulerBeginsJoining:
      return "scheduler " + a + " looks for a new follower";
    case Kind::kSchedulerGoesOnJoining:
      return "scheduler " + a + " goes on with the new follower";
    case Kind::kSchedulerGivesUpJoining:
      return "scheduler " + a + " gives the new follower up";
    case Kind::kSchedulerWrites:
      return "scheduler " + a + " writes its journal";
    case Kind::kSpareClaims:
      return std::string("the spare claims term 2") + (step.mishap ? ", wrongly" : "");
    case Kind::kSpareHearsServer:
      return "scheduler 2 hears server " + a;
    case Kind::kSpareTakesOver:
      return std::string("scheduler 2 takes over") + (step.mishap ? ", though not all have come" : "");
    case Kind::kServerDies:
      return server + " dies";
    case Kind::kSchedulerDies:
      return "scheduler 1 dies";
  }
  return "";
}

}  // namespace sherd::protocol
