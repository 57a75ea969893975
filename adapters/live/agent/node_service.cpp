#include "node_service.hpp"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <thread>

#include "adapters/live/descriptor.hpp"
#include "adapters/live/procfs.hpp"
#include "clock_json.hpp"
#include "deployment.hpp"
#include "probe.hpp"

namespace faultline::live::agent {
namespace {

namespace fs = std::filesystem;

Json error_json(const Error& error) { return {{"error", error.message}, {"remedy", error.remedy}}; }

Json none() { return Json::object(); }

// A folder that may be emptied: absolute, not of the first level, and not somebody's home.
Result<void> may_empty(const fs::path& folder) {
  const auto depth = std::distance(folder.begin(), folder.end());
  constexpr auto least = 3;  // "/", "var", "data"
  if (folder.is_absolute() && depth >= least && folder.parent_path() != "/home") return {};
  return Error::environment("will not empty the folder " + folder.string(),
                            "name a data-directory of its own, by an absolute path");
}

Result<void> empty_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (!error) {
    for (const auto& entry : fs::directory_iterator(folder, error)) {
      fs::remove_all(entry.path(), error);
      if (error) break;
    }
  }
  if (!error) return {};
  return Error::environment("cannot empty " + folder.string() + ": " + error.message());
}

std::map<std::string, std::string> environment_of(const Json& request) {
  return request.value("environment", std::map<std::string, std::string>());
}

}  // namespace

NodeService::NodeService(Options options, std::unique_ptr<Leftovers> journal)
    : options_(std::move(options)),
      journal_(std::move(journal)),
      clock_(*journal_, options_.node),
      packets_(options_.run_id, options_.node, options_.harness, *journal_),
      disk_(options_.folder, *journal_) {}

Result<std::unique_ptr<NodeService>> NodeService::open(Options options) {
  auto journal = Leftovers::open(options.run_id);
  if (!journal) return journal.error();
  return std::unique_ptr<NodeService>(new NodeService(std::move(options), std::move(journal).value()));
}

Json NodeService::perform(const Json& request) {
  try {
    auto done = dispatch(request.at("do").get<std::string>(), request);
    return done ? std::move(done).value() : error_json(done.error());
  } catch (const std::exception& e) {
    // Not the request: it may hold what must not be shown.
    return error_json(Error::environment(std::string("the request cannot be understood: ") + e.what()));
  }
}

Result<Json> NodeService::dispatch(const std::string& what, const Json& request) {
  if (what == "renew") return none();
  if (what == "hello") return hello();
  if (what == "command") return command(request);
  if (what == "prepare") return prepare(request);
  if (what == "empty") return empty();
  if (what == "daemon") return declare_daemon(request);
  if (PacketService::knows(what)) return packets_.perform(what, request);
  if (what == "disk") return disk_.perform(request.at("what").get<std::string>(), request, daemon_.get());
  if (what == "press") return press(request);
  if (what == "pressed") return pressed(request);
  if (what == "probe") {
    return Json{{"silent", unreachable(request.at("targets").get<std::vector<std::string>>(),
                                       Duration(request.at("limit_ns").get<std::int64_t>()))}};
  }
  if (what == "change" || what == "read_back" || what == "reads" || what == "reset" || what == "restore" ||
      what == "forget")
    return options_.set_clock ? set_clock(what, request) : clock(what, request);
  if (!daemon_) return Error::environment("no daemon has been declared");
  if (what == "start") return start(request);
  Result<void> done;
  if (what == "log_tail") return Json{{"text", daemon_->log_tail(request.at("lines").get<std::size_t>())}};
  if (what == "kill")
    done = daemon_->kill();
  else if (what == "pause")
    done = daemon_->pause();
  else if (what == "resume")
    done = daemon_->resume();
  else if (what == "stop")
    done = daemon_->stop(Duration(request.at("grace_ns").get<std::int64_t>()));
  else if (what != "state")
    return Error::environment("there is no request '" + what + "'");
  if (!done) return done.error();
  return state();
}

Result<Json> NodeService::hello() {
  Json reply{{"boot_id", boot_id()}, {"uid", ::getuid()}};
  const auto tool = choose_filter_tool();
  if (!tool) {
    reply["filter_error"] = tool.error().to_string();
  } else if (::geteuid() != 0) {
    reply["filter_error"] = "rules need root; log in as root, or set sudo = true";
  } else {
    reply["filter"] = to_string(tool.value());
  }
  if (const auto queues = queues_work(); !queues) reply["queue_error"] = queues.error().to_string();
  const auto disks = disk_faults_work();
  if (disks)
    reply["performs"] = disks.value();
  else
    reply["disk_error"] = disks.error().to_string();
  if (CpuPressure::place().empty())
    reply["pressure_error"] = "daemons are stopped and continued in turns: no cgroup can be made; log in as root";
  const auto clocks = options_.set_clock ? may_set_clock(boot_id(), options_.harness_boot_id) : clock_faults_work();
  if (!clocks) reply["clock_error"] = clocks.error().to_string();
  return reply;
}

