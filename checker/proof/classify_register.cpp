// Classes of registers: a value is put in place by a write, a put or a cas, and seen by a read, a get or a cas.
//
// Words used in the premises: an operation *produces* v if it is not known to have failed and may put v in place;
// *before* and *after* are real time: one had returned before the other was invoked. w *seals off* v from r if w
// certainly put another value in place before r, and whatever produces v is before w or after r, or w saw v itself and v
// is in place during one stretch at most: then v cannot be the value while r runs.
//
// A core may begin at a write, `since` (certificate.hpp): a legal order can be cut in front of it, and nothing that is
// before it comes later. So what is before it produces nothing any more, and neither does the initial value; every
// operation of the core that sees something comes after it, so the premises need not know.
#include <fmt/format.h>

#include <algorithm>

#include "classify.hpp"

namespace faultline {

namespace {

bool is_read(const Fact& fact) { return fact.call.f == "read" || fact.call.f == "get"; }
bool is_cas(const Fact& fact) { return fact.call.f == "cas"; }
bool before(const Fact& a, const Fact& b) { return a.certain() && a.returned < b.invoked; }

std::string capital(std::string text) {
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 'a' + 'A');
  return text;
}

class Registers {
 public:
  Registers(const Facts& facts, const Value& initial)
      : facts_(facts), core_(facts.core()), since_(facts.since()), initial_(initial) {
    // A missing key of a kv store reads "": nil and "" are the same there.
    for (const Fact& fact : facts.all()) kv_ = kv_ || fact.call.f == "get" || fact.call.f == "put";
    initial_ = plain(initial_);
  }

  std::optional<Naming> name() const {
    for (const Fact* read : core_) {
      if (auto naming = read_of_nothing(*read)) return naming;
    }
    for (const auto part : {&Registers::lost_update, &Registers::cas_impossible, &Registers::lost_write,
                            &Registers::stale_read, &Registers::inversion}) {
      if (auto naming = (this->*part)()) return naming;
    }
    return std::nullopt;
  }

 private:
  using Producers = std::vector<const Fact*>;

  Value plain(const Value& value) const { return kv_ && value.is_null() ? Value("") : value; }

  // What the operation puts in place if it has its effect.
  std::optional<Value> product(const Fact& fact) const {
    if (fact.call.f == "write" || fact.call.f == "put") return fact.call.input;
    if (is_cas(fact) && !fact.call.failed && fact.call.input.is_pair()) return fact.call.input.as_list()[1];
    return std::nullopt;
  }

  // What a certain operation saw.
  std::optional<Value> sight(const Fact& fact) const {
    if (!fact.certain()) return std::nullopt;
    if (is_read(fact)) return plain(fact.call.output);
    if (is_cas(fact) && !fact.call.failed) return fact.call.input.as_list()[0];
    return std::nullopt;
  }

  // Everything ever invoked that would put the value in place.
  Producers ever(const Value& value, bool failed) const {
    Producers found;
    for (const Fact& fact : facts_.all()) {
      if (fact.failed() == failed && product(fact) == value) found.push_back(&fact);
    }
    return found;
  }

  Producers producers(const Value& value) const {
    Producers found = ever(value, false);
    if (since_ != nullptr) std::erase_if(found, [&](const Fact* fact) { return before(*fact, *since_); });
    return found;
  }

  bool is_initial(const Value& value) const { return since_ == nullptr && value == initial_; }

  bool seals_off(const Fact& w, const Value& value, const Fact& r) const {
    if (!before(w, r) || !product(w) || *product(w) == value) return false;
    if (sight(w) == value && once(value, r)) return true;
    const Producers all = producers(value);
    return std::all_of(all.begin(), all.end(),
                       [&](const Fact* y) { return y == &r || before(*y, w) || before(r, *y); });
  }

  // The core's latest operation that seals off, if any.
  const Fact* seal(const Value& value, const Fact& r) const {
    const Fact* found = nullptr;
    for (const Fact* w : core_) {
      if (seals_off(*w, value, r)) found = w;
    }
    return found;
  }

