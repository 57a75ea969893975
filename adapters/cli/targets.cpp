#include "targets.hpp"

#include <faultline/etcd/target.hpp>
#include <faultline/live/local_cluster.hpp>
#include <faultline/live/remote.hpp>
#include <faultline/nemesis.hpp>
#include <faultline/raft/target.hpp>
#include <faultline/redis/target.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "units.hpp"

namespace faultline::cli {
namespace {

std::string target_of(const Settings& settings) {
  return settings.given("endpoints") ? "behind --endpoints" : settings.text("target");
}

std::vector<std::string> read_paths(const Settings& settings) {
  if (target_of(settings) == "redis") return {"linearizable"};
  const bool raft = settings.text("target") == "raft" && !settings.given("endpoints");
  if (raft) return {"index", "lease", "local", "serializable"};
  return {"linearizable", "serializable"};
}

live::NetworkKind network_of(const Settings& settings) {
  const std::string network = settings.text("network");
  if (network == "namespaces") return live::NetworkKind::namespaces;
  return network == "proxy" ? live::NetworkKind::proxy : live::NetworkKind::automatic;
}

// The number of nodes, and where the file lies whatever directory a replay starts in.
Result<void> settle_inventory(Settings& settings) {
  if (!settings.given("inventory")) return {};
  if (settings.given("endpoints")) {
    return Error::bad_input(
        "--inventory cannot be used with --endpoints: one cluster is ours to start, the other runs already",
        "leave one of them out");
  }
  if (settings.text("target") == "redis") {
    return Error::bad_input("--target redis cannot be used with --inventory: it is one server on this machine",
                            "use etcd or raft");
  }
  const auto inventory = live::remote::read_inventory(settings.text("inventory"));
  if (!inventory) return inventory.error();
  const std::size_t known = inventory.value().nodes.size();
  if (!settings.given("nodes")) settings.set("nodes", std::to_string(known));
  std::error_code ignored;
  settings.set("inventory", std::filesystem::absolute(settings.text("inventory"), ignored).string());
  if (settings.number("nodes") > 0 && settings.number("nodes") <= known) return {};
  return Error::bad_input(
      fmt::format("--nodes {}: {} has {} nodes", settings.number("nodes"), settings.text("inventory"), known),
      "ask for as many as there are, or fewer");
}

struct Remote {
  std::shared_ptr<live::Machines> machines;
  std::vector<NodeName> names;  // of all nodes of the inventory
};

Result<Remote> remote_of(const Settings& settings, Console& console) {
  if (!settings.given("inventory")) return Remote{};
  auto inventory = live::remote::read_inventory(settings.text("inventory"));
  if (!inventory) return inventory.error();
  Remote remote;
  for (const auto& node : inventory.value().nodes) remote.names.push_back(node.name);
  remote.machines = live::remote::make_machines({.inventory = std::move(inventory).value(),
                                                 .target = settings.text("target"),
                                                 .upgrades = settings.list("upgrade-to"),
                                                 .agent = {},
                                                 .note = [&console](const std::string& text) { console.note(text); }});
  return remote;
}

std::vector<std::string> fsync_policies(const Settings& settings) {
  const std::string target = target_of(settings);
  if (target == "raft") return {"always", "off"};
  if (target == "redis") return {"always", "everysec", "no"};
  return {"always"};
}

// One of those the target has.
Result<void> check_word(const Settings& settings, std::string_view option, std::string_view what,
                        const std::vector<std::string>& known) {
  const std::string word = settings.text(option);
  if (std::find(known.begin(), known.end(), word) != known.end()) return {};
  return Error::bad_input(fmt::format("--{} {}: the target {} has no such {}", option, word, target_of(settings), what),
                          "it has: " + join(known, ", "));
}

// One server, which only knows registers and sets.
Result<void> settle_redis(Settings& settings) {
  if (!settings.given("nodes")) settings.set("nodes", "1");
  if (!settings.given("nemesis")) settings.set("nemesis", "kill,pause");
  if (settings.number("nodes") != 1) {
    return Error::bad_input(fmt::format("--nodes {}: the target redis is one server", settings.number("nodes")),
                            "leave --nodes out");
  }
  return check_word(settings, "workload", "workload", {"register", "cas-register", "set"});
}

bool asks_for(const Settings& settings, std::string_view package) {
  const auto faults = settings.list("nemesis");
  return std::find(faults.begin(), faults.end(), package) != faults.end();
}

// The programs of a run: the daemon, and what an upgrade goes on to.
Result<void> settle_binaries(Settings& settings) {
  const bool named = settings.given("binary") || settings.given("upgrade-to");
  if (named && (settings.given("endpoints") || settings.text("target") == "redis")) {
    return Error::bad_input("--binary and --upgrade-to are for daemons of raft or etcd that faultline starts",
                            "leave them out");
  }
  if (settings.given("binary") && settings.given("inventory")) {
    return Error::bad_input("--binary is for daemons on this machine",
                            "name the program in the inventory: `binary`, or `upload`");
  }
  // Nodes start somewhere else, and so may a replay.
  for (const std::string_view option : {"binary", "upgrade-to"}) {
    if (!settings.given(option)) continue;
    std::vector<std::string> programs = settings.list(option);
    for (std::string& program : programs) {
      std::error_code ignored;
      if (program.find('/') != std::string::npos) program = std::filesystem::absolute(program, ignored).string();
    }
    settings.set(option, join(programs, ","));
  }
  if (!asks_for(settings, "upgrade") || settings.given("upgrade-to")) return {};
  return Error::bad_input("--nemesis upgrade needs another version of the daemon to go on to",
                          "name it with --upgrade-to, or use --nemesis rolling");
}

// The events of this kind that decisions wait for.
template <class Trigger>
std::vector<Trigger> triggers_of(const Schedule* schedule) {
  std::vector<Trigger> triggers;
  for (const Decision& decision : schedule == nullptr ? std::vector<Decision>() : schedule->decisions) {
    const auto* event = std::get_if<EventTrigger>(&decision.when);
    const auto* trigger = event == nullptr ? nullptr : std::get_if<Trigger>(&event->what);
    if (trigger != nullptr) triggers.push_back(*trigger);
  }
  return triggers;
}

bool loses_by_image(const Settings& settings) {
  return settings.nemesis_parameter("power", "mechanism") == std::optional<std::string>("image");
}

// Either disks are supervised, or they are file systems whose power goes.
Result<void> check_mechanism(const Settings& settings, const Schedule* schedule) {
  if (!loses_by_image(settings)) return {};
  if (settings.given("endpoints") || settings.given("inventory"))
    return Error::bad_input("nemesis.power.mechanism=image is for nodes on this machine", "leave it out");
  if (!asks_for(settings, "disk") && !asks_for(settings, "crash") && triggers_of<CallTrigger>(schedule).empty())
    return {};
  return Error::bad_input(
      "nemesis.power.mechanism=image goes without the packages disk and crash, and without decisions that "
      "wait for calls: those need supervised disks",
      "leave one of them out");
}

live::PacketMechanism packet_mechanism(const Settings& settings) {
  const std::string name = settings.nemesis_parameter("packet", "mechanism").value_or("auto");
  if (name == "netem") return live::PacketMechanism::netem;
  return name == "nfqueue" ? live::PacketMechanism::nfqueue : live::PacketMechanism::automatic;
}

// Packets are netem's or a queue's in the namespaces of this machine only.
Result<void> check_packet_mechanism(const Settings& settings, const Schedule* schedule) {
  if (packet_mechanism(settings) == live::PacketMechanism::automatic) return {};
  const std::string asked = "nemesis.packet.mechanism=" + *settings.nemesis_parameter("packet", "mechanism");
  if (settings.given("endpoints") || settings.given("inventory"))
    return Error::bad_input(asked + " is for nodes on this machine", "leave it out");
  if (settings.text("network") == "proxy")
    return Error::bad_input(asked + " is for packets in namespaces, and --network proxy has frames",
                            "leave one of them out");
  if (triggers_of<FrameTrigger>(schedule).empty()) return {};
  return Error::bad_input(asked + " goes without decisions that wait for frames: those need the proxy",
                          "leave one of them out");
}

// Calls of a daemon are seen only if it was started for that.
live::DiskOptions disks_of(const Settings& settings, const Schedule* schedule) {
  const bool fails = asks_for(settings, "disk");
  const auto calls = triggers_of<CallTrigger>(schedule);
  const bool reads = std::any_of(calls.begin(), calls.end(), [](const CallTrigger& t) { return t.call == "read"; });
  if (loses_by_image(settings)) return {.images = true, .seed = settings.number("seed")};
  return {.supervised = fails || asks_for(settings, "power") || asks_for(settings, "crash") || !calls.empty(),
          .reads = fails || reads,
          .seed = settings.number("seed")};
}

// What the faults of this run ask of the network.
live::NetworkNeeds network_needs(const Settings& settings, const Schedule* schedule) {
  live::NetworkNeeds needs{.mechanism = packet_mechanism(settings)};
  needs.workers = settings.number("concurrency");
  if (schedule == nullptr) {
    needs.client_links = asks_for(settings, "directed");
    for (const std::string& name : settings.list("nemesis")) {
      const auto package = find_package(name);
      needs.packets = needs.packets || (package && live::is_traffic_fault(package.value()->kind));
    }
    return needs;
  }
  needs.frames = !triggers_of<FrameTrigger>(schedule).empty();
  for (const Decision& decision : schedule->decisions) {
    needs.packets = needs.packets || live::is_traffic_fault(decision.fault.kind);
    needs.client_links = needs.client_links || !decision.fault.parameters.get("clients").is_null();
  }
  return needs;
}

}  // namespace

Result<void> settle_target(Settings& settings) {
  if (auto settled = settle_inventory(settings); !settled) return settled;
  const std::vector<std::string> known = read_paths(settings);
  if (settings.text("reads").empty()) settings.set("reads", known.front());
  if (auto checked = check_word(settings, "reads", "read path", known); !checked) return checked;
  if (auto checked = check_word(settings, "fsync", "fsync policy", fsync_policies(settings)); !checked) return checked;
  if (auto checked = settle_binaries(settings); !checked) return checked;
  if (auto checked = check_mechanism(settings, nullptr); !checked) return checked;
  if (auto checked = check_packet_mechanism(settings, nullptr); !checked) return checked;
  return target_of(settings) == "redis" ? settle_redis(settings) : Result<void>();
}

Result<std::unique_ptr<live::Target>> make_target(const Settings& settings, const std::filesystem::path& directory,
                                                  const Schedule* schedule, Console& console) {
  if (auto checked = check_mechanism(settings, schedule); !checked) return checked.error();
  if (auto checked = check_packet_mechanism(settings, schedule); !checked) return checked.error();
  const live::NetworkNeeds needs = network_needs(settings, schedule);
  const live::DiskOptions disks = disks_of(settings, schedule);
  auto remote = remote_of(settings, console);
  if (!remote) return remote.error();
  auto& [machines, names] = remote.value();
  const std::size_t nodes = settings.number("nodes");
  const std::string reads = settings.text("reads");
  const auto etcd_reads = reads == "serializable" ? etcd::Reads::serializable : etcd::Reads::linearizable;
  const Duration timeout = settings.duration("operation-timeout");
  const etcd::Objects objects = etcd::objects_of(settings.text("workload"));
  if (settings.given("endpoints")) {
    return etcd::make_endpoints_target(
        {.urls = settings.list("endpoints"), .reads = etcd_reads, .objects = objects, .operation_timeout = timeout});
  }
  if (settings.text("target") == "etcd") {
    if (machines) names.resize(nodes);
    return etcd::make_etcd_target({.nodes = nodes,
                                   .run_directory = directory,
                                   .network = network_of(settings),
                                   .needs = needs,
                                   .concurrency = settings.number("concurrency"),
                                   .disks = disks,
                                   .machines = machines,
                                   .names = names,
                                   .binary = settings.given("binary") ? settings.text("binary") : "etcd",
                                   .upgrades = settings.list("upgrade-to"),
                                   .reads = etcd_reads,
                                   .objects = objects,
                                   .operation_timeout = timeout});
  }
  if (settings.text("target") == "redis") {
    return redis::make_target({.run_directory = directory,
                               .network = network_of(settings),
                               .disks = disks,
                               .fsync = settings.text("fsync"),
                               .sets = settings.text("workload") == "set",
                               .operation_timeout = timeout});
  }
  const bool serializable = reads == "serializable";
  const bool can_grow = !machines || names.size() > nodes;
  const std::size_t spares = asks_for(settings, "membership") && can_grow ? 1 : 0;
  if (machines) names.resize(nodes + spares);
  return raft::make_target({.nodes = nodes,
                            .spares = spares,
                            .run_directory = directory,
                            .network = network_of(settings),
                            .needs = needs,
                            .concurrency = settings.number("concurrency"),
                            .disks = disks,
                            .machines = machines,
                            .names = names,
                            .binary = settings.text("binary"),
                            .upgrades = settings.list("upgrade-to"),
                            .reads = serializable ? "index" : reads,
                            .max_clock_drift = settings.share("max-clock-drift"),
                            .objects = objects,
                            .serializable = serializable,
                            .fsync = settings.text("fsync") == "always",
                            .operation_timeout = timeout});
}

}  // namespace faultline::cli
