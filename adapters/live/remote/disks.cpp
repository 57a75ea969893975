// Disks and processors of remote nodes.
#include <faultline/text.hpp>

#include <chrono>
#include <iterator>
#include <thread>

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

Result<DiskSupervisor::RuleId> RemoteDisk::add(DiskRule rule) {
  const auto reply = ask(node_, "add", {{"rule", agent::to_json(rule)}});
  if (!reply) return reply.error();
  const auto id = reply.value().value("rule", DiskSupervisor::RuleId(0));
  if (auto* watch = std::get_if<WatchRule>(&rule)) calls_.await(id, std::move(watch->seen), std::move(watch->holds));
  return id;
}

CallWatch::~CallWatch() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

void CallWatch::await(DiskSupervisor::RuleId rule, std::function<void()> seen, std::function<bool()> holds) {
  {
    const std::lock_guard lock(mutex_);
    awaited_[rule] = {.seen = std::move(seen), .holds = std::move(holds)};
    if (looks_) return;
    looks_ = true;
  }
  if (thread_.joinable()) thread_.join();
  thread_ = std::thread([this] { look(); });
}

// Those that were met and wait no longer; nullopt: nothing is awaited any more.
std::optional<std::vector<DiskSupervisor::RuleId>> CallWatch::to_let_go() {
  const std::lock_guard lock(mutex_);
  std::vector<DiskSupervisor::RuleId> rules;
  for (auto at = awaited_.begin(); at != awaited_.end();) {
    const auto& [rule, each] = *at;
    const bool goes_on = each.is_met && (!each.holds || !each.holds());
    if (goes_on) rules.push_back(rule);
    at = goes_on ? awaited_.erase(at) : std::next(at);
  }
  looks_ = !ends_ && (!rules.empty() || !awaited_.empty());
  return looks_ ? std::optional(std::move(rules)) : std::nullopt;
}

void CallWatch::met(const std::vector<DiskSupervisor::RuleId>& rules) {
  const std::lock_guard lock(mutex_);
  for (const auto rule : rules) {
    const auto found = awaited_.find(rule);
    if (found == awaited_.end() || found->second.is_met) continue;
    found->second.is_met = true;
    found->second.seen();
  }
}

// A node that does not answer is lost, and its run ends.
void CallWatch::look() {
  constexpr auto between_questions = std::chrono::milliseconds(5);
  while (auto let_go = to_let_go()) {
    const auto reply = ask(node_, "met", {{"let_go", *let_go}});
    if (!reply) break;
    met(reply.value().value("rules", std::vector<DiskSupervisor::RuleId>()));
    std::this_thread::sleep_for(between_questions);
  }
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
