#include <fmt/format.h>

#include <unistd.h>

#include <cstdlib>
#include <mutex>
#include <span>
#include <string_view>
#include <utility>

#include <faultline/etcd/client.hpp>
#include <faultline/etcd/target.hpp>
#include <faultline/live/local_cluster.hpp>

#include <faultline/etcd/probe.hpp>

namespace faultline::etcd {
namespace {

std::vector<NodeName> node_names(std::size_t count) {
  std::vector<NodeName> names;
  for (std::size_t i = 1; i <= count; ++i) names.push_back(fmt::format("n{}", i));
  return names;
}

// What the daemons must not inherit. etcd takes an empty variable for an unset one; Go's transport, which peers use,
// would send their traffic to a proxy named in the environment.
std::map<std::string, std::string> clean_environment() {
  std::map<std::string, std::string> clean{{"NO_PROXY", "*"}, {"no_proxy", "*"}};
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    if (text.starts_with("ETCD_")) clean.emplace(text.substr(0, text.find('=')), "");
  }
  return clean;
}

std::string url(const live::Endpoint& endpoint) { return "http://" + endpoint.to_string(); }

std::string initial_cluster(std::span<const live::NodePlace> all) {
  std::string text;
  for (const live::NodePlace& place : all) {
    text += fmt::format("{}{}={}", text.empty() ? "" : ",", place.name, url(place.addresses.peer_advertise));
  }
  return text;
}

live::NodeSpec node_spec(const EtcdOptions& options, const live::NodePlace& self,
                         std::span<const live::NodePlace> all) {
  live::NodeSpec spec{.command = {self.version == 0 ? options.binary : options.upgrades[self.version - 1]},
                      .environment = clean_environment()};
  const auto flag = [&spec](std::string_view name, std::string_view value) {
    spec.command.push_back(fmt::format("--{}={}", name, value));
  };
  flag("name", self.name);
  flag("data-dir", (self.data_directory / "etcd").string());  // created by etcd, with the rights it wants
  flag("listen-peer-urls", url(self.addresses.peer_listen));
  flag("initial-advertise-peer-urls", url(self.addresses.peer_advertise));
  flag("listen-client-urls", url(self.addresses.client));
  flag("advertise-client-urls", url(self.addresses.client));
  flag("initial-cluster", initial_cluster(all));
  flag("initial-cluster-state", "new");
  flag("initial-cluster-token", "faultline-" + options.run_id);
  flag("heartbeat-interval", std::to_string(options.heartbeat_interval.count()));
  flag("election-timeout", std::to_string(options.election_timeout.count()));
  flag("snapshot-count", "1000");  // small enough that a short run takes snapshots too
  flag("log-level", "info");
  return spec;
}

bool is_program(const std::string& path) {
  return ::access(path.c_str(), X_OK) == 0 && !std::filesystem::is_directory(path);
}

Result<void> find_binary(const std::string& binary) {
  std::string searched = binary;
  if (binary.find('/') != std::string::npos) {
    if (is_program(binary)) return {};
  } else {
    const char* path = std::getenv("PATH");
    searched = path == nullptr ? "" : path;
    for (std::size_t at = 0; at <= searched.size();) {
      const std::size_t end = std::min(searched.find(':', at), searched.size());
      if (is_program(searched.substr(at, end - at) + "/" + binary)) return {};
      at = end + 1;
    }
  }
  return Error::environment(fmt::format("etcd is not installed: no program '{}' in {}", binary, searched),
                            "apt install etcd-server");
}

class EtcdTarget final : public live::Target {
 public:
  explicit EtcdTarget(EtcdOptions options) : options_(with_run_id(std::move(options))), cluster_(cluster_options()) {}

  Result<void> set_up() override {
    if (!options_.machines) {
      if (auto found = find_binary(options_.binary); !found) return found;
      for (const std::string& upgrade : options_.upgrades) {
        if (auto found = find_binary(upgrade); !found) return found;
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
    const auto route = cluster_.client_route(node, static_cast<std::size_t>(process) % options_.concurrency);
    return make_client(std::move(executor), {.node = node,
                                             .endpoint = route.to,
                                             .from = route.from,
                                             .ports = route.ports,
                                             .codec = {.reads = options_.reads, .objects = options_.objects},
                                             .operation_timeout = options_.operation_timeout,
                                             .outside = outside_});
  }

  live::Endpoint client_endpoint(const NodeName& node) const override { return cluster_.place(node).addresses.client; }

  std::map<std::string, std::string> describe() const override {
    const std::lock_guard lock(mutex_);
    return {{"etcd", version_.empty() ? "unknown" : version_},
            {"network", cluster_.network_description()},
            {"reads", std::string(to_string(options_.reads))},
            {"heartbeat interval", to_text(Duration(options_.heartbeat_interval))},
            {"election timeout", to_text(Duration(options_.election_timeout))}};
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
  static EtcdOptions with_run_id(EtcdOptions options) {
    FL_ASSERT(options.nodes > 0);
    if (options.run_id.empty()) options.run_id = live::fresh_run_id();
    return options;
  }

  live::LocalClusterOptions cluster_options() {
    live::LocalClusterOptions cluster;
    cluster.nodes = options_.machines ? options_.names : node_names(options_.nodes);
    cluster.machines = options_.machines;
    cluster.run_id = options_.run_id;
    cluster.run_directory = options_.run_directory;
    cluster.network = options_.network;
    cluster.needs = options_.needs;
    cluster.versions = 1 + options_.upgrades.size();
    cluster.disks = options_.disks;
    cluster.ready_limit = options_.ready_limit;
    cluster.node_spec = [this](const live::NodePlace& self, std::span<const live::NodePlace> all) {
      return node_spec(options_, self, all);
    };
    cluster.ready = [this](const live::NodePlace& node, Duration limit) -> Result<void> {
      const auto status = ask_whether_it_serves(node.addresses.client, limit);
      if (!status) return status.error();
      const std::lock_guard lock(mutex_);
      version_ = status.value().version;
      return {};
    };
    cluster.leads = [](const live::NodePlace& node, Duration limit) {
      const auto status = ask_status(node.addresses.client, limit);
      return status && status.value().believes_it_leads();
    };
    return cluster;
  }

  const EtcdOptions options_;
  mutable std::mutex mutex_;  // guards version_, which the cluster's threads set
  std::string version_;
  const std::shared_ptr<Outside> outside_ = std::make_shared<Outside>();
  live::LocalCluster cluster_;  // last: its destructor still calls back
};

}  // namespace

std::unique_ptr<live::Target> make_etcd_target(EtcdOptions options) {
  return std::make_unique<EtcdTarget>(std::move(options));
}

}  // namespace faultline::etcd
