// Deterministic synthetic register histories, for benchmarks and for soundness tests.
//
// Every client runs a closed loop (think time uniform in [0, 20) us, latency uniform in [50, 150) us) against one
// simulated register per key, whose effect happens at a uniform instant inside the operation; so a history without
// `bad` is linearizable by construction and almost all clients are in flight at any time. Pure: the same options give
// the same history everywhere.
#pragma once

#include <algorithm>
#include <cstdint>
#include <queue>
#include <tuple>
#include <vector>

#include <faultline/history.hpp>
#include <faultline/rng.hpp>

namespace faultline::synthetic {

enum class Mix : std::uint8_t { cas, rw };  // 1/3 read, 1/3 write, 1/3 cas; or 1/2 read, 1/2 write
enum class Values : std::uint8_t {
  few,
  unique
};  // unique: every write and cas target is fresh; cas expects what its client saw last
enum class Bad : std::uint8_t {
  none,
  stale,    // a value overwritten long ago is read at about 95 %: never linearizable
  phantom,  // a read at about 95 % returns a value nobody wrote
  flip,     // a read at about 95 % returns a random value: the verdict is unknown
};

struct Options {
  std::size_t operations = 1000;
  unsigned clients = 10;
  Mix mix = Mix::cas;
  unsigned keys = 1;
  Values values = Values::few;
  unsigned few = 5;
  double info = 0;  // this share never completes; half of it takes effect; the process id retires
  Bad bad = Bad::none;
  std::uint64_t seed = 1;
};

inline constexpr std::int64_t nobody = -1;  // the absent value
inline constexpr std::int64_t stale_value = 777'777;
inline constexpr std::int64_t phantom_value = 888'888;

enum class Kind : std::uint8_t { read, write, cas };

struct Operation {
  std::int64_t process = 0;
  unsigned worker = 0;
  std::int64_t call = 0;  // nanoseconds
  std::int64_t ret = 0;
  Kind kind = Kind::read;
  unsigned key = 0;
  std::int64_t from = nobody;  // read: what it saw; cas: what it expects
  std::int64_t to = nobody;    // write, cas: what it stores
  bool succeeded = false;      // cas
  bool open = false;
};

struct Recorded {
  std::uint32_t operation = 0;
  bool completion = false;
};

// Operations in order of their making, and events in the order a history records them.
struct Run {
  std::vector<Operation> operations;
  std::vector<Recorded> events;
};

namespace detail {

class Simulation {
 public:
  explicit Simulation(const Options& options)
      : o_(options), rng_(Rng(options.seed).fork("synthetic")), state_(options.keys, nobody) {
    for (unsigned w = 0; w < o_.clients; ++w) ids_.push_back(w);
    last_.assign(o_.clients, std::vector<std::int64_t>(o_.keys, nobody));
  }

