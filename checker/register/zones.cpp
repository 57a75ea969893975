#include "zones.hpp"

#include <algorithm>

#include "meter.hpp"

namespace faultline::registers {

namespace {

using Position = std::uint32_t;  // an event's position plus one; 0 stands before everything
constexpr Position never = none;

// The question for the history cut before `limit`: what completes later is open.
class Zones {
 public:
  Zones(const RegisterProblem& problem, Position limit, Meter& meter)
      : problem_(problem), limit_(limit), meter_(meter) {
    if (meter.may_hold(std::uint64_t{problem.values} * sizeof(Cluster))) clusters_.resize(problem.values);
  }

  // The position by which the history is invalid; 0 if it is linearizable, as far as failed cas are left out.
  Position contradiction() {
    if (meter_.spent()) return 0;
    gather();
    for (const Check check : {&Zones::close, &Zones::chain, &Zones::sweep}) {
      if (meter_.spent()) return 0;
      if (const Position found = (this->*check)(); found != 0) return found;
    }
    return 0;
  }

  [[nodiscard]] bool has_failed_cas() const { return has_failed_cas_; }
  // REQUIRES: no contradiction. Failed cas are left out.
  [[nodiscard]] std::vector<std::uint32_t> order() const;

  [[nodiscard]] std::uint64_t bytes() const {
    return clusters_.capacity() * sizeof(Cluster) + 3 * blocks_.capacity() * sizeof(ValueId);
  }

 private:
  using Check = Position (Zones::*)();

  struct Cluster {
    std::uint32_t writer = none;
    std::uint32_t leaver = none;  // the cas that happened from it
    Position first_read = never;  // earliest completion of a read
    Position last_read = 0;       // latest invocation of a read
    std::uint32_t reads = 0;
    ValueId block = none;              // the value at its head
    Position first = never, last = 0;  // of the block, at its head
    bool needed = false;               // is known to have been stored
  };

  [[nodiscard]] Position invoked(std::uint32_t o) const { return problem_.operations[o].invoked + 1; }
  [[nodiscard]] Position completed(std::uint32_t o) const {
    const RegisterOperation& op = problem_.operations[o];
    return op.open() || op.completed + 1 >= limit_ ? never : op.completed + 1;
  }

  void gather() {
    for (std::uint32_t o = 0; o < problem_.operations.size(); ++o) {
      const RegisterOperation& op = problem_.operations[o];
      if (op.invoked + 1 >= limit_) break;
      if (meter_.tick()) return;
      const Position end = completed(o);
      if (op.kind == RegisterKind::read && end != never) {
        Cluster& cluster = clusters_[op.from];
        cluster.first_read = std::min(cluster.first_read, end);
        cluster.last_read = op.invoked + 1;  // operations come by invocation
        ++cluster.reads;
        cluster.needed = true;
      }
      if (op.kind == RegisterKind::write || op.kind == RegisterKind::cas) {
        Cluster& cluster = clusters_[op.to];
        cluster.writer = o;
        if (end != never) cluster.needed = true;
        has_cas_ = has_cas_ || op.kind == RegisterKind::cas;
      }
      has_failed_cas_ = has_failed_cas_ || op.kind == RegisterKind::differs;
    }
    clusters_[problem_.initial].needed = true;
  }

  [[nodiscard]] bool by_cas(const Cluster& cluster) const {
    return cluster.writer != none && problem_.operations[cluster.writer].kind == RegisterKind::cas;
  }

