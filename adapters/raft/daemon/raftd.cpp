#include "raftd.hpp"

#include <faultline/raft/keeper.hpp>
#include <faultline/raft/kv/codec.hpp>
#include <faultline/raft/storage/dump.hpp>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "events.hpp"
#include "http_server.hpp"
#include "node.hpp"
#include "peers.hpp"
#include "service.hpp"

namespace faultline::raft::daemon {
namespace {

namespace fs = std::filesystem;
constexpr int failed = 3;

void complain(const std::string& text) { fmt::print(stderr, "raftd: {}\n", text); }

std::uint64_t random_number() {
  std::uint64_t number = 0;
  FL_ASSERT(::getrandom(&number, sizeof number, 0) == sizeof number);
  return number;
}

// Held as long as the process lives: two daemons on one directory would ruin it.
Result<void> lock_data(const fs::path& data) {
  std::error_code error;
  fs::create_directories(data, error);
  const std::string path = (data / "lock").string();
  const int file = error ? -1 : ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file < 0) {
    return Error::environment(
        fmt::format("cannot use {}: {}", data.string(), error ? error.message() : std::strerror(errno)),
        "give --data a directory that can be written");
  }
  if (::flock(file, LOCK_EX | LOCK_NB) == 0) return {};
  return Error::environment(fmt::format("{} is used by another raftd", data.string()),
                            "end that one, or give --data another directory");
}

HostOptions host_options(const Settings& settings) {
  HostOptions options;
  options.raft.id = settings.id;
  options.raft.boot = random_number();
  options.raft.election_timeout = settings.election_timeout;
  options.raft.heartbeat = settings.heartbeat;
  options.raft.pre_vote = settings.pre_vote;
  // A leader that steps down for want of a quorum has done so before another is elected: its local reads would be as good as
  // leases. The mode stands for systems without that check.
  options.raft.check_quorum = settings.reads != ReadMode::local;
  options.raft.lease_reads = settings.reads == ReadMode::lease;
  options.raft.max_clock_drift = settings.max_clock_drift;
  if (!settings.join) {
    for (const auto& [id, address] : settings.cluster) {
      options.raft.initial.push_back({.id = {id}, .stay = {1}, .address = to_text(address)});
    }
  }
  options.reads = settings.reads;
  options.snapshot_entries = settings.snapshot_entries;
  options.request_timeout = std::chrono::seconds(5) + 2 * settings.election_timeout;
  return options;
}

class Raftd {
 public:
  explicit Raftd(Settings settings)
      : settings_(std::move(settings)), events_(settings_.id), clock_(steady_clock()), service_(settings_, context_) {}

  int run() {
    if (auto opened = open(); !opened) {
      complain(opened.error().to_string());
      events_.write("refused", opened.error().message);
      return failed;
    }
    boost::asio::signal_set signals(context_, SIGTERM, SIGINT);
    signals.async_wait([this](boost::system::error_code error, int signal) {
      if (error) return;
      events_.write("stop", fmt::format("signal {}", signal));
      context_.stop();
    });
    node_->start();
    context_.run();
    http_.reset();
    peers_->close();
    node_->stop();
    return 0;
  }

 private:
  Result<void> open() {
    if (auto locked = lock_data(settings_.data); !locked) return locked;
    if (auto opened = events_.open(settings_.events); !opened) return opened;
    for (const std::string& warning : settings_.warnings) {
      complain("warning: " + warning);
      events_.write("warning", warning);
    }
    HostOptions options = host_options(settings_);
    if (auto valid = validate(options.raft); !valid) return valid;
    disk_ = storage::posix_disk(settings_.data);
    const KeeperOptions keeper_options{.identity = {cluster_id(settings_), settings_.id},
                                       .wal = {.sync = settings_.fsync}};
    auto opened = Keeper::open(*disk_, keeper_options);
    if (!opened) {
      const Error& error = opened.error();
      return Error::environment(fmt::format("in {}: {}", settings_.data.string(), error.message), error.remedy);
    }
    Restored& restored = opened.value().restored;
    if (restored.torn) {
      const storage::TornTail& torn = *restored.torn;
      const std::string text = fmt::format("torn tail repaired: {} from byte {} ({}); a copy is in {}",
                                           (settings_.data / torn.file).string(), torn.offset, torn.reason, torn.copy);
      complain("warning: " + text);
      events_.write("disk", text);
    }
    events_.write("start", fmt::format("boot {:016x}, log to {}, snapshot {}", options.raft.boot,
                                       restored.stored.entries.empty() ? 0 : restored.stored.entries.back().index.value,
                                       restored.stored.snapshot ? restored.stored.snapshot->index.value : 0));
    config_changed_ = true;
    auto host = std::make_unique<Host>(std::move(options), std::move(restored.stored), std::move(restored.store),
                                       Rng(random_number()), clock_->now());
    return connect(std::move(host), std::move(opened.value().keeper), SnapshotFiles(*disk_, keeper_options));
  }

