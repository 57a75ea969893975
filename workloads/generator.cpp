// Generator itself, and the generators that are not made of others.
#include <faultline/generator.hpp>

#include "nodes.hpp"

#include <variant>

namespace faultline {

std::optional<Generator> Generator::Node::update(const Context&, const Event&) const { return std::nullopt; }

Step Generator::op(const Context& context) const {
  Step step = node_ ? node_->op(context) : Step::exhausted();
  FL_ASSERT(!step.is_invoke() || step.next.has_value());
  if (!step.next) step.next = step.is_pending() ? *this : Generator();
  return step;
}

Generator Generator::update(const Context& context, const Event& event) const {
  if (!node_) return *this;
  std::optional<Generator> next = node_->update(context, event);
  return next ? std::move(*next) : *this;
}

Step Step::invoke(const Context& context, Invocation invocation, Generator next) {
  const WorkerSet ready = context.ready();
  const std::size_t count = ready.size();
  if (count == 0) return pending(never);
  const Worker worker = ready.nth(count == 1 ? 0 : context.rng.fork("worker").below(count));
  return {.kind = Kind::invoke,
          .event = {.type = EventType::invoke,
                    .process = context.process_of(worker),
                    .f = std::move(invocation.f),
                    .key = std::move(invocation.key),
                    .value = std::move(invocation.value),
                    .time = context.now,
                    .extra = {}},
          .next = std::move(next)};
}

namespace {

struct Once final : Generator::Node {
  explicit Once(Invocation i) : invocation(std::move(i)) {}
  Step op(const Context& context) const override { return Step::invoke(context, invocation, Generator()); }
  Invocation invocation;
};

struct Operations final : Generator::Node {
  using List = std::shared_ptr<const std::vector<Invocation>>;
  Operations(List l, std::size_t n) : list(std::move(l)), index(n) {}
  Step op(const Context& context) const override {
    if (index >= list->size()) return Step::exhausted();
    if (context.ready().empty()) return Step::pending(never);
    return Step::invoke(context, (*list)[index], make_generator<Operations>(list, index + 1));
  }
  List list;
  std::size_t index;
};

struct Sleep final : Generator::Node {
  explicit Sleep(Duration d, Instant e = never) : duration(d), end(e) {}
  Step op(const Context& context) const override {
    if (end == never) {
      const Instant wake = later(context.now, duration);
      if (wake <= context.now) return Step::exhausted();
      return Step::pending(wake, make_generator<Sleep>(duration, wake));
    }
    return context.now >= end ? Step::exhausted() : Step::pending(end);
  }
  Duration duration;
  Instant end;  // never: not asked yet
};

}  // namespace

Generator::Generator(Invocation invocation) : Generator(make_generator<Once>(std::move(invocation))) {}

Generator operations(std::vector<Invocation> invocations) {
  return make_generator<Operations>(std::make_shared<const std::vector<Invocation>>(std::move(invocations)), 0U);
}

Generator function(Rng rng, Draw draw) {
  return unfold<std::monostate>(
      std::move(rng), {},
      [draw = std::move(draw)](std::monostate&, const Context& context, Rng& r) { return draw(context, r); });
}

Generator sleep(Duration duration) { return make_generator<Sleep>(duration); }

}  // namespace faultline
