#include "locks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "nodes.hpp"

namespace faultline {

namespace {

Step invoke_on(const Context& context, Worker worker, Invocation invocation, Generator next) {
  return Step::invoke(context.only(WorkerSet::of(worker)), std::move(invocation), std::move(next));
}

// Uniform in [0, 2 x mean).
Duration about(Duration mean, Rng& rng) {
  return Duration(static_cast<Duration::rep>(2 * rng.unit() * static_cast<double>(mean.count())));
}

struct Locks final : Generator::Node {
  struct Holding {
    Value lock, token;
    Instant until;
    Instant next_write = never;
  };
  Locks(Rng r, const LockWork& o) : rng(std::move(r)), options(o) {}

  Step op(const Context& context) const override {
    WorkerSet idle = context.ready();
    if (idle.empty()) return Step::pending(never);
    Instant soonest = never;
    const WorkerSet ready = idle;
    for (const auto& [worker, holding] : holdings) {
      if (!ready.contains(worker)) continue;
      idle.erase(worker);
      const Instant due = std::min(holding.until, holding.next_write);
      soonest = std::min(soonest, due);
      if (due > context.now) continue;
      return holding.until <= context.now ? release(context, worker, holding) : write(context, worker, holding);
    }
    if (idle.empty()) return Step::pending(soonest);
    Rng stream = context.rng.fork("lock");
    const std::size_t locks = std::clamp<std::size_t>(context.processes.size() / 5, 1, options.locks);
    const Worker worker = idle.nth(stream.below(idle.size()));
    return invoke_on(context, worker, {"acquire", options.ttl_ms, fmt::format("lock{}", stream.below(locks))},
                     make_generator<Locks>(*this));
  }

  std::optional<Generator> update(const Context& context, const Event& event) const override {
    if (event.type == EventType::invoke || event.process < 0) return std::nullopt;
    Locks next = *this;
    const Worker worker = context.worker_of(event.process);
    if (event.type == EventType::info || event.f == "release") {
      next.holdings.erase(worker);
    } else if (event.f == "acquire" && event.type == EventType::ok) {
      Holding holding{.lock = event.key, .token = event.value, .until = context.now + about(options.hold, next.rng)};
      if (options.fenced) holding.next_write = next.some_time_after(context.now);
      next.holdings[worker] = std::move(holding);
    } else if (event.f == "write") {
      const auto found = next.holdings.find(worker);
      if (found == next.holdings.end()) return std::nullopt;
      // What is protected knows of a newer holder: so this one is none any more.
      if (event.type == EventType::fail) found->second.until = context.now;
      found->second.next_write = next.some_time_after(context.now);
    } else {
      return std::nullopt;
    }
    return make_generator<Locks>(std::move(next));
  }

 private:
  [[nodiscard]] Instant some_time_after(Instant now) {
    constexpr int writes_per_hold = 8;
    return now + about(options.hold / writes_per_hold, rng);
  }
  [[nodiscard]] Step release(const Context& context, Worker worker, const Holding& holding) const {
    const Value token = options.fenced ? holding.token : Value();
    return invoke_on(context, worker, {"release", token, holding.lock}, make_generator<Locks>(*this));
  }
  [[nodiscard]] Step write(const Context& context, Worker worker, const Holding& holding) const {
    Locks next = *this;
    ++next.writes;
    Value value = Value::list({holding.token, Value(next.writes)});
    return invoke_on(context, worker, {"write", std::move(value), holding.lock},
                     make_generator<Locks>(std::move(next)));
  }

  Rng rng;
  LockWork options;
  std::map<Worker, Holding> holdings;
  std::int64_t writes = 0;
};

struct Leases final : Generator::Node {
  struct Key {
    Value name;
    Worker owner = nemesis_worker;  // who keeps its lease alive; nobody: the nemesis's
    std::uint64_t keeps = 0;        // still to come
    Instant next_keep = never;
    Instant forget = never;
  };
  Leases(Rng r, const LeaseWork& o) : rng(std::move(r)), options(o) {}