  // What is known to have been stored needs what it was stored upon; and each value has one way out.
  Position close() {
    std::vector<ValueId> upon;
    for (ValueId v = 0; has_cas_ && v < clusters_.size(); ++v) {
      if (meter_.tick()) return 0;
      if (clusters_[v].needed && by_cas(clusters_[v])) upon.push_back(v);
    }
    while (!upon.empty()) {
      if (meter_.tick()) return 0;
      const std::uint32_t cas = clusters_[upon.back()].writer;
      upon.pop_back();
      Cluster& source = clusters_[problem_.operations[cas].from];
      if (source.leaver != none) return std::max(known_by(cas), known_by(source.leaver));
      source.leaver = cas;
      if (source.needed) continue;
      source.needed = true;
      if (by_cas(source)) upon.push_back(problem_.operations[cas].from);
    }
    for (ValueId v = 0; v < clusters_.size(); ++v) {
      if (meter_.tick()) return 0;
      const Cluster& cluster = clusters_[v];
      if (!cluster.needed || cluster.writer != none || v == problem_.initial) continue;
      return cluster.reads > 0 ? cluster.first_read : known_by(cluster.leaver);
    }
    return 0;
  }

  // By when an operation that stores a value is known to have happened: its completion, or somebody's who saw its
  // value.
  [[nodiscard]] Position known_by(std::uint32_t o) const { return knowledge_of(o).by; }

  // And which operation that is known from: those on the way there are known by the same.
  struct Knowledge {
    Position by = never;
    std::uint32_t from = none;
  };
  [[nodiscard]] Knowledge knowledge_of(std::uint32_t o) const {
    for (;;) {
      const Cluster& cluster = clusters_[problem_.operations[o].to];
      const Position by = std::min(completed(o), cluster.first_read);
      if (by != never || cluster.leaver == none || meter_.tick()) return {by, o};
      o = cluster.leaver;
    }
  }

  // Walks every block in its sequence.
  Position chain() {
    for (ValueId head = 0; head < clusters_.size(); ++head) {
      if (meter_.tick()) return 0;
      if (!clusters_[head].needed || by_cas(clusters_[head])) continue;
      if (const Position found = walk(head); found != 0) return found;
    }
    Position ring = 0;  // what no head leads to
    for (const Cluster& cluster : clusters_) {
      if (cluster.needed && cluster.block == none) ring = std::max(ring, known_by(cluster.writer));
    }
    return ring;
  }

  Position walk(ValueId head) {
    Cluster& block = clusters_[head];
    Position latest = 0;  // invocation so far
    Position known = 0;   // by when the links so far are known to have happened
    if (head == problem_.initial) block.first = 0;
    Knowledge ahead;
    for (ValueId v = head;;) {
      if (meter_.tick()) return 0;
      Cluster& cluster = clusters_[v];
      cluster.block = head;
      if (cluster.writer != none) {
        const Position end = completed(cluster.writer);
        latest = std::max(latest, invoked(cluster.writer));
        if (ahead.from == none) ahead = knowledge_of(cluster.writer);
        known = std::max(known, ahead.by);
        if (ahead.from == cluster.writer) ahead = {};
        if (end < latest) return known;
        block.first = std::min(block.first, end);
      }
      if (cluster.first_read < latest) return std::max(known, cluster.first_read);
      block.first = std::min(block.first, cluster.first_read);
      latest = std::max(latest, cluster.last_read);
      if (cluster.reads > 0 && cluster.leaver != none) known = std::max(known, last_completion(v));
      if (cluster.leaver == none) break;
      v = problem_.operations[cluster.leaver].to;
    }
    block.last = latest;
    return 0;
  }

  // When the read of `v` invoked last completed.
  [[nodiscard]] Position last_completion(ValueId v) const {
    const auto& ops = problem_.operations;
    const auto at = std::lower_bound(ops.begin(), ops.end(), clusters_[v].last_read - 1,
                                     [](const RegisterOperation& op, EventIndex e) { return op.invoked < e; });
    return at->completed + 1;
  }

  // By when everything that makes the zone of a block is known.
  [[nodiscard]] Position zone_known_by(ValueId head) const {
    Position by = 0;
    Knowledge ahead;
    for (ValueId v = head;;) {
      const Cluster& cluster = clusters_[v];
      if (cluster.writer != none) {
        if (ahead.from == none) ahead = knowledge_of(cluster.writer);
        by = std::max(by, ahead.by);
        if (ahead.from == cluster.writer || meter_.tick()) ahead = {};
      }
      if (cluster.reads > 0) by = std::max({by, cluster.first_read, last_completion(v)});
      if (cluster.leaver == none) return by;
      v = problem_.operations[cluster.leaver].to;
    }
  }

