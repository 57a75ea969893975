// Classes of leases. The times in their sentences are those of the results (see Lease): a sentence needs no other.
#include <fmt/format.h>

#include <algorithm>

#include <faultline/models.hpp>

#include "classify.hpp"

namespace faultline {

namespace {

bool before(const Fact& a, const Fact& b) { return a.certain() && a.returned < b.invoked; }

Naming make(std::string name, const Fact& culprit, const Fact& contradicted, std::int64_t gap, std::string sentence) {
  return {.name = std::move(name),
          .sentence = std::move(sentence),
          .culprit = culprit.operation,
          .contradicted = contradicted.operation,
          .gap = std::chrono::milliseconds(gap)};
}

std::string span_text(std::int64_t milliseconds) { return to_text(std::chrono::milliseconds(milliseconds)); }

bool renews(const Fact& fact) { return fact.call.f == "grant" || fact.call.f == "keep"; }

class Leases {
 public:
  explicit Leases(const Facts& facts) : facts_(facts), core_(facts.core()), key_(facts.key_name("the key")) {}

  std::optional<Naming> name() const {
    // The key's one grant; with several, which of them an operation is about would be a guess.
    const Fact* grant = nullptr;
    for (const Fact& fact : facts_.all()) {
      if (fact.call.f != "grant" || fact.failed()) continue;
      if (grant != nullptr || !fact.certain()) return std::nullopt;
      grant = &fact;
    }
    if (grant == nullptr || !Sighting::of(grant->call.output).alive) return std::nullopt;
    for (const Fact* fact : core_) {
      const Sighting seen = Sighting::of(fact->call.output);
      if (auto naming = seen.alive ? judge_alive(*grant, *fact, seen) : judge_gone(*grant, *fact, seen)) return naming;
    }
    return std::nullopt;
  }

 private:
  // It was granted before, and one renewal promised it a longer life.
  [[nodiscard]] std::optional<Naming> judge_gone(const Fact& grant, const Fact& fact, const Sighting& seen) const {
    if (!before(grant, fact)) return std::nullopt;
    for (const Fact* other : core_) {
      if (other == &fact || !renews(*other)) continue;
      const Sighting renewal = Sighting::of(other->call.output);
      if (!renewal.alive || seen.to >= renewal.least()) continue;
      const std::int64_t early = renewal.from + renewal.ttl - seen.to;
      return make("expired-early", fact, *other, early,
                  fmt::format("The {} by process {}{} found {} gone {} before it could be: process {} had {} for {}.",
                              fact.call.f, fact.process, facts_.from_node(fact), key_, span_text(early), other->process,
                              other->call.f == "grant" ? "been granted its lease" : "kept its lease alive",
                              span_text(renewal.ttl)));
    }
    return std::nullopt;
  }

  // It was granted before it was found gone, and found alive afterwards; or its last renewal ended long before.
  [[nodiscard]] std::optional<Naming> judge_alive(const Fact& grant, const Fact& fact, const Sighting& seen) const {
    if (&fact == &grant) return std::nullopt;
    for (const Fact* other : core_) {
      if (Sighting::of(other->call.output).alive || !before(grant, *other) || !before(*other, fact)) continue;
      const std::int64_t gap = std::max<std::int64_t>(0, seen.from - Sighting::of(other->call.output).to);
      return make("revived", fact, *other, gap,
                  fmt::format("Process {} found {} gone; {} later process {} {}.", other->process, key_, span_text(gap),
                              fact.process, fact.call.f == "keep" ? "was told that it lives on" : "found it alive"));
    }
    return outlived(fact, seen);
  }

  // Whatever may have renewed it is known to have done so, or was not asked before the read had returned.
  [[nodiscard]] std::optional<Naming> outlived(const Fact& fact, const Sighting& seen) const {
    if (fact.call.f != "read" || !seen.steady) return std::nullopt;
    const Fact* last = nullptr;
    std::int64_t end = 0, ttl = 0;
    for (const Fact& other : facts_.all()) {
      if (!renews(other) || other.failed() || before(fact, other)) continue;
      if (!other.certain()) return std::nullopt;
      const Sighting renewal = Sighting::of(other.call.output);
      if (!renewal.alive) continue;
      ttl = std::max(ttl, renewal.ttl);
      if (renewal.end() < end) continue;
      end = renewal.end();
      last = &other;
    }
    if (last == nullptr || seen.from <= std::max(end, *seen.steady + ttl) + Lease::grace) return std::nullopt;
    return make("outlived", fact, *last, seen.from - end,
                fmt::format("The read by process {}{} found {} alive {} after its lease of {} had ended, last {} by "
                            "process {}.",
                            fact.process, facts_.from_node(fact), key_, span_text(seen.from - end), span_text(ttl),
                            last->call.f == "grant" ? "granted" : "kept alive", last->process));
  }

  const Facts& facts_;
  const std::vector<const Fact*> core_;
  const std::string key_;
};

}  // namespace

std::optional<Naming> classify_lease(const Facts& facts) { return Leases(facts).name(); }

}  // namespace faultline