Result<Json> NodeService::command(const Json& request) {
  auto done = run_shell(request.at("command").get<std::string>(), environment_of(request),
                        request.at("log").get<std::string>(), Duration(request.at("limit_ns").get<std::int64_t>()));
  if (!done) return done.error();
  return Json{{"status", done.value().status}, {"output", done.value().output}};
}

// The run's own folder is made and goes with the run; a deployment's stays as it is.
Result<Json> NodeService::prepare(const Json& request) {
  data_ = request.at("data").get<std::string>();
  data_is_ours_ = request.at("ours").get<bool>();
  const fs::path parent = data_.parent_path();
  std::error_code error;
  if (data_is_ours_) {
    fs::create_directories(parent.parent_path(), error);
    if (!fs::exists(parent, error)) {
      auto made = make_scratch_folder(*journal_, parent);
      if (!made) return made.error();
      data_intent_ = made.value();
    }
    fs::create_directories(data_, error);
    if (error) return Error::environment("cannot create " + data_.string() + ": " + error.message());
  }
  disk_.place(data_, data_is_ours_ ? parent : parent / (".faultline-" + options_.folder.filename().string()));
  fs::create_directories(options_.folder / "logs", error);
  if (error) return Error::environment("cannot create " + (options_.folder / "logs").string() + ": " + error.message());
  return none();
}

Result<Json> NodeService::empty() {
  if (auto allowed = may_empty(data_); !allowed) return allowed.error();
  if (auto emptied = empty_folder(data_); !emptied) return emptied.error();
  return none();
}

Result<Json> NodeService::declare_daemon(const Json& request) {
  DaemonSpec spec{.name = options_.node};
  is_deployment_ = request.contains("pid_file") || request.contains("pattern");
  if (is_deployment_) {
    daemon_ = std::make_unique<Deployment>(DeploymentSpec{.start = request.at("start").get<std::string>(),
                                                          .stop = request.value("stop", ""),
                                                          .kill = request.value("kill", ""),
                                                          .pid_file = request.value("pid_file", ""),
                                                          .pattern = request.value("pattern", "")},
                                           std::move(spec), *journal_);
  } else {
    daemon_ = std::make_unique<Daemon>(std::move(spec), journal_.get());
  }
  return none();
}

Result<Json> NodeService::start(const Json& request) {
  DaemonSpec spec{.name = options_.node,
                  .command = request.at("command").get<std::vector<std::string>>(),
                  .environment = environment_of(request),
                  .working_directory = data_,
                  .log_file = request.at("log").get<std::string>()};
  for (const Json& port : request.at("ports"))
    spec.ports.push_back({port.at("host").get<std::string>(), port.at("port").get<std::uint16_t>()});
  if (disk_.is_supervised()) {
    if (auto prepared = disk_.prepare(spec); !prepared) return prepared.error();
  }
  daemon_->set_spec(std::move(spec));
  std::vector<ClockChange> changes;
  for (const Json& each : request.at("changes")) {
    auto change = change_from_json(each);
    if (!change) return change.error();
    changes.push_back(change.value());
  }
  clock_.forget();
  const auto launch = [&](pid_t pid, const std::function<Result<void>()>& release) {
    return clock_.launch(pid, release, changes);
  };
  const bool at_exec = !changes.empty() && !is_deployment_ && !options_.set_clock;
  const auto started = daemon_->start(at_exec ? NodeDaemon::Launch(launch) : NodeDaemon::Launch());
  disk_.started();
  if (!started) return started.error();
  if (pressure_) (void)pressure_->join().ok();  // it runs at full speed, then
  if (is_deployment_ && !options_.set_clock) {
    for (const ClockChange& change : changes) (void)clock_.change(daemon_->identity().pid, change).ok();
  }
  return state();
}

Result<Json> NodeService::state() {
  const auto state = daemon_->state();
  const auto identity = daemon_->identity();
  const bool bent = settable_ ? settable_->is_bent() : clock_.bends(identity.pid);
  return Json{{"state", static_cast<int>(state)},
              {"pid", identity.pid},
              {"start_time", identity.start_time},
              {"boot_id", identity.boot_id},
              {"end", daemon_->end()},
              {"unasked", daemon_->ended_unasked()},
              {"bent", bent}};
}

