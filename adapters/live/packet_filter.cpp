#include "packet_filter.hpp"

#include <cctype>
#include <sstream>

#include "spawn.hpp"

namespace faultline::live {
namespace {

std::string counter_name(std::size_t source) { return "from_" + std::to_string(source); }

}  // namespace

Result<FilterTool> choose_filter_tool() {
  if (find_program("nft").ok()) return FilterTool::nft;
  if (find_program("iptables-restore").ok() && find_program("iptables-save").ok()) return FilterTool::iptables;
  return Error::environment("neither nft nor iptables is installed", "apt install nftables");
}

const char* to_string(FilterTool tool) { return tool == FilterTool::nft ? "nft" : "iptables"; }

std::string nft_setup(const FilterPlan& plan) {
  std::string text = "table ip " + plan.name + " {\n";
  for (std::size_t i = 0; i < plan.sources.size(); ++i) text += "  counter " + counter_name(i) + " { }\n";
  text += "  counter from_others { }\n";
  text += "  chain input { type filter hook input priority -300; policy accept; }\n";
  if (!plan.clients.empty()) text += "  chain output { type filter hook output priority -300; policy accept; }\n";
  return text + "}\n";
}

std::string nft_rules(const FilterPlan& plan, const Dropped& dropped) {
  const std::string chain = "ip " + plan.name + " input";
  const std::string output = "ip " + plan.name + " output";
  std::string text = "flush chain " + chain + "\n";
  if (!plan.clients.empty()) text += "flush chain " + output + "\n";
  if (dropped.empty()) return text;
  const std::string port = std::to_string(plan.client_port);
  for (const auto& [first, last] : dropped.clients) {
    const std::string range = std::to_string(first) + "-" + std::to_string(last);
    text += "add rule " + chain + " ip saddr " + plan.clients + " tcp sport " + range + " tcp dport " + port +
            " counter name \"from_others\" drop\n";
    text += "add rule " + output + " ip daddr " + plan.clients + " tcp sport " + port + " tcp dport " + range +
            " counter name \"from_others\" drop\n";
  }
  text += "add rule " + chain + " ip saddr " + plan.harness + " accept\n";
  for (const auto i : dropped.sources) {
    text += "add rule " + chain + " ip saddr " + plan.sources[i] + " counter name \"" + counter_name(i) + "\" drop\n";
  }
  for (const auto& address : dropped.others)
    text += "add rule " + chain + " ip saddr " + address + " counter name \"from_others\" drop\n";
  return text;
}

std::string iptables_setup(const FilterPlan& plan) {
  std::string text = "*filter\n:" + plan.name + " - [0:0]\n-I INPUT 1 -j " + plan.name + "\n";
  if (const std::string output = output_name(plan.name); !plan.clients.empty())
    text += ":" + output + " - [0:0]\n-I OUTPUT 1 -j " + output + "\n";
  return text + "COMMIT\n";
}

std::string iptables_rules(const FilterPlan& plan, const Dropped& dropped) {
  const std::string output = output_name(plan.name);
  std::string text = "*filter\n:" + plan.name + " - [0:0]\n";  // declaring a chain of one's own empties it
  if (!plan.clients.empty()) text += ":" + output + " - [0:0]\n";
  const std::string port = std::to_string(plan.client_port);
  for (const auto& [first, last] : dropped.clients) {
    const std::string range = std::to_string(first) + ":" + std::to_string(last);
    text += "-A " + plan.name + " -s " + plan.clients + " -p tcp -m tcp --sport " + range + " --dport " + port +
            " -j DROP\n";
    text +=
        "-A " + output + " -d " + plan.clients + " -p tcp -m tcp --sport " + port + " --dport " + range + " -j DROP\n";
  }
  if (!dropped.empty()) text += "-A " + plan.name + " -s " + plan.harness + " -j ACCEPT\n";
  for (const auto i : dropped.sources) text += "-A " + plan.name + " -s " + plan.sources[i] + " -j DROP\n";
  for (const auto& address : dropped.others) text += "-A " + plan.name + " -s " + address + " -j DROP\n";
  return text + "COMMIT\n";
}

std::string output_name(const std::string& name) { return name + "_o"; }

std::int64_t nft_packets(const std::string& listing) {
  std::istringstream words(listing);
  std::int64_t sum = 0;
  for (std::string word; words >> word;) {
    std::int64_t n = 0;
    if (word == "packets" && words >> n) sum += n;
  }
  return sum;
}

std::int64_t iptables_packets(const std::string& listing, const std::string& name) {
  std::istringstream lines(listing);
  std::int64_t sum = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.find(" -A " + name + " ") == std::string::npos || !line.ends_with("-j DROP")) continue;
    std::istringstream counters(line);
    char bracket = 0;
    std::int64_t n = 0;
    if (counters >> bracket >> n && bracket == '[') sum += n;
  }
  return sum;
}

