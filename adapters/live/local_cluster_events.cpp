// The events a local cluster can tell of: frames as its proxy sees them, calls as its disk supervisors do, here or on the nodes' own machines,
// roles as its nodes tell.
#include <faultline/live/local_cluster.hpp>

#include <algorithm>
#include <functional>

#include <faultline/text.hpp>

#include "node_disk.hpp"
#include "role_watch.hpp"

namespace faultline::live {
namespace {

constexpr auto between_questions = std::chrono::milliseconds(20);
constexpr auto between_looks = std::chrono::milliseconds(2);

Error none_such(const std::string& what, const std::string& name, std::span<const std::string_view> known) {
  std::string list;
  for (const std::string_view one : known) list += (list.empty() ? "" : ", ") + std::string(one);
  return Error::bad_input("there is no " + what + " '" + name + "'", "known: " + list);
}

}  // namespace

Result<void> LocalCluster::can_watch_frame(const FrameTrigger& trigger) const {
  if (!options_.machines && options_.network == NetworkKind::namespaces) {
    return Error::bad_input("frames between nodes are only seen by the fault proxy, not in namespaces",
                            "use --network proxy, or let the decision wait for something else");
  }
  const auto framer = options_.framer ? options_.framer() : nullptr;
  const auto names = framer ? framer->names() : std::span<const std::string_view>();
  if (names.empty()) {
    return Error::bad_input("the fault proxy cannot tell the frames of this system from each other",
                            "let the decision wait for a role, a call or a time");
  }
  if (std::find(names.begin(), names.end(), trigger.frame) != names.end()) return {};
  return none_such("frame", trigger.frame, names);
}

Result<void> LocalCluster::can_watch_call(const CallTrigger& trigger) const {
  const auto call = disk_call_of(trigger.call);
  if (!call) return none_such("call", trigger.call, disk_call_words());
  // The keepers of remote nodes see calls as they see crash points.
  if (auto works = options_.machines ? options_.machines->supports({.kind = "crash_point"}) : disks_can_be_supervised();
      !works)
    return works;
  if (!options_.disks.supervised) {
    return Error::bad_input(
        "calls are only seen of nodes whose disks are supervised from their start, which these are not",
        "name a package such as power with --nemesis when the run is started");
  }
  if (*call != DiskCall::read || options_.disks.reads) return {};
  return Error::bad_input("reads are not supervised in this run", "let the decision wait for a write or an fsync");
}

Result<void> LocalCluster::can_watch_role(const RoleTrigger& trigger) const {
  if (options_.roles && !options_.machines) return {};
  if (!options_.leads) {
    return Error::bad_input("nodes of this system have no roles that could be seen",
                            "let the decision wait for a call, a heal or a time");
  }
  if (trigger.role == "leader") return {};
  return Error::bad_input("of this system's roles only the leader's is seen, not '" + trigger.role + "'",
                          "let the decision wait for a leader");
}

Result<void> LocalCluster::can_watch(const EventTrigger& trigger) const {
  if (const auto* frame = std::get_if<FrameTrigger>(&trigger.what)) return can_watch_frame(*frame);
  if (const auto* call = std::get_if<CallTrigger>(&trigger.what)) return can_watch_call(*call);
  if (const auto* role = std::get_if<RoleTrigger>(&trigger.what)) return can_watch_role(*role);
  return {};
}

Result<void> LocalCluster::watch(std::shared_ptr<EventBoard> board) {
  const std::lock_guard lock(mutex_);
  if (!is_set_up()) return Error::environment("the cluster is not set up");
  std::vector<FrameWatch> frames;
  bool roles = false;
  for (const auto& [decision, trigger] : board->watched()) {
    if (auto can = can_watch(trigger); !can) return can;
    const auto seen = [board, id = decision] { board->happened(id); };
    std::function<bool()> holds;
    if (board->may_hold(decision)) holds = [board, id = decision] { return board->holds(id); };
    if (const auto* frame = std::get_if<FrameTrigger>(&trigger.what)) {
      frames.push_back({frame->frame, frame->from, frame->to, frame->nth, seen, holds});
    } else if (const auto* call = std::get_if<CallTrigger>(&trigger.what)) {
      const auto added = disks_[index_of(call->node)]->supervisor->add(
          WatchRule{disk_call_of(call->call).value(), call->nth, call->after, call->file, seen, holds});
      if (!added) return added.error();
    } else {
      roles = true;
    }
  }
  if (roles) watch_roles(board);
  return network_->watch(std::move(frames));
}

void LocalCluster::watch_roles(const std::shared_ptr<EventBoard>& board) {
  std::vector<RoleWatch::Node> nodes;
  for (const NodePlace& place : places_) {
    RoleWatch::Node node{.name = place.name, .enter = {}, .source = nullptr, .pause = between_looks};
    if (options_.roles && !options_.machines) {
      node.source = options_.roles(place);
    } else {
      node.source = make_leader_poll([this, &place] { return options_.leads(place, options_.attempt_limit); });
      node.enter = [this] { return network_->enter().ok(); };
      node.pause = between_questions;
    }
    nodes.push_back(std::move(node));
  }
  roles_ = std::make_unique<RoleWatch>(board, std::move(nodes));
}

}  // namespace faultline::live
