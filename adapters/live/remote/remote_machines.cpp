#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

#include <faultline/live/local_cluster.hpp>
#include <faultline/live/remote.hpp>
#include <faultline/text.hpp>

#include "client_ports.hpp"
#include "machines.hpp"

namespace faultline::live::remote {
namespace {

namespace fs = std::filesystem;
constexpr auto script_limit = std::chrono::minutes(2);

constexpr std::array<std::string_view, 5> supervised_kinds{"io_error", "fsync_error", "enospc", "slow_disk",
                                                           "crash_point"};

bool needs_supervision(const Fault& fault) {
  const Value& disk = fault.parameters.get("disk");
  if (fault.kind == "kill") return !disk.is_null() && disk != Value("keep");
  return std::find(supervised_kinds.begin(), supervised_kinds.end(), fault.kind) != supervised_kinds.end();
}

// Packet filters know numbers only.
Result<std::string> ipv4_of(const InventoryNode& node) {
  addrinfo hints{};
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = ::getaddrinfo(node.address.c_str(), nullptr, &hints, &found); error != 0) {
    return Error::environment(
        fmt::format("node {}: no IPv4 address of {}: {}", node.name, node.address, ::gai_strerror(error)),
        "correct its address in the inventory");
  }
  std::array<char, INET_ADDRSTRLEN> text{};
  const auto* address = reinterpret_cast<const sockaddr_in*>(found->ai_addr);
  ::inet_ntop(AF_INET, &address->sin_addr, text.data(), text.size());
  ::freeaddrinfo(found);
  return std::string(text.data());
}

// What heal_node() needs; no secrets.
std::string connection_text(const InventoryNode& node, const std::string& state, const std::string& folder) {
  return Json{{"host", node.ssh.host},
              {"port", node.ssh.port},
              {"user", node.ssh.user},
              {"key", node.ssh.key.empty() ? "" : fs::absolute(node.ssh.key).string()},
              {"known_hosts", node.ssh.known_hosts.empty() ? "" : fs::absolute(node.ssh.known_hosts).string()},
              {"check", node.ssh.check_host_key},
              {"sudo", node.sudo},
              {"state", state},
              {"folder", folder}}
      .dump();
}

class RemoteMachines final : public Machines {
 public:
  explicit RemoteMachines(RemoteOptions options) : options_(std::move(options)) {
    const auto found = options_.inventory.targets.find(options_.target);
    if (found != options_.inventory.targets.end()) target_ = found->second;
  }
  ~RemoteMachines() override { (void)close({}).ok(); }

  Result<void> open(const std::vector<NodeName>& names, const std::string& run_id, Leftovers& journal) override {
    auto agent = options_.agent.empty() ? find_agent() : agent_at(options_.agent);
    if (!agent) return agent.error();
    for (const NodeName& name : names) {
      const auto& all = options_.inventory.nodes;
      const auto entry = std::find_if(all.begin(), all.end(), [&](const InventoryNode& n) { return n.name == name; });
      if (entry == all.end())
        return Error::bad_input(fmt::format("{} has no node {}", options_.inventory.file.string(), name));
      auto address = ipv4_of(*entry);
      if (!address) return address.error();
      nodes_.push_back(std::make_unique<RemoteNode>(LinkOptions{.node = *entry,
                                                                .state = fill_in(options_.inventory.state, *entry),
                                                                .run_id = run_id,
                                                                .time_to_live = options_.inventory.time_to_live,
                                                                .agent = agent.value()}));
      nodes_.back()->address = address.value();
    }
    set_environments();
    std::map<NodeName, std::vector<Swept>> swept;
    std::mutex mutex;
    auto connected = on_each(nodes_, [&](RemoteNode& node) -> Result<void> {
      auto found = node.link.connect();
      if (!found) return found.error();
      const std::lock_guard lock(mutex);
      swept[node.link.node().name] = std::move(found).value();
      return {};
    });
    if (auto told = tell(swept); !told) return told;
    if (!connected) return connected;
    return on_each(nodes_, [&](RemoteNode& node) { return start(node, journal); });
  }

