// Generators that arrange others in time: one after the other, again, in turns, until something holds.
#include "nodes.hpp"

namespace faultline {

namespace {

using Make = std::function<std::optional<Generator>(std::uint64_t)>;

struct Sequence final : Generator::Node {
  Sequence(std::shared_ptr<const Make> m, std::uint64_t n, Generator c)
      : make(std::move(m)), made(n), current(std::move(c)) {}
  Step op(const Context& context) const override {
    Generator part = current;
    std::uint64_t count = made;
    for (int skips = 0; skips < skips_max; ++skips) {
      Step step = part.op(context);
      if (!step.is_exhausted()) {
        if (step.is_pending() && step.next->same_as(current)) return Step::pending(step.until);
        step.next = make_generator<Sequence>(make, count, std::move(*step.next));
        return step;
      }
      std::optional<Generator> next = (*make)(count);
      if (!next) return Step::exhausted();
      part = std::move(*next);
      ++count;
    }
    return Step::pending(context.now + skip_pause, make_generator<Sequence>(make, count, std::move(part)));
  }
  std::optional<Generator> update(const Context& context, const Event& event) const override {
    return updated(current, context, event,
                   [&](Generator next) { return make_generator<Sequence>(make, made, std::move(next)); });
  }
  std::shared_ptr<const Make> make;
  std::uint64_t made;
  Generator current;
};

struct Synchronize final : Generator::Node {
  explicit Synchronize(Generator g) : generator(std::move(g)) {}
  Step op(const Context& context) const override {
    return context.free == context.workers ? generator.op(context) : Step::pending(never);
  }
  Generator generator;
};

struct Cycle final : Generator::Node {
  Cycle(Generator o, Generator c, std::uint64_t n) : original(std::move(o)), current(std::move(c)), rounds(n) {}
  Step op(const Context& context) const override {
    if (Step step = current.op(context); !step.is_exhausted()) return rewrap(current, std::move(step), rounds);
    if (rounds <= 1) return Step::exhausted();
    // A round that is over before it began would be so for ever.
    return rewrap(original, original.op(context), rounds == endless ? endless : rounds - 1);
  }
  std::optional<Generator> update(const Context& context, const Event& event) const override {
    return updated(current, context, event,
                   [&](Generator next) { return make_generator<Cycle>(original, std::move(next), rounds); });
  }
  Step rewrap(const Generator& part, Step step, std::uint64_t left) const {
    if (step.is_exhausted()) return Step::exhausted();
    if (step.is_pending() && left == rounds && part.same_as(current) && step.next->same_as(current)) {
      return Step::pending(step.until);
    }
    step.next = make_generator<Cycle>(original, std::move(*step.next), left);
    return step;
  }
  static constexpr std::uint64_t endless = UINT64_MAX;
  Generator original, current;
  std::uint64_t rounds;  // left, this one included
};

struct Repeat final : Generator::Node {
  Repeat(Generator o, Generator c, std::uint64_t n) : original(std::move(o)), current(std::move(c)), left(n) {}
  Step op(const Context& context) const override {
    if (left == 0) return Step::exhausted();
    Step step = current.op(context);
    if (step.is_invoke()) {
      step.next = make_generator<Repeat>(original, original, left == Cycle::endless ? left : left - 1);
      return step;
    }
    return wrapped(current, std::move(step),
                   [&](Generator next) { return make_generator<Repeat>(original, std::move(next), left); });
  }
  std::optional<Generator> update(const Context& context, const Event& event) const override {
    return updated(current, context, event,
                   [&](Generator next) { return make_generator<Repeat>(original, std::move(next), left); });
  }
  Generator original, current;
  std::uint64_t left;
};

struct FlipFlop final : Generator::Node {
  FlipFlop(std::vector<Generator> p, std::size_t i) : parts(std::move(p)), turn(i) {}
  Step op(const Context& context) const override {
    Step step = parts[turn].op(context);
    const std::size_t next_turn = step.is_invoke() ? (turn + 1) % parts.size() : turn;
    return wrapped(parts[turn], std::move(step), [&](Generator next) {
      std::vector<Generator> all = parts;
      all[turn] = std::move(next);
      return make_generator<FlipFlop>(std::move(all), next_turn);
    });
  }
  std::optional<Generator> update(const Context& context, const Event& event) const override {
    auto changed = updated_all(parts, context, event);
    if (!changed) return std::nullopt;
    return make_generator<FlipFlop>(std::move(*changed), turn);
  }
  std::vector<Generator> parts;
  std::size_t turn;
};

struct UntilOk final : Generator::Node {
  UntilOk(Generator g, std::vector<Process> p) : generator(std::move(g)), mine(std::move(p)) {}
  Step op(const Context& context) const override {
    Step step = generator.op(context);
    std::vector<Process> running = mine;
    if (step.is_invoke()) running.push_back(step.event.process);
    return wrapped(generator, std::move(step),
                   [&](Generator next) { return make_generator<UntilOk>(std::move(next), std::move(running)); });
  }
  std::optional<Generator> update(const Context& context, const Event& event) const override {
    Generator next = generator.update(context, event);
    const auto found = std::find(mine.begin(), mine.end(), event.process);
    const bool completes_mine = event.type != EventType::invoke && found != mine.end();
    if (completes_mine && event.type == EventType::ok) return Generator();
    if (!completes_mine && next.same_as(generator)) return std::nullopt;
    std::vector<Process> running = mine;
    if (completes_mine) running.erase(running.begin() + (found - mine.begin()));
    return make_generator<UntilOk>(std::move(next), std::move(running));
  }
  Generator generator;
  std::vector<Process> mine;  // with an operation of this generator outstanding
};

}  // namespace

Generator sequence(std::function<std::optional<Generator>(std::uint64_t)> make) {
  return make_generator<Sequence>(std::make_shared<const Make>(std::move(make)), 0U, Generator());
}

Generator sequence(std::vector<Generator> generators) {
  return sequence([all = std::make_shared<const std::vector<Generator>>(std::move(generators))](
                      std::uint64_t i) -> std::optional<Generator> {
    if (i >= all->size()) return std::nullopt;
    return (*all)[i];
  });
}

Generator synchronize(Generator generator) { return make_generator<Synchronize>(std::move(generator)); }

Generator phases(std::vector<Generator> generators) {
  for (Generator& generator : generators) generator = synchronize(std::move(generator));
  return sequence(std::move(generators));
}

Generator then(Generator first, Generator second) { return phases({std::move(first), std::move(second)}); }

Generator cycle(Generator generator) { return cycle(Cycle::endless, std::move(generator)); }

Generator cycle(std::uint64_t rounds, Generator generator) {
  return rounds == 0 ? Generator() : make_generator<Cycle>(generator, generator, rounds);
}

Generator repeat(Generator generator) { return repeat(Cycle::endless, std::move(generator)); }

Generator repeat(std::uint64_t count, Generator generator) {
  return make_generator<Repeat>(generator, generator, count);
}

Generator flip_flop(std::vector<Generator> generators) {
  return generators.empty() ? Generator() : make_generator<FlipFlop>(std::move(generators), 0U);
}

Generator until_ok(Generator generator) {
  return make_generator<UntilOk>(std::move(generator), std::vector<Process>());
}

}  // namespace faultline
