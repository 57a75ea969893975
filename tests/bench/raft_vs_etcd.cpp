// raftd against etcd, side by side: the same clients, the same JSON gateway, three nodes each on this machine, both syncing to the same disk.
//
//   raft_vs_etcd [--seconds N] [--rounds N] [--connections N] [--value BYTES] [--failovers N] [--json FILE]
//
// Closed loop: every connection sends its next request when it has the reply to the last. Rounds alternate between the two systems, one
// cluster at a time, each fresh. Connections are spread evenly over the nodes. A round without syncs is void. Failover: kill -9 of the
// leader until the first acknowledged put of a client that asks the others without pause.
#include <faultline/etcd/codec.hpp>
#include <faultline/etcd/probe.hpp>
#include <faultline/etcd/target.hpp>
#include <faultline/raft/target.hpp>
#include <faultline/rng.hpp>

#include <fmt/format.h>
#include <sys/resource.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace faultline::bench {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
namespace fs = std::filesystem;
using asio::ip::tcp;
using Clock = std::chrono::steady_clock;

struct Options {
  int seconds = 60;
  int rounds = 5;
  std::size_t connections = 64;
  std::size_t value_bytes = 256;
  int failovers = 20;
  std::string json;
};

std::string base64(std::string_view bytes) {
  constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      group = group << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0U);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      text += j > bytes.size() - i ? '=' : alphabet[group >> (18 - 6 * j) & 63U];
    }
  }
  return text;
}

std::string request(const live::Endpoint& node, std::string_view path, const std::string& body) {
  return fmt::format("POST {} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n{}", path, node.to_string(),
                     body.size(), body);
}

// One closed loop on one connection.
class Client : public std::enable_shared_from_this<Client> {
 public:
  Client(asio::io_context& context, live::Endpoint node, std::function<std::string(Rng&)> make, Rng rng,
         Clock::time_point end)
      : socket_(context), node_(std::move(node)), make_(std::move(make)), rng_(std::move(rng)), end_(end) {}

  void start() {
    socket_.connect(tcp::endpoint(asio::ip::make_address(node_.host), node_.port));
    socket_.set_option(tcp::no_delay(true));
    next();
  }
  std::vector<double> milliseconds;
  std::size_t errors = 0;

 private:
  void next() {
    if (Clock::now() >= end_) return;
    message_ = make_(rng_);
    began_ = Clock::now();
    asio::async_write(socket_, asio::buffer(message_), [self = shared_from_this()](auto error, std::size_t) {
      if (error) return self->broken();
      self->read();
    });
  }
  void read() {
    parser_.emplace();
    parser_->body_limit(8U << 20U);
    http::async_read(socket_, buffer_, *parser_, [self = shared_from_this()](auto error, std::size_t) {
      if (error) return self->broken();
      if (self->parser_->get().result_int() == 200) {
        self->milliseconds.push_back(std::chrono::duration<double, std::milli>(Clock::now() - self->began_).count());
      } else {
        ++self->errors;
      }
      self->next();
    });
  }
  void broken() { ++errors; }

  tcp::socket socket_;
  live::Endpoint node_;
  std::function<std::string(Rng&)> make_;
  Rng rng_;
  Clock::time_point end_;
  Clock::time_point began_;
  std::string message_;
  boost::beast::flat_buffer buffer_;
  std::optional<http::response_parser<http::string_body>> parser_;
};

struct Load {
  double per_second = 0, p50 = 0, p99 = 0, p999 = 0, most = 0;
  std::size_t operations = 0, errors = 0;
};

Load summarise(std::vector<double> all, std::size_t errors, double seconds) {
  Load load{.operations = all.size(), .errors = errors};
  if (all.empty()) return load;
  std::sort(all.begin(), all.end());
  const auto at = [&](double part) {
    return all[static_cast<std::size_t>(part * static_cast<double>(all.size() - 1))];
  };
  load.per_second = static_cast<double>(all.size()) / seconds;
  load.p50 = at(0.5);
  load.p99 = at(0.99);
  load.p999 = at(0.999);
  load.most = all.back();
  return load;
}

