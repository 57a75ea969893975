#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include <faultline/etcd/client.hpp>
#include <faultline/etcd/target.hpp>
#include <faultline/live/leftovers.hpp>
#include <faultline/nemesis.hpp>
#include <faultline/text.hpp>

#include <faultline/etcd/probe.hpp>

namespace faultline::etcd {
namespace {

constexpr Duration probe_limit = std::chrono::seconds(2);

struct Node {
  NodeName name;            // host:port as given
  live::Endpoint given;     // the host may be a name
  live::Endpoint endpoint;  // the host is an address, once set up
};

Error bad_url(std::string_view url, std::string_view why) {
  return Error::bad_input(fmt::format("endpoint '{}': {}", escape_controls(clip(url, 200), '\''), why),
                          "Write http://host:port, e.g. --endpoints http://10.0.0.1:2379,http://10.0.0.2:2379");
}

// "http://host:port", "host:port" or "http://[::1]:2379", perhaps with a last slash.
Result<Node> parse_url(std::string_view url) {
  std::string_view rest = url;
  if (rest.starts_with("https://")) return bad_url(url, "TLS is not supported; the gateway must be reached by http");
  if (rest.starts_with("http://")) rest.remove_prefix(7);
  if (rest.ends_with('/')) rest.remove_suffix(1);
  const std::size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos) return bad_url(url, "it names no port");
  std::string_view host = rest.substr(0, colon);
  const std::string_view port_text = rest.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
  if (error != std::errc() || end != port_text.data() + port_text.size() || port == 0) {
    return bad_url(url, fmt::format("'{}' is no port", escape_controls(port_text)));
  }
  const bool is_bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (is_bracketed) host = host.substr(1, host.size() - 2);
  const bool is_plain = std::all_of(host.begin(), host.end(), [is_bracketed](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '-' || c == '_' ||
           (is_bracketed && c == ':');
  });
  if (host.empty() || !is_plain) return bad_url(url, fmt::format("'{}' is no host", escape_controls(host)));
  return Node{.name = std::string(rest), .given = {std::string(host), port}};
}

// Once, before the run: a client never looks up names.
Result<live::Endpoint> resolve(const live::Endpoint& given) {
  using boost::asio::ip::tcp;
  boost::asio::io_context loop;
  tcp::resolver resolver(loop);
  boost::system::error_code error;
  const auto found = resolver.resolve(given.host, std::to_string(given.port), error);
  if (error || found.empty()) {
    return Error::environment(fmt::format("cannot look up {}: {}", given.host, error.message()),
                              "Check the name, or give an address.");
  }
  // 127.0.0.1 before ::1, as servers mostly listen there.
  for (const auto& entry : found) {
    if (entry.endpoint().address().is_v4()) return live::Endpoint{entry.endpoint().address().to_string(), given.port};
  }
  return live::Endpoint{found.begin()->endpoint().address().to_string(), given.port};
}

class NoFaults final : public FaultPort {
 public:
  explicit NoFaults(const std::vector<Node>& nodes) : nodes_(nodes) {}

  std::vector<NodeName> nodes() const override {
    std::vector<NodeName> names;
    for (const Node& node : nodes_) names.push_back(node.name);
    return names;
  }
  std::vector<NodeName> primaries() override {
    std::vector<NodeName> leaders;
    for (const Node& node : nodes_) {
      const auto status = ask_status(node.endpoint, probe_limit);
      if (status && status.value().believes_it_leads()) leaders.push_back(node.name);
    }
    return leaders;
  }
  Result<void> supports(const Fault& fault) const override {
    return Error::environment(
        fmt::format("{}: the daemons behind --endpoints were not started here, so they and their network are out "
                    "of reach",
                    fault.kind),
        "Use --target etcd for a local cluster with faults.");
  }
  Result<Value> apply(const Fault& fault) override { return supports(fault).error(); }
  Result<Value> heal(const Fault&) override { return Value::map({}); }
  // There is nothing of ours to heal; says who answers.
  Result<Value> heal_all() override {
    std::vector<Value> running, silent;
    for (const Node& node : nodes_) {
      (ask_status(node.endpoint, probe_limit) ? running : silent).push_back(Value(node.name));
    }
    return Value::map({{Value("running"), Value::list(running)}, {Value("silent"), Value::list(silent)}});
  }

 private:
  const std::vector<Node>& nodes_;
};

class EndpointsTarget final : public live::Target {
 public:
  EndpointsTarget(EndpointsOptions options, std::vector<Node> nodes)
      : options_(std::move(options)),
        key_prefix_("faultline/" + (options_.run_id.empty() ? live::fresh_run_id() : options_.run_id) + "/"),
        nodes_(std::move(nodes)) {}

