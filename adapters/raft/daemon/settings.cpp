#include "settings.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include <charconv>

namespace faultline::raft::daemon {
namespace {

constexpr const char* version = "raftd 0.1.0";

Result<HostPort> parse_host_port(const std::string& text) {
  const auto bad = [&] {
    return Error::bad_input(fmt::format("'{}' is not HOST:PORT", text), "e.g. 127.0.0.1:2379, or [::1]:2379");
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0) return bad();
  HostPort address;
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data() + colon + 1, end, address.port);
  if (error != std::errc{} || stopped != end) return bad();
  address.host = text.substr(0, colon);
  if (address.host.front() == '[' && address.host.back() == ']') {
    address.host = address.host.substr(1, address.host.size() - 2);
  }
  return address;
}

// The texts as given, before they mean something.
struct Given {
  std::uint64_t id = 0;
  std::string cluster, listen, peer_listen, data, events, dump;
  std::string election_timeout = "1s", heartbeat = "100ms", reads = "index", fsync = "always", pre_vote = "on";
};

Result<void> read_cluster(const std::string& text, Settings& settings) {
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    const std::string part = text.substr(at, end - at);
    at = end + 1;
    std::uint64_t id = 0;
    const auto [stopped, error] = std::from_chars(part.data(), part.data() + part.size(), id);
    if (error != std::errc{} || id == 0 || stopped == part.data() + part.size() || *stopped != '=') {
      return Error::bad_input(fmt::format("--cluster: '{}' is not ID=HOST:PORT", part),
                              "e.g. --cluster 1=10.0.0.1:2380,2=10.0.0.2:2380,3=10.0.0.3:2380");
    }
    auto address = parse_member_address(stopped + 1);
    if (!address) return Error::bad_input("--cluster: " + address.error().message, address.error().remedy);
    if (!settings.cluster.emplace(id, address.value()).second) {
      return Error::bad_input(fmt::format("--cluster names node {} twice", id), "give each node one address");
    }
  }
  return {};
}

Result<void> read_times(const Given& given, Settings& settings) {
  const auto election = parse_duration(given.election_timeout);
  if (!election) return Error::bad_input("--election-timeout: " + election.error().message, election.error().remedy);
  const auto heartbeat = parse_duration(given.heartbeat);
  if (!heartbeat) return Error::bad_input("--heartbeat: " + heartbeat.error().message, heartbeat.error().remedy);
  settings.election_timeout = election.value();
  settings.heartbeat = heartbeat.value();
  if (heartbeat.value() <= Duration::zero() || election.value() <= heartbeat.value()) {
    return Error::bad_input(
        fmt::format("--election-timeout {} is not above --heartbeat {}: every heartbeat would come too late",
                    faultline::to_text(election.value()), faultline::to_text(heartbeat.value())),
        "ten heartbeats are usual, five the least that is safe against jitter");
  }
  if (election.value() < 5 * heartbeat.value()) {
    settings.warnings.push_back(
        fmt::format("election timeout {} is below five heartbeats of {}: late heartbeats will depose leaders",
                    faultline::to_text(election.value()), faultline::to_text(heartbeat.value())));
  }
  return {};
}

Result<void> read_modes(const Given& given, Settings& settings) {
  settings.reads = given.reads == "index"   ? ReadMode::index
                   : given.reads == "lease" ? ReadMode::lease
                                            : ReadMode::local;
  settings.fsync = given.fsync == "always";
  settings.pre_vote = given.pre_vote == "on";
  if (settings.reads == ReadMode::lease && !settings.max_clock_drift) {
    return Error::bad_input("--reads=lease is only as true as the clocks: it needs --max-clock-drift",
                            "e.g. --max-clock-drift 0.01, if no clock is more than 1 % fast or slow");
  }
  if (settings.reads == ReadMode::local)
    settings.warnings.emplace_back(
        "reads are local and the quorum is not checked: a deposed leader answers stale values");
  if (!settings.fsync) settings.warnings.emplace_back("fsync is off: a power loss loses acknowledged writes");
  if (!settings.pre_vote) settings.warnings.emplace_back("pre-vote is off: a node that comes back deposes the leader");
  return {};
}

