// When which package's faults begin and end.
#include <faultline/nemesis.hpp>

#include <algorithm>

#include "strict.hpp"

namespace faultline {

namespace {

constexpr double jitter = 0.3;
constexpr double gap_ratio = 0.6;

struct Turn {
  const Package* package;
  Duration interval;
  Taste taste;
};

// The faults of some packages, one or two active at a time. A step down the deck is decided whenever the wait after the
// last operation is over; the wait begins when that operation has completed, however long applying it took.
struct Conductor final : Generator::Node {
  struct Active {
    std::size_t turn;
    std::string kind;
    Value fault;
  };
  Conductor(std::vector<Turn> t, const NemesisOptions& options)
      : turns(std::make_shared<const std::vector<Turn>>(std::move(t))),
        overlap(options.overlap),
        drawing(options.drawing),
        rng(Rng(options.seed).fork("nemesis")),
        drawn(turns->size()),
        wait(about(options.interval, 0.5)) {}

  Step op(const Context& context) const override {
    if (outstanding || !context.free.contains(nemesis_worker)) return Step::pending(never);
    if (!due) {
      Conductor next = *this;
      next.due = context.now + wait;
      return Step::pending(*next.due, make_generator<Conductor>(std::move(next)));
    }
    if (context.now < *due) return Step::pending(*due);
    Conductor next = *this;
    Invocation invocation = next.decide();
    next.outstanding = true;
    next.due.reset();
    return Step::invoke(context.only(WorkerSet::of(nemesis_worker)), std::move(invocation),
                        make_generator<Conductor>(std::move(next)));
  }

  std::optional<Generator> update(const Context& context, const Event& event) const override {
    if (!outstanding || event.process != nemesis_process || event.type == EventType::invoke) return std::nullopt;
    Conductor next = *this;
    next.outstanding = false;
    next.due = context.now + wait;
    return make_generator<Conductor>(std::move(next));
  }

  // A round is one fault, or two that overlap by half; then comes a gap in which everything works.
  Invocation decide() {
    if (active.empty()) {
      const std::size_t turn = deal();
      joined = turns->size() > 1 && rng.chance(overlap);
      wait = about(interval(turn), joined ? 0.5 : 1);
      return start(turn);
    }
    if (std::exchange(joined, false)) {
      const std::size_t turn = deal();
      wait = about(interval(active.front().turn), 0.5);
      return start(turn);
    }
    const Active ended = std::move(active.front());
    active.erase(active.begin());
    wait = active.empty() ? about(interval(ended.turn), gap_ratio) : about(interval(active.front().turn), 0.5);
    return {"stop-" + ended.kind, ended.fault, {}};
  }

  // The next kind that is not active; a new deck when the old one has none.
  std::size_t deal() {
    const auto idle = [&](std::size_t turn) {
      return std::none_of(active.begin(), active.end(), [&](const Active& a) { return a.turn == turn; });
    };
    auto found = std::find_if(deck.rbegin(), deck.rend(), idle);
    if (found == deck.rend()) {
      deck.resize(turns->size());
      for (std::size_t i = 0; i < deck.size(); ++i) deck[i] = i;
      rng.shuffle(std::span(deck));
      found = std::find_if(deck.rbegin(), deck.rend(), idle);
    }
    const std::size_t turn = *found;
    deck.erase(std::next(found).base());
    return turn;
  }

  Invocation start(std::size_t turn) {
    const Package& package = *(*turns)[turn].package;
    // A stream for each fault: what one draws does not change the next.
    Rng stream = rng.fork(package.name).fork(drawn[turn]);
    drawing.first = drawn[turn] == 0;
    drawing.lasts = interval(turn);
    drawing.taste = &(*turns)[turn].taste;
    const Fault fault = package.draw(drawing, stream);
    ++drawn[turn];
    active.push_back({turn, fault.kind, to_value(fault)});
    return {"start-" + fault.kind, active.back().fault, {}};
  }

  [[nodiscard]] Duration interval(std::size_t turn) const { return (*turns)[turn].interval; }
  Duration about(Duration mean, double part) {
    const double factor = part * (1 - jitter + 2 * jitter * rng.unit());
    return Duration(static_cast<Duration::rep>(static_cast<double>(mean.count()) * factor));
  }

  std::shared_ptr<const std::vector<Turn>> turns;
  double overlap;
  Drawing drawing;
  Rng rng;
  std::vector<std::size_t> deck;     // what is left of it; the next is last
  std::vector<Active> active;        // oldest first, at most two
  std::vector<std::uint64_t> drawn;  // faults per turn so far
  Duration wait;                     // after the operation outstanding or last completed
  std::optional<Instant> due;        // none: not asked yet, or an operation is outstanding
  bool outstanding = false;
  bool joined = false;  // a second fault is still to join this round
};

Result<void> check_interval(std::string_view name, Duration interval) {
  constexpr Duration longest = std::chrono::hours(24);
  if (interval > Duration::zero() && interval <= longest) return {};
  return Error::bad_input(fmt::format("{} is out of range: {}", name, to_text(interval)),
                          "choose more than 0 and at most 24h");
}

Result<std::vector<Turn>> turns_of(std::span<const std::string> names, const NemesisOptions& options) {
  std::vector<Turn> turns;
  for (const std::string& name : names) {
    const auto package = find_package(name);
    if (!package) return package.error();
    const Package* chosen = package.value();
    if (std::any_of(turns.begin(), turns.end(), [&](const Turn& turn) { return turn.package == chosen; })) {
      return Error::bad_input(fmt::format("nemesis package {} is named twice", quoted(name)));
    }
    const auto taste = options.tastes.find(name);
    const auto own = options.intervals.find(name);
    turns.push_back({chosen, own == options.intervals.end() ? options.interval : own->second,
                     taste == options.tastes.end() ? Taste() : taste->second});
  }
  for (const auto& [name, interval] : options.intervals) {
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      return Error::bad_input(
          fmt::format("an interval is given for {}, which is no package of this run", quoted(name)));
    }
    if (auto checked = check_interval("interval of " + name, interval); !checked) return checked.error();
  }
  if (auto checked = check_interval("interval", options.interval); !checked) return checked.error();
  if (!(options.overlap >= 0 && options.overlap <= 1)) {
    return Error::bad_input(fmt::format("overlap = {} is no probability", options.overlap), "choose 0 to 1");
  }
  return turns;
}

}  // namespace

Result<Nemesis> make_nemesis(std::span<const std::string> names, const NemesisOptions& options) {
  auto turns = turns_of(names, options);
  if (!turns) return turns.error();
  Nemesis nemesis{.faults = {}, .heal = Invocation{"heal-all", {}, {}}};
  if (turns.value().empty()) return nemesis;
  Conductor conductor(std::move(turns).value(), options);
  nemesis.faults = make_generator<Conductor>(std::move(conductor));
  return nemesis;
}

}  // namespace faultline