  [[nodiscard]] bool forward(ValueId head) const { return clusters_[head].first < clusters_[head].last; }

  // Blocks by the beginning of their zones, then one pass.
  Position sweep() {
    sort_blocks();
    ValueId covering = none;  // the latest forward block
    for (const ValueId head : blocks_) {
      if (meter_.tick()) return 0;
      // Of a forward block this is where it begins, of a backward one where it must have ended.
      if (covering != none && clusters_[head].first < clusters_[covering].last) {
        return std::max(zone_known_by(covering), zone_known_by(head));
      }
      if (forward(head)) covering = head;
    }
    return 0;
  }

  [[nodiscard]] Position begin(ValueId head) const { return std::min(clusters_[head].first, clusters_[head].last); }

  // By a table over positions where they are dense, else by comparison.
  void sort_blocks() {
    Position end = 0;
    for (ValueId v = 0; v < clusters_.size(); ++v) {
      if (meter_.tick()) return;
      if (clusters_[v].block == v) {
        blocks_.push_back(v);
        end = std::max(end, begin(v));
      }
    }
    if (end / 16 > blocks_.size()) {
      sort_metered(blocks_, meter_, [&](ValueId a, ValueId b) { return begin(a) < begin(b); });
      return;
    }
    if (!meter_.may_hold((std::uint64_t{end} + 1) * sizeof(ValueId))) return;
    std::vector<ValueId> at(std::size_t{end} + 1, none);
    for (const ValueId head : blocks_) {
      at[begin(head)] = head;
      if (meter_.tick()) return;
    }
    std::size_t i = 0;
    for (const ValueId head : at) {
      if (head != none) blocks_[i++] = head;
      if (meter_.tick()) return;
    }
  }

  const RegisterProblem& problem_;
  Position limit_;
  Meter& meter_;
  std::vector<Cluster> clusters_;  // by value
  bool has_cas_ = false;
  bool has_failed_cas_ = false;
  std::vector<ValueId> blocks_;  // by the beginning of their zones
};

std::vector<std::uint32_t> Zones::order() const {
  if (!meter_.may_hold(clusters_.size() * sizeof(std::uint32_t))) return {};
  std::vector<std::uint32_t> place(clusters_.size());  // by value: where its next operation goes
  std::uint32_t size = 0;
  for (const ValueId head : blocks_) {
    for (ValueId v = head;;) {
      const Cluster& cluster = clusters_[v];
      place[v] = size;
      size += cluster.reads + (cluster.writer != none ? 1 : 0);
      if (meter_.tick()) return {};
      if (cluster.leaver == none) break;
      v = problem_.operations[cluster.leaver].to;
    }
  }
  std::vector<std::uint32_t> result(size);
  for (const ValueId head : blocks_) {
    for (ValueId v = head;;) {
      const Cluster& cluster = clusters_[v];
      if (cluster.writer != none) result[place[v]++] = cluster.writer;
      if (meter_.tick()) return {};
      if (cluster.leaver == none) break;
      v = problem_.operations[cluster.leaver].to;
    }
  }
  for (std::uint32_t o = 0; o < problem_.operations.size(); ++o) {
    const RegisterOperation& op = problem_.operations[o];
    if (op.invoked + 1 >= limit_) break;
    if (op.kind == RegisterKind::read && completed(o) != never) result[place[op.from]++] = o;
    if (meter_.tick()) return {};
  }
  return result;
}

struct Fitted {
  std::vector<std::uint32_t> order;
  bool all = true;  // else some failed cas are missing
};

// Puts the failed cas that completed before `limit` into an order of the others, whose operations take place at the
// latest invocation up to them.
Fitted with_failed_cas(const RegisterProblem& problem, Position limit, const std::vector<std::uint32_t>& order,
                       Meter& meter) {
  if (!meter.may_hold(order.size() * 4 * sizeof(std::uint32_t))) return {};
  std::vector<Position> instants(order.size() + 1);  // of the i-th operation, after the beginning
  std::vector<ValueId> values(order.size() + 1, problem.initial);
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (meter.tick()) return {};
    const RegisterOperation& op = problem.operations[order[i]];
    instants[i + 1] = std::max(instants[i], op.invoked + 1);
    values[i + 1] = op.kind == RegisterKind::read ? values[i] : op.to;
  }
  Fitted fitted;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> inserted;  // after how many operations, which
  for (std::uint32_t o = 0; o < problem.operations.size(); ++o) {
    const RegisterOperation& op = problem.operations[o];
    if (op.kind != RegisterKind::differs || op.completed + 1 >= limit) continue;
    // The last operation before it, then those during it.
    auto i = static_cast<std::size_t>(std::upper_bound(instants.begin(), instants.end(), op.invoked + 1) -
                                      instants.begin()) -
             1;
    while (i < order.size() && values[i] == op.from && instants[i + 1] <= op.completed + 1 && !meter.tick()) ++i;
    if (meter.tick()) return {};
    if (values[i] == op.from) {
      fitted.all = false;
    } else {
      inserted.emplace_back(static_cast<std::uint32_t>(i), o);
    }
  }
  if (!sort_metered(inserted, meter)) return {};
  fitted.order.reserve(order.size() + inserted.size());
  auto next = inserted.begin();
  for (std::size_t i = 0; i <= order.size(); ++i) {
    if (i > 0) fitted.order.push_back(order[i - 1]);
    for (; next != inserted.end() && next->first == i; ++next) fitted.order.push_back(next->second);
    if (meter.tick()) return {};
  }
  return fitted;
}

}  // namespace

