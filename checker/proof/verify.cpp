// The verifier: certificate.hpp says what is checked and why that is enough; duties.hpp and bystanders.hpp are its own
// reading of the history and of relaxation. A valid certificate costs one pass over the history, an invalid one a
// bounded search per invalid key.
#include <faultline/certificate.hpp>
#include <faultline/text.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "brute_force.hpp"
#include "bystanders.hpp"
#include "counter_ranges.hpp"
#include "digest.hpp"
#include "duties.hpp"
#include "ledgers.hpp"

namespace faultline {

std::string_view to_string(Verification::Outcome outcome) {
  switch (outcome) {
    case Verification::Outcome::confirmed: return "confirmed";
    case Verification::Outcome::rejected: return "rejected";
    case Verification::Outcome::not_confirmed: return "not confirmed";
  }
  FL_ASSERT(false && "unknown outcome");
}

namespace {

// Why a certificate is refused; none: this part of it holds.
using Objection = std::optional<std::string>;

std::string shown(const Value& value) { return clip(value.to_string(), 200); }

std::string numbered(const Duties& duties, OperationIndex operation) {
  return fmt::format("operation {}, the {}", operation, duties.name(operation));
}

template <Model M>
class Verifier {
 public:
  Verifier(const History& history, const Certificate& certificate, const VerifyOptions& options, const M& model)
      : history_(history),
        certificate_(certificate),
        options_(options),
        model_(model),
        duties_(history, certificate, M::functions()),
        seen_(history.operation_count(), false) {}

  Verification run() {
    result_.kind = certificate_.kind;
    if (auto objection = duties_.objection()) return refused(*objection);
    if (auto objection = misplaced_keys()) return refused(*objection);
    for (const KeyProof& proof : certificate_.keys) {
      Objection objection;
      if (proof.kind == VerdictKind::valid) objection = judge_valid(proof);
      if (proof.kind == VerdictKind::invalid) objection = judge_invalid(proof);
      if (objection) return refused(fmt::format("key {}: {}", shown(proof.key), *objection));
    }
    return certificate_.kind == VerdictKind::valid ? conclude_valid() : conclude_invalid();
  }

 private:
  Verification refused(std::string reason) {
    result_.outcome = Verification::Outcome::rejected;
    result_.reason = std::move(reason);
    return result_;
  }

  Objection misplaced_keys() const {
    std::set<Value> keys;
    for (const KeyProof& proof : certificate_.keys) {
      if (!keys.insert(proof.key).second) return fmt::format("key {} is listed twice", shown(proof.key));
      if (certificate_.kind == VerdictKind::valid && proof.kind != VerdictKind::valid) {
        return fmt::format("the verdict is valid, but key {} is {}", shown(proof.key), to_string(proof.kind));
      }
    }
    return std::nullopt;
  }

  // The operation exists, is of this key, means something, and is named for the first time.
  Objection admit(const KeyProof& proof, OperationIndex operation) {
    if (operation >= history_.operation_count()) {
      return fmt::format("operation {} is out of range: the history has {}", operation, history_.operation_count());
    }
    const Value& key = history_.key(history_.invoked(operation));
    if (key != proof.key) return fmt::format("{} is of key {}", numbered(duties_, operation), shown(key));
    if (duties_.of(operation).obligation == Obligation::nothing) {
      return fmt::format("{} failed: it certainly had no effect", numbered(duties_, operation));
    }
    if (seen_[operation]) return fmt::format("{} is named twice", numbered(duties_, operation));
    seen_[operation] = true;
    return std::nullopt;
  }

  // One step of an order: real time, then the model. `latest`: the operation invoked last among those before.
  Objection advance(typename M::State& state, OperationIndex& latest, OperationIndex operation,
                    const Duty& duty) const {
    if (latest != none && duty.returned != none && duty.returned < history_.invoked(latest)) {
      return fmt::format("{} had returned before the {} was invoked, but comes after it in the order",
                         numbered(duties_, operation), duties_.name(latest));
    }
    if (latest == none || duty.invoked > history_.invoked(latest)) latest = operation;
    auto next = model_.step(state, duty.call);
    if (!next) return fmt::format("{} {}", numbered(duties_, operation), model_.explain(state, duty.call));
    state = std::move(*next);
    return std::nullopt;
  }

