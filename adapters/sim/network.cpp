// The packet network: delays, faults of links, clogs.
#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "engine.hpp"

namespace faultline::sim {

std::uint32_t Engine::link_between(Place from, Place to) const {
  const auto count = static_cast<std::uint32_t>(nodes.size());
  if (from < count && to < count) return from * count + to;
  const std::uint32_t worker = (from < count ? to : from) - count;
  const Place node = from < count ? from : to;
  if (node >= count || worker >= clients.size() || clients[worker].node != node) return no_link;
  return count * count + 2 * worker + (from < count ? 1 : 0);
}

// In both directions, its clients' too.
std::vector<std::uint32_t> Engine::links_of(NodeIndex node) const {
  std::vector<std::uint32_t> all;
  const auto count = static_cast<Place>(nodes.size());
  for (Place other = 0; other < count + clients.size(); ++other) {
    if (other == node) continue;
    for (const std::uint32_t link : {link_between(node, other), link_between(other, node)}) {
      if (link != no_link) all.push_back(link);
    }
  }
  return all;
}

// One draw: 32 bits for the place below the jitter, the trailing zeros of the others for the tail.
Ticks Engine::draw_delay(Rng& rng, Ticks delay, Ticks jitter) {
  if (jitter <= 0) return delay;
  constexpr unsigned longest_tail = 5;
  const std::uint64_t x = rng.next();
  const std::uint64_t uniform = ((x >> 32) * static_cast<std::uint64_t>(std::min<Ticks>(jitter, INT32_MAX))) >> 32;
  const std::uint64_t coarse = static_cast<std::uint64_t>(std::max<Ticks>(jitter / INT32_MAX, 1));
  const unsigned tail = static_cast<unsigned>(std::countr_zero(x | 1ULL << longest_tail));
  return delay + static_cast<Ticks>((uniform * coarse) << tail);
}

void Engine::transmit(std::uint32_t index, Item&& item) {
  Link& link = links[index];
  item.link = index;
  const NetworkOptions& network = options.network;
  Ticks arrival =
      now + (link.is_client ? draw_delay(link.rng, network.client_delay.count(), network.client_jitter.count())
                            : draw_delay(link.rng, network.delay.count(), network.jitter.count()));
  bool out_of_order = !link.is_client && !network.streams;
  if (!link.faults.empty() && !cross_faults(link, item, arrival, out_of_order)) return;
  if (!out_of_order) {
    arrival = std::max(arrival, link.last_arrival);
    link.last_arrival = arrival;
  }
  queue.push(arrival, std::move(item));
}

// The packet faults of a link; false: the packet is lost. A connection knows no copies and no other order, and finds damage by itself.
bool Engine::cross_faults(Link& link, Item& item, Ticks& arrival, bool& out_of_order) {
  constexpr Ticks longest_backlog = 2'000'000'000;
  for (PacketFault* fault : link.faults) {
    const PacketRules& rules = fault->rules;
    const bool damaged = rules.corrupt > 0 && fault->rng.chance(rules.corrupt);
    if ((rules.loss > 0 && fault->rng.chance(rules.loss)) || (damaged && link.is_client)) {
      ++link.counters.lost;
      ++counters.dropped;
      return false;
    }
    if (rules.delay > 0 || rules.jitter > 0) {
      arrival += draw_delay(fault->rng, rules.delay, rules.jitter);
      ++link.counters.delayed;
    }
    if (rules.rate > 0) {
      const Ticks begins = std::max(arrival, link.free_at);
      if (begins - arrival > longest_backlog) {
        ++link.counters.lost;
        ++counters.dropped;
        return false;
      }
      link.counters.throttled += begins > arrival ? 1 : 0;
      link.free_at = begins + static_cast<Ticks>((item.bytes.size() + 40) * 1'000'000'000 / rules.rate);
      arrival = link.free_at;
    }
    if (link.is_client) continue;
    if (damaged && !item.bytes.empty()) {
      for (std::uint64_t flips = 1 + fault->rng.below(3); flips > 0; --flips) {
        char& byte = item.bytes[fault->rng.below(item.bytes.size())];
        byte = static_cast<char>(static_cast<unsigned char>(byte) ^ (1U << fault->rng.below(8)));
      }
      ++link.counters.corrupted;
    }
    if (rules.duplicate > 0 && fault->rng.chance(rules.duplicate)) {
      Item copy;
      copy.kind = item.kind;
      copy.node = item.node, copy.peer = item.peer, copy.number = item.number, copy.link = item.link;
      copy.bytes = item.bytes;
      queue.push(arrival + draw_delay(fault->rng, rules.delay, std::max(rules.jitter, options.network.jitter.count())),
                 std::move(copy));
      ++link.counters.duplicated;
    }
    if (rules.reorder > 0 && fault->rng.chance(rules.reorder)) {
      // Late enough to be passed, often by several.
      const Ticks late = std::max({rules.delay + rules.jitter, options.network.delay.count(), Ticks{1}});
      arrival += static_cast<Ticks>(1 + fault->rng.below(8)) * late;
      out_of_order = true;
      ++link.counters.reordered;
    }
  }
  return true;
}

void Engine::drop(std::uint32_t index, const Item& item) {
  ++counters.dropped;
  if (records_all && item.kind == Item::Kind::frame) {
    happen(Happening::Kind::dropped, item.peer, fmt::format("{} bytes", item.bytes.size()), item.node);
  }
  hash.mix(index);
}

// At the receiving end: a cut swallows it, a clog keeps it.
bool Engine::crosses(Item& item) {
  Link& link = links[item.link];
  if (link.cuts > 0) {
    ++link.counters.dropped;
    drop(item.link, item);
    return false;
  }
  if (link.clogs > 0) {
    ++link.counters.held;
    link.held.push_back(std::move(item));
    return false;
  }
  return true;
}

void Engine::clog(std::uint32_t index) { ++links[index].clogs; }

// What was held arrives now, in its order.
void Engine::unclog(std::uint32_t index) {
  Link& link = links[index];
  FL_ASSERT(link.clogs > 0);
  if (--link.clogs > 0) return;
  for (Item& item : std::exchange(link.held, {})) queue.push(now, std::move(item));
}

LinkCounters Engine::sum(const std::vector<std::uint32_t>& of) const {
  LinkCounters total;
  for (const std::uint32_t link : of) total += links[link].counters;
  return total;
}

}  // namespace faultline::sim
