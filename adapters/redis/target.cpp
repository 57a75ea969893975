#include <faultline/redis/target.hpp>

#include <fmt/format.h>

#include <unistd.h>

#include <cstdlib>
#include <mutex>
#include <utility>

#include <faultline/live/local_cluster.hpp>
#include <faultline/text.hpp>

#include "client.hpp"
#include "connection.hpp"

namespace faultline::redis {
namespace {

bool is_program(const std::string& path) {
  return ::access(path.c_str(), X_OK) == 0 && !std::filesystem::is_directory(path);
}

live::NodeSpec node_spec(const TargetOptions& options, const live::NodePlace& self) {
  // Only its append-only file is to count; `save ""` leaves out the snapshots.
  return {
      .command = {options.binary, "--port", std::to_string(self.addresses.client.port), "--bind",
                  self.addresses.client.host, "--protected-mode", "no", "--daemonize", "no", "--dir",
                  self.data_directory.string(), "--save", "", "--appendonly", "yes", "--appendfsync", options.fsync},
      .environment = {}};
}

// The version, once the server has read its file.
Result<std::string> ask_version(const live::Endpoint& endpoint, Duration limit) {
  const auto pong = call(endpoint, encode_command(std::vector<std::string>{"PING"}), limit);
  if (!pong) return pong.error();
  if (pong.value().kind != Reply::Kind::status)
    return Error::environment("PING was answered: " + escape_controls(clip(pong.value().text, 100)));
  const auto info = call(endpoint, encode_command(std::vector<std::string>{"INFO", "server"}), limit);
  if (!info) return info.error();
  constexpr std::string_view name = "redis_version:";
  const std::string& text = info.value().text;
  const std::size_t at = text.find(name);
  if (at == std::string::npos) return Error::environment("INFO does not name a version of Redis");
  const std::size_t begin = at + name.size();
  return text.substr(begin, text.find('\r', begin) - begin);
}

class RedisTarget final : public live::Target {
 public:
  explicit RedisTarget(TargetOptions options) : options_(std::move(options)), cluster_(cluster_options()) {}

  Result<void> set_up() override {
    if (auto found = find_server(options_.binary); !found) return found.error();
    return cluster_.set_up();
  }
  Result<void> enter_client_network() override { return cluster_.enter_client_network(); }
  std::vector<NodeName> nodes() const override { return cluster_.nodes(); }
  FaultPort& faults() override { return cluster_; }
  live::EventPort* events() override { return &cluster_; }

  std::unique_ptr<live::Client> open_client(boost::asio::any_io_executor executor, Process,
                                            const NodeName& node) override {
    return make_client(std::move(executor), {.node = node,
                                             .endpoint = client_endpoint(node),
                                             .codec = {.sets = options_.sets},
                                             .operation_timeout = options_.operation_timeout});
  }

  live::Endpoint client_endpoint(const NodeName& node) const override { return cluster_.place(node).addresses.client; }

  std::map<std::string, std::string> describe() const override {
    const std::lock_guard lock(mutex_);
    return {{"redis", version_.empty() ? "unknown" : version_},
            {"network", cluster_.network_description()},
            {"fsync", options_.fsync}};
  }

  std::map<std::string, std::string> unavailable_faults() const override {
    const NodeName node = cluster_.nodes().front();
    std::map<std::string, std::string> unavailable{{"partition", "there is one node, and nobody to cut it off from"},
                                                   {"membership", "there is one node"}};
    for (const Fault& fault :
         {Fault{.kind = "kill", .nodes = {node}}, Fault{.kind = "pause", .nodes = {node}},
          Fault{.kind = "clock", .nodes = {node}, .parameters = Value::map({{"change", "jump"}, {"by", "1s"}})}}) {
      if (const auto supported = cluster_.supports(fault); !supported)
        unavailable.emplace(fault.kind, supported.error().message);
    }
    return unavailable;
  }

  Result<void> tear_down() override { return cluster_.tear_down(); }

 private:
  live::LocalClusterOptions cluster_options() {
    live::LocalClusterOptions cluster;
    cluster.nodes = {"n1"};
    cluster.run_id = options_.run_id;
    cluster.run_directory = options_.run_directory;
    cluster.network = options_.network;
    cluster.disks = options_.disks;
    cluster.ready_limit = options_.ready_limit;
    cluster.node_spec = [this](const live::NodePlace& self, std::span<const live::NodePlace>) {
      return node_spec(options_, self);
    };
    cluster.ready = [this](const live::NodePlace& node, Duration limit) -> Result<void> {
      auto version = ask_version(node.addresses.client, limit);
      if (!version) return version.error();
      const std::lock_guard lock(mutex_);
      version_ = std::move(version).value();
      return {};
    };
    cluster.leads = [](const live::NodePlace& node, Duration limit) {
      return ask_version(node.addresses.client, limit).ok();
    };
    return cluster;
  }

  const TargetOptions options_;
  mutable std::mutex mutex_;  // guards version_, which the cluster's threads set
  std::string version_;
  live::LocalCluster cluster_;  // last: its destructor still calls back
};

}  // namespace

Result<std::string> find_server(const std::string& binary) {
  std::string searched = binary;
  if (binary.find('/') != std::string::npos) {
    if (is_program(binary)) return binary;
  } else {
    const char* path = std::getenv("PATH");
    searched = path == nullptr ? "" : path;
    for (std::size_t at = 0; at <= searched.size();) {
      const std::size_t end = std::min(searched.find(':', at), searched.size());
      const std::string candidate = searched.substr(at, end - at) + "/" + binary;
      if (is_program(candidate)) return candidate;
      at = end + 1;
    }
  }
  return Error::environment(fmt::format("Redis is not installed: no program '{}' in {}", binary, searched),
                            "apt install redis-server");
}

std::unique_ptr<live::Target> make_target(TargetOptions options) {
  return std::make_unique<RedisTarget>(std::move(options));
}

}  // namespace faultline::redis
