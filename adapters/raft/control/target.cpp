#include <faultline/raft/target.hpp>

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <mutex>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>

#include <faultline/etcd/client.hpp>
#include <faultline/etcd/probe.hpp>
#include <faultline/live/local_cluster.hpp>

#include "peer_framer.hpp"
#include "role_log.hpp"

namespace faultline::raft {
namespace {

namespace fs = std::filesystem;

std::vector<NodeName> node_names(std::size_t first, std::size_t count) {
  std::vector<NodeName> names;
  for (std::size_t i = 0; i < count; ++i) names.push_back(fmt::format("n{}", first + i));
  return names;
}

std::uint64_t id_of(const live::NodePlace& place) { return place.index + 1; }

std::string cluster_list(std::span<const live::NodePlace> all, std::size_t founders, const live::NodePlace& self) {
  std::string text;
  for (const live::NodePlace& place : all) {
    // Founders know each other; one that joins must also be told where it is itself.
    if (place.index >= founders && place.index != self.index) continue;
    text += fmt::format("{}{}={}/{}", text.empty() ? "" : ",", id_of(place), place.addresses.peer_advertise.to_string(),
                        place.addresses.client.to_string());
  }
  return text;
}

std::string milliseconds(Duration duration) {
  return fmt::format("{}ms", std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
}

bool is_program(const fs::path& path) { return ::access(path.c_str(), X_OK) == 0 && !fs::is_directory(path); }

Result<std::string> find_binary(const std::string& wanted) {
  if (!wanted.empty()) {
    if (is_program(wanted)) return wanted;
    return Error::environment(fmt::format("there is no program '{}'", wanted), "name the raftd to run");
  }
  std::error_code error;
  const fs::path here = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const fs::path& folder : {here, here / "../bin"}) {
    if (is_program(folder / "raftd")) return (folder / "raftd").lexically_normal().string();
  }
  const char* path = std::getenv("PATH");
  const std::string searched = path == nullptr ? "" : path;
  for (std::size_t at = 0; at <= searched.size();) {
    const std::size_t end = std::min(searched.find(':', at), searched.size());
    if (is_program(searched.substr(at, end - at) + "/raftd")) return searched.substr(at, end - at) + "/raftd";
    at = end + 1;
  }
  return Error::environment(fmt::format("raftd is neither in {} nor in PATH", here.string()),
                            "build it: it is part of every build and installation");
}

// One admin call; what is so already is success, says raftd.
Result<void> change_members(std::string_view verb, const live::NodePlace& contact, const live::NodePlace& member,
                            Duration limit) {
  nlohmann::ordered_json body{{"ID", std::to_string(id_of(member))}};
  if (verb == "add") {
    body["peerURLs"] = {"http://" + member.addresses.peer_advertise.to_string()};
    body["clientURLs"] = {"http://" + member.addresses.client.to_string()};
    body["isLearner"] = true;
  }
  const auto reply =
      etcd::ask(contact.addresses.client,
                {.path = fmt::format("/v3/cluster/member/{}", verb), .body = body.dump(), .writes = true}, limit);
  if (!reply) return reply.error();
  if (reply.value().status == 200) return {};
  return Error::environment(fmt::format("HTTP {} {}", reply.value().status, reply.value().body));
}

live::MembershipControl::Step member_step(std::string_view verb) {
  return [verb](const live::NodePlace& contact, const live::NodePlace& member, Duration limit) {
    return change_members(verb, contact, member, limit);
  };
}

class Target final : public live::Target {
 public:
  explicit Target(TargetOptions options) : options_(with_run_id(std::move(options))), cluster_(cluster_options()) {}

  Result<void> set_up() override {
    if (options_.machines) {
      binaries_ = {options_.binary.empty() ? "raftd" : options_.binary};
      binaries_.insert(binaries_.end(), options_.upgrades.begin(), options_.upgrades.end());
    } else {
      auto found = find_binary(options_.binary);
      if (!found) return found.error();
      binaries_ = {std::move(found).value()};
      for (const std::string& upgrade : options_.upgrades) {
        auto other = find_binary(upgrade);
        if (!other) return other.error();
        binaries_.push_back(std::move(other).value());
      }
    }
    return cluster_.set_up();
  }
  Result<void> enter_client_network() override { return cluster_.enter_client_network(); }
  std::vector<NodeName> nodes() const override { return cluster_.nodes(); }
  FaultPort& faults() override { return cluster_; }
  live::EventPort* events() override { return &cluster_; }

  std::unique_ptr<live::Client> open_client(boost::asio::any_io_executor executor, Process process,
                                            const NodeName& node) override {
    const auto reads = options_.serializable ? etcd::Reads::serializable : etcd::Reads::linearizable;
    const auto route = cluster_.client_route(node, static_cast<std::size_t>(process) % options_.concurrency);
    return etcd::make_client(std::move(executor), {.node = node,
                                                   .endpoint = route.to,
                                                   .from = route.from,
                                                   .ports = route.ports,
                                                   .codec = {.reads = reads, .objects = options_.objects},
                                                   .operation_timeout = options_.operation_timeout,
                                                   .outside = outside_});
  }

  live::Endpoint client_endpoint(const NodeName& node) const override { return cluster_.place(node).addresses.client; }

