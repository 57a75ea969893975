// PacketFilter: the rules of ours in one node's namespace: who it drops, and how many packets that cost.
//
// One nft table (or iptables chain) named for the run; every change is one atomic batch, nothing else in the namespace is touched. No fault
// may cut the control address: the harness is accepted before anybody is dropped, but for connections of its clients, told by the ports
// they come from and go to, which are dropped both ways.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <faultline/result.hpp>

namespace faultline::live {

enum class FilterTool { nft, iptables };

// nft where it is installed, else iptables; the error says how to get one.
Result<FilterTool> choose_filter_tool();
const char* to_string(FilterTool tool);

// Addresses of everybody, so that counters can be declared once: they survive a change of rules.
struct FilterPlan {
  std::string name;                  // of table or chain: letters, digits, underscore
  std::string harness;               // IPv4 address never dropped, but for connections of clients
  std::vector<std::string> sources;  // IPv4 addresses that may be dropped
  // Connections of clients that may be dropped come from this IPv4 address to this port; empty: none may be.
  std::string clients;
  std::uint16_t client_port = 0;
};

// What is dropped: in, and of connections of clients also out.
struct Dropped {
  std::set<std::size_t> sources;                              // positions in FilterPlan::sources
  std::set<std::string> others;                               // further addresses, counted together
  std::set<std::pair<std::uint16_t, std::uint16_t>> clients;  // ranges of ports they come from, counted with the others

  [[nodiscard]] bool empty() const { return sources.empty() && others.empty() && clients.empty(); }
  friend bool operator==(const Dropped&, const Dropped&) = default;
};

// The batches, as text for `nft -f -` and `iptables-restore --noflush`.
std::string nft_setup(const FilterPlan& plan);
std::string nft_rules(const FilterPlan& plan, const Dropped& dropped);
std::string iptables_setup(const FilterPlan& plan);
std::string iptables_rules(const FilterPlan& plan, const Dropped& dropped);
// The chain of what goes out.
std::string output_name(const std::string& name);
// The sum of "packets N" in `nft list counters`, and of "[N:B] -A NAME … -j DROP" in `iptables-save -c`.
std::int64_t nft_packets(const std::string& listing);
std::int64_t iptables_packets(const std::string& listing, const std::string& name);

// Removes table or chain of that name from the calling thread's namespace. True: it was there. `tool` is nft, iptables or iptables_mangle.
inline constexpr const char* iptables_mangle = "iptables-mangle";  // where queues are
Result<bool> remove_filter(const std::string& tool, const std::string& name);

class PacketFilter {
 public:
  // `name_space`: path of the node's network namespace.
  PacketFilter(FilterTool tool, FilterPlan plan, std::string name_space);

  Result<void> set_up();
  // From now on exactly these are dropped.
  Result<void> drop(const Dropped& dropped);
  // Packets dropped since set_up.
  Result<std::int64_t> dropped_packets();
  // Whether a dropping rule is loaded, as the kernel says.
  [[nodiscard]] Result<bool> has_rules() const;

 private:
  FilterTool tool_;
  FilterPlan plan_;
  std::string name_space_;
  std::int64_t dropped_before_ = 0;  // iptables: by rules that are gone
};

}  // namespace faultline::live
