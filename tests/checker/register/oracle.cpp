#include "oracle.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace faultline::oracle {

namespace {

std::optional<ValueId> after(const RegisterOperation& op, ValueId value) {
  switch (op.kind) {
    case RegisterKind::read: return value == op.from ? std::optional(value) : std::nullopt;
    case RegisterKind::differs: return value != op.from ? std::optional(value) : std::nullopt;
    case RegisterKind::write: return op.to;
    case RegisterKind::cas: return value == op.from ? std::optional(op.to) : std::nullopt;
    case RegisterKind::nothing: break;
  }
  return std::nullopt;
}

bool search(const RegisterProblem& problem, std::vector<bool>& placed, ValueId value) {
  const auto& ops = problem.operations;
  EventIndex deadline = none;  // nothing invoked later may come first
  bool done = true;
  for (std::size_t i = 0; i < ops.size(); ++i) {
    if (placed[i] || ops[i].kind == RegisterKind::nothing || ops[i].open()) continue;
    deadline = std::min(deadline, ops[i].completed);
    done = false;
  }
  if (done) return true;
  for (std::size_t i = 0; i < ops.size(); ++i) {
    if (placed[i] || ops[i].invoked > deadline) continue;
    const auto next = after(ops[i], value);
    if (!next) continue;
    placed[i] = true;
    if (search(problem, placed, *next)) return true;
    placed[i] = false;
  }
  return false;
}

RegisterKind random_kind(Rng& rng, const Shape& shape) {
  for (;;) {
    const std::uint64_t r = rng.below(10);
    if (r < 4) return RegisterKind::read;
    if (r < 7) return RegisterKind::write;
    if (r < 9 && shape.cas) return RegisterKind::cas;
    if (r == 9 && shape.differs) return RegisterKind::differs;
  }
}

// Two events per operation. With processes, each has one operation in flight at most.
void lay_out(Rng& rng, const Shape& shape, std::vector<RegisterOperation>& ops) {
  std::vector<std::uint32_t> events;
  const auto n = static_cast<std::uint32_t>(shape.operations);
  if (shape.processes == 0) {
    for (std::uint32_t i = 0; i < n; ++i) events.insert(events.end(), {i, i});
    rng.shuffle(std::span(events));
  } else {
    std::vector<std::uint32_t> busy(shape.processes, none);
    std::uint32_t made = 0;
    while (events.size() < std::size_t{2} * n) {
      const std::size_t p = rng.below(shape.processes);
      if (busy[p] != none) {
        events.push_back(busy[p]);
        busy[p] = none;
      } else if (made < n) {
        busy[p] = made;
        events.push_back(made++);
      }
    }
  }
  std::vector<EventIndex> first(n, none);
  for (EventIndex e = 0; e < events.size(); ++e) {
    EventIndex& f = first[events[e]];
    if (f == none) {
      f = e;
    } else {
      ops.push_back({.invoked = f, .completed = e});
    }
  }
  std::sort(ops.begin(), ops.end(), [](const auto& a, const auto& b) { return a.invoked < b.invoked; });
}

// Gives every operation the result it would have had at a random instant inside it.
void run(Rng& rng, RegisterProblem& problem) {
  struct Instant {
    double at;
    std::size_t operation;
  };
  std::vector<Instant> instants;
  auto& ops = problem.operations;
  for (std::size_t i = 0; i < ops.size(); ++i) {
    const double end = ops[i].open() ? 40 : ops[i].completed;
    if (ops[i].open() && rng.chance(.5)) continue;
    instants.push_back({ops[i].invoked + rng.unit() * (end - ops[i].invoked), i});
  }
  std::sort(instants.begin(), instants.end(), [](const Instant& a, const Instant& b) { return a.at < b.at; });
  ValueId value = problem.initial;
  for (const Instant& instant : instants) {
    RegisterOperation& op = ops[instant.operation];
    switch (op.kind) {
      case RegisterKind::read: op.from = value; break;
      case RegisterKind::write: value = op.to; break;
      case RegisterKind::cas:
        if (op.open() && op.from != value) break;
        op.from = value;
        value = op.to;
        break;
      case RegisterKind::differs:
        if (op.from == value) op.kind = RegisterKind::read;
        break;
      case RegisterKind::nothing: break;
    }
  }
}

}  // namespace

