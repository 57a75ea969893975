// Members that leave and come in, for systems that can change their configuration while they run.
//
// A node leaves for good: once it is out of the configuration its daemon is killed and its data removed, so it can only
// come back as a new member, empty and without a vote until it has caught up. A step that was not confirmed may have
// happened; every step may therefore be repeated, and heal_all() repeats them until the founders are back.
#include <faultline/live/local_cluster.hpp>

#include <algorithm>
#include <map>
#include <thread>

#include <faultline/text.hpp>

#include "node_disk.hpp"

namespace faultline::live {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto step_limit = std::chrono::seconds(15);  // a removed leader must be replaced before the next step
constexpr auto attempt_pause = std::chrono::milliseconds(50);

Value list_of(const std::vector<std::string>& names) {
  std::vector<Value> values;
  for (const std::string& name : names) values.emplace_back(name);
  return Value::list(std::move(values));
}

Value map_of(const std::map<std::string, Value>& fields) {
  std::vector<Value::Entry> entries;
  for (const auto& [name, value] : fields) entries.emplace_back(name, value);
  return Value::map(std::move(entries));
}

Result<void> empty_folder(const std::filesystem::path& folder) {
  // The folder itself stays: it may be a mount point.
  std::error_code error;
  std::vector<std::filesystem::path> inside;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) inside.push_back(entry.path());
  for (const auto& path : inside) {
    if (!error) std::filesystem::remove_all(path, error);
  }
  if (!error) return {};
  return Error::environment("cannot empty " + folder.string() + ": " + error.message());
}

}  // namespace

Result<void> LocalCluster::empty_data(std::size_t node) {
  return options_.machines ? options_.machines->empty_data(places_[node]) : empty_folder(places_[node].data_directory);
}

// Asks one running member after the other, others before the node itself, until one does it.
Result<void> LocalCluster::ask_members(const MembershipControl::Step& step, std::size_t node,
                                       Clock::time_point until) const {
  std::string last = "no member is running";
  while (Clock::now() < until && !stopping_) {
    Indices contacts;
    for (std::size_t i = 0; i < daemons_.size(); ++i) {
      if (daemons_[i]->state() == Daemon::State::running) contacts.push_back(i);
    }
    std::stable_partition(contacts.begin(), contacts.end(), [&](std::size_t i) { return i != node; });
    for (const std::size_t contact : contacts) {
      const Duration limit = std::min<Duration>(options_.attempt_limit, until - Clock::now());
      if (limit <= Duration::zero() || stopping_) break;
      Result<void> done = Error::environment("cannot enter the client network");
      visit({contact}, [&](std::size_t at) { done = step(places_[at], places_[node], limit); });
      if (done) return done;
      last = places_[contact].name + " says: " + done.error().message;
    }
    std::this_thread::sleep_for(attempt_pause);
  }
  return Error::environment(last);
}

Result<void> LocalCluster::take_out(std::size_t node) {
  standings_[node] = Standing::in_doubt;
  noted_exits_[node] = daemons_[node]->identity().pid;  // a daemon that ends because it was removed is no finding
  const auto removed = ask_members(options_.membership->remove, node, Clock::now() + step_limit);
  if (!removed) return node_error(node, "it could not be removed: " + removed.error().message);
  if (auto killed = daemons_[node]->kill(); !killed) return killed;
  if (auto emptied = empty_data(node); !emptied) return emptied;
  forget_disk(node);
  standings_[node] = Standing::outside;
  return {};
}

// A node in doubt is taken out first: an attempt before this one may have got half way.
Result<void> LocalCluster::bring_in(std::size_t node) {
  if (standings_[node] == Standing::in_doubt) {
    if (auto out = take_out(node); !out) return out;
  }
  standings_[node] = Standing::in_doubt;
  const auto until = Clock::now() + step_limit;
  const auto failed = [&](const char* what, const Error& error) { return node_error(node, what + error.message); };
  if (auto added = ask_members(options_.membership->add, node, until); !added) {
    return failed("it could not be added: ", added.error());
  }
  places_[node].joins = true;
  if (auto started = start_daemon(node); !started) return started;
  if (auto promoted = ask_members(options_.membership->promote, node, until); !promoted) {
    return failed("it could not be given a vote: ", promoted.error());
  }
  standings_[node] = Standing::member;
  return wait_until_ready({node});
}