  Objection judge_valid(const KeyProof& proof) {
    auto state = model_.init();
    OperationIndex latest = none;
    for (const OperationIndex operation : proof.order) {
      if (auto objection = admit(proof, operation)) return objection;
      if (auto objection = advance(state, latest, operation, duties_.of(operation))) return objection;
    }
    if (proof.order.empty()) return "the order is empty";
    return std::nullopt;
  }

  Verification conclude_valid() {
    std::size_t placed = 0;
    for (OperationIndex o = 0; o < history_.operation_count(); ++o) {
      if (seen_[o]) ++placed;
      if (!seen_[o] && duties_.of(o).obligation == Obligation::must) {
        return refused(fmt::format("{} (key {}) is missing from the orders", numbered(duties_, o),
                                   shown(history_.key(history_.invoked(o)))));
      }
    }
    if (history_.empty()) return refused("nothing was ordered: an empty history is not valid");
    result_.outcome = Verification::Outcome::confirmed;
    result_.reason = fmt::format("a legal order of {} operations on {} key{} was replayed", placed,
                                 certificate_.keys.size(), certificate_.keys.size() == 1 ? "" : "s");
    return result_;
  }

  Verification conclude_invalid() {
    if (confirmed_cores_ > 0) {
      result_.outcome = Verification::Outcome::confirmed;
      result_.reason =
          counted_ ? "the core is too large to search, but what it holds was counted: no order explains it"
          : confirmed_cores_ == 1
              ? "the core was searched exhaustively: it has no legal order"
              : fmt::format("{} cores were searched exhaustively: none has a legal order", confirmed_cores_);
    } else if (exhausted_cores_ > 0) {
      result_.outcome = Verification::Outcome::not_confirmed;
      result_.reason =
          too_large_ ? fmt::format("the core has more than {} operations: too many to search", max_brute_force_items)
                     : fmt::format("the core was not confirmed within {} steps", options_.max_steps);
    } else {
      return refused("the verdict is invalid, but no key is");
    }
    return result_;
  }

  // --- invalid
  // ---------------------------------------------------------------------------------------------------------------

  Objection judge_invalid(const KeyProof& proof) {
    if (proof.core.empty()) return "the core is empty";
    std::vector<OperationIndex> core = proof.core;
    std::sort(core.begin(), core.end());
    for (const OperationIndex operation : core) {
      if (auto objection = admit(proof, operation)) return objection;
      if (duties_.of(operation).obligation != Obligation::must) {
        return fmt::format("{} is of the core, but may never have happened", numbered(duties_, operation));
      }
    }
    for (const OperationIndex operation : proof.context) {
      if (auto objection = admit(proof, operation)) return objection;
    }
    if (proof.since != none) {
      if (auto objection = judge_since(proof, core)) return objection;
    }
    if (auto objection = judge_context(proof, core)) return objection;
    return search(proof, core);
  }

  // `since` leaves the same state behind whatever was before it, and is legal at the beginning; what else is kept comes
  // after it in real time, or can be put in front of it.
  Objection judge_since(const KeyProof& proof, const std::vector<OperationIndex>& core) const {
    // Their writes settle nothing.
    const bool guarded = certificate_.model == "fenced-mutex" || certificate_.model == "fencing";
    const auto blind = [&](const Duty& duty) { return !guarded && (duty.call.f == "write" || duty.call.f == "put"); };
    if (!std::binary_search(core.begin(), core.end(), proof.since)) {
      return fmt::format("operation {}, at which the core begins, is not of the core", proof.since);
    }
    const Duty begin = duties_.of(proof.since);
    const bool removes = begin.call.f == "dequeue" || begin.call.f == "pop";
    const bool settles = blind(begin) || begin.call.f == "acquire" || (removes && begin.call.output.is_null());
    if (!settles || !model_.step(model_.init(), begin.call)) {
      return fmt::format("{} does not settle the state: the core cannot begin there", numbered(duties_, proof.since));
    }
    for (const OperationIndex operation : core) {
      const Duty duty = duties_.of(operation);
      if (operation != proof.since && duty.invoked < begin.returned && !blind(duty)) {
        return fmt::format("{} did not begin after operation {} had returned: the core cannot begin there",
                           numbered(duties_, operation), proof.since);
      }
    }
    return std::nullopt;
  }

