#include <faultline/live/local_cluster.hpp>

#include <algorithm>
#include <thread>

#include <faultline/text.hpp>

#include "node_clock.hpp"
#include "node_disk.hpp"
#include "role_watch.hpp"

namespace faultline::live {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::size_t log_lines = 10;

Result<void> make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (!error) return {};
  return Error::environment("cannot create " + folder.string() + ": " + error.message(),
                            "choose another --out directory");
}

std::vector<NodeName> all_names(const LocalClusterOptions& options) {
  std::vector<NodeName> names = options.nodes;
  names.insert(names.end(), options.spares.begin(), options.spares.end());
  return names;
}

}  // namespace

LocalCluster::LocalCluster(LocalClusterOptions options) : options_(std::move(options)) {
  FL_ASSERT(options_.node_spec);
  FL_ASSERT(options_.ready);
  if (options_.run_id.empty()) options_.run_id = fresh_run_id();
}

LocalCluster::~LocalCluster() { (void)tear_down().ok(); }

// Folders on the nodes themselves.
Result<void> LocalCluster::make_remote_places() {
  const std::vector<NodeName> names = all_names(options_);
  for (std::size_t i = 0; i < names.size(); ++i) {
    NodePlace place{.name = names[i],
                    .index = i,
                    .addresses = network_->addresses(names[i]),
                    .data_directory = {},
                    .log_file = {},
                    .joins = i >= options_.nodes.size()};
    if (auto prepared = options_.machines->prepare(place); !prepared) return prepared;
    places_.push_back(std::move(place));
  }
  return {};
}

Result<void> LocalCluster::make_places() {
  if (options_.machines) return make_remote_places();
  std::error_code error;
  const fs::path scratch = fs::temp_directory_path(error) / ("faultline-" + options_.run_id);
  if (error)
    return Error::environment("no folder for temporary files: " + error.message(),
                              "set TMPDIR to a directory of yours");
  auto made = make_scratch_folder(*leftovers_, scratch);
  if (!made) return made.error();
  scratch_ = made.value();
  scratch_folder_ = scratch;
  const std::vector<NodeName> names = all_names(options_);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const NodeName& name = names[i];
    NodePlace place{.name = name,
                    .index = i,
                    .addresses = network_->addresses(name),
                    .data_directory = scratch / name,
                    .log_file = fs::absolute(options_.run_directory / "nodes" / name / "daemon.log", error),
                    .joins = i >= options_.nodes.size()};
    if (auto data = make_folder(place.data_directory); !data) return data;
    if (auto logs = make_folder(place.log_file.parent_path()); !logs) return logs;
    places_.push_back(std::move(place));
  }
  return {};
}

Result<void> LocalCluster::build() {
  FL_ASSERT(!leftovers_);
  auto journal = Leftovers::open(options_.run_id);
  if (!journal) return journal.error();
  leftovers_ = std::move(journal).value();
  if (options_.machines) {
    auto opened = options_.machines->open(all_names(options_), options_.run_id, *leftovers_);
    if (!opened) return opened;
    network_ = options_.machines->make_network(all_names(options_), options_.needs);
  } else {
    auto network = make_network({.nodes = all_names(options_),
                                 .run_id = options_.run_id,
                                 .kind = options_.network,
                                 .framer = options_.framer,
                                 .needs = options_.needs,
                                 .leftovers = leftovers_.get()});
    if (!network) return network.error();
    network_ = std::move(network).value();
  }
  learn_network_limits();
  if (auto built = network_->set_up(); !built) return built;
  return make_places();
}

Result<void> LocalCluster::set_up() {
  const std::lock_guard lock(mutex_);
  if (auto built = build(); !built) return built;
  if (auto supervised = supervise_disks(); !supervised) return supervised;
  for (const auto& place : places_) {
    const NodeSpec node = options_.node_spec(place, places_);
    DaemonSpec spec{.name = place.name,
                    .command = node.command,
                    .environment = node.environment,
                    .working_directory = place.data_directory,
                    .log_file = place.log_file,
                    .name_space = network_->name_space(place.name),
                    .ports = {place.addresses.peer_listen, place.addresses.client}};
    if (options_.machines) {
      daemons_.push_back(options_.machines->make_daemon(std::move(spec)));
      clocks_.push_back(options_.machines->make_clock(place.name));
    } else {
      daemons_.push_back(std::make_unique<Daemon>(std::move(spec), leftovers_.get()));
      clocks_.push_back(std::make_unique<NodeClock>(*leftovers_, place.name));
    }
    standings_.push_back(place.joins ? Standing::outside : Standing::member);
    if (place.joins) continue;
    if (auto started = start_daemon(place.index); !started) return started;
  }
  return wait_until_ready(members());
}

Result<void> LocalCluster::start_daemon(std::size_t node) {
  DaemonSpec spec = daemons_[node]->spec();
  NodeSpec again = options_.node_spec(places_[node], places_);
  spec.command = std::move(again.command);
  spec.environment = std::move(again.environment);
  if (auto prepared = prepare_disk(node, spec); !prepared) return node_error(node, prepared.error().message);
  daemons_[node]->set_spec(std::move(spec));
  std::vector<ClockChange> changes;
  for (const auto& active : active_) {
    if (active.fault.kind != "clock") continue;
    if (std::find(active.nodes.begin(), active.nodes.end(), node) == active.nodes.end()) continue;
    changes.push_back(clock_change_of(active.fault).value());
  }
  clocks_[node]->forget();
  const auto launch = [&](pid_t pid, const std::function<Result<void>()>& release) {
    return clocks_[node]->launch(pid, release, changes);
  };
  auto started = daemons_[node]->start(changes.empty() ? Daemon::Launch() : launch);
  disk_started(node);
  if (!started) return node_error(node, started.error().to_string());
  network_->daemon_started(places_[node].name, daemons_[node]->identity().pid);
  return {};
}