bool linearizable(const RegisterProblem& problem) {
  std::vector<bool> placed(problem.operations.size());
  return search(problem, placed, problem.initial);
}

RegisterProblem cut_after(const RegisterProblem& problem, EventIndex event) {
  RegisterProblem cut = problem;
  std::erase_if(cut.operations, [&](const RegisterOperation& op) { return op.invoked > event; });
  for (RegisterOperation& op : cut.operations) {
    if (op.open() || op.completed <= event) continue;
    op.completed = none;
    if (op.kind == RegisterKind::read || op.kind == RegisterKind::differs) op.kind = RegisterKind::nothing;
  }
  return cut;
}

std::string check_order(const RegisterProblem& problem, const std::vector<std::uint32_t>& order, bool complete,
                        EventIndex until) {
  std::vector<bool> placed(problem.operations.size());
  ValueId value = problem.initial;
  EventIndex latest = 0;
  for (const std::uint32_t i : order) {
    if (i >= placed.size()) return fmt::format("no operation {}", i);
    const RegisterOperation& op = problem.operations[i];
    if (placed[i]) return fmt::format("operation {} twice", i);
    placed[i] = true;
    latest = std::max(latest, op.invoked);
    if (op.completed < latest) return fmt::format("operation {} too late", i);
    const auto next = after(op, value);
    if (!next) return fmt::format("operation {} is not legal at value {}", i, value);
    value = *next;
  }
  for (std::size_t i = 0; i < placed.size(); ++i) {
    const RegisterOperation& op = problem.operations[i];
    const bool due = op.kind != RegisterKind::nothing && !op.open() && (complete || op.completed < until);
    if (due && !placed[i]) return fmt::format("operation {} is missing", i);
  }
  return {};
}

RegisterProblem random_problem(Rng& rng, const Shape& shape) {
  RegisterProblem problem;
  auto& ops = problem.operations;
  lay_out(rng, shape, ops);
  ValueId fresh = shape.values;
  for (RegisterOperation& op : ops) {
    op.kind = random_kind(rng, shape);
    const bool may_be_open = op.kind == RegisterKind::write || op.kind == RegisterKind::cas;
    if (may_be_open && rng.chance(shape.open)) op.completed = none;
    op.from = static_cast<ValueId>(rng.below(shape.unique ? fresh : shape.values));
    op.to = shape.unique ? fresh++ : static_cast<ValueId>(rng.below(shape.values));
    if (op.kind == RegisterKind::read || op.kind == RegisterKind::differs) op.to = 0;
    if (op.kind == RegisterKind::write) op.from = 0;
  }
  problem.values = fresh;
  if (rng.chance(.5)) {
    run(rng, problem);
    if (rng.chance(.5) && !ops.empty()) {
      RegisterOperation& op = ops[rng.below(ops.size())];
      if (op.kind != RegisterKind::write) op.from = static_cast<ValueId>(rng.below(problem.values));
    }
  }
  for (RegisterOperation& op : ops) {
    if (op.kind == RegisterKind::cas && op.from == op.to)
      op.kind = op.open() ? RegisterKind::nothing : RegisterKind::read;
  }
  return problem;
}

std::string to_string(const RegisterProblem& problem) {
  static constexpr const char* names[] = {"read", "write", "cas", "differs", "nothing"};
  std::string text = fmt::format("initial {}\n", problem.initial);
  for (std::size_t i = 0; i < problem.operations.size(); ++i) {
    const RegisterOperation& op = problem.operations[i];
    text +=
        fmt::format("{:2}: [{}, {}] {} {} -> {}\n", i, op.invoked, op.open() ? "open" : std::to_string(op.completed),
                    names[static_cast<unsigned>(op.kind)], op.from, op.to);
  }
  return text;
}

}  // namespace faultline::oracle