SearchResult search_zones(const RegisterProblem& problem, const Budget& budget, Witness witness) {
  SearchResult result{.engine = "zones"};
  std::uint64_t bytes = problem.bytes();  // and what the zones and orders made so far hold
  Meter meter(budget, [&] { return bytes; });
  Position limit = never;
  // A contradiction tells by when the history is invalid; the history before that may be, too, or has an order to show.
  for (;;) {
    Zones zones(problem, limit, meter);
    bytes = problem.bytes() + zones.bytes();
    const Position found = zones.contradiction();
    bytes = problem.bytes() + zones.bytes() + problem.operations.size() * sizeof(std::uint32_t);
    meter.poll();
    if (meter.spent()) break;
    if (found != 0) {
      limit = found;
      result.kind = VerdictKind::invalid;
      result.died_at = limit - 1;
      continue;
    }
    if (limit == never && witness == Witness::if_needed && !zones.has_failed_cas()) {
      result.kind = VerdictKind::valid;
      break;
    }
    Fitted fitted{.order = zones.order()};
    if (zones.has_failed_cas()) fitted = with_failed_cas(problem, limit, fitted.order, meter);
    if (meter.spent()) break;
    result.order = std::move(fitted.order);
    if (limit == never && fitted.all) result.kind = VerdictKind::valid;
    break;
  }
  // What has been found to be invalid remains so, without the prefix that was being looked for.
  if (meter.spent() && result.kind == VerdictKind::unknown) result.reason = meter.reason();
  result.cost = {.configurations = meter.steps(), .peak_bytes = meter.peak_bytes()};
  return result;
}

}  // namespace faultline::registers

namespace faultline {

bool zones_apply(const RegisterProblem& problem) {
  std::vector<bool> stored(problem.values);
  stored[problem.initial] = true;
  for (const RegisterOperation& op : problem.operations) {
    if (op.kind != RegisterKind::write && op.kind != RegisterKind::cas) continue;
    if (stored[op.to]) return false;
    stored[op.to] = true;
  }
  return true;
}

}  // namespace faultline
