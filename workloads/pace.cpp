// Generators that bound, pace, change or leave out the operations of another.
#include "nodes.hpp"

namespace faultline {

namespace {

struct Limit final : Generator::Node {
  Limit(std::uint64_t n, Generator g) : left(n), generator(std::move(g)) {}
  Step op(const Context& context) const override {
    if (left == 0) return Step::exhausted();
    Step step = generator.op(context);
    const std::uint64_t rest = step.is_invoke() ? left - 1 : left;
    return wrapped(generator, std::move(step),
                   [&](Generator next) { return make_generator<Limit>(rest, std::move(next)); });
  }
  std::optional<Generator> update(const Context& context, const Event& event) const override {
    return updated(generator, context, event,
                   [&](Generator next) { return make_generator<Limit>(left, std::move(next)); });
  }
  std::uint64_t left;
  Generator generator;
};

struct TimeLimit final : Generator::Node {
  TimeLimit(Duration d, std::optional<Instant> e, Generator g) : duration(d), end(e), generator(std::move(g)) {}
  Step op(const Context& context) const override {
    const Instant deadline = end.value_or(later(context.now, duration));
    if (context.now >= deadline) return Step::exhausted();
    Step step = generator.op(context);
    if (step.is_exhausted()) return Step::exhausted();
    step.until = std::min(step.until, deadline);
    step.next = make_generator<TimeLimit>(duration, deadline, std::move(*step.next));
    return step;
  }
  std::optional<Generator> update(const Context& context, const Event& event) const override {
    return updated(generator, context, event,
                   [&](Generator next) { return make_generator<TimeLimit>(duration, end, std::move(next)); });
  }
  Duration duration;
  std::optional<Instant> end;  // once asked
  Generator generator;
};

struct Paced final : Generator::Node {
  Paced(std::optional<Rng> r, Duration i, std::optional<Instant> n, Generator g)
      : rng(std::move(r)), interval(i), next_time(n), generator(std::move(g)) {}
  Step op(const Context& context) const override {
    const Instant due = next_time.value_or(context.now);
    if (context.now < due) return Step::pending(due);
    Step step = generator.op(context);
    if (!step.is_invoke()) {
      return wrapped(generator, std::move(step),
                     [&](Generator next) { return make_generator<Paced>(rng, interval, next_time, std::move(next)); });
    }
    std::optional<Rng> next_rng = rng;
    Duration wait = interval;
    if (next_rng && interval > Duration::zero()) {
      wait = Duration(static_cast<Duration::rep>(next_rng->below(2 * static_cast<std::uint64_t>(interval.count()))));
    }
    // Late by more than an interval: forget the rest, or a stall would end in a burst.
    const Instant next_due = later(std::max(due, context.now - interval), wait);
    step.next = make_generator<Paced>(std::move(next_rng), interval, next_due, std::move(*step.next));
    return step;
  }
  std::optional<Generator> update(const Context& context, const Event& event) const override {
    return updated(generator, context, event,
                   [&](Generator next) { return make_generator<Paced>(rng, interval, next_time, std::move(next)); });
  }
  std::optional<Rng> rng;  // none: exact intervals
  Duration interval;
  std::optional<Instant> next_time;  // when the next operation is due, once one was taken
  Generator generator;
};

struct Map final : Generator::Node {
  using Change = std::shared_ptr<const std::function<Event(Event)>>;
  Map(Change c, Generator g) : change(std::move(c)), generator(std::move(g)) {}
  Step op(const Context& context) const override {
    Step step = generator.op(context);
    if (step.is_invoke()) {
      const Process process = step.event.process;
      step.event = (*change)(std::move(step.event));
      FL_ASSERT(step.event.process == process);
      FL_ASSERT(step.event.type == EventType::invoke);
      FL_ASSERT(step.event.time == context.now);
    }
    return wrapped(generator, std::move(step),
                   [&](Generator next) { return make_generator<Map>(change, std::move(next)); });
  }
  std::optional<Generator> update(const Context& context, const Event& event) const override {
    return updated(generator, context, event,
                   [&](Generator next) { return make_generator<Map>(change, std::move(next)); });
  }
  Change change;
  Generator generator;
};

struct Filter final : Generator::Node {
  using Wanted = std::shared_ptr<const std::function<bool(const Event&)>>;
  Filter(Wanted w, Generator g) : wanted(std::move(w)), generator(std::move(g)) {}
  Step op(const Context& context) const override {
    Generator from = generator;
    for (int skips = 0; skips < skips_max; ++skips) {
      Step step = from.op(context);
      if (step.is_invoke() && !(*wanted)(step.event)) {
        from = std::move(*step.next);
        continue;
      }
      return wrapped(generator, std::move(step),
                     [&](Generator next) { return make_generator<Filter>(wanted, std::move(next)); });
    }
    return Step::pending(context.now + skip_pause, make_generator<Filter>(wanted, std::move(from)));
  }
  std::optional<Generator> update(const Context& context, const Event& event) const override {
    return updated(generator, context, event,
                   [&](Generator next) { return make_generator<Filter>(wanted, std::move(next)); });
  }
  Wanted wanted;
  Generator generator;
};

}  // namespace

Generator limit(std::uint64_t count, Generator generator) { return make_generator<Limit>(count, std::move(generator)); }

Generator time_limit(Duration duration, Generator generator) {
  return make_generator<TimeLimit>(duration, std::nullopt, std::move(generator));
}

Generator stagger(Rng rng, Duration mean, Generator generator) {
  FL_ASSERT(mean >= Duration::zero());
  return make_generator<Paced>(std::move(rng), mean, std::nullopt, std::move(generator));
}

Generator delay(Duration interval, Generator generator) {
  FL_ASSERT(interval >= Duration::zero());
  return make_generator<Paced>(std::nullopt, interval, std::nullopt, std::move(generator));
}

Generator map(std::function<Event(Event)> change, Generator generator) {
  return make_generator<Map>(std::make_shared<const std::function<Event(Event)>>(std::move(change)),
                             std::move(generator));
}

Generator filter(std::function<bool(const Event&)> wanted, Generator generator) {
  return make_generator<Filter>(std::make_shared<const std::function<bool(const Event&)>>(std::move(wanted)),
                                std::move(generator));
}

}  // namespace faultline
