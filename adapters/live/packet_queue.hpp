// PacketQueue: packets on their way into nodes' namespaces, judged by this process: delayed, lost, doubled, reordered, damaged, slowed
// down, held.
//
// NFQUEUE on the input of each node: there a packet has left its sender for good, so that TCP's limits on what a socket may have in its
// own host do not count it. A rule for each source whose link bears a fault, none otherwise: a link without faults costs nothing. A copy
// is the packet sent once more by a raw socket in the receiver's namespace, marked so that the rule lets it pass. Bits are flipped behind
// the IP header and break the checksum, so that the receiver's kernel drops the packet. The rules let packets pass when nobody listens
// (bypass), so that a harness that died cuts nobody off; they vanish with the
// namespace, or by remove_filter().
//
// netem would do most of this in the kernel, but counts only what it lost, and needs a class for each destination.
//
// Frames that somebody waits for are seen on their way (see FrameTap); for that every packet of every link comes by here.
//
// Thread rules: shape(), tap(), watch(), counters() and stop() from one thread at a time; a thread of its own, started by the first fault, judges.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <faultline/live/traffic.hpp>
#include <faultline/result.hpp>

#include "frame_tap.hpp"
#include "packet_filter.hpp"

namespace faultline::live {

// What loads the rules: nft where its kernel module is there, else iptables. By trying in a namespace that vanishes again; the error says
// what is missing and how to get it.
Result<FilterTool> choose_queue_tool();

// The batches, as text for `nft -f -` and `iptables-restore --noflush`. `queued`: positions in plan.sources.
std::string nft_queue_rules(const FilterPlan& plan, const std::set<std::size_t>& queued);
std::string iptables_queue_rules(const FilterPlan& plan, const std::set<std::size_t>& queued);

std::string queue_name(const std::string& name);

class PacketQueue {
 public:
  // Of one node.
  struct Place {
    std::string name_space;  // a path; empty: the calling thread's
    std::string address;     // IPv4
    bool judged = true;      // false: it only sends, what reaches it is somebody else's
  };
  // By position in the places: (from, to).
  using Pairs = std::map<std::pair<std::size_t, std::size_t>, LinkFaults>;

  // `name`: letters, digits, underscore; queue_name() of it is that of the table or chain of rules.
  PacketQueue(FilterTool tool, std::string name, std::vector<Place> places);
  ~PacketQueue();
  PacketQueue(const PacketQueue&) = delete;
  PacketQueue& operator=(const PacketQueue&) = delete;

  // The faults that lie on links from now on; all other links are clear. What was under way on those arrives at once.
  Result<void> shape(const Pairs& faults);
  // From now on every packet from one place to another comes by here, so that frames are seen in streams that begin later.
  Result<void> tap(const MakeFramer& framer);
  // By link, the frames that are watched for, these and no others. REQUIRES: tap() succeeded.
  void watch(const std::map<std::pair<std::size_t, std::size_t>, std::vector<FrameWatch>>& watches);
  [[nodiscard]] bool is_tapped() const { return is_tapped_; }
  [[nodiscard]] TrafficCounters counters() const;
  // Whether a rule is loaded, as the kernel says.
  [[nodiscard]] Result<bool> has_rules() const;
  void stop();

 private:
  class Judge;
  Result<void> start();
  Result<void> load_all(const Pairs& faults);
  Result<void> load(std::size_t place, const std::set<std::size_t>& queued);
  [[nodiscard]] FilterPlan plan() const;

  FilterTool tool_;
  std::string name_;
  std::vector<Place> places_;
  std::vector<std::set<std::size_t>> queued_;  // by place: the sources with a rule
  std::set<std::size_t> loaded_;               // places that have our table, or chain and the jump into it
  std::unique_ptr<Judge> judge_;
  bool is_tapped_ = false;
};

}  // namespace faultline::live