Result<void> LocalCluster::tear_down() {
  stopping_ = true;
  const std::lock_guard lock(mutex_);
  roles_.reset();
  note_exits();
  Result<void> outcome;
  const auto fail_with = [&](const Result<void>& step) {
    if (!step && outcome.ok()) outcome = step;
  };
  // A frozen daemon might not stop when it is asked to. If this fails, it is killed.
  for (const auto& clock : clocks_) (void)clock->restore().ok();
  release_disks();
  std::vector<Result<void>> stopped(daemons_.size());
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < daemons_.size(); ++i) {
      threads.emplace_back([&, i] { stopped[i] = daemons_[i]->stop(options_.stop_grace); });
    }
  }
  for (const auto& step : stopped) fail_with(step);
  for (std::size_t i = 0; i < clocks_.size(); ++i) {
    if (daemons_[i]->state() == Daemon::State::down) clocks_[i]->forget();
  }
  clocks_.clear();
  active_.clear();
  disks_.clear();
  daemons_.clear();
  standings_.clear();
  if (network_) fail_with(network_->tear_down());
  if (options_.machines) fail_with(options_.machines->close(options_.run_directory / "nodes"));
  if (!scratch_folder_.empty()) {
    std::error_code error;
    fs::remove_all(scratch_folder_, error);
    if (error) {
      fail_with(Error::environment("cannot remove " + scratch_folder_.string() + ": " + error.message(),
                                   "remove it by hand"));
    } else {
      leftovers_->healed(scratch_);
      scratch_folder_.clear();
    }
  }
  if (outcome.ok()) {
    network_.reset();
    leftovers_.reset();
  }
  return outcome;
}

Result<void> LocalCluster::enter_client_network() const {
  const std::lock_guard lock(mutex_);
  if (!network_) return Error::environment("the cluster's network is not set up");
  return network_->enter();
}

const NodePlace& LocalCluster::place(const NodeName& node) const {
  const auto found = std::find_if(places_.begin(), places_.end(), [&](const NodePlace& p) { return p.name == node; });
  FL_ASSERT(found != places_.end());
  return *found;
}

std::string LocalCluster::network_description() const {
  const std::lock_guard lock(mutex_);
  return network_ ? network_->describe() : "none";
}

LocalCluster::Indices LocalCluster::members() const {
  Indices nodes;
  for (std::size_t i = 0; i < standings_.size(); ++i) {
    if (standings_[i] == Standing::member) nodes.push_back(i);
  }
  return nodes;
}

void LocalCluster::note_exits() {
  for (std::size_t i = 0; i < daemons_.size(); ++i) {
    const pid_t pid = daemons_[i]->identity().pid;
    if (!daemons_[i]->ended_unasked() || noted_exits_[i] == pid) continue;
    noted_exits_[i] = pid;
    if (is_excused(i)) continue;  // its disk fails
    unexpected_exits_.push_back(places_[i].name + ": " + daemons_[i]->end() + ", log " + places_[i].log_file.string());
  }
}

std::vector<std::string> LocalCluster::unexpected_exits() {
  const std::lock_guard lock(mutex_);
  note_exits();
  return unexpected_exits_;
}

Error LocalCluster::node_error(std::size_t node, const std::string& what) const {
  std::string message = "node " + places_[node].name + ": " + what + "\n  log: " + places_[node].log_file.string();
  const std::string tail = daemons_[node]->log_tail(log_lines);
  std::size_t begin = 0;
  while (begin < tail.size()) {
    const auto end = tail.find('\n', begin);
    message += "\n  | " + tail.substr(begin, end - begin);
    begin = end + 1;
  }
  return Error::environment(std::move(message), "read the log of the node");
}

// Runs the work for each of these nodes at once, in threads that are in the client network, and waits for all.
void LocalCluster::visit(const Indices& nodes, const std::function<void(std::size_t)>& work) const {
  std::vector<std::jthread> threads;
  for (const std::size_t node : nodes) {
    threads.emplace_back([this, &work, node] {
      if (network_->enter().ok()) work(node);
    });
  }
}

Result<void> LocalCluster::wait_for_node(std::size_t node, Clock::time_point until) const {
  constexpr auto pause = std::chrono::milliseconds(20);
  std::string last = "it was not asked";
  while (Clock::now() < until) {
    if (stopping_) return node_error(node, "not ready when the run was ended; last: " + last);
    if (daemons_[node]->state() == Daemon::State::down) return node_error(node, "its process " + daemons_[node]->end());
    const Duration limit = std::min<Duration>(options_.attempt_limit, until - Clock::now());
    const auto ready = options_.ready(places_[node], limit);
    if (ready) return {};
    last = ready.error().message;
    std::this_thread::sleep_for(pause);
  }
  return node_error(node, "not ready within " + to_text(options_.ready_limit) + "; last: " + last);
}

Result<void> LocalCluster::wait_until_ready(const Indices& nodes) {
  const auto until = Clock::now() + options_.ready_limit;
  std::vector<Result<void>> outcomes(daemons_.size(), Error::environment("cannot enter the client network"));
  visit(nodes, [&](std::size_t node) { outcomes[node] = wait_for_node(node, until); });
  std::string message;
  std::string remedy;
  for (const std::size_t node : nodes) {
    if (outcomes[node]) continue;
    message += (message.empty() ? "" : "\n") + outcomes[node].error().message;
    remedy = outcomes[node].error().remedy;
  }
  if (message.empty()) return {};
  return Error::environment(std::move(message), std::move(remedy));
}

}  // namespace faultline::live