  std::unique_ptr<Network> make_network(const std::vector<NodeName>& nodes, const NetworkNeeds& needs) override {
    return std::make_unique<RemoteNetwork>(nodes_, nodes, needs, target_.start.empty() ? options_.target : "");
  }

  Result<void> prepare(NodePlace& place) override {
    RemoteNode& node = node_of(place.name);
    place.data_directory = data_directory(node);
    node.environment["FAULTLINE_DATA"] = place.data_directory.string();
    place.log_file = node.link.folder() + "/logs/daemon.log";
    auto prepared =
        node.link.ask({{"do", "prepare"}, {"data", place.data_directory.string()}, {"ours", target_.start.empty()}});
    if (!prepared) return prepared.error();
    return run_script(node, target_.setup, "setup");
  }

  std::unique_ptr<NodeDaemon> make_daemon(DaemonSpec spec) override {
    RemoteNode& node = node_of(spec.name);
    std::string program = fill_in(target_.binary, node.link.node());
    std::map<std::string, std::string> uploads = uploads_[spec.name];
    if (const auto own = uploads.find(target_.upload); own != uploads.end()) program = own->second;
    return std::make_unique<RemoteDaemon>(node, target_, std::move(program), std::move(uploads), std::move(spec));
  }

  std::unique_ptr<ClockControl> make_clock(const NodeName& node) override {
    return std::make_unique<RemoteClock>(node_of(node));
  }

  Result<std::unique_ptr<DiskControl>> supervise_disk(const NodeName& name, std::uint64_t seed, bool reads) override {
    RemoteNode& node = node_of(name);
    if (auto can = disks_can_be_supervised(); !can) return can.error();
    auto done = node.link.ask({{"do", "disk"}, {"what", "supervise"}, {"seed", seed}, {"reads", reads}});
    if (!done) return done.error();
    return std::unique_ptr<DiskControl>(std::make_unique<RemoteDisk>(node));
  }

  std::unique_ptr<DiskFiles> make_files(const NodeName& node) override {
    return std::make_unique<RemoteFiles>(node_of(node));
  }

  Result<std::unique_ptr<NodePressure>> press(const NodeName& node, double speed) override {
    return RemotePressure::start(node_of(node), speed);
  }

  std::optional<Error> lost() const override {
    for (const auto& node : nodes_) {
      if (auto loss = node->link.loss()) return loss;
    }
    return std::nullopt;
  }

  Result<void> supports(const Fault& fault) const override {
    if (!target_.start.empty() && (fault.kind == "membership" || fault.kind == "wipe")) {
      return Error::bad_input(
          "fault '" + fault.kind +
              "' is not available: a start command of its own cannot tell a member that joins from one that founds",
          "leave `start` out of the inventory, or use another fault");
    }
    if (!target_.start.empty() && fault.kind == "upgrade") {
      return Error::bad_input("fault 'upgrade' is not available: a start command of its own starts what it starts",
                              "leave `start` out of the inventory, or use rolling");
    }
    // Of packets the network says it.
    if (fault.kind == "partition") return works("partition", "filter_error");
    if (fault.kind == "clock") return works("clock", "clock_error");
    return needs_supervision(fault) ? disks_can_be_supervised() : Result<void>();
  }

  Result<void> empty_data(const NodePlace& place) override {
    auto emptied = node_of(place.name).link.ask({{"do", "empty"}});
    return emptied ? Result<void>() : emptied.error();
  }

  Result<void> close(const fs::path& logs) override {
    if (nodes_.empty()) return {};
    auto closed = on_each(nodes_, [&](RemoteNode& node) { return end(node, logs); });
    nodes_.clear();
    intents_.clear();
    return closed;
  }

 private:
  RemoteNode& node_of(const NodeName& name) {
    const auto found =
        std::find_if(nodes_.begin(), nodes_.end(), [&](const auto& n) { return n->link.node().name == name; });
    FL_ASSERT(found != nodes_.end());
    return **found;
  }