double children_seconds() {
  rusage usage{};
  getrusage(RUSAGE_CHILDREN, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// A started cluster of either system.
struct Cluster {
  std::string name;
  fs::path folder;
  std::unique_ptr<live::Target> target;
  std::vector<live::Endpoint> nodes;
};

void must(const Result<void>& result) {
  if (result) return;
  fmt::print(stderr, "{}\n", result.error().to_string());
  std::exit(3);
}

Cluster start(const std::string& name) {
  Cluster cluster{.name = name, .folder = {}, .target = {}, .nodes = {}};
  std::string pattern = (fs::temp_directory_path() / "raft-vs-etcd-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) must(Error::environment("cannot make a temporary folder"));
  cluster.folder = pattern;
  if (name == "etcd") {
    cluster.target =
        etcd::make_etcd_target({.run_directory = cluster.folder, .network = live::NetworkKind::namespaces});
  } else {
    cluster.target = raft::make_target(
        {.run_directory = cluster.folder, .network = live::NetworkKind::namespaces, .snapshot_entries = 10'000});
  }
  must(cluster.target->set_up());
  must(cluster.target->enter_client_network());
  for (const auto& node : cluster.target->nodes()) cluster.nodes.push_back(cluster.target->client_endpoint(node));
  return cluster;
}

void stop(Cluster& cluster) {
  must(cluster.target->tear_down());
  std::error_code ignored;
  fs::remove_all(cluster.folder, ignored);
}

std::string fetch(const live::Endpoint& node, const std::string& path) {
  asio::io_context context;
  tcp::socket socket(context);
  boost::system::error_code error;
  socket.connect(tcp::endpoint(asio::ip::make_address(node.host), node.port), error);
  if (error) return {};
  asio::write(socket, asio::buffer(fmt::format("GET {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path)),
              error);
  boost::beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(64U << 20U);
  http::read(socket, buffer, parser, error);
  return parser.get().body();
}

double metric(const Cluster& cluster, const std::string& name) {
  double sum = 0;
  for (const live::Endpoint& node : cluster.nodes) {
    std::istringstream text(fetch(node, "/metrics"));
    for (std::string line; std::getline(text, line);) {
      if (line.starts_with(name + " ")) sum += std::strtod(line.c_str() + name.size(), nullptr);
    }
  }
  return sum;
}

struct Syncs {
  double count = 0, seconds = 0;
};
Syncs syncs_of(const Cluster& cluster) {
  if (cluster.name == "etcd") {
    return {metric(cluster, "etcd_disk_wal_fsync_duration_seconds_count"),
            metric(cluster, "etcd_disk_wal_fsync_duration_seconds_sum")};
  }
  return {metric(cluster, "raftd_disk_syncs_total"), metric(cluster, "raftd_disk_seconds_total")};
}

constexpr std::uint64_t key_count = 1000;

std::string key_of(Rng& rng) { return base64(fmt::format("bench/{:06}", rng.below(key_count))); }

Load drive(const Cluster& cluster, const Options& options, bool puts, std::size_t connections, int seconds,
           std::uint64_t seed) {
  asio::io_context context(1);
  const auto began = Clock::now();
  const auto end = began + std::chrono::seconds(seconds);
  std::vector<std::shared_ptr<Client>> clients;
  const std::string value = base64(std::string(options.value_bytes, 'v'));
  for (std::size_t i = 0; i < connections; ++i) {
    const live::Endpoint node = cluster.nodes[i % cluster.nodes.size()];
    const auto make = [node, puts, value](Rng& rng) {
      const std::string key = key_of(rng);
      return puts ? request(node, "/v3/kv/put", fmt::format(R"({{"key":"{}","value":"{}"}})", key, value))
                  : request(node, "/v3/kv/range", fmt::format(R"({{"key":"{}"}})", key));
    };
    clients.push_back(std::make_shared<Client>(context, node, make, Rng(seed).fork(i), end));
    clients.back()->start();
  }
  context.run();
  const double took = std::chrono::duration<double>(Clock::now() - began).count();
  std::vector<double> all;
  std::size_t errors = 0;
  for (const auto& client : clients) {
    all.insert(all.end(), client->milliseconds.begin(), client->milliseconds.end());
    errors += client->errors;
  }
  return summarise(std::move(all), errors, took);
}

struct Round {
  std::string system, load;
  Load measured;
  Syncs syncs;
};

void print(const Round& round, std::size_t connections) {
  const Load& m = round.measured;
  fmt::print(
      "{:<6} {:<8} {:>4} {:>9.0f}/s  p50 {:>7.2f} ms  p99 {:>8.2f}  p99.9 {:>8.2f}  max {:>8.2f}  errors {}  syncs "
      "{:.0f}, {:.2f} ms each\n",
      round.system, round.load, connections, m.per_second, m.p50, m.p99, m.p999, m.most, m.errors, round.syncs.count,
      round.syncs.count > 0 ? 1000 * round.syncs.seconds / round.syncs.count : 0.0);
  std::fflush(stdout);
}

std::vector<Round> measure(const std::string& name, const Options& options, std::uint64_t seed) {
  const double cpu_before = children_seconds();
  std::vector<Round> rounds;
  // In a thread of its own, since it stays in the cluster's network.
  std::thread([&] {
    Cluster cluster = start(name);
    (void)drive(cluster, options, true, options.connections, 2, seed);  // warm, and every key is there
    const auto run = [&](const char* load, bool puts, std::size_t connections, int seconds) {
      const Syncs before = syncs_of(cluster);
      Round round{.system = name,
                  .load = load,
                  .measured = drive(cluster, options, puts, connections, seconds, seed + 1),
                  .syncs = {}};
      const Syncs after = syncs_of(cluster);
      round.syncs = {after.count - before.count, after.seconds - before.seconds};
      if (puts && round.syncs.count == 0) must(Error::environment(name + " did not sync: the round is void"));
      print(round, connections);
      rounds.push_back(round);
    };
    run("puts", true, options.connections, options.seconds);
    run("reads", false, options.connections, options.seconds);
    run("puts-1", true, 1, std::max(1, options.seconds / 6));
    stop(cluster);
  }).join();
  fmt::print("{:<6} processor time of the daemons: {:.1f} s\n", name, children_seconds() - cpu_before);
  return rounds;
}

// Milliseconds from the kill of the leader to the first acknowledged put.
std::vector<double> failovers(const std::string& name, const Options& options) {
  std::vector<double> took;
  std::thread([&] {
    Cluster cluster = start(name);
    for (int i = 0; i < options.failovers; ++i) {
      std::vector<NodeName> leaders;
      while (leaders.empty()) leaders = cluster.target->faults().primaries();
      const Fault kill{.kind = "kill", .nodes = {leaders.front()}};
      const auto began = Clock::now();
      must([&]() -> Result<void> {
        const auto applied = cluster.target->faults().apply(kill);
        return applied ? Result<void>() : applied.error();
      }());
      const etcd::Request put{"/v3/kv/put", R"({"key":"YQ==","value":"YQ=="})", true};
      for (bool done = false; !done;) {
        for (std::size_t node = 0; node < cluster.nodes.size() && !done; ++node) {
          if (cluster.target->nodes()[node] == leaders.front()) continue;
          const auto reply = etcd::ask(cluster.nodes[node], put, std::chrono::milliseconds(300));
          done = reply && reply.value().status == 200;
        }
      }
      took.push_back(std::chrono::duration<double, std::milli>(Clock::now() - began).count());
      const auto healed = cluster.target->faults().heal_all();
      if (!healed) must(healed.error());
    }
    stop(cluster);
  }).join();
  std::sort(took.begin(), took.end());
  if (!took.empty()) {
    fmt::print("{:<6} failover: median {:.0f} ms, maximum {:.0f} ms of {} (election timeout 1 s)\n", name,
               took[took.size() / 2], took.back(), took.size());
  }
  return took;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

int run(const Options& options) {
  fmt::print("3 nodes each, {} connections, values of {} bytes, {} rounds of {} s, alternating\n", options.connections,
             options.value_bytes, options.rounds, options.seconds);
  std::map<std::pair<std::string, std::string>, std::vector<double>> rates;
  std::string json;
  for (int round = 0; round < options.rounds; ++round) {
    for (const char* name : {"etcd", "raftd"}) {
      for (const Round& measured : measure(name, options, static_cast<std::uint64_t>(round))) {
        rates[{measured.load, name}].push_back(measured.measured.per_second);
        json += fmt::format(
            R"({}{{"system":"{}","load":"{}","per_second":{:.1f},"p50_ms":{:.3f},"p99_ms":{:.3f},"p999_ms":{:.3f},"errors":{},"syncs":{:.0f}}})",
            json.empty() ? "" : ",\n", name, measured.load, measured.measured.per_second, measured.measured.p50,
            measured.measured.p99, measured.measured.p999, measured.measured.errors, measured.syncs.count);
      }
    }
  }
  for (const char* load : {"puts", "reads", "puts-1"}) {
    if (options.rounds == 0) break;
    const double theirs = median(rates[{load, "etcd"}]);
    const double ours = median(rates[{load, "raftd"}]);
    fmt::print("{:<7} raftd {:.0f}/s, etcd {:.0f}/s: {:.2f} times (median of {})\n", load, ours, theirs,
               theirs > 0 ? ours / theirs : 0.0, options.rounds);
  }
  if (options.failovers > 0) {
    for (const char* name : {"etcd", "raftd"}) {
      json += fmt::format(",\n{{\"system\":\"{}\",\"load\":\"failover\",\"median_ms\":{:.1f}}}", name,
                          median(failovers(name, options)));
    }
  }
  if (!options.json.empty()) std::ofstream(options.json) << "[" << json << "]\n";
  return 0;
}

}  // namespace
}  // namespace faultline::bench

int main(int argc, char** argv) {
  faultline::bench::Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    if (name == "--seconds")
      options.seconds = std::atoi(argv[i + 1]);
    else if (name == "--rounds")
      options.rounds = std::atoi(argv[i + 1]);
    else if (name == "--connections")
      options.connections = std::strtoul(argv[i + 1], nullptr, 10);
    else if (name == "--value")
      options.value_bytes = std::strtoul(argv[i + 1], nullptr, 10);
    else if (name == "--failovers")
      options.failovers = std::atoi(argv[i + 1]);
    else if (name == "--json")
      options.json = argv[i + 1];
    else {
      fmt::print(stderr, "unknown option {}\n", name);
      return 64;
    }
  }
  return faultline::bench::run(options);
}
