// Generators that choose: among others, and among workers.
#include "nodes.hpp"

#include <cmath>

namespace faultline {

namespace {

struct Mix final : Generator::Node {
  Mix(Rng r, std::vector<double> w, std::vector<Generator> p, std::size_t c)
      : rng(std::move(r)), weights(std::move(w)), parts(std::move(p)), chosen(c) {}

  Step op(const Context& context) const override {
    if (Step step = parts[chosen].op(context); !step.is_exhausted()) return advanced(std::move(step));
    if (parts.size() == 1) return Step::exhausted();
    std::vector<double> other_weights = weights;
    std::vector<Generator> others = parts;
    other_weights.erase(other_weights.begin() + static_cast<std::ptrdiff_t>(chosen));
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(chosen));
    Rng next_rng = rng;
    const std::size_t next = draw(next_rng, other_weights);
    return Mix(std::move(next_rng), std::move(other_weights), std::move(others), next)
        .op(context);  // at most parts.size() deep
  }
  std::optional<Generator> update(const Context& context, const Event& event) const override {
    auto changed = updated_all(parts, context, event);
    if (!changed) return std::nullopt;
    return make_generator<Mix>(rng, weights, std::move(*changed), chosen);
  }

  static std::size_t draw(Rng& rng, const std::vector<double>& weights) {
    double total = 0;
    for (const double weight : weights) total += weight;
    double at = rng.unit() * total;
    for (std::size_t i = 0; i + 1 < weights.size(); ++i) {
      if (at < weights[i]) return i;
      at -= weights[i];
    }
    return weights.size() - 1;
  }

 private:
  Step advanced(Step step) const {
    Rng next_rng = rng;
    const std::size_t next = step.is_invoke() ? draw(next_rng, weights) : chosen;
    std::vector<Generator> all = parts;
    all[chosen] = std::move(*step.next);
    step.next = make_generator<Mix>(std::move(next_rng), weights, std::move(all), next);
    return step;
  }

  Rng rng;
  std::vector<double> weights;
  std::vector<Generator> parts;
  std::size_t chosen;  // of the next operation
};

struct Any final : Generator::Node {
  explicit Any(std::vector<Generator> p) : parts(std::move(p)) {}

  // All are asked, so that each notes when it began; of those that are ready one is taken and the others stay as they
  // were.
  Step op(const Context& context) const override {
    std::vector<Generator> next;
    next.reserve(parts.size());
    Step taken;
    std::size_t taken_at = 0, ready = 0;
    Instant until = never;
    bool waiting = false;
    Rng rng = context.rng.fork("any");
    Context inner = context;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      inner.rng = context.rng.fork(i);  // nested choices must not draw alike
      Step step = parts[i].op(inner);
      if (step.is_exhausted()) continue;
      if (step.is_pending()) {
        until = std::min(until, step.until);
        waiting = true;
        next.push_back(std::move(*step.next));
        continue;
      }
      next.push_back(parts[i]);
      if (rng.below(++ready) != 0) continue;  // each of the ready with the same chance
      taken_at = next.size() - 1;
      taken = std::move(step);
    }
    if (ready > 0) {
      next[taken_at] = std::move(*taken.next);
      taken.next = make_generator<Any>(std::move(next));
      return taken;
    }
    return waiting ? Step::pending(until, make_generator<Any>(std::move(next))) : Step::exhausted();
  }
  std::optional<Generator> update(const Context& context, const Event& event) const override {
    auto changed = updated_all(parts, context, event);
    if (!changed) return std::nullopt;
    return make_generator<Any>(std::move(*changed));
  }
  std::vector<Generator> parts;
};

struct OnWorkers final : Generator::Node {
  OnWorkers(WorkerSet w, Generator g) : workers(w), generator(std::move(g)) {}
  Step op(const Context& context) const override {
    const Context part = context.only(workers);
    if (part.workers.empty()) return Step::exhausted();  // nobody will ever do it
    return wrapped(generator, generator.op(part),
                   [&](Generator next) { return make_generator<OnWorkers>(workers, std::move(next)); });
  }
  std::optional<Generator> update(const Context& context, const Event& event) const override {
    if (!workers.contains(context.worker_of(event.process))) return std::nullopt;
    return updated(generator, context.only(workers), event,
                   [&](Generator next) { return make_generator<OnWorkers>(workers, std::move(next)); });
  }
  WorkerSet workers;
  Generator generator;
};

// Becomes another generator once the workers are known.
struct Divided final : Generator::Node {
  explicit Divided(std::function<Generator(const WorkerSet&)> d) : divide(std::move(d)) {}
  Step op(const Context& context) const override { return divide(context.workers).op(context); }
  std::function<Generator(const WorkerSet&)> divide;
};

}  // namespace

Generator mix(Rng rng, std::vector<Weighted> choices) {
  std::vector<double> weights;
  std::vector<Generator> parts;
  for (Weighted& choice : choices) {
    FL_ASSERT(std::isfinite(choice.weight) && choice.weight >= 0);
    if (choice.weight <= 0) continue;
    weights.push_back(choice.weight);
    parts.push_back(std::move(choice.generator));
  }
  FL_ASSERT(!parts.empty());
  const std::size_t first = Mix::draw(rng, weights);
  return make_generator<Mix>(std::move(rng), std::move(weights), std::move(parts), first);
}

Generator any(std::vector<Generator> generators) { return make_generator<Any>(std::move(generators)); }

Generator on_workers(WorkerSet workers, Generator generator) {
  return make_generator<OnWorkers>(workers, std::move(generator));
}
Generator on_clients(Generator generator) {
  return on_workers(WorkerSet::of_clients(max_workers), std::move(generator));
}
Generator on_nemesis(Generator generator) { return on_workers(WorkerSet::of(nemesis_worker), std::move(generator)); }

Generator by_role(Generator clients, Generator nemesis) {
  return any({on_clients(std::move(clients)), on_nemesis(std::move(nemesis))});
}

Generator each_worker(Generator generator) {
  return make_generator<Divided>([generator = std::move(generator)](WorkerSet workers) {
    std::vector<Generator> parts;
    workers.erase(nemesis_worker);
    for (std::size_t i = 0; i < workers.size(); ++i)
      parts.push_back(on_workers(WorkerSet::of(workers.nth(i)), generator));
    return any(std::move(parts));
  });
}

Generator reserve(std::vector<Reserved> reserved, Generator others) {
  return make_generator<Divided>(
      [reserved = std::move(reserved), others = std::move(others)](const WorkerSet& workers) {
        std::vector<Generator> parts;
        WorkerSet rest = workers;
        rest.erase(nemesis_worker);
        for (const Reserved& part : reserved) {
          WorkerSet some;
          for (Worker n = 0; n < part.workers && !rest.empty(); ++n) {
            const Worker worker = rest.nth(0);
            some.insert(worker);
            rest.erase(worker);
          }
          parts.push_back(on_workers(some, part.generator));
        }
        parts.push_back(on_workers(rest, others));
        return any(std::move(parts));
      });
}

}  // namespace faultline