  std::string data_directory(const RemoteNode& node) const {
    if (target_.data_directory.empty()) return node.link.folder() + "/data";
    const std::string given = fill_in(target_.data_directory, node.link.node());
    return target_.start.empty() ? given + "/" + fs::path(node.link.folder()).filename().string() + "/data" : given;
  }

  // Whether no node lacks it.
  Result<void> works(const std::string& what, const char* lacking) const {
    for (const auto& node : nodes_) {
      if (node->hello.contains(lacking)) {
        return Error::bad_input(fmt::format("fault '{}' is not available: node {}: {}", what, node->link.node().name,
                                            node->hello[lacking].get<std::string>()),
                                "`faultline doctor --inventory FILE` says what each node can do");
      }
    }
    return {};
  }

  // What supervises a daemon is in place before its first instruction.
  Result<void> disks_can_be_supervised() const {
    if (!target_.pid_file.empty() || !target_.pattern.empty()) {
      return Error::bad_input("the disk of a daemon that is found by pid-file or pattern cannot be made to fail",
                              "let `start` stay in the foreground, as the daemon itself");
    }
    return works("disk", "disk_error");
  }

  void set_environments() {
    std::string peers;
    for (const auto& node : nodes_)
      peers += fmt::format("{}{}={}:{}", peers.empty() ? "" : ",", node->link.node().name, node->address,
                           node->link.node().peer_port);
    for (const auto& node : nodes_) {
      const InventoryNode& entry = node->link.node();
      node->environment = entry.variables;
      node->environment["FAULTLINE_NODE"] = entry.name;
      node->environment["FAULTLINE_ADDRESS"] = node->address;
      node->environment["FAULTLINE_CLIENT_PORT"] = std::to_string(entry.client_port);
      node->environment["FAULTLINE_PEER_PORT"] = std::to_string(entry.peer_port);
      node->environment["FAULTLINE_PEERS"] = peers;
    }
  }

  // What earlier runs had left; an error if a live one is using a node, or something remains.
  Result<void> tell(const std::map<NodeName, std::vector<Swept>>& swept) {
    std::string problems;
    for (const auto& [name, runs] : swept) {
      for (const Swept& run : runs) {
        if (run.live) {
          problems += fmt::format("{}node {} is in use by run {}, whose harness was heard of {} ms ago",
                                  problems.empty() ? "" : "\n", name, run.run_id, run.age_ms);
        }
        for (const std::string& line : run.done) {
          if (options_.note)
            options_.note(fmt::format("left behind by a dead run: node {}: {} (run {})", name, escape_controls(line),
                                      run.run_id));
        }
        for (const std::string& line : run.remaining)
          problems += fmt::format("{}node {}: run {} left what cannot be undone: {}", problems.empty() ? "" : "\n",
                                  name, run.run_id, line);
      }
    }
    if (problems.empty()) return {};
    return Error::environment(
        std::move(problems),
        "wait until that run has ended; if its harness is dead, its faults end with their time to live");
  }

  // Uploads come first: while one is under way nothing renews a lease.
  Result<void> start(RemoteNode& node, Leftovers& journal) {
    journal_ = &journal;
    std::vector<std::string> files = options_.upgrades;
    if (!target_.upload.empty()) files.push_back(target_.upload);
    for (const std::string& file : files) {
      auto uploaded = node.link.upload(file);
      if (!uploaded) return uploaded.error();
      const std::lock_guard lock(mutex_);
      uploads_[node.link.node().name][file] = uploaded.value();
    }
    auto intent = journal.intend_node(
        connection_text(node.link.node(), fill_in(options_.inventory.state, node.link.node()), node.link.folder()),
        node.link.node().name);
    if (!intent) return intent.error();
    {
      const std::lock_guard lock(mutex_);
      intents_[node.link.node().name] = intent.value();
    }
    auto hello = node.link.start_keeper();
    if (!hello) return hello.error();
    node.hello = std::move(hello).value();
    return {};
  }