  // Every operation outside the core that may have happened and could make a difference must be in the context.
  Objection judge_context(const KeyProof& proof, const std::vector<OperationIndex>& core) const {
    std::vector<Call> kept;
    EventIndex last_return = 0;
    for (const OperationIndex operation : core) {
      kept.push_back(duties_.of(operation).call);
      last_return = std::max(last_return, duties_.of(operation).returned);
    }
    const EventIndex begin = proof.since == none ? 0 : history_.invoked(proof.since);
    std::vector<OperationIndex> relaxed;
    std::vector<Call> calls;
    const std::uint32_t key = duties_.key_id(core.front());
    for (OperationIndex o = 0; o < history_.operation_count() && history_.invoked(o) < last_return; ++o) {
      if (duties_.key_id(o) != key || std::binary_search(core.begin(), core.end(), o)) continue;
      const Duty duty = duties_.of(o);
      if (duty.obligation == Obligation::nothing || duty.returned < begin || duty.call.failed) continue;
      Call call = without_result(duty.call);
      if (model_.observer(call)) continue;
      relaxed.push_back(o);
      calls.push_back(std::move(call));
    }
    const Bystanders bystanders(certificate_.model, certificate_.initial, kept, calls);
    const std::set<OperationIndex> context(proof.context.begin(), proof.context.end());
    std::map<std::pair<std::string_view, Value>, std::size_t> used;
    for (std::size_t i = 0; i < relaxed.size(); ++i) {
      if (used[bystanders.kind(calls[i])]++ >= bystanders.uses(calls[i])) continue;
      if (context.contains(relaxed[i])) continue;
      return fmt::format("{} may have happened and could make a difference, but is not in the context",
                         numbered(duties_, relaxed[i]));
    }
    return std::nullopt;
  }

  Objection search(const KeyProof& proof, const std::vector<OperationIndex>& core) {
    Items items;
    for (const OperationIndex operation : core) {
      const Duty duty = duties_.of(operation);
      items.push_back({.operation = operation, .invoked = duty.invoked, .completed = duty.returned, .call = duty.call});
    }
    for (const OperationIndex operation : proof.context) {
      const Duty duty = duties_.of(operation);
      items.push_back(
          {.operation = operation, .invoked = duty.invoked, .completed = none, .call = without_result(duty.call)});
    }
    std::sort(items.begin(), items.end(), [](const Item& a, const Item& b) { return a.invoked < b.invoked; });
    if (auto objection = judge_prefix(proof, items)) return objection;
    constexpr std::uint64_t few_steps = 10'000;
    const bool evident = proof.order.empty() && proves_itself(items);
    const std::uint64_t max_steps = evident ? std::min(few_steps, options_.max_steps) : options_.max_steps;
    const BruteForceResult found = brute_force_with_memo(model_, items, max_steps);
    result_.steps += found.steps;
    if (found.kind == VerdictKind::unknown && evident) {
      ++confirmed_cores_;
      counted_ = true;
      return std::nullopt;
    }
    if (found.kind == VerdictKind::unknown) ++exhausted_cores_;
    too_large_ = too_large_ || items.size() > max_brute_force_items;
    if (found.kind == VerdictKind::valid) {
      std::string order;
      for (const std::uint32_t i : found.order)
        order += fmt::format("{}{}", order.empty() ? "" : ", ", items[i].operation);
      return fmt::format("the core admits a legal order: {}", order);
    }
    if (found.kind != VerdictKind::invalid) return std::nullopt;
    ++confirmed_cores_;
    if (proof.order.empty()) return std::nullopt;  // no prefix is claimed
    const auto completed = [&](OperationIndex o) { return std::binary_search(core.begin(), core.end(), o); };
    const auto claimed = std::count_if(proof.order.begin(), proof.order.end(), completed);
    const auto longest = std::count_if(found.order.begin(), found.order.end(),
                                       [&](std::uint32_t i) { return completed(items[i].operation); });
    if (claimed == longest) return std::nullopt;
    return fmt::format("the longest legal prefix places {} operations of the core, not {}", longest, claimed);
  }