  Result<void> connect(std::unique_ptr<Host> host, std::unique_ptr<Keeper> keeper, SnapshotFiles files) {
    peers_ = std::make_unique<Peers>(
        context_,
        PeersOptions{
            .self = settings_.id,
            .cluster = cluster_id(settings_),
            .listen = settings_.peer_listen,
            .stall_limit = std::max<Duration>(settings_.election_timeout, std::chrono::milliseconds(200)),
            .received = [this](NodeId from, std::vector<std::string> frames) { receive(from, std::move(frames)); },
            .event = [this](const std::string& text) { events_.write("peer", text); }});
    for (const auto& [id, address] : settings_.cluster) peers_->set_address({id}, address.peer);
    node_ = std::make_unique<Node>(
        std::move(host), std::move(keeper), std::move(files), *clock_,
        NodePorts{.send = [this](auto frames) { peers_->send(std::move(frames)); },
                  .event =
                      [this](const HostEvent& event) {
                        if (event.kind == "config") config_changed_ = true;
                        events_.write(event.kind, event.text);
                      },
                  .turn = [this](Host& host_now, std::vector<Answer> answers) { turn(host_now, std::move(answers)); },
                  .disk_failed = [this](const Error& error) { give_up("disk_failed", error); }});
    service_.attach(*node_);
    if (auto listening = peers_->listen(); !listening) return listening;
    auto serving = HttpServer::listen(
        context_.get_executor(), settings_.listen.host, settings_.listen.port,
        [this](const IncomingRequest& request, Exchange exchange) { service_.handle(request, std::move(exchange)); },
        {.body_bytes_max = gateway::body_bytes_max + 1});
    if (!serving) return serving.error();
    http_ = std::move(serving).value();
    return {};
  }

  // On the connections' thread.
  void receive(NodeId from, std::vector<std::string> frames) {
    auto decoded = std::make_shared<std::vector<Frame>>();
    for (const std::string& bytes : frames) {
      auto frame = decode_frame(bytes);
      if (frame && frame.value().from == from) {
        decoded->push_back(std::move(frame).value());
      } else {
        events_.write("peer", fmt::format("a frame of node {} was refused: {}", from.value,
                                          frame ? "it names another sender" : frame.error().message));
      }
    }
    node_->post([decoded](Host& host, Instant now) {
      for (Frame& frame : *decoded) host.receive(now, std::move(frame));
    });
  }

  // On the owner's thread.
  void turn(Host& host, std::vector<Answer> answers) {
    events_.set_term(host.raft().term());
    if (const auto refusal = host.raft().refusal()) {
      give_up("refused",
              Error::environment(
                  fmt::format("node {} is empty, but node {} knows of a past: its disk was wiped, and with it its vote",
                              settings_.id.value, refusal->witness.value),
                  "remove the node from the cluster, start it with --join and add it again"));
    }
    service_.turn(host, std::move(answers));
    if (std::exchange(config_changed_, false)) note_addresses(host.raft().config());
  }

  // Members that were added later are in no --cluster list; those that are keep the address given there.
  void note_addresses(const Config& config) {
    for (const Member& member : config.members()) {
      if (settings_.cluster.contains(member.id.value) || !peers_) continue;
      if (const auto address = parse_member_address(member.address))
        peers_->set_address(member.id, address.value().peer);
    }
  }

  [[noreturn]] void give_up(std::string_view event, const Error& error) {
    events_.write(event, error.message);
    complain(error.to_string());
    std::_Exit(failed);
  }

  Settings settings_;
  Events events_;
  std::unique_ptr<Clock> clock_;
  boost::asio::io_context context_{1};
  Service service_;
  std::unique_ptr<storage::Disk> disk_;
  std::unique_ptr<Peers> peers_;
  std::unique_ptr<HttpServer> http_;
  bool config_changed_ = false;  // the owner's
  std::unique_ptr<Node> node_;   // last: its threads use all of the above
};

}  // namespace

int run(Settings settings) { return Raftd(std::move(settings)).run(); }

int dump(const std::filesystem::path& file) {
  const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  const auto disk = storage::posix_disk(folder);
  const auto errors = storage::dump(*disk, file.filename().string(),
                                    {.line = [](std::string_view line) { fmt::print("{}\n", line); },
                                     .describe = [](const Entry& entry) { return describe(entry); }});
  if (!errors) {
    complain(errors.error().to_string());
    return failed;
  }
  return errors.value() == 0 ? 0 : 1;
}

}  // namespace faultline::raft::daemon
