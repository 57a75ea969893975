// PacketFilter: the rules of ours in one node's namespace: who it drops, and how many packets that cost.
//
// One nft table (or iptables chain) named for the run; every change is one atomic batch, nothing else in the namespace is touched. The
// first rule accepts the harness: no fault may cut the control address.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
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
  std::string harness;               // IPv4 address never dropped
  std::vector<std::string> sources;  // IPv4 addresses that may be dropped
};

// The batches, as text for `nft -f -` and `iptables-restore --noflush`. `dropped`: positions in plan.sources.
std::string nft_setup(const FilterPlan& plan);
// `others`: further addresses that are dropped, and counted together.
std::string nft_rules(const FilterPlan& plan, const std::set<std::size_t>& dropped,
                      const std::set<std::string>& others = {});
std::string iptables_setup(const FilterPlan& plan);
std::string iptables_rules(const FilterPlan& plan, const std::set<std::size_t>& dropped,
                           const std::set<std::string>& others = {});
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
  // From now on exactly these sources are dropped.
  Result<void> drop(const std::set<std::size_t>& sources, const std::set<std::string>& others = {});
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