Result<void> interpret(const Given& given, Settings& settings) {
  settings.id = {given.id};
  settings.data = given.data;
  settings.events = given.events;
  if (auto read = read_cluster(given.cluster, settings); !read) return read;
  const auto self = settings.cluster.find(given.id);
  if (self == settings.cluster.end()) {
    return Error::bad_input(fmt::format("--cluster does not name node {} itself", given.id),
                            "every node is given the same list");
  }
  settings.peer_listen = self->second.peer;
  const std::pair<const std::string*, HostPort*> listeners[] = {{&given.listen, &settings.listen},
                                                                {&given.peer_listen, &settings.peer_listen}};
  for (const auto& [text, address] : listeners) {
    if (text->empty()) continue;
    auto parsed = parse_host_port(*text);
    if (!parsed) return parsed.error();
    *address = parsed.value();
  }
  if (given.listen.empty()) {
    if (!self->second.client) {
      return Error::bad_input("where to serve clients is not said", "give --listen HOST:PORT");
    }
    settings.listen = *self->second.client;
  }
  if (!self->second.client) self->second.client = settings.listen;
  if (settings.join && settings.cluster.size() == 1) {
    return Error::bad_input("--join: --cluster names no other node, so this one could answer nobody",
                            "name the members of the running cluster, and this node");
  }
  if (auto read = read_times(given, settings); !read) return read;
  return read_modes(given, settings);
}

}  // namespace

std::string HostPort::to_string() const {
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port) : fmt::format("[{}]:{}", host, port);
}

std::string to_text(const MemberAddress& address) {
  return address.client ? address.peer.to_string() + "/" + address.client->to_string() : address.peer.to_string();
}

Result<MemberAddress> parse_member_address(const std::string& text) {
  MemberAddress address;
  const std::size_t slash = text.find('/');
  auto peer = parse_host_port(text.substr(0, slash));
  if (!peer) return peer.error();
  address.peer = peer.value();
  if (slash != std::string::npos) {
    auto client = parse_host_port(text.substr(slash + 1));
    if (!client) return client.error();
    address.client = client.value();
  }
  return address;
}

std::variant<Settings, Ending> read_settings(int argc, const char* const* argv) {
  Settings settings;
  Given given;
  CLI::App app("raftd: a replicated key-value store that speaks etcd's v3 JSON gateway. For test networks only.",
               "raftd");
  app.set_version_flag("--version", version);
  auto* dump = app.add_subcommand("dump", "print a log segment or a snapshot, record by record");
  dump->add_option("FILE", given.dump, "a .wal or .snap file")->required();
  app.add_option("--id", given.id, "this node's number, as in --cluster");
  app.add_option("--cluster", given.cluster,
                 "1=HOST:PORT,2=HOST:PORT,…: where each node listens for its peers; the same on every node");
  app.add_option("--token", settings.token, "the cluster's name: nodes of other clusters are refused")
      ->capture_default_str();
  app.add_flag("--join", settings.join,
               "start empty, to be added to a running cluster; --cluster names its members and this node");
  app.add_option("--listen", given.listen, "HOST:PORT for clients");
  app.add_option("--peer-listen", given.peer_listen, "HOST:PORT for peers, if it differs from --cluster's");
  app.add_option("--data", given.data, "the directory of log and snapshots");
  app.add_option("--events", given.events, "a file for the JSON lines of what happens (default: stdout)");
  app.add_option("--election-timeout", given.election_timeout)->capture_default_str();
  app.add_option("--heartbeat", given.heartbeat)->capture_default_str();
  app.add_option("--reads", given.reads,
                 "index: confirmed by a majority; lease: as true as the clocks; local: unconfirmed, by a leader that "
                 "does not look for its quorum: may be stale")
      ->check(CLI::IsMember({"index", "lease", "local"}))
      ->capture_default_str();
  app.add_option("--max-clock-drift", settings.max_clock_drift,
                 "for lease reads: 0.01 says no clock is more than 1 % fast or slow")
      ->check(CLI::Range(0.0, 0.999));
  app.add_option("--fsync", given.fsync, "off: survives kill -9, not power loss")
      ->check(CLI::IsMember({"always", "off"}))
      ->capture_default_str();
  app.add_option("--prevote", given.pre_vote)->check(CLI::IsMember({"on", "off"}))->capture_default_str();
  app.add_option("--snapshot-entries", settings.snapshot_entries,
                 "entries between two snapshots, or more, until they weigh as much as the last; 0: never")
      ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& done) {
    return Ending{0, done.get_name() == "CallForVersion" ? std::string(version) + "\n" : app.help()};
  } catch (const CLI::ParseError& error) {
    return Ending{64, fmt::format("raftd: {}\n  see raftd --help\n", error.what())};
  }
  if (dump->parsed()) {
    settings.dump = given.dump;
    return settings;
  }
  for (const auto& [name, missing] : {std::pair{"--id", given.id == 0}, std::pair{"--cluster", given.cluster.empty()},
                                      std::pair{"--data", given.data.empty()}}) {
    if (missing) return Ending{64, fmt::format("raftd: {} is missing\n  see raftd --help\n", name)};
  }
  if (auto read = interpret(given, settings); !read) return Ending{64, "raftd: " + read.error().to_string() + "\n"};
  return settings;
}

// FNV-1a, so that every node computes the same.
std::uint64_t cluster_id(const Settings& settings) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : settings.token) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return hash == 0 ? 1 : hash;
}

}  // namespace faultline::raft::daemon