  // Cores of some objects hold all that may have changed them: often too much to search, never too much to count.
  [[nodiscard]] bool proves_itself(const Items& items) const {
    if constexpr (std::same_as<M, Counter>) return counter_out_of_range(items, model_.initial);
    if constexpr (std::same_as<M, Mutex>) return mutex_is_overdrawn(items, model_.initial);
    if constexpr (std::same_as<M, FencedMutex>) return mutex_is_overdrawn(items, false) || tokens_are_overdrawn(items);
    if constexpr (std::same_as<M, Set>) return set_is_contradicted(items, certificate_.initial);
    return false;
  }

  // The prefix names operations of core and context, each once, in a legal order.
  Objection judge_prefix(const KeyProof& proof, const Items& items) const {
    auto state = model_.init();
    OperationIndex latest = none;
    std::set<OperationIndex> placed;
    for (const OperationIndex operation : proof.order) {
      const auto it =
          std::find_if(items.begin(), items.end(), [&](const Item& item) { return item.operation == operation; });
      if (it == items.end())
        return fmt::format("operation {} of the prefix is neither of the core nor of the context", operation);
      if (!placed.insert(operation).second)
        return fmt::format("{} is twice in the prefix", numbered(duties_, operation));
      const Duty duty{
          .obligation = Obligation::must, .invoked = it->invoked, .returned = it->completed, .call = it->call};
      if (auto objection = advance(state, latest, operation, duty)) return objection;
    }
    for (const Item& item : items) {
      if (latest == none || placed.contains(item.operation) || item.completed >= history_.invoked(latest)) continue;
      return fmt::format("{} had returned before the {} was invoked, but is not in the prefix before it",
                         numbered(duties_, item.operation), duties_.name(latest));
    }
    return std::nullopt;
  }

  const History& history_;
  const Certificate& certificate_;
  const VerifyOptions& options_;
  const M& model_;
  const Duties duties_;
  std::vector<bool> seen_;
  std::size_t confirmed_cores_ = 0;
  std::size_t exhausted_cores_ = 0;
  bool too_large_ = false;
  bool counted_ = false;
  Verification result_;
};

// A certificate that was made for something else.
Objection mistaken_identity(const History& history, const Certificate& certificate) {
  const std::uint64_t events = history.size() - history.notes().size();
  if (certificate.events != events || certificate.operations != history.operation_count()) {
    return fmt::format("the certificate is about {} events and {} operations, the history has {} and {}",
                       certificate.events, certificate.operations, events, history.operation_count());
  }
  if (certificate.history_digest != digest_of(history))
    return "the certificate belongs to another history: the digests of the events differ";
  if (certificate.claim_digest != claim_digest_of(certificate)) {
    return "the verdict, the model or its options are not those the certificate was made for";
  }
  return std::nullopt;
}

}  // namespace

Result<Verification> verify(const History& history, const Certificate& certificate, const VerifyOptions& options) {
  Verification result{.kind = certificate.kind, .reason = {}};
  if (auto objection = mistaken_identity(history, certificate)) {
    result.outcome = Verification::Outcome::rejected;
    result.reason = *objection;
    return result;
  }
  if (certificate.kind == VerdictKind::unknown) {
    result.reason = "the verdict is unknown: there is nothing to verify";
    return result;
  }
  return with_model(certificate.model, ModelOptions{.initial = certificate.initial},
                    [&](const auto& model) { return Verifier(history, certificate, options, model).run(); });
}

}  // namespace faultline