  std::vector<Operation> run() {
    std::int64_t start = 0;
    if (o_.bad == Bad::stale) {
      made_.push_back({.process = std::int64_t{o_.clients} * 1'000'000,
                       .call = 1,
                       .ret = 500,
                       .kind = Kind::write,
                       .to = stale_value});
      state_[0] = stale_value;
      start = 1000;
    }
    for (unsigned w = 0; w < o_.clients; ++w) schedule(start + between(20'000), What::invoke, w);
    while (!queue_.empty()) {
      const auto [at, sequence, what, x] = queue_.top();
      queue_.pop();
      if (what == What::invoke && made_.size() < o_.operations) invoke(at, x);
      if (what == What::effect) take_effect(made_[x]);
      if (what == What::complete) complete(at, made_[x]);
    }
    if (o_.bad != Bad::none) corrupt();
    return std::move(made_);
  }

 private:
  enum class What : std::uint8_t { invoke, effect, complete };
  using Entry = std::tuple<std::int64_t, std::uint64_t, What, std::uint32_t>;

  std::int64_t between(std::int64_t bound) {
    return static_cast<std::int64_t>(rng_.below(static_cast<std::uint64_t>(bound)));
  }
  std::int64_t few() { return between(o_.few); }
  void schedule(std::int64_t at, What what, std::uint32_t x) { queue_.emplace(at, sequence_++, what, x); }

  void invoke(std::int64_t at, unsigned worker) {
    Operation op{.process = ids_[worker], .worker = worker, .call = at};
    op.key = static_cast<unsigned>(between(o_.keys));
    const double r = rng_.unit();
    op.kind = o_.mix == Mix::rw ? (r < .5 ? Kind::read : Kind::write)
                                : (r < 1. / 3   ? Kind::read
                                   : r < 2. / 3 ? Kind::write
                                                : Kind::cas);
    if (op.kind == Kind::cas) {
      const std::int64_t seen = last_[worker][op.key];
      op.from = o_.values == Values::few ? few() : seen == nobody ? 0 : seen;
    }
    if (op.kind != Kind::read) op.to = o_.values == Values::few ? few() : fresh_++;
    const std::int64_t latency = 50'000 + between(100'000);
    op.ret = at + latency;
    op.open = rng_.chance(o_.info);
    const bool lost = op.open && rng_.chance(.5);
    const auto index = static_cast<std::uint32_t>(made_.size());
    made_.push_back(op);
    if (!lost) schedule(at + 1 + between(latency - 2), What::effect, index);
    schedule(op.ret, What::complete, index);
  }

  void take_effect(Operation& op) {
    std::int64_t& state = state_[op.key];
    if (op.kind == Kind::read) {
      op.from = state;
    } else {
      op.succeeded = op.kind == Kind::write || state == op.from;
      if (op.succeeded) state = op.to;
    }
  }

  void complete(std::int64_t at, const Operation& op) {
    if (op.open) {
      ids_[op.worker] += o_.clients;
    } else if (op.kind == Kind::read) {
      last_[op.worker][op.key] = op.from;
    } else if (op.succeeded) {
      last_[op.worker][op.key] = op.to;
    }
    schedule(at + 1 + between(20'000), What::invoke, op.worker);
  }

  void corrupt() {
    std::size_t i = made_.size() * 95 / 100;
    while (i < made_.size() && (made_[i].kind != Kind::read || made_[i].open || made_[i].key != 0)) ++i;
    if (i == made_.size()) {
      i = made_.size() - 1;
      while (i > 0 && (made_[i].kind != Kind::read || made_[i].open || made_[i].key != 0)) --i;
    }
    FL_ASSERT(made_[i].kind == Kind::read && !made_[i].open);
    if (o_.bad != Bad::flip) {
      made_[i].from = o_.bad == Bad::stale ? stale_value : phantom_value;
    } else if (o_.values == Values::few) {
      made_[i].from = few();
    } else {
      std::size_t w = static_cast<std::size_t>(between(static_cast<std::int64_t>(made_.size())));
      while (made_[w].kind != Kind::write) w = (w + 1) % made_.size();
      made_[i].from = made_[w].to;
    }
  }

  const Options& o_;
  Rng rng_;
  std::vector<std::int64_t> ids_;
  std::vector<std::vector<std::int64_t>> last_;  // by worker and key
  std::vector<std::int64_t> state_;              // by key
  std::vector<Operation> made_;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue_;
  std::uint64_t sequence_ = 0;
  std::int64_t fresh_ = 1'000'000;
};

}  // namespace detail

inline Run simulate(const Options& options) {
  Run run{.operations = detail::Simulation(options).run(), .events = {}};
  run.events.reserve(2 * run.operations.size());
  for (std::uint32_t i = 0; i < run.operations.size(); ++i) {
    run.events.push_back({i, false});
    run.events.push_back({i, true});
  }
  // At equal stamps the invocation comes first.
  const auto stamp = [&](const Recorded& e) {
    const Operation& op = run.operations[e.operation];
    return std::tuple(e.completion ? op.ret : op.call, e.completion, e.operation);
  };
  std::sort(run.events.begin(), run.events.end(),
            [&](const Recorded& a, const Recorded& b) { return stamp(a) < stamp(b); });
  return run;
}

// The event a client would have recorded.
inline Event event_of(const Operation& op, bool completion, bool keyed) {
  const auto value = [](std::int64_t v) { return v == nobody ? Value() : Value(v); };
  Event event{.type = EventType::invoke, .process = op.process, .f = {}, .key = {}, .value = {}, .extra = {}};
  event.f = op.kind == Kind::read ? "read" : op.kind == Kind::write ? "write" : "cas";
  if (keyed) event.key = Value(static_cast<std::int64_t>(op.key));
  event.time = Instant(Duration(completion ? op.ret : op.call));
  if (op.kind == Kind::write) event.value = value(op.to);
  if (op.kind == Kind::cas) event.value = Value::list({value(op.from), value(op.to)});
  if (!completion) return event;
  const bool refused = op.kind == Kind::cas && !op.succeeded;
  event.type = op.open ? EventType::info : refused ? EventType::fail : EventType::ok;
  if (op.kind == Kind::read && !op.open) event.value = value(op.from);
  // The object answered: its value was another one.
  if (refused && !op.open) event.extra = Value::map({{Value("error"), Value("precondition-failed")}});
  return event;
}

inline History history_of(const Run& run, bool keyed = false) {
  History history;
  history.reserve(run.events.size());
  for (const Recorded& e : run.events) {
    FL_ASSERT(history.append(event_of(run.operations[e.operation], e.completion, keyed)).ok());
  }
  return history;
}

inline History history(const Options& options) { return history_of(simulate(options), options.keys > 1); }

}  // namespace faultline::synthetic