  // Until r has returned, the value is in place during one unbroken stretch at most.
  bool once(const Value& value, const Fact& r) const {
    const Producers all = producers(value);
    const auto count = std::count_if(all.begin(), all.end(), [&](const Fact* y) { return !before(r, *y); });
    return count + (is_initial(value) ? 1 : 0) == 1;
  }

  // The core is a proof, and but for these reads it consists of operations that put something in place.
  bool hinges_on(const std::vector<const Fact*>& reads) const {
    return facts_.proven() && std::all_of(core_.begin(), core_.end(), [&](const Fact* fact) {
             return product(*fact).has_value() || std::find(reads.begin(), reads.end(), fact) != reads.end();
           });
  }

  Naming make(std::string name, const Fact& culprit, const Fact* contradicted, std::string sentence) const {
    Naming naming{.name = std::move(name), .sentence = std::move(sentence), .culprit = culprit.operation};
    if (contradicted == nullptr) return naming;
    naming.contradicted = contradicted->operation;
    if (before(*contradicted, culprit)) naming.gap = facts_.duration(contradicted->returned, culprit.invoked);
    if (before(culprit, *contradicted)) naming.gap = facts_.duration(culprit.returned, contradicted->invoked);
    return naming;
  }

  // never-written, failed-write, future-read: a read of a value that is not the initial one, and whatever produces it
  // is after the read (or failed, or does not exist).
  std::optional<Naming> read_of_nothing(const Fact& read) const {
    if (!is_read(read)) return std::nullopt;
    const Value value = *sight(read);
    if (value == initial_) return std::nullopt;
    const std::string saw = fmt::format("Process {} read {}", read.process, facts_.key_is(value));
    const Producers made = ever(value, false), failed = ever(value, true);
    const std::string text = shown(value);
    if (!made.empty()) {
      if (!std::all_of(made.begin(), made.end(), [&](const Fact* y) { return before(read, *y); })) return std::nullopt;
      const std::string had = fmt::format("Process {} had read {}", read.process, facts_.key_is(value));
      return make("future-read", read, made[0],
                  fmt::format("{}, {} before the {} write of {} began.", had,
                              facts_.gap(read.returned, made[0]->invoked), made.size() == 1 ? "only" : "first", text));
    }
    if (failed.empty())
      return make("never-written", read, nullptr, fmt::format("{}, but no operation ever wrote {}.", saw, text));
    if (failed.size() == 1) {
      return make("failed-write", read, failed[0],
                  fmt::format("{}, but the only write of {} (process {}) had definitely failed.", saw, text,
                              failed[0]->process));
    }
    return make("failed-write", read, failed[0],
                fmt::format("{}, but all {} writes of {} had definitely failed.", saw, failed.size(), text));
  }

  // Two cas succeeded from the same value to others, and it is in place during one stretch at most: the first ends it.
  std::optional<Naming> lost_update() const {
    for (const Fact* second : core_) {
      for (const Fact* first : core_) {
        if (first == second) break;
        if (!is_cas(*first) || !is_cas(*second) || !sight(*first) || !sight(*second) ||
            *sight(*first) != *sight(*second))
          continue;
        const Value from = *sight(*first);
        if (*product(*first) == from || *product(*second) == from || !once(from, *second)) continue;
        return make("lost-update", *second, first,
                    fmt::format("Processes {} and {} both succeeded in replacing the same {}.", first->process,
                                second->process, facts_.key_is(from)));
      }
    }
    return std::nullopt;
  }

  std::optional<Naming> cas_impossible() const {
    for (const Fact* cas : core_) {
      if (!is_cas(*cas)) continue;
      const Value from = cas->call.input.as_list()[0];
      const Fact* against = nullptr;
      if (cas->call.failed ? !always(from, *cas, against) : !never(from, *cas, against)) continue;
      const std::string_view ended = cas->call.failed ? "failed" : "succeeded",
                             when = cas->call.failed ? "always" : "never";
      return make("cas-impossible", *cas, against,
                  fmt::format("{} by process {} {}, although {} was {} {} while it ran.", capital(phrase(cas->call)),
                              cas->process, ended, facts_.key_name("the register"), when, shown(from)));
    }
    return std::nullopt;
  }