  Step op(const Context& context) const override {
    const WorkerSet ready = context.ready();
    if (ready.empty()) return Step::pending(never);
    for (const Key& key : keys) {
      if (key.next_keep <= context.now && ready.contains(key.owner))
        return invoke_on(context, key.owner, {"keep", {}, key.name}, make_generator<Leases>(*this));
    }
    Leases next = *this;
    std::erase_if(next.keys, [&](const Key& key) { return key.forget <= context.now; });
    if (next.keys.size() + next.asked < options.keys) {
      ++next.asked;
      const std::string name = fmt::format("lease{}", next.granted++);
      return Step::invoke(context, {"grant", options.ttl_ms, name}, make_generator<Leases>(std::move(next)));
    }
    if (next.keys.empty()) return Step::pending(never);
    const Key& key = next.keys[next.rng.below(next.keys.size())];
    return Step::invoke(context, {"read", {}, key.name}, make_generator<Leases>(std::move(next)));
  }

  std::optional<Generator> update(const Context& context, const Event& event) const override {
    if (event.process < 0) return std::nullopt;
    Leases next = *this;
    const bool changed = event.type == EventType::invoke ? next.asks(event) : next.hears(context, event);
    return changed ? std::optional(make_generator<Leases>(std::move(next))) : std::nullopt;
  }

 private:
  [[nodiscard]] Duration third() const { return std::chrono::milliseconds(options.ttl_ms / 3); }
  Key* find(const Value& name) {
    const auto found = std::find_if(keys.begin(), keys.end(), [&](const Key& key) { return key.name == name; });
    return found == keys.end() ? nullptr : &*found;
  }

  bool asks(const Event& event) {
    Key* key = event.f == "keep" ? find(event.key) : nullptr;
    if (key == nullptr) return false;
    key->next_keep = never;  // until it is answered
    return true;
  }

  bool hears(const Context& context, const Event& event) {
    const Worker worker = context.worker_of(event.process);
    bool changed = event.type == EventType::info && abandon(worker);  // a new process knows nothing of its lease
    if (event.f == "grant") {
      --asked;
      if (event.type == EventType::ok) take(context, worker, event.key);
      return true;
    }
    Key* key = find(event.key);
    if (key == nullptr) return changed;
    if (event.type == EventType::ok && event.value.get("alive") == Value(false)) {
      constexpr Duration watched_gone = std::chrono::seconds(1);
      key->owner = nemesis_worker;
      key->next_keep = never;
      key->forget = std::min(key->forget, later(context.now, watched_gone));
      return true;
    }
    if (event.f == "keep" && key->owner == worker) {
      if (event.type == EventType::ok) --key->keeps;
      key->next_keep = key->keeps == 0 ? never : context.now + third();
      return true;
    }
    return changed;
  }

  void take(const Context& context, Worker worker, const Value& name) {
    constexpr std::int64_t most_keeps = 6;
    Key key{.name = name, .owner = worker, .keeps = static_cast<std::uint64_t>(rng.between(0, most_keeps))};
    if (key.keeps > 0) key.next_keep = context.now + third();
    keys.push_back(std::move(key));
  }

  bool abandon(Worker worker) {
    bool changed = false;
    for (Key& key : keys) {
      if (key.owner != worker) continue;
      key.owner = nemesis_worker;
      key.next_keep = never;
      changed = true;
    }
    return changed;
  }

  Rng rng;
  LeaseWork options;
  std::vector<Key> keys;
  std::size_t asked = 0;      // grants that are out
  std::uint64_t granted = 0;  // names used
};

}  // namespace

Generator lock_work(Rng rng, const LockWork& options) { return make_generator<Locks>(std::move(rng), options); }
Generator lease_work(Rng rng, const LeaseWork& options) { return make_generator<Leases>(std::move(rng), options); }

}  // namespace faultline