  std::map<std::string, std::string> describe() const override {
    return {{"raftd", fmt::format("in-tree, {}", fmt::join(binaries_, ", then "))},
            {"network", cluster_.network_description()},
            {"reads", options_.serializable ? "serializable" : options_.reads},
            {"fsync", options_.fsync ? "always" : "off"},
            {"heartbeat interval", to_text(options_.heartbeat_interval)},
            {"election timeout", to_text(options_.election_timeout)}};
  }

  std::map<std::string, std::string> unavailable_faults() const override {
    const NodeName first = cluster_.nodes().front();
    const NodeName last = cluster_.nodes().back();
    std::map<std::string, std::string> unavailable;
    for (const Fault& fault :
         {Fault{.kind = "partition", .grudge = {{first, {last}}}}, Fault{.kind = "kill", .nodes = {first}},
          Fault{.kind = "pause", .nodes = {first}}, Fault{.kind = "membership", .nodes = {first}},
          Fault{.kind = "packet", .nodes = {first}, .parameters = Value::map({{"delay", "1ms"}})},
          Fault{.kind = "clog", .nodes = {first}},
          Fault{.kind = "swizzle_clog", .parameters = Value::map({{"window", "1s"}})},
          Fault{.kind = "wipe", .nodes = {first}},
          Fault{.kind = "clock", .nodes = {first}, .parameters = Value::map({{"change", "jump"}, {"by", "1s"}})}}) {
      if (const auto supported = cluster_.supports(fault); !supported) {
        unavailable.emplace(fault.kind, supported.error().message);
      }
    }
    return unavailable;
  }

  std::optional<Error> lost() const override { return cluster_.lost(); }
  Result<void> tear_down() override { return cluster_.tear_down(); }

 private:
  static TargetOptions with_run_id(TargetOptions options) {
    FL_ASSERT(options.nodes > 0);
    if (options.run_id.empty()) options.run_id = live::fresh_run_id();
    return options;
  }

  live::NodeSpec node_spec(const live::NodePlace& self, std::span<const live::NodePlace> all) const {
    live::NodeSpec spec{.command = {binaries_[self.version]}, .environment = {}};
    const auto flag = [&spec](std::string_view name, std::string_view value) {
      spec.command.push_back(fmt::format("--{}={}", name, value));
    };
    flag("id", std::to_string(id_of(self)));
    flag("cluster", cluster_list(all, options_.nodes, self));
    flag("token", options_.run_id);
    flag("listen", self.addresses.client.to_string());
    flag("peer-listen", self.addresses.peer_listen.to_string());
    flag("data", (self.data_directory / "raft").string());
    flag("events", (self.log_file.parent_path() / "events.jsonl").string());
    flag("heartbeat", milliseconds(options_.heartbeat_interval));
    flag("election-timeout", milliseconds(options_.election_timeout));
    flag("reads", options_.reads);
    if (options_.reads == "lease") flag("max-clock-drift", fmt::format("{}", options_.max_clock_drift));
    flag("fsync", options_.fsync ? "always" : "off");
    flag("prevote", options_.pre_vote ? "on" : "off");
    flag("snapshot-entries", std::to_string(options_.snapshot_entries));
    if (self.joins) spec.command.emplace_back("--join");
    return spec;
  }

  live::LocalClusterOptions cluster_options() {
    live::LocalClusterOptions cluster;
    cluster.nodes = node_names(1, options_.nodes);
    cluster.spares = node_names(1 + options_.nodes, options_.spares);
    if (options_.machines) {
      FL_ASSERT(options_.names.size() == options_.nodes + options_.spares);
      const auto spare = options_.names.begin() + static_cast<std::ptrdiff_t>(options_.nodes);
      cluster.nodes.assign(options_.names.begin(), spare);
      cluster.spares.assign(spare, options_.names.end());
      cluster.machines = options_.machines;
    }
    cluster.run_id = options_.run_id;
    cluster.run_directory = options_.run_directory;
    cluster.network = options_.network;
    cluster.framer = [] { return std::make_unique<PeerFramer>(); };
    cluster.needs = options_.needs;
    cluster.versions = 1 + options_.upgrades.size();
    cluster.disks = options_.disks;
    cluster.ready_limit = options_.ready_limit;
    cluster.node_spec = [this](const live::NodePlace& self, std::span<const live::NodePlace> all) {
      return node_spec(self, all);
    };
    cluster.ready = [](const live::NodePlace& node, Duration limit) -> Result<void> {
      const auto status = etcd::ask_whether_it_serves(node.addresses.client, limit);
      return status ? Result<void>() : status.error();
    };
    cluster.leads = [](const live::NodePlace& node, Duration limit) {
      const auto status = etcd::ask_status(node.addresses.client, limit);
      return status && status.value().believes_it_leads();
    };
    cluster.roles = [](const live::NodePlace& node) {
      return make_role_log(node.log_file.parent_path() / "events.jsonl");
    };
    cluster.membership = {
        .remove = member_step("remove"), .add = member_step("add"), .promote = member_step("promote")};
    return cluster;
  }

  const TargetOptions options_;
  std::vector<std::string> binaries_;  // by version
  const std::shared_ptr<etcd::Outside> outside_ = std::make_shared<etcd::Outside>();
  live::LocalCluster cluster_;  // last: its destructor still calls back
};

}  // namespace

std::unique_ptr<live::Target> make_target(TargetOptions options) {
  return std::make_unique<Target>(std::move(options));
}

}  // namespace faultline::raft