Result<bool> remove_filter(const std::string& tool, const std::string& name) {
  if (tool == to_string(FilterTool::nft)) {
    auto tables = run_checked({"nft", "list", "tables"}, "", "");
    if (!tables) return tables.error();
    if ((tables.value() + "\n").find("table ip " + name + "\n") == std::string::npos) return false;
    auto removed = run_checked({"nft", "-f", "-"}, "delete table ip " + name + "\n", "");
    if (!removed) return removed.error();
    return true;
  }
  const std::string table = tool == iptables_mangle ? "mangle" : "filter";
  auto rules = run_checked({"iptables-save", "-t", table}, "", "");
  if (!rules) return rules.error();
  std::string batch;
  for (const auto& [hook, chain] : {std::pair("INPUT", name), std::pair("OUTPUT", output_name(name))}) {
    if (rules.value().find(":" + chain + " ") == std::string::npos) continue;
    const std::string jump = std::string(hook) + " -j " + chain + "\n";
    const bool linked = rules.value().find("-A " + jump) != std::string::npos;
    batch += ":" + chain + " - [0:0]\n" + (linked ? "-D " + jump : "") + "-X " + chain + "\n";
  }
  if (batch.empty()) return false;
  auto removed = run_checked({"iptables-restore", "--noflush", "-w", "5"}, "*" + table + "\n" + batch + "COMMIT\n", "");
  if (!removed) return removed.error();
  return true;
}

PacketFilter::PacketFilter(FilterTool tool, FilterPlan plan, std::string name_space)
    : tool_(tool), plan_(std::move(plan)), name_space_(std::move(name_space)) {}

Result<void> PacketFilter::set_up() {
  auto loaded = tool_ == FilterTool::nft
                    ? run_checked({"nft", "-f", "-"}, nft_setup(plan_), name_space_)
                    : run_checked({"iptables-restore", "--noflush", "-w", "5"}, iptables_setup(plan_), name_space_);
  if (!loaded) return loaded.error();
  return {};
}

Result<void> PacketFilter::drop(const Dropped& dropped) {
  FL_ASSERT(dropped.clients.empty() || !plan_.clients.empty());
  if (tool_ == FilterTool::nft) {
    auto loaded = run_checked({"nft", "-f", "-"}, nft_rules(plan_, dropped), name_space_);
    if (!loaded) return loaded.error();
    return {};
  }
  auto before = dropped_packets();
  if (!before) return before.error();
  auto loaded = run_checked({"iptables-restore", "--noflush", "-w", "5"}, iptables_rules(plan_, dropped), name_space_);
  if (!loaded) return loaded.error();
  dropped_before_ = before.value();
  return {};
}

Result<std::int64_t> PacketFilter::dropped_packets() {
  if (tool_ == FilterTool::nft) {
    auto listing = run_checked({"nft", "list", "counters", "table", "ip", plan_.name}, "", name_space_);
    if (!listing) return listing.error();
    return nft_packets(listing.value());
  }
  auto listing = run_checked({"iptables-save", "-c", "-t", "filter"}, "", name_space_);
  if (!listing) return listing.error();
  return dropped_before_ + iptables_packets(listing.value(), plan_.name) +
         iptables_packets(listing.value(), output_name(plan_.name));
}

Result<bool> PacketFilter::has_rules() const {
  const bool nft = tool_ == FilterTool::nft;
  auto listing = nft ? run_checked({"nft", "list", "chain", "ip", plan_.name, "input"}, "", name_space_)
                     : run_checked({"iptables-save", "-t", "filter"}, "", name_space_);
  if (!listing) return listing.error();
  return listing.value().find(nft ? "drop" : "-j DROP") != std::string::npos;
}

}  // namespace faultline::live
