// Fencing tokens.
//
// Tokens state the order: the acquisition of a token comes before what is written under it, and all of that before the acquisition of the
// next greater token. What is written under one token commutes. Releases and what never returned change nothing that anybody sees: open
// acquisitions whose token nobody names may never have happened.
//
// So there is an order iff no operation returned before another was invoked that comes before it by token. Necessary: the order by token is
// forced. Sufficient: walk the tokens upwards and give each operation the first gap that is neither before its invocation nor before the gap
// of one that must come earlier; if that gap misses its return, an operation that must come earlier was invoked after the return.
#include <algorithm>
#include <tuple>

#include "pulse.hpp"
#include "ranks.hpp"
#include "tallies.hpp"

namespace faultline {

namespace {

struct Ticket {
  std::int64_t token = 0;
  bool writes = false;
  Rank invoked = 0;
  std::uint32_t item = 0;

  friend auto operator<=>(const Ticket& a, const Ticket& b) {
    return std::tie(a.token, a.writes, a.invoked, a.item) <=> std::tie(b.token, b.writes, b.invoked, b.item);
  }
};

// Of acquisitions that returned and of writes; none: nobody knows.
std::vector<Ticket> tickets_of(const Items& items, const Ranks& ranks) {
  std::vector<Ticket> tickets;
  for (std::uint32_t i = 0; i < items.size(); ++i) {
    const Call& call = items[i].call;
    if (items[i].completed == none || call.f == "release") continue;
    const bool writes = call.f == "write";
    const std::int64_t token = writes ? call.input.as_list()[0].as_integer() : call.output.as_integer();
    tickets.push_back({token, writes, ranks.invoked[i], i});
  }
  std::sort(tickets.begin(), tickets.end());
  return tickets;
}

class FencingMonitor {
 public:
  FencingMonitor(const Items& items, const Budget& budget) : items_(items), pulse_(budget, items.size() * 96) {}

  std::optional<SearchResult> run() {
    if (!pulse_.poll()) return finish(nullptr);
    ranks_ = Ranks::of(items_);
    const std::vector<Ticket> tickets = tickets_of(items_, ranks_);
    Layout layout(items_.size());
    for (std::uint32_t i = 0; i < items_.size(); ++i) {
      if (items_[i].call.f == "release" && items_[i].completed != none) layout.put(i, ranks_.invoked[i]);
    }
    for (std::size_t at = 0; at < tickets.size(); ++at) {
      const Ticket& ticket = tickets[at];
      if (!pulse_.beat()) return finish(nullptr);
      const bool fresh = at == 0 || tickets[at - 1].token != ticket.token;
      if (fresh && ticket.writes) return std::nullopt;  // its acquisition never returned: not ours to decide
      if (!fresh && !ticket.writes) return contradiction(tickets[at - 1].item, ticket.item);
      if (!ticket.writes) begin_token();
      if (!ranks_.fits(ticket.item, gap_of(ticket))) return contradiction(latest_item_, ticket.item);
      layout.put(ticket.item, gap_of(ticket));
      note(ticket);
    }
    return finish(&layout);
  }

 private:
  // From here on everything of the token before comes earlier.
  void begin_token() {
    latest_ = soonest_;
    latest_item_ = soonest_item_;
  }
  [[nodiscard]] Rank gap_of(const Ticket& ticket) const { return std::max(ticket.invoked, latest_); }
  void note(const Ticket& ticket) {
    if (soonest_item_ == none || ticket.invoked > soonest_) {
      soonest_ = ticket.invoked;
      soonest_item_ = ticket.item;
    }
    if (!ticket.writes) begin_token();
  }

  SearchResult contradiction(std::uint32_t earlier, std::uint32_t later) {
    SearchResult result = pulse_.result(engine);
    result.kind = VerdictKind::invalid;
    result.core = {std::min(earlier, later), std::max(earlier, later)};
    result.died_at = std::max(items_[earlier].completed, items_[later].completed);
    return result;
  }

  SearchResult finish(const Layout* layout) {
    SearchResult result = pulse_.result(engine);
    if (layout == nullptr || pulse_.spent()) return result;
    result.kind = VerdictKind::valid;
    result.order = layout->order(ranks_.count);
    return result;
  }

  static constexpr std::string_view engine = "fencing";
  const Items& items_;
  Pulse pulse_;
  Ranks ranks_;
  // The last invocation among what must come before: of all tickets so far, and of those that come before the present one.
  Rank soonest_ = 0, latest_ = 0;
  std::uint32_t soonest_item_ = none, latest_item_ = none;
};

}  // namespace

std::optional<SearchResult> monitor_fencing(const Items& items, const Budget& budget) {
  return FencingMonitor(items, budget).run();
}

}  // namespace faultline
