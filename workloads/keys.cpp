// Independent keys: the same work on many objects, one after the other or by groups of workers.
#include "nodes.hpp"

namespace faultline {

namespace {

// Tags operations with a key, and hears of events with that key only: an operation on the key before may complete late.
struct WithKey final : Generator::Node {
  WithKey(Value k, Generator g) : key(std::move(k)), generator(std::move(g)) {}
  Step op(const Context& context) const override {
    Step step = generator.op(context);
    step.event.key = key;
    return wrapped(generator, std::move(step),
                   [&](Generator next) { return make_generator<WithKey>(key, std::move(next)); });
  }
  std::optional<Generator> update(const Context& context, const Event& event) const override {
    if (event.key != key) return std::nullopt;
    return updated(generator, context, event,
                   [&](Generator next) { return make_generator<WithKey>(key, std::move(next)); });
  }
  Value key;
  Generator generator;
};

struct Group {
  WorkerSet workers;
  Generator generator;
};

struct ConcurrentKeys final : Generator::Node {
  using Supply = std::shared_ptr<const Keys>;
  ConcurrentKeys(Worker n, Supply s, std::uint64_t u, std::vector<Group> g)
      : workers_per_key(n), supply(std::move(s)), used(u), groups(std::move(g)) {}

  Step op(const Context& context) const override {
    std::vector<Group> now = groups.empty() ? divide(context.workers) : groups;
    if (now.empty()) return Step::exhausted();
    std::uint64_t count = used;
    Instant until = never;
    bool waiting = false;
    const std::size_t start = context.rng.fork("group").below(now.size());
    for (std::size_t i = 0; i < now.size(); ++i) {
      Group& group = now[(start + i) % now.size()];
      Context part = context.only(group.workers);
      part.rng = context.rng.fork(i);
      Step step = next_of(group, part, count);
      if (step.is_exhausted()) continue;
      group.generator = std::move(*step.next);
      if (step.is_invoke()) {
        step.next = make_generator<ConcurrentKeys>(workers_per_key, supply, count, std::move(now));
        return step;
      }
      until = std::min(until, step.until);
      waiting = true;
    }
    if (!waiting) return Step::exhausted();
    return Step::pending(until, make_generator<ConcurrentKeys>(workers_per_key, supply, count, std::move(now)));
  }
  std::optional<Generator> update(const Context& context, const Event& event) const override {
    const Worker worker = context.worker_of(event.process);
    for (std::size_t i = 0; i < groups.size(); ++i) {
      if (!groups[i].workers.contains(worker)) continue;
      return updated(groups[i].generator, context.only(groups[i].workers), event, [&](Generator next) {
        std::vector<Group> changed = groups;
        changed[i].generator = std::move(next);
        return make_generator<ConcurrentKeys>(workers_per_key, supply, used, std::move(changed));
      });
    }
    return std::nullopt;
  }

 private:
  // Asks the group's generator, handing out keys until one has something to do.
  Step next_of(const Group& group, const Context& context, std::uint64_t& count) const {
    Generator generator = group.generator;
    for (int skips = 0; skips < skips_max; ++skips) {
      Step step = generator.op(context);
      if (!step.is_exhausted()) return step;
      std::optional<Keyed> keyed = (*supply)(count);
      if (!keyed) return Step::exhausted();
      ++count;
      generator = make_generator<WithKey>(std::move(keyed->key), std::move(keyed->generator));
    }
    return Step::pending(context.now + skip_pause, std::move(generator));
  }
  std::vector<Group> divide(WorkerSet workers) const {
    workers.erase(nemesis_worker);
    std::vector<Group> all;
    const std::size_t count = workers.size();
    for (std::size_t i = 0; i < count; ++i) {
      if (i % static_cast<std::size_t>(workers_per_key) == 0) all.emplace_back();
      all.back().workers.insert(workers.nth(i));
    }
    return all;
  }

  Worker workers_per_key;
  Supply supply;
  std::uint64_t used;  // keys handed out
  std::vector<Group> groups;
};

}  // namespace

Generator sequential_keys(Keys keys) {
  return sequence([keys = std::move(keys)](std::uint64_t i) -> std::optional<Generator> {
    std::optional<Keyed> keyed = keys(i);
    if (!keyed) return std::nullopt;
    return make_generator<WithKey>(std::move(keyed->key), std::move(keyed->generator));
  });
}

Generator concurrent_keys(Worker workers_per_key, Keys keys) {
  FL_ASSERT(workers_per_key >= 1);
  return make_generator<ConcurrentKeys>(workers_per_key, std::make_shared<const Keys>(std::move(keys)), 0U,
                                        std::vector<Group>());
}

}  // namespace faultline
