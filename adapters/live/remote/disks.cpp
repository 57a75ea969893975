// Disks and processors of remote nodes.
#include <faultline/text.hpp>

#include "adapters/live/agent/disk_json.hpp"
#include "machines.hpp"

namespace faultline::live::remote {
namespace {

// Words about the disk, to the node's keeper.
Result<Json> ask(RemoteNode& node, const char* what, Json request = Json::object()) {
  request["do"] = "disk";
  request["what"] = what;
  return node.link.ask(std::move(request));
}

Result<void> outcome(const Result<Json>& reply) { return reply ? Result<void>() : reply.error(); }

}  // namespace

RemoteDisk::RemoteDisk(RemoteNode& node)
    : node_(node), calls_([&node](const EventPoll::Events& let_go) -> Result<EventPoll::Events> {
        const auto reply = ask(node, "met", {{"let_go", let_go}});
        if (!reply) return reply.error();
        return reply.value().value("met", EventPoll::Events());
      }) {}

Result<DiskSupervisor::RuleId> RemoteDisk::add(DiskRule rule) {
  const auto reply = ask(node_, "add", {{"rule", agent::to_json(rule)}});
  if (!reply) return reply.error();
  if (auto* watch = std::get_if<WatchRule>(&rule))
    calls_.await(reply.value().value("watch", std::uint64_t(0)), {std::move(watch->seen), std::move(watch->holds)});
  return reply.value().value("rule", DiskSupervisor::RuleId(0));
}

Result<DiskRuleEffect> RemoteDisk::remove(DiskSupervisor::RuleId id) {
  const auto reply = ask(node_, "remove", {{"rule", id}});
  if (!reply) return reply.error();
  return DiskRuleEffect{.count = reply.value().value("count", std::uint64_t(0)),
                        .pages = reply.value().value("pages", std::uint64_t(0))};
}

// The keeper knows which process its daemon is.
Result<void> RemoteDisk::can_lose(pid_t) const { return outcome(ask(node_, "can_lose")); }

Result<LossReport> RemoteDisk::lose(DiskLoss loss, Rng& rng) {
  const auto reply = ask(node_, "lose", {{"loss", static_cast<int>(loss)}, {"seed", rng.next()}});
  if (!reply) return reply.error();
  return LossReport{.pages = reply.value().value("pages", std::uint64_t(0)),
                    .entries = reply.value().value("entries", std::uint64_t(0))};
}

Result<void> RemoteDisk::probe() { return outcome(ask(node_, "probe")); }

// If that fails the node is lost, and nothing is done there any more.
void RemoteDisk::forget() { (void)ask(node_, "forget").ok(); }

std::optional<std::filesystem::path> RemoteFiles::pick(const std::string& glob, pid_t, Rng& rng) {
  const auto reply = ask(node_, "pick", {{"glob", glob}, {"seed", rng.next()}});
  if (!reply || !reply.value().contains("file") || !reply.value()["file"].is_string()) return std::nullopt;
  return agent::from_hex(reply.value()["file"].get<std::string>());
}

Result<std::vector<FileEdit>> RemoteFiles::rot(const RotPlan& plan, const std::filesystem::path& file, Rng& rng) {
  const auto reply =
      ask(node_, "rot",
          {{"file", agent::to_hex(file.string())}, {"cuts", plan.cuts}, {"amount", plan.amount}, {"seed", rng.next()}});
  if (!reply) return reply.error();
  std::vector<FileEdit> edits;
  for (const Json& one : reply.value().value("edits", Json::array())) {
    auto edit = agent::edit_from_json(one);
    if (!edit) return edit.error();
    edits.push_back(std::move(edit).value());
  }
  return edits;
}

Result<bool> RemoteFiles::take_back(const FileEdit& edit) {
  const auto reply = ask(node_, "take_back", {{"edit", agent::to_json(edit)}});
  if (!reply) return reply.error();
  return reply.value().value("whole", false);
}

Result<std::unique_ptr<NodePressure>> RemotePressure::start(RemoteNode& node, double speed) {
  const auto reply = node.link.ask({{"do", "press"}, {"speed", speed}});
  if (!reply) return reply.error();
  return std::unique_ptr<NodePressure>(new RemotePressure(node, escape_controls(reply.value().value("how", ""))));
}

std::uint64_t RemotePressure::waits() const {
  const auto reply = node_.link.ask({{"do", "pressed"}});
  return reply ? reply.value().value("waits", std::uint64_t(0)) : 0;
}

Result<void> RemotePressure::end() {
  if (ended_) return {};
  const auto reply = node_.link.ask({{"do", "pressed"}, {"end", true}});
  if (!reply) return reply.error();
  ended_ = true;
  return {};
}

}  // namespace faultline::live::remote