  // Sealed off; or not the initial value, and whatever produces it is after the cas.
  bool never(const Value& value, const Fact& cas, const Fact*& against) const {
    against = seal(value, cas);
    if (against != nullptr) return true;
    const Producers all = producers(value);
    return !is_initial(value) &&
           std::all_of(all.begin(), all.end(), [&](const Fact* y) { return y == &cas || before(cas, *y); });
  }

  // Put in place before the cas by one operation (or the initial value), and whatever produces another value is before
  // that one or after the cas.
  bool always(const Value& value, const Fact& cas, const Fact*& against) const {
    const auto undisturbed_since = [&](const Fact* w) {
      return std::all_of(facts_.all().begin(), facts_.all().end(), [&](const Fact& z) {
        return z.failed() || !product(z) || *product(z) == value || (w != nullptr && before(z, *w)) || before(cas, z);
      });
    };
    for (const Fact* w : core_) {
      if (before(*w, cas) && product(*w) == value && undisturbed_since(w)) {
        against = w;
        return true;
      }
    }
    return is_initial(value) && undisturbed_since(nullptr);
  }

  // As stale-read, and more: nobody ever saw the write; nothing that could have overwritten it began before its effect
  // was missed twice, by different processes, from different nodes as far as nodes are known.
  std::optional<Naming> lost_write() const {
    for (const Fact* read : core_) {
      if (!is_read(*read)) continue;
      const Fact* write = seal(*sight(*read), *read);
      if (write == nullptr || is_cas(*write) || is_seen(*product(*write))) continue;
      // If this read is late enough for that, so is every later one.
      if (may_be_overwritten(*write, read->returned)) continue;
      for (const Fact& other : facts_.all()) {
        if (since_ != nullptr && !before(*since_, other)) continue;
        if (!other.certain() || !is_read(other) || other.process == read->process ||
            !seals_off(*write, *sight(other), other))
          continue;
        const auto node = facts_.node(*read), other_node = facts_.node(other);
        if (node && other_node && *node == *other_node) continue;
        if (may_be_overwritten(*write, std::max(read->returned, other.returned))) continue;
        return make("lost-write", *read, write,
                    fmt::format("{} by process {} completed, yet no later operation sees it: read by process {} "
                                "returned {}, {} afterwards.",
                                capital(phrase(write->call)), write->process, read->process, shown(*sight(*read)),
                                facts_.gap(write->returned, read->invoked)));
      }
    }
    return std::nullopt;
  }

  bool is_seen(const Value& value) const {
    return std::any_of(facts_.all().begin(), facts_.all().end(),
                       [&](const Fact& fact) { return sight(fact) == value; });
  }

  bool may_be_overwritten(const Fact& write, EventIndex until) const {
    return std::any_of(facts_.all().begin(), facts_.all().end(), [&](const Fact& z) {
      return &z != &write && !z.failed() && product(z) && !before(z, write) && z.invoked < until;
    });
  }

  // Something certainly put another value in place before the read, and seals off the value read; or the read alone contradicts
  // what was put in place, the latest of it before the read.
  std::optional<Naming> stale_read() const {
    for (const Fact* read : core_) {
      if (!is_read(*read)) continue;
      const Value value = *sight(*read);
      const Fact* write = seal(value, *read);
      if (write == nullptr && hinges_on({read})) write = latest_other(value, *read);
      if (write == nullptr) continue;
      return make("stale-read", *read, write,
                  fmt::format("Process {} read {}{}, although {} by process {} had completed {} before the read began.",
                              read->process, facts_.key_is(value), facts_.from_node(*read), phrase(write->call),
                              write->process, facts_.gap(write->returned, read->invoked)));
    }
    return std::nullopt;
  }

  const Fact* latest_other(const Value& value, const Fact& read) const {
    const Fact* latest = nullptr;
    for (const Fact* w : core_) {
      if (before(*w, read) && product(*w) && *product(*w) != value) latest = w;
    }
    return latest;
  }