  Result<void> run_script(RemoteNode& node, const std::string& command, const char* what) {
    if (command.empty()) return {};
    auto done = node.link.ask({{"do", "command"},
                               {"command", command},
                               {"environment", node.environment},
                               {"log", node.link.folder() + "/logs/" + what + ".log"},
                               {"limit_ns", Duration(script_limit).count()}},
                              script_limit * 2);
    if (!done) return done.error();
    if (const int status = done.value().value("status", -1); status != 0) {
      return Error::environment(
          fmt::format("node {}: the {} command failed with status {}: {}", node.link.node().name, what, status,
                      masked(escape_controls(done.value().value("output", "")), node.link.node().secrets)),
          "run it by hand on the node");
    }
    return {};
  }

  // Logs are fetched whatever else fails. A node that is lost keeps its entry in the journal: a later run, or `doctor --heal`, goes there.
  Result<void> end(RemoteNode& node, const fs::path& logs) {
    const NodeName& name = node.link.node().name;
    Result<void> outcome;
    const auto keep = [&](const Result<void>& step) {
      if (!step && outcome.ok()) outcome = step;
    };
    const bool kept = !node.hello.is_null();
    if (kept && !node.link.is_lost()) keep(run_script(node, target_.teardown, "teardown"));
    if (kept && !logs.empty()) {
      std::vector<std::string> files;
      for (const std::string& file : target_.log_files) files.push_back(fill_in(file, node.link.node()));
      keep(node.link.fetch(node.link.folder() + "/logs", files, logs / name));
    }
    if (kept) {
      auto ended = node.link.ask({{"do", "end"}});
      if (!ended) keep(ended.error());
      if (ended && !ended.value().value("remaining", std::vector<std::string>()).empty()) {
        keep(Error::environment(fmt::format(
            "node {}: {}", name, fmt::join(ended.value()["remaining"].get<std::vector<std::string>>(), "; "))));
      } else if (ended) {
        healed(name);
      }
    } else if (was_intended(name) && !node.link.is_lost()) {
      // Nobody knows how far its keeper came.
      const auto swept = node.link.heal(node.link.folder());
      if (swept && swept.value().remaining.empty()) healed(name);
    }
    return outcome;
  }

  bool was_intended(const NodeName& name) {
    const std::lock_guard lock(mutex_);
    return intents_.contains(name);
  }

  void healed(const NodeName& name) {
    const std::lock_guard lock(mutex_);
    if (const auto found = intents_.find(name); found != intents_.end()) journal_->healed(found->second);
  }

  RemoteOptions options_;
  InventoryTarget target_;
  RemoteNodes nodes_;
  Leftovers* journal_ = nullptr;
  std::mutex mutex_;  // guards the next two, which threads for each node fill
  std::map<NodeName, Leftovers::Id> intents_;
  std::map<NodeName, std::map<std::string, std::string>> uploads_;  // by the name of the file here
};

}  // namespace

std::shared_ptr<Machines> make_machines(RemoteOptions options) {
  return std::make_shared<RemoteMachines>(std::move(options));
}

Result<std::vector<std::string>> heal_node(const std::string& run_id, const std::string& node,
                                           const std::string& connection) {
  const Json where = Json::parse(connection, nullptr, false);
  auto agent = find_agent();
  if (!agent) return agent.error();
  if (!where.is_object()) return Error::environment("its entry in the journal cannot be read");
  LinkOptions options{.node = {.name = node, .sudo = where.value("sudo", false)},
                      .state = where.value("state", ""),
                      .run_id = run_id,
                      .time_to_live = std::chrono::seconds(15),
                      .agent = agent.value(),
                      .attempts = 2};
  options.node.ssh = {.host = where.value("host", ""),
                      .port = where.value("port", std::uint16_t(22)),
                      .user = where.value("user", ""),
                      .key = where.value("key", ""),
                      .known_hosts = where.value("known_hosts", ""),
                      .check_host_key = where.value("check", true)};
  NodeLink link(std::move(options));
  std::vector<std::string> lines;
  // Connecting sweeps: if its lease has lapsed, that has found the run.
  auto swept = link.connect();
  if (!swept) return swept.error();
  std::vector<Swept> found = std::move(swept).value();
  std::erase_if(found, [&](const Swept& run) { return run.run_id != run_id; });
  if (found.empty() || found.front().live) {
    auto healed = link.heal(where.value("folder", ""));
    if (!healed) return healed.error();
    found = {healed.value()};
  }
  if (!found.front().remaining.empty())
    return Error::environment(fmt::format("{}", fmt::join(found.front().remaining, "; ")));
  return found.front().done;
}