Result<Value> LocalCluster::apply_membership(const Fault& fault) {
  const bool grows = fault.parameters.get("change") == Value("grow");
  Active active{.fault = fault, .nodes = {}, .before = {}};
  for (const auto& name : fault.nodes) active.nodes.push_back(index_of(name));
  if (grows) {
    for (std::size_t node = options_.nodes.size(); node < places_.size() && active.nodes.empty(); ++node) {
      if (standings_[node] == Standing::outside) active.nodes.push_back(node);
    }
  }
  if (active.nodes.empty()) return Error::environment("no spare node is left to be added");
  active_.push_back(active);
  std::vector<std::string> names;
  for (const std::size_t node : active.nodes) {
    if (auto done = grows ? bring_in(node) : take_out(node); !done) return done.error();
    names.push_back(places_[node].name);
  }
  return Value::map({{grows ? "added" : "removed", list_of(names)}});
}

Result<Value> LocalCluster::heal_membership(const Active& healed) {
  const bool grew = healed.fault.parameters.get("change") == Value("grow");
  std::vector<std::string> names;
  for (const std::size_t node : healed.nodes) {
    if (is_under("membership", node)) continue;  // another fault still holds it
    if (auto done = grew ? take_out(node) : bring_in(node); !done) return done.error();
    names.push_back(places_[node].name);
  }
  return Value::map({{grew ? "left" : "returned", list_of(names)}});
}

// The daemon is killed and its data removed. What it had promised is forgotten, so nobody may start it as the member it was: it is in
// doubt until it is healed, which takes it out of the configuration and in again. A majority keeps its data, or nobody could do that.
Result<Value> LocalCluster::apply_wipe(const Fault& fault) {
  std::map<std::string, Value> wiped;
  std::map<std::string, Value> skipped;
  Active active{.fault = fault, .nodes = {}, .before = {}, .reads = {}};
  const auto configured = static_cast<std::size_t>(
      std::count_if(standings_.begin(), standings_.end(), [](Standing s) { return s != Standing::outside; }));
  for (const auto& name : fault.nodes) {
    const std::size_t node = index_of(name);
    if (standings_[node] != Standing::member) {
      skipped[name] = "is no member now";
      continue;
    }
    if (members().size() - 1 <= configured / 2 || !may_rot(node)) {
      skipped[name] = "a majority must keep its data";
      continue;
    }
    const auto pid = static_cast<std::int64_t>(daemons_[node]->identity().pid);
    if (auto killed = daemons_[node]->kill(); !killed) {
      skipped[name] = killed.error().message;
      continue;
    }
    standings_[node] = Standing::in_doubt;
    active.nodes.push_back(node);
    if (auto emptied = empty_data(node); !emptied) {
      skipped[name] = emptied.error().message;
      continue;
    }
    mark_wiped(node);
    wiped[name] = pid;
  }
  if (!active.nodes.empty()) active_.push_back(active);
  if (wiped.empty()) return Error::environment("no node could take the fault 'wipe': " + map_of(skipped).to_string());
  std::map<std::string, Value> value{{"wiped", map_of(wiped)}};
  if (!skipped.empty()) value["skipped"] = map_of(skipped);
  return map_of(value);
}

Result<Value> LocalCluster::heal_wipe(const Active& healed) {
  std::vector<std::string> names;
  for (const std::size_t node : healed.nodes) {
    if (standings_[node] == Standing::member || is_under("membership", node)) continue;
    if (auto done = bring_in(node); !done) return done.error();
    names.push_back(places_[node].name);
  }
  return Value::map({{"returned", list_of(names)}});
}

// Founders that are missing first: they may be needed for a majority.
Result<void> LocalCluster::restore_founders() {
  if (!options_.membership) return {};
  for (std::size_t node = 0; node < places_.size(); ++node) {
    const bool founder = node < options_.nodes.size();
    if (standings_[node] == (founder ? Standing::member : Standing::outside)) continue;
    if (auto done = founder ? bring_in(node) : take_out(node); !done) return done;
  }
  return {};
}

}  // namespace faultline::live
