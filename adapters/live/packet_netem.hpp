// PacketNetem: packets on their way to nodes, delayed and lost by the kernel (netem), so that none of them costs this process anything.
//
// The port of a node at the bridge gets a `prio` qdisc: its first band is for everybody, and each source whose link bears a fault has a
// band of its own with a netem in it, and a filter by its address that leads there. There a packet has left its sender for good, as
// with PacketQueue; and all ports lie in the bridge's namespace, which is ours, so that the rules vanish with it, whatever ends us. Until
// then they stay in force without us, unlike those of a queue. A port without faults has no qdisc. What a link suffers changes by
// one command of a batch for each link: not for all of them at the same moment.
//
// Delay, jitter and loss are netem's. All else is PacketQueue's, which counts each packet and can let go of it at any time:
// - copies: netem counts none, and refuses to double beside another netem ("cannot mix duplicating netems with other netems in tree",
//   Linux 6.1.148 and 6.16 on);
// - damage: netem flips any bit of a frame, also one of its Ethernet source, which harms nothing, and counts none;
// - reordering: netem lets some packets overtake those it delays, where a fault asks for some that come late;
// - rates: netem's queue is limited by packets, not by time, and it does not count who waited;
// - clogs, and delays beyond longest_netem_delay: what netem has taken comes when it is due, and no sooner.
// The last also says how a link heals: its netem turns clear (it keeps the order), and goes with the next change or settle() that finds it
// empty.
// Draws are the kernel's own: no seed repeats them.
//
// netem keeps the order of packets under jitter if it has a rate (it then counts the delay from the packet before), so it gets 100 Gbit/s.
// It draws once for what it is given, which of a stream would be a bundle of segments (GSO): as long as a node is the source of a netem, its
// interface sends single ones.
//
// Thread rules: calls come from one thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <faultline/live/traffic.hpp>
#include <faultline/result.hpp>

namespace faultline::live {

inline constexpr Duration longest_netem_delay = std::chrono::seconds(2);
// `prio` has 16 bands, and the first is for everybody.
inline constexpr std::size_t netem_nodes_most = 15;

// What one netem does. All zero: packets pass at once, behind those that are under way.
struct NetemRules {
  Duration delay{};
  Duration jitter{};  // up to so much more
  double loss = 0;

  friend bool operator==(const NetemRules&, const NetemRules&) = default;
};

// All that lies on a link as one netem; nullopt: it is not for netem.
std::optional<NetemRules> netem_rules(const LinkFaults& faults);

// The netems at the port of one node, by position of the source.
using NetemPort = std::map<std::size_t, NetemRules>;
// What turns one into the other, for `tc -batch -`; `addresses` of the sources, IPv4.
std::string netem_batch(const std::string& device, const std::vector<std::string>& addresses, const NetemPort& before,
                        const NetemPort& after);

struct NetemCount {
  std::int64_t passed = 0, lost = 0, waiting = 0;  // packets; the first two since the netem was made

  friend bool operator==(const NetemCount&, const NetemCount&) = default;
};
// By device and position of the source: what `tc -s -j qdisc show` says. Error: it is not understood.
Result<std::map<std::pair<std::string, std::size_t>, NetemCount>> netem_counts(const std::string& listing);

// Whether all of this works here, by trying in a namespace that vanishes again; the error says what is missing and how to get it.
Result<void> try_netem();

class PacketNetem {
 public:
  // Of one node.
  struct Place {
    std::string device;      // its port at the bridge
    std::string name_space;  // a path, its own; there its interface is eth0
    std::string address;     // IPv4
  };
  // By position in the places: (from, to).
  using Pairs = std::map<std::pair<std::size_t, std::size_t>, NetemRules>;

  // `name_space`: a path, of the bridge. REQUIRES: at most netem_nodes_most places.
  PacketNetem(std::string name_space, std::vector<Place> places);

  // What links suffer from now on; all others are clear.
  Result<void> shape(const Pairs& faults);
  // What they did; while the kernel cannot be asked, as it was.
  TrafficCounters counters();
  // Waits until nothing is under way on clear links, and takes their netems away. Error: something is left after the limit.
  Result<void> settle(Duration limit);

 private:
  struct Port {
    NetemPort rules;
    std::map<std::size_t, NetemCount> seen;  // by source
    bool known = true;                       // false after a failure: the next change begins with an empty port
  };
  Result<void> look();
  Result<void> load(std::size_t to, const NetemPort& after);
  Result<void> remove_empty();
  Result<void> unbundle(const std::set<std::size_t>& sources);
  [[nodiscard]] bool is_idle(std::size_t to, std::size_t source) const;
  [[nodiscard]] bool is_bare() const;

  std::string name_space_;
  std::vector<Place> places_;
  std::vector<std::string> addresses_;
  std::vector<Port> ports_;          // by place
  std::set<std::size_t> unbundled_;  // sources that send single segments
  TrafficCounters counters_;
};

}  // namespace faultline::live