  Result<void> set_up() override {
    std::set<std::string> versions;
    for (Node& node : nodes_) {
      auto resolved = resolve(node.given);
      if (!resolved) return resolved.error();
      node.endpoint = std::move(resolved).value();
      const auto version = ask_version(node.endpoint, options_.ready_limit);
      if (!version) return unusable(node, version.error());
      const auto status = ask_whether_it_serves(node.endpoint, options_.ready_limit);
      if (!status) return unusable(node, status.error());
      const auto members = ask_members(node.endpoint, options_.ready_limit);
      if (!members) return unusable(node, members.error());
      versions.insert(version.value());
      description_["node " + node.name] = describe_member(status.value(), members.value());
    }
    description_["etcd"] = fmt::format("{}", fmt::join(versions, ", "));
    is_up_ = true;
    return {};
  }
  Result<void> enter_client_network() override { return {}; }
  std::vector<NodeName> nodes() const override { return faults_.nodes(); }
  FaultPort& faults() override { return faults_; }

  std::unique_ptr<live::Client> open_client(boost::asio::any_io_executor executor, Process,
                                            const NodeName& name) override {
    return make_client(std::move(executor),
                       {.node = name,
                        .endpoint = client_endpoint(name),
                        .codec = {.reads = options_.reads, .objects = options_.objects, .key_prefix = key_prefix_},
                        .operation_timeout = options_.operation_timeout,
                        .outside = outside_});
  }

  live::Endpoint client_endpoint(const NodeName& name) const override {
    const auto node = std::find_if(nodes_.begin(), nodes_.end(), [&](const Node& n) { return n.name == name; });
    FL_ASSERT(node != nodes_.end());
    return node->endpoint;
  }

  std::map<std::string, std::string> describe() const override {
    auto description = description_;
    description["network"] = "a cluster that was running already; no faults";
    description["reads"] = to_string(options_.reads);
    description["key prefix"] = key_prefix_;
    return description;
  }

  std::map<std::string, std::string> unavailable_faults() const override {
    std::map<std::string, std::string> unavailable;
    for (const Package& package : packages()) {
      const std::string kind(package.kind);
      unavailable.emplace(kind, faults_.supports({.kind = kind}).error().to_string());
    }
    return unavailable;
  }

  // Any node will do.
  Result<void> tear_down() override {
    if (!std::exchange(is_up_, false)) return {};
    std::string errors;
    for (const Node& node : nodes_) {
      const auto deleted = delete_keys(node.endpoint, key_prefix_, options_.ready_limit);
      if (deleted) return {};
      errors += "\n  " + deleted.error().message;
    }
    return Error::environment(fmt::format("the keys of this run stay in the cluster: no node deletes them:{}", errors),
                              fmt::format("etcdctl del --prefix {}", key_prefix_));
  }

 private:
  static Error unusable(const Node& node, const Error& error) {
    return Error::environment(
        fmt::format("node {} is not usable: {}", node.name, error.message),
        "Check that etcd 3.4 or later runs there and serves its JSON gateway (--enable-grpc-gateway).");
  }
  static std::string describe_member(const MemberStatus& status, const std::vector<Member>& members) {
    const auto member =
        std::find_if(members.begin(), members.end(), [&](const Member& m) { return m.id == status.member_id; });
    return fmt::format("member {} ({:x}), etcd {}",
                       member == members.end() ? "unlisted" : escape_controls(member->name), status.member_id,
                       status.version);
  }

  EndpointsOptions options_;
  const std::shared_ptr<Outside> outside_ = std::make_shared<Outside>();
  std::string key_prefix_;
  std::vector<Node> nodes_;
  std::map<std::string, std::string> description_;
  bool is_up_ = false;
  NoFaults faults_{nodes_};
};

}  // namespace

Result<std::unique_ptr<live::Target>> make_endpoints_target(EndpointsOptions options) {
  std::vector<Node> nodes;
  for (const std::string& url : options.urls) {
    auto node = parse_url(url);
    if (!node) return node.error();
    const bool is_known =
        std::any_of(nodes.begin(), nodes.end(), [&](const Node& n) { return n.given == node.value().given; });
    if (is_known) return bad_url(url, "it is there twice");
    nodes.push_back(std::move(node).value());
  }
  if (nodes.empty()) return bad_url("", "there is none");
  return std::unique_ptr<live::Target>(std::make_unique<EndpointsTarget>(std::move(options), std::move(nodes)));
}

}  // namespace faultline::etcd
