// Members that leave and come in while the run goes on: each step is asked for again and again until it is so.
//
// A node leaves for good: once it is out of the configuration its daemon is killed and its data removed, so it can only come back as a new
// member, empty and without a vote until it has caught up. Its administrator may take his time: half of those removed go on as they are, for
// up to membership_limit, and may not even know that they are out (Raft §6, "disruptive servers"). No fault begins at such a node any more.
// A step that was not confirmed may have happened; each may be repeated. Until one is, the node is in doubt: it is started again after a fault
// like any member, for its vote may be the one that is missing.
//
// A member whose disk was wiped or rotted, and that therefore will not go on, is replaced: out, emptied, and in again. That, and what ends a
// fault, is tried again when its time is over, until it is so.
#include <fmt/format.h>

#include <algorithm>

#include "engine.hpp"

namespace faultline::sim {

void Engine::change(std::vector<MemberTask::Step> steps, std::string label, bool is_restless) {
  MemberTask task;
  task.is_restless = is_restless;
  task.label = std::move(label);
  task.limit = options.membership_limit.count();
  for (const MemberTask::Step& step : steps) task.names.emplace_back(nodes[step.node].name);
  task.steps.assign(steps.begin(), steps.end());
  tasks.push_back(std::move(task));
  advance_members_at(now);
}

void Engine::advance_members_at(Ticks time) {
  if (std::exchange(members_queued, true)) return;
  Item item;
  item.kind = Item::Kind::members;
  queue.push(time, std::move(item));
}

void Engine::give_up_tasks() {
  while (!tasks.empty()) end_task(Error::environment("the change of members was given up"));
}

void Engine::end_task(const Result<Value>& result) {
  const MemberTask task = std::move(tasks.front());
  tasks.pop_front();
  if (task.done) task.done(result);
}

// Whoever waits is told of the first failure. What remains is tried again after the other changes.
void Engine::fail_task(Error why) {
  MemberTask again = tasks.front();
  end_task(std::move(why));
  if (!again.is_restless) return;
  again.done = nullptr;
  again.phase = MemberTask::Phase::begin;
  again.last_error.clear();
  tasks.push_back(std::move(again));
}

// One attempt at each running member, others before the node itself, until one says that it is so.
Result<bool> Engine::ask_members(MemberStep step, NodeIndex member) {
  const auto is_contact = [&](NodeIndex i) {
    const Node& node = nodes[i];
    return node.is_up && node.pauses == 0 && node.standing != Node::Standing::outside;
  };
  std::vector<NodeIndex> contacts;
  contacts.reserve(nodes.size());
  for (NodeIndex i = 0; i < nodes.size(); ++i) {
    if (i != member && is_contact(i)) contacts.push_back(i);
  }
  if (is_contact(member)) contacts.push_back(member);
  std::string last = contacts.empty() ? "no member is running" : "";
  for (const NodeIndex contact : contacts) {
    if (!nodes[contact].is_up) continue;  // it ended over the question before
    std::optional<Result<bool>> answer;
    run_node(contact, [&] { answer = system.change_members(step, contact, member); });
    if (*answer && answer->value()) return true;
    if (!*answer) last = fmt::format("{} says: {}", nodes[contact].name, answer->error().message);
  }
  if (last.empty()) return false;
  return Error::environment(last);
}

void Engine::remove(NodeIndex index) {
  Node& node = nodes[index];
  node.standing = Node::Standing::outside;
  Rng rng = root.fork("removed " + node.name).fork(node.removals++);
  node.retires_at = now;
  if (rng.chance(0.5)) return retire(index);
  node.retires_at += static_cast<Ticks>(rng.below(static_cast<std::uint64_t>(options.membership_limit.count()) + 1));
  Item item;
  item.kind = Item::Kind::retire;
  item.node = index;
  queue.push(node.retires_at, std::move(item));
}

// Of a node that was removed. No effect on any other.
void Engine::retire(NodeIndex index) {
  Node& node = nodes[index];
  if (std::exchange(node.retires_at, never) == never) return;
  doom(index, Happening::Kind::killed, "removed from the cluster", PowerLoss::keep, 0);
  node.image.wipe();
  node.is_emptied = true;
  node.is_rotten = node.has_suffered = false;
}

// What the administrator does about a member that will have nothing to do with its wiped or rotten disk: it makes way for a new one. It may
// find out at its start, or once it has heard of what it forgot.
void Engine::replace(NodeIndex index) {
  Node& node = nodes[index];
  if (!node.is_rotten || node.standing != Node::Standing::member || is_frozen || is_held_down(index)) return;
  if (!system.changes_members()) return;
  node.standing = Node::Standing::in_doubt;
  change({{index, true}}, "replaced", true);
}

void Engine::advance_members() {
  members_queued = false;
  while (!tasks.empty()) {
    MemberTask& task = tasks.front();
    if (task.steps.empty()) {
      end_task(Value::map({{task.label, Value::list(std::move(task.names))}}));
      continue;
    }
    const MemberTask::Step step = task.steps.front();
    Node& node = nodes[step.node];
    using Phase = MemberTask::Phase;
    if (task.phase == Phase::begin) {
      const auto wanted = step.in ? Node::Standing::member : Node::Standing::outside;
      if (node.standing == wanted) {
        task.steps.pop_front();
        continue;
      }
      // A node in doubt is taken out first: an attempt before this one may have got half way.
      task.phase = step.in && node.standing == Node::Standing::outside ? Phase::adding : Phase::removing;
      node.standing = Node::Standing::in_doubt;
      retire(step.node);
      task.deadline = now + task.limit;
    }
    const MemberStep asks = task.phase == Phase::removing ? MemberStep::remove
                            : task.phase == Phase::adding ? MemberStep::add
                                                          : MemberStep::promote;
    auto answer = ask_members(asks, step.node);
    if (!answer || !answer.value()) {
      if (!answer) task.last_error = answer.error().message;
      if (now >= task.deadline) {
        fail_task(Error::environment(fmt::format("{} could not be {}: {}", node.name,
                                                 asks == MemberStep::remove ? "removed"
                                                 : asks == MemberStep::add  ? "added"
                                                                            : "given a vote",
                                                 task.last_error.empty() ? "not done in time" : task.last_error)));
        continue;
      }
      return advance_members_at(now + options.membership_interval.count());
    }
    if (asks == MemberStep::remove) {
      remove(step.node);
      task.phase = Phase::begin;
    } else if (asks == MemberStep::add) {
      node.joins = true;
      node.is_emptied = false;
      if (!node.is_up && !boot(step.node)) {
        fail_task(Error::environment(fmt::format("{} {}", node.name, node.end)));
        return advance_members_at(now + options.membership_interval.count());
      }
      task.phase = Phase::promoting;
      task.deadline = now + task.limit;
    } else {
      node.standing = Node::Standing::member;
      task.phase = Phase::begin;
    }
  }
}

}  // namespace faultline::sim
