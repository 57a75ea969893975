// Process -1, and schedules that the world performs itself.
#include <faultline/grudge.hpp>

#include <fmt/format.h>

#include <algorithm>

#include "engine.hpp"

namespace faultline::sim {

namespace {

// The completion's value with what a change of members came to.
Event with_done(Event completion, const Result<Value>& result) {
  if (!result) return completion.with("error", result.error().to_string());
  std::vector<Value::Entry> entries;
  if (completion.value.is_map()) entries.assign(completion.value.as_map().begin(), completion.value.as_map().end());
  std::vector<Value::Entry> done;
  if (const Value& before = completion.value.get("done"); before.is_map())
    done.assign(before.as_map().begin(), before.as_map().end());
  done.insert(done.end(), result.value().as_map().begin(), result.value().as_map().end());
  entries.emplace_back("done", Value::map(std::move(done)));
  completion.value = Value::map(std::move(entries));
  return completion;
}

}  // namespace

// --- process -1 ------------------------------------------------------------------------------------------------------------

// One after the other; a change of members is through before the next begins.
void Engine::ask_nemesis() {
  if (asked.empty() || settling) return;
  const Event invocation = std::move(asked.front());
  asked.pop_front();
  Item item;
  item.kind = Item::Kind::nemesis;
  item.id = invocation.value.hash();
  note_event(item);
  const std::size_t before = tasks.size();
  Event completion = nemesis.perform(invocation, port);
  const bool heals_all = invocation.f == "heal-all";
  if (!tasks.empty() && (heals_all || tasks.size() > before)) {
    settling = std::move(completion);
    settling_heals = heals_all;
    tasks.back().done = [this](const Result<Value>& result) { settle_nemesis(result); };
    return;
  }
  finish_event(std::move(completion));
  if (asked.empty()) return;
  Item next;
  next.kind = Item::Kind::nemesis;
  queue.push(now, std::move(next));
}

void Engine::settle_nemesis(const Result<Value>& result) {
  Event completion = std::exchange(settling, {}).value();
  completion = with_done(std::move(completion), result);
  if (settling_heals && result) {
    completion = with_done(std::move(completion), probe());
  }
  finish_event(std::move(completion));
  Item next;
  next.kind = Item::Kind::nemesis;
  queue.push(now, std::move(next));
}

// --- schedules --------------------------------------------------------------------------------------------------------------

Result<void> Engine::watch(const Schedule& schedule) {
  FL_ASSERT(!has_schedule);
  std::vector<Watched> all;
  for (const Decision& decision : schedule.decisions) {
    const auto refuse = [&](Error error) {
      error.message = fmt::format("decision {}: {}", decision.id, error.message);
      return error;
    };
    // What is still open is drawn when it fires; that it can be is seen by drawing once.
    Rng scratch(0);
    const auto resolved = resolve(decision.fault, options.nodes, options.nodes, scratch);
    if (!resolved) return refuse(resolved.error());
    if (auto supported = port.supports(resolved.value()); !supported) return refuse(supported.error());
    Watched one;
    one.decision = decision;
    const auto* trigger = std::get_if<EventTrigger>(&decision.when);
    const auto index_of = [&](const NodeName& name) {
      const auto found = std::find_if(nodes.begin(), nodes.end(), [&](const Node& node) { return node.name == name; });
      return found == nodes.end() ? no_node : static_cast<NodeIndex>(found - nodes.begin());
    };
    NodeName unknown;
    if (const auto* frame = trigger ? std::get_if<FrameTrigger>(&trigger->what) : nullptr) {
      one.from = index_of(frame->from), one.to = index_of(frame->to);
      unknown = one.from == no_node ? frame->from : one.to == no_node ? frame->to : "";
    } else if (const auto* call = trigger ? std::get_if<CallTrigger>(&trigger->what) : nullptr) {
      one.from = index_of(call->node);
      one.call = call_of(call->call);
      unknown = one.from == no_node ? call->node : "";
      if (!one.call) {
        return refuse(Error::bad_input(fmt::format("unknown call '{}'", call->call),
                                       "known: open, read, write, allocate, fsync, truncate, rename, unlink, mkdir"));
      }
    } else if (const auto* role = trigger ? std::get_if<RoleTrigger>(&trigger->what) : nullptr) {
      one.from = role->node.empty() ? no_node : index_of(role->node);
      unknown = !role->node.empty() && one.from == no_node ? role->node : "";
    }
    if (!unknown.empty()) return refuse(Error::bad_input(fmt::format("unknown node '{}'", unknown)));
    all.push_back(std::move(one));
  }
  watched = std::move(all);
  has_schedule = true;
  schedule_seed = schedule.seed;
  for (std::size_t i = 0; i < watched.size(); ++i) {
    const auto& when = watched[i].decision.when;
    if (const auto* at = std::get_if<Duration>(&when)) {
      trigger(i, *at - Duration(now), false);
      continue;
    }
    const auto& what = std::get<EventTrigger>(when).what;
    if (std::holds_alternative<FrameTrigger>(what)) frame_triggers.push_back(i);
    if (std::holds_alternative<CallTrigger>(what)) call_triggers.push_back(i);
    if (std::holds_alternative<RoleTrigger>(what)) role_triggers.push_back(i);
  }
  return {};
}

void Engine::trigger(std::size_t index, Duration after, bool at_once) {
  if (at_once && after <= Duration::zero()) return begin_decision(index);
  Item item;
  item.kind = Item::Kind::decision_begin;
  item.id = index;
  queue.push(now + std::max<Ticks>(after.count(), 0), std::move(item));
}

void Engine::note_decision(const Watched& decision, std::string_view prefix, const Result<Value>& done) {
  Event event{.type = EventType::invoke,
              .process = nemesis_process,
              .f = std::string(prefix) + decision.decision.fault.kind,
              .key = {},
              .value = to_value(decision.decision.fault),
              .time = Instant(Duration(now)),
              .line = 0,
              .extra = Value::map({{"decision", static_cast<std::int64_t>(decision.decision.id)}})};
  notes.push_back(event);
  event.type = EventType::info;
  event.value = to_value(decision.resolved);
  event = with_done(std::move(event), done);
  notes.push_back(std::move(event));
}

void Engine::begin_decision(std::size_t index) {
  Watched& mine = watched[index];
  if (!has_schedule || mine.state != Watched::State::waiting) return;
  mine.state = Watched::State::active;
  const Decision& decision = mine.decision;
  Rng rng = Rng(schedule_seed).fork("decision").fork(decision.id);
  mine.resolved = decision.fault;
  const auto resolved =
      resolve(decision.fault, options.nodes, needs_primaries(decision.fault) ? port.primaries() : Nodes(), rng);
  if (resolved) mine.resolved = resolved.value();
  const std::size_t before = tasks.size();
  const std::uint64_t outer = std::exchange(deciding, decision.id);
  const std::uint64_t last = last_active;
  const auto done = resolved ? apply(mine.resolved) : Result<Value>(resolved.error());
  // Also what no node took may be there, to be healed: a kill of nodes that are down keeps them so.
  if (last_active != last && find_active(last_active) != nullptr) mine.fault = last_active;
  if (!done) happen(Happening::Kind::note, no_node, "decision not performed: " + done.error().message);
  deciding = outer;
  note_decision(mine, "start-", done);
  if (tasks.size() > before) {
    const std::size_t note = notes.size() - 1;
    tasks.back().done = [this, note](const Result<Value>& result) {
      if (note < notes.size()) notes[note] = with_done(std::move(notes[note]), result);
    };
  }
  if (!decision.lasts) return;
  Item item;
  item.kind = Item::Kind::decision_end;
  item.id = index;
  queue.push(now + decision.lasts->count(), std::move(item));
}

void Engine::end_decision(std::size_t index) {
  Watched& mine = watched[index];
  if (!has_schedule || mine.state != Watched::State::active) return;
  mine.state = Watched::State::over;
  if (mine.fault != 0) {
    deciding = mine.decision.id;
    const auto done = heal_active(mine.fault);
    if (!done) happen(Happening::Kind::note, no_node, done.error().message);
    deciding = 0;
    note_decision(mine, "stop-", done);
  }
  for (std::size_t i = 0; i < watched.size(); ++i) {
    const auto* event = std::get_if<EventTrigger>(&watched[i].decision.when);
    const auto* heal = event == nullptr ? nullptr : std::get_if<HealTrigger>(&event->what);
    if (heal != nullptr && heal->decision == mine.decision.id) trigger(i, event->after, false);
  }
}

// Fires those that `meets` says this event is the nth for. What a trigger sets off at once may add none to the list, but end the watching.
template <class Meets>
void Engine::fire(std::vector<std::size_t>& waiting, bool at_once, Meets&& meets) {
  std::vector<std::size_t> due;
  std::erase_if(waiting, [&](std::size_t index) {
    const bool fires = meets(watched[index]);
    if (fires) due.push_back(index);
    return fires;
  });
  for (const std::size_t index : due) {
    trigger(index, std::get<EventTrigger>(watched[index].decision.when).after, at_once);
  }
}

template <class What>
const What& trigger_of(const Watched& each) {
  return std::get<What>(std::get<EventTrigger>(each.decision.when).what);
}

// The frame is on its way; the fault comes when the sender has returned, before anything else.
void Engine::watch_frame(NodeIndex from, NodeIndex to, std::string_view kind) {
  fire(frame_triggers, false, [&](Watched& each) {
    if (each.from != from || each.to != to) return false;
    const auto& frame = trigger_of<FrameTrigger>(each);
    return frame.frame == kind && ++each.seen == frame.nth;
  });
}

// At the edge itself: the call under way already meets the fault.
void Engine::watch_call(NodeIndex node, Call call, const std::string& path, bool after) {
  fire(call_triggers, true, [&](Watched& each) {
    if (each.call != call || each.from != node) return false;
    const auto& asked_for = trigger_of<CallTrigger>(each);
    return asked_for.after == after && matches(asked_for.file, path) && ++each.seen == asked_for.nth;
  });
}

void Engine::watch_role(NodeIndex node, std::string_view role) {
  fire(role_triggers, false, [&](Watched& each) {
    if (each.from != no_node && each.from != node) return false;
    const auto& taken = trigger_of<RoleTrigger>(each);
    return taken.role == role && ++each.seen == taken.nth;
  });
}

}  // namespace faultline::sim