Result<Json> NodeService::press(const Json& request) {
  if (!daemon_) return Error::environment("no daemon has been declared");
  if (pressure_) return Error::environment("it is under pressure already");
  auto pressure = CpuPressure::start(*daemon_, options_.node, request.at("speed").get<double>(), *journal_);
  if (!pressure) return pressure.error();
  if (is_deployment_ && !pressure.value()->is_by_cgroup()) {
    return Error::environment("a daemon that others started is slowed down by a cgroup, and none can be made here",
                              "log in as root, or set sudo = true");
  }
  pressure_ = std::move(pressure).value();
  return Json{{"how", pressure_->describe()}};
}

Result<Json> NodeService::pressed(const Json& request) {
  if (!pressure_) return Json{{"waits", 0}};
  if (request.value("join", false)) {
    if (auto joined = pressure_->join(); !joined) return joined.error();
  }
  const std::uint64_t waits = pressure_->waits();
  if (request.value("end", false)) {
    if (auto ended = pressure_->end(); !ended) return ended.error();
    pressure_.reset();
  }
  return Json{{"waits", waits}};
}

Result<Json> NodeService::clock(const std::string& what, const Json& request) {
  const pid_t pid = daemon_ ? daemon_->identity().pid : 0;
  Result<void> done;
  Json reply;
  if (what == "change") {
    auto change = change_from_json(request.at("change"));
    if (!change) return change.error();
    done = clock_.change(pid, change.value());
  } else if (what == "restore") {
    done = clock_.restore();
  } else if (what == "forget") {
    clock_.forget();
  } else if (!clock_.bends(pid)) {
    return Error::environment("the clocks of the daemon are not bent");
  } else if (what == "read_back") {
    const auto skew = clock_.read_back();
    if (!skew) return skew.error();
    reply["wall_ns"] = skew.value().wall.count();
    reply["mono_ns"] = skew.value().mono.count();
  } else if (what == "reads") {
    reply["wall"] = clock_.reads(ClockGroup::wall);
    reply["mono"] = clock_.reads(ClockGroup::mono);
  } else {
    done = clock_.reset();
  }
  if (!done) return done.error();
  const bool bent = clock_.bends(pid);
  reply["bent"] = bent;
  reply["settles_ns"] = bent ? clock_.settles_in().count() : 0;
  return reply;
}

// Who reads the clock of a machine cannot be counted; each look counts as one reading.
Result<Json> NodeService::set_clock(const std::string& what, const Json& request) {
  if (auto allowed = may_set_clock(boot_id(), options_.harness_boot_id); !allowed) return allowed.error();
  if (!settable_) settable_.emplace(MachineClock::of_this_machine(), options_.folder / "machine-clock");
  Result<void> done;
  if (what == "change") {
    auto change = change_from_json(request.at("change"));
    if (!change) return change.error();
    done = settable_->change(change.value());
  } else if (what == "reset" || what == "restore") {
    done = settable_->restore();
  }
  if (!done) return done.error();
  ++looks_;
  return Json{{"bent", settable_->is_bent()},
              {"settles_ns", 0},
              {"wall_ns", settable_->skew().count()},
              {"mono_ns", 0},
              {"wall", looks_},
              {"mono", 0}};
}

HealedLeftovers NodeService::end() {
  HealedLeftovers report;
  const auto note = [&](const Result<void>& outcome, const std::string& what) {
    if (outcome)
      report.done.push_back(what);
    else
      report.remaining.push_back("not " + what + ": " + outcome.error().to_string());
  };
  report = packets_.end();
  for (const std::string& line : disk_.release()) report.done.push_back(line);
  if (pressure_) {
    note(pressure_->end(), "gave the daemon its whole processor back");
    pressure_.reset();
  }
  if (settable_ && settable_->is_bent()) note(settable_->restore(), "set the machine's clock right");
  if (daemon_) {
    const auto identity = daemon_->identity();
    const std::string who = "process " + std::to_string(identity.pid);
    if (clock_.bends(identity.pid)) note(clock_.restore(), "set the clocks of " + who + " right");
    if (daemon_->state() == NodeDaemon::State::paused) note(daemon_->resume(), "resumed " + who);
    if (daemon_->state() != NodeDaemon::State::down) note(daemon_->stop(std::chrono::seconds(2)), "stopped " + who);
    clock_.forget();
  }
  const auto disk = disk_.end();  // a crash point may just kill the daemon
  if (disk)
    report.done.insert(report.done.end(), disk.value().begin(), disk.value().end());
  else
    report.remaining.push_back(disk.error().to_string());
  daemon_.reset();
  std::error_code error;
  if (data_is_ours_) fs::remove_all(data_intent_ ? data_.parent_path() : data_, error);
  if (error)
    report.remaining.push_back("cannot remove " + data_.string() + ": " + error.message());
  else if (data_intent_)
    journal_->healed(*data_intent_);
  return report;
}

}  // namespace faultline::live::agent