  // A read of `new` before a read of `old`, and `old` cannot come back: either whatever produces it is before whatever
  // produces `new`; or it is in place during one stretch only, which certainly began before the read of `new`; or these two reads
  // alone contradict what was put in place.
  std::optional<Naming> inversion() const {
    for (const Fact* newer : core_) {
      for (const Fact* older : core_) {
        if (!is_read(*newer) || !is_read(*older) || !before(*newer, *older)) continue;
        const Value fresh = *sight(*newer), old = *sight(*older);
        if (fresh == old || !(cannot_come_back(*newer, *older) || hinges_on({newer, older}))) continue;
        return make(
            "inversion", *older, newer,
            fmt::format("Process {} read {}; {} later process {} read the older {}.", newer->process,
                        facts_.key_is(fresh), facts_.gap(newer->returned, older->invoked), older->process, shown(old)));
      }
    }
    return std::nullopt;
  }

  bool cannot_come_back(const Fact& newer, const Fact& older) const {
    const Value fresh = *sight(newer), old = *sight(older);
    const Producers olds = producers(old), news = producers(fresh);
    const bool all_before =
        !is_initial(fresh) && !news.empty() && std::all_of(olds.begin(), olds.end(), [&](const Fact* y) {
          return std::all_of(news.begin(), news.end(), [&](const Fact* z) { return before(*y, *z); });
        });
    if (all_before) return true;
    const bool began =
        is_initial(old) || (olds.size() == 1 && before(*olds[0], newer)) ||
        std::any_of(core_.begin(), core_.end(), [&](const Fact* r) { return sight(*r) == old && before(*r, newer); });
    return once(old, older) && began;
  }

  const Facts& facts_;
  const std::vector<const Fact*> core_;
  const Fact* const since_;
  Value initial_;
  bool kv_ = false;
};

// A node that first reported a higher version of the object, then a lower one. It does not by itself exclude a legal
// order.
std::optional<Naming> non_monotonic(const Facts& facts) {
  const auto core = facts.core();
  const auto version = [&](const Fact* fact) { return facts.history().operation_extra(fact->operation, "version"); };
  for (const Fact* late : core) {
    for (const Fact* early : core) {
      const auto node = facts.node(*early);
      if (!before(*early, *late) || !node || facts.node(*late) != node) continue;
      if (!version(early).is_integer() || !version(late).is_integer() ||
          version(late).as_integer() >= version(early).as_integer())
        continue;
      return Naming{.name = "non-monotonic",
                    .sentence = fmt::format("{} reported revision {} of {}, then {}, {} later.", *node,
                                            version(early).as_integer(), facts.key_name("the register"),
                                            version(late).as_integer(), facts.gap(early->returned, late->invoked)),
                    .culprit = late->operation,
                    .contradicted = early->operation,
                    .gap = facts.duration(early->returned, late->invoked)};
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<Naming> classify_register(const Facts& facts, const Value& initial) {
  if (auto naming = Registers(facts, initial).name()) return naming;
  return non_monotonic(facts);
}

std::optional<Naming> classify(const Facts& facts, std::string_view model, const Value& initial) {
  if (model == "register" || model == "cas-register") return classify_register(facts, initial);
  if (model == "kv") {
    const bool appends = std::any_of(facts.all().begin(), facts.all().end(),
                                     [](const Fact& fact) { return fact.call.f == "append" && !fact.failed(); });
    return appends ? classify_append(facts, initial) : classify_register(facts, initial);
  }
  if (model == "mutex") return classify_mutex(facts);
  if (model == "set") return classify_set(facts, initial);
  if (model == "counter") return classify_counter(facts, initial);
  if (model == "fifo-queue" || model == "unordered-queue") return classify_queue(facts, initial);
  if (model == "stack") return classify_stack(facts, initial);
  if (model == "priority-queue") return classify_priority_queue(facts, initial);
  if (model == "unique-ids") return classify_unique_ids(facts, initial);
  if (model == "append-list") return classify_append_list(facts, initial);
  if (model == "fenced-mutex") return classify_fenced_mutex(facts);
  if (model == "fencing") return classify_tokens(facts);
  if (model == "lease") return classify_lease(facts);
  return std::nullopt;
}

}  // namespace faultline
