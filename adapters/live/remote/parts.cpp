// Daemons and clocks of remote nodes.
#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "adapters/live/agent/clock_json.hpp"
#include "machines.hpp"

namespace faultline::live::remote {

Result<void> on_each(const RemoteNodes& nodes, const std::function<Result<void>(RemoteNode&)>& work) {
  std::vector<Result<void>> outcomes(nodes.size());
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < nodes.size(); ++i) threads.emplace_back([&, i] { outcomes[i] = work(*nodes[i]); });
  }
  std::string message, remedy;
  for (const auto& outcome : outcomes) {
    if (outcome) continue;
    message += (message.empty() ? "" : "\n") + outcome.error().message;
    if (remedy.empty()) remedy = outcome.error().remedy;
  }
  if (message.empty()) return {};
  return Error::environment(std::move(message), std::move(remedy));
}

void RemoteNode::note(const Json& reply) {
  const std::lock_guard lock(mutex);
  if (reply.contains("state")) {
    state = static_cast<NodeDaemon::State>(reply["state"].get<int>());
    identity = {reply["pid"].get<pid_t>(), reply["start_time"].get<std::uint64_t>(),
                reply["boot_id"].get<std::string>()};
    end = reply["end"].get<std::string>();
    unasked = reply["unasked"].get<bool>();
  }
  bent = reply.value("bent", bent);
  settles = Duration(reply.value("settles_ns", std::int64_t(0)));
}

RemoteDaemon::RemoteDaemon(RemoteNode& node, InventoryTarget target, std::string program,
                           std::map<std::string, std::string> uploads, DaemonSpec spec)
    : node_(node),
      target_(std::move(target)),
      program_(std::move(program)),
      uploads_(std::move(uploads)),
      spec_(std::move(spec)) {}

Result<void> RemoteDaemon::change(Json request) const {
  if (!node_.declared) return {};  // it was never started
  auto reply = node_.link.ask(std::move(request));
  if (!reply) return reply.error();
  node_.note(reply.value());
  return {};
}

Result<void> RemoteDaemon::start(const Launch& launch) {
  const auto release = [this] { return request_start(); };
  return launch ? launch(0, release) : release();
}

Result<void> RemoteDaemon::request_start() {
  const InventoryNode& entry = node_.link.node();
  if (!node_.declared) {
    Json declaration{{"do", "daemon"}};
    if (!target_.pid_file.empty()) declaration["pid_file"] = fill_in(target_.pid_file, entry);
    if (!target_.pattern.empty()) declaration["pattern"] = fill_in(target_.pattern, entry);
    declaration["start"] = target_.start;
    declaration["stop"] = target_.stop;
    declaration["kill"] = target_.kill;
    if (auto declared = node_.link.ask(std::move(declaration)); !declared) return declared.error();
    node_.declared = true;
  }
  std::vector<std::string> command = spec_.command;
  const auto uploaded = uploads_.find(command.front());
  if (!target_.start.empty())
    command = {"/bin/sh", "-c", target_.start};
  else if (uploaded != uploads_.end())
    command.front() = uploaded->second;
  else if (!program_.empty())
    command.front() = program_;
  auto environment = spec_.environment;
  for (const auto& [name, value] : node_.environment) environment[name] = value;
  Json changes = Json::array();
  for (const ClockChange& change : std::exchange(node_.changes, {})) changes.push_back(agent::to_json(change));
  Json ports = Json::array();
  const bool own_command = target_.start.empty();  // a deployment may bind other addresses
  if (own_command) {
    for (const Endpoint& port : spec_.ports) ports.push_back({{"host", port.host}, {"port", port.port}});
  }
  return change({{"do", "start"},
                 {"command", command},
                 {"environment", environment},
                 {"log", spec_.log_file.string()},
                 {"ports", ports},
                 {"changes", changes}});
}

// Asked anew each time, unless the node is lost: then what it was is what it is.
NodeDaemon::State RemoteDaemon::state() const {
  (void)change({{"do", "state"}}).ok();
  const std::lock_guard lock(node_.mutex);
  return node_.state;
}

ProcessIdentity RemoteDaemon::identity() const {
  const std::lock_guard lock(node_.mutex);
  return node_.identity;
}

std::string RemoteDaemon::end() const {
  const std::lock_guard lock(node_.mutex);
  return node_.end;
}

bool RemoteDaemon::ended_unasked() const {
  (void)change({{"do", "state"}}).ok();
  const std::lock_guard lock(node_.mutex);
  return node_.unasked;
}

std::string RemoteDaemon::log_tail(std::size_t lines) const {
  if (!node_.declared) return {};
  const auto reply = node_.link.ask({{"do", "log_tail"}, {"lines", lines}});
  return reply ? masked(reply.value().value("text", ""), node_.link.node().secrets) : std::string();
}

Result<Json> RemoteClock::ask(Json request) const {
  auto reply = node_.link.ask(std::move(request));
  if (reply) node_.note(reply.value());
  return reply;
}

Result<void> RemoteClock::change(pid_t, const ClockChange& change) {
  auto reply = ask({{"do", "change"}, {"change", agent::to_json(change)}});
  return reply ? Result<void>() : reply.error();
}

Result<void> RemoteClock::launch(pid_t, const std::function<Result<void>()>& release,
                                 const std::vector<ClockChange>& changes) {
  node_.changes = changes;
  return release();
}

bool RemoteClock::bends(pid_t pid) const {
  const std::lock_guard lock(node_.mutex);
  return node_.bent && node_.identity.pid == pid;
}

Result<ClockSkew> RemoteClock::read_back() {
  auto reply = ask({{"do", "read_back"}});
  if (!reply) return reply.error();
  return ClockSkew{.wall = Duration(reply.value().value("wall_ns", std::int64_t(0))),
                   .mono = Duration(reply.value().value("mono_ns", std::int64_t(0)))};
}

std::uint64_t RemoteClock::reads(ClockGroup group) const {
  const auto reply = ask({{"do", "reads"}});
  if (!reply) return 0;
  const auto of = [&](const char* name) { return reply.value().value(name, std::uint64_t(0)); };
  return (group == ClockGroup::mono ? 0 : of("wall")) + (group == ClockGroup::wall ? 0 : of("mono"));
}

Duration RemoteClock::settles_in() const {
  {
    const std::lock_guard lock(node_.mutex);
    if (!node_.bent) return {};
  }
  (void)ask({{"do", "reads"}}).ok();
  const std::lock_guard lock(node_.mutex);
  return node_.settles;
}

Result<void> RemoteClock::reset() {
  auto reply = ask({{"do", "reset"}});
  return reply ? Result<void>() : reply.error();
}

Result<void> RemoteClock::restore() {
  {
    const std::lock_guard lock(node_.mutex);
    if (!node_.bent) return {};
  }
  auto reply = ask({{"do", "restore"}});
  return reply ? Result<void>() : reply.error();
}

// The keeper forgets by itself when the daemon starts anew.
void RemoteClock::forget() {
  const std::lock_guard lock(node_.mutex);
  node_.bent = false;
}

}  // namespace faultline::live::remote