NodeReport examine(const RemoteOptions& options) {
  NodeReport report;
  auto agent = options.agent.empty() ? find_agent() : agent_at(options.agent);
  if (!agent) {
    report.abilities.push_back({"", "faultline-agent", "missing", "remote nodes", agent.error().to_string()});
    return report;
  }
  constexpr std::size_t usual_concurrency = 10;
  const auto ports = ports_of_workers(usual_concurrency);
  report.abilities.push_back({"", "ports", ports ? "ok" : "degraded",
                              "--nemesis directed: clients told apart by the ports they leave from",
                              ports ? "-" : ports.error().to_string()});
  RemoteNodes nodes;
  const std::string run_id = fresh_run_id();
  for (const InventoryNode& entry : options.inventory.nodes) {
    nodes.push_back(std::make_unique<RemoteNode>(LinkOptions{.node = entry,
                                                             .state = fill_in(options.inventory.state, entry),
                                                             .run_id = run_id,
                                                             .time_to_live = options.inventory.time_to_live,
                                                             .agent = agent.value(),
                                                             .attempts = 2}));
  }
  std::map<NodeName, std::vector<NodeAbility>> found;
  std::mutex mutex;
  (void)on_each(nodes, [&](RemoteNode& node) -> Result<void> {
    const NodeName& name = node.link.node().name;
    std::vector<NodeAbility> abilities;
    std::vector<std::string> healed;
    auto swept = node.link.connect();
    auto hello = swept ? node.link.start_keeper() : Result<Json>(swept.error());
    const std::string where = node.link.node().ssh.to_string();
    if (!hello) {
      abilities.push_back({name, "ssh", "missing", "node " + where, hello.error().to_string()});
    } else {
      abilities.push_back({name, "ssh", "ok", "node " + where, "-"});
      const auto add = [&](const char* ability, const char* enables, const char* lacking) {
        const bool works = !hello.value().contains(lacking);
        abilities.push_back({name, ability, works ? "ok" : "degraded", enables,
                             works ? "-" : hello.value()[lacking].get<std::string>()});
      };
      add("filter", "--nemesis partition, directed", "filter_error");
      add("clocks", node.link.node().settable_clock ? "--nemesis clock, by setting the machine's" : "--nemesis clock",
          "clock_error");
      add("packets", "--nemesis packet, clog; decisions that wait for frames", "queue_error");
      add("disks", "--nemesis power, crash, disk: writes lost, torn, failing, slow; decisions that wait for calls",
          "disk_error");
      if (!hello.value().value("performs", true))
        abilities.back().remedy = "Linux 5.19 would make the order of calls exact";
      add("pressure", "--nemesis pressure", "pressure_error");
      (void)node.link.ask({{"do", "end"}}).ok();
      for (const Swept& run : swept.value()) {
        for (const std::string& line : run.done)
          healed.push_back(fmt::format("node {}: {} (run {})", name, escape_controls(line), run.run_id));
        if (run.live)
          healed.push_back(
              fmt::format("node {}: run {} is under way, heard of {} ms ago", name, run.run_id, run.age_ms));
      }
    }
    const std::lock_guard lock(mutex);
    found[name] = std::move(abilities);
    report.healed.insert(report.healed.end(), healed.begin(), healed.end());
    return {};
  }).ok();
  for (const InventoryNode& entry : options.inventory.nodes) {
    for (auto& ability : found[entry.name]) report.abilities.push_back(std::move(ability));
  }
  std::sort(report.healed.begin(), report.healed.end());
  return report;
}

}  // namespace faultline::live::remote
