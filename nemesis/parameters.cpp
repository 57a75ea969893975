#include "parameters.hpp"

#include <faultline/time.hpp>

#include <array>
#include <charconv>
#include <optional>

#include "strict.hpp"

namespace faultline {

namespace {

enum class Type : std::uint8_t {
  word,         // one of `words`
  open,         // checked with targets and shapes, or merely told
  duration,     // "50ms", not negative
  skew,         // a duration that may be negative
  probability,  // 0 to 1
  factor,       // above 0, at most 1
  rate,         // of a clock: 0 to 100
  count,        // a whole number from 1
  size,         // "64KiB"
  throughput,   // "1MB/s"
  glob,         // of files
  links,        // [["n1","n2"],["c0","n1"],…]
  clogs,        // [{"node":"n1","from":"0.3s","to":"2.1s"},…]
  clients,      // {"n1":["c0"]}, or how many there are
};

struct Parameter {
  std::string_view name;
  Type type;
  std::span<const std::string_view> words = {};
  bool required = false;
};

using Words2 = std::array<std::string_view, 2>;
using Words4 = std::array<std::string_view, 4>;
constexpr Words4 disks{"keep", "lose_unsynced", "torn", "reordered"};
constexpr std::array<std::string_view, 9> disk_calls{"open",     "read",   "write",  "allocate", "fsync",
                                                     "truncate", "rename", "unlink", "mkdir"};
constexpr Words2 edges{"before", "after"};
constexpr std::array<std::string_view, 3> clocks{"wall", "mono", "both"};
constexpr Words4 changes{"jump", "rate", "strobe", "freeze"};
constexpr Words2 calls{"read", "write"};
constexpr std::array<std::string_view, 4> errnos{"EIO", "ENOSPC", "EROFS", "EDQUOT"};
constexpr Words2 pages{"drop", "keep"};

constexpr Parameter target{"target", Type::open}, fallback{"fallback", Type::open}, file{"file", Type::glob};

constexpr Parameter partition_parameters[] = {
    {"shape", Type::open}, {"of", Type::open}, {"clients", Type::clients}, fallback};
constexpr Parameter kill_parameters[] = {{"disk", Type::word, disks}, target, fallback};
constexpr Parameter restart_parameters[] = {{"grace", Type::duration}, {"down", Type::duration}, target, fallback};
constexpr Parameter upgrade_parameters[] = {
    {"to", Type::count, {}, true}, {"grace", Type::duration}, {"down", Type::duration}, target, fallback};
constexpr Parameter target_parameters[] = {target, fallback};
constexpr Parameter membership_parameters[] = {{"change", Type::open}, target, fallback};
constexpr Parameter clog_parameters[] = {{"links", Type::links}, {"pairs", Type::count}, target, fallback};
constexpr Parameter swizzle_parameters[] = {{"clogs", Type::clogs}, {"window", Type::duration}};
constexpr Parameter packet_parameters[] = {{"delay", Type::duration},
                                           {"jitter", Type::duration},
                                           {"loss", Type::probability},
                                           {"duplicate", Type::probability},
                                           {"reorder", Type::probability},
                                           {"corrupt", Type::probability},
                                           {"rate", Type::throughput},
                                           {"links", Type::links},
                                           {"pairs", Type::count},
                                           target,
                                           fallback};
constexpr Parameter crash_parameters[] = {{"call", Type::word, disk_calls},
                                          {"nth", Type::count},
                                          {"edge", Type::word, edges},
                                          file,
                                          {"disk", Type::word, disks},
                                          target,
                                          fallback};
constexpr Parameter clock_parameters[] = {{"clock", Type::word, clocks, true},
                                          {"change", Type::word, changes, true},
                                          {"by", Type::skew},
                                          {"rate", Type::rate},
                                          {"period", Type::duration},
                                          target,
                                          fallback};
constexpr Parameter io_parameters[] = {{"call", Type::word, calls, true},
                                       {"errno", Type::word, errnos},
                                       {"probability", Type::probability},
                                       file,
                                       target,
                                       fallback};
constexpr Parameter fsync_parameters[] = {
    {"errno", Type::word, errnos}, {"pages", Type::word, pages}, {"nth", Type::count}, file, target, fallback};
constexpr Parameter enospc_parameters[] = {{"bytes", Type::size, {}, true}, target, fallback};
constexpr Parameter slow_parameters[] = {{"latency", Type::duration, {}, true}, target, fallback};
constexpr Parameter flip_parameters[] = {{"bits", Type::count}, file, target, fallback};
constexpr Parameter truncate_parameters[] = {{"bytes", Type::size, {}, true}, file, target, fallback};
constexpr Parameter pressure_parameters[] = {{"speed", Type::factor, {}, true}, target, fallback};

struct KindParameters {
  std::string_view kind;
  std::span<const Parameter> parameters;
};
constexpr std::array<KindParameters, 19> all{{
    {"partition", partition_parameters}, {"kill", kill_parameters},
    {"restart", restart_parameters},     {"upgrade", upgrade_parameters},
    {"pause", target_parameters},        {"membership", membership_parameters},
    {"clog", clog_parameters},           {"swizzle_clog", swizzle_parameters},
    {"packet", packet_parameters},       {"crash_point", crash_parameters},
    {"clock", clock_parameters},         {"io_error", io_parameters},
    {"fsync_error", fsync_parameters},   {"enospc", enospc_parameters},
    {"slow_disk", slow_parameters},      {"bit_flip", flip_parameters},
    {"truncate", truncate_parameters},   {"wipe", target_parameters},
    {"pressure", pressure_parameters},
}};

// --- values ----------------------------------------------------------------------------------------------------------

Error wrong(std::string_view kind, std::string_view name, const Value& value, std::string_view needed,
            std::string_view example) {
  return Error::bad_input(fmt::format("{} of {} is {}: {}", name, kind, needed, clip(value.to_string(), 80)),
                          fmt::format("e.g. {}", example));
}

std::optional<double> real(const Value& value) {
  if (value.is_real()) return value.as_real();
  if (value.is_integer()) return static_cast<double>(value.as_integer());
  return std::nullopt;
}

// "64KiB": a whole number and its unit.
bool is_size(std::string_view text) {
  constexpr std::array<std::string_view, 7> units{"B", "KB", "MB", "GB", "KiB", "MiB", "GiB"};
  std::uint64_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (error != std::errc{} || n > (std::uint64_t{1} << 30)) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return std::find(units.begin(), units.end(), text) != units.end();
}

bool is_duration(const Value& value, bool may_be_negative) {
  if (!value.is_string()) return false;
  std::string_view text = value.as_text();
  if (may_be_negative && text.starts_with('-')) text.remove_prefix(1);
  return !text.starts_with('-') && parse_duration(text).ok();
}

bool is_client(std::string_view name) {
  return name.size() > 1 && name.starts_with('c') && name.find_first_not_of("0123456789", 1) == std::string_view::npos;
}

Result<void> check_links(const Value& value, const std::vector<NodeName>& nodes) {
  const Error shape = Error::bad_input("'links' is no list of pairs of nodes: " + clip(value.to_string(), 80),
                                       R"(e.g. [["n1","n2"],["c0","n1"]]: from n1 to n2, from client c0 to n1)");
  if (!value.is_list() || value.as_list().empty()) return shape;
  for (const Value& link : value.as_list()) {
    if (!link.is_pair()) return shape;
    const auto ends = node_list(link, "a link");
    if (!ends) return ends.error();
    for (const NodeName& end : ends.value()) {
      if (is_client(end)) continue;
      if (auto known = known_node(end, nodes); !known) return known;
    }
  }
  return {};
}

Result<void> check_clogs(const Value& value, const std::vector<NodeName>& nodes) {
  static constexpr std::array<std::string_view, 4> fields{"node", "from", "to", "links"};
  if (!value.is_list()) return Error::bad_input("'clogs' is no list: " + clip(value.to_string(), 80));
  for (const Value& clog : value.as_list()) {
    if (auto known = only_fields(clog, "a clog", fields); !known) return known;
    const Value& node = clog.get("node");
    if (!node.is_string()) return Error::bad_input("a clog needs its node: " + clip(clog.to_string(), 80));
    if (auto known = known_node(node.as_text(), nodes); !known) return known;
    if (!is_duration(clog.get("from"), false) || !is_duration(clog.get("to"), false)) {
      return Error::bad_input("a clog needs 'from' and 'to': " + clip(clog.to_string(), 80),
                              R"(e.g. {"node":"n1","from":"0.3s","to":"2.1s"})");
    }
  }
  return {};
}

Result<void> check_clients(const Value& value, const std::vector<NodeName>& nodes) {
  if (value.is_integer() && value.as_integer() >= 1) return {};
  if (!value.is_map()) {
    return Error::bad_input("'clients' is neither a map nor a number: " + clip(value.to_string(), 80),
                            R"(e.g. {"n1":["c0"]}: c0 is cut off from n1)");
  }
  for (const auto& [node, list] : value.as_map()) {
    if (!node.is_string()) return Error::bad_input("'clients' has a key that is no node: " + node.to_string());
    if (auto known = known_node(node.as_text(), nodes); !known) return known;
    if (const auto names = node_list(list, "clients of " + quoted(node.as_text())); !names) return names.error();
  }
  return {};
}

Result<void> check_number(std::string_view kind, const Parameter& parameter, const Value& value) {
  const std::optional<double> number = real(value);
  switch (parameter.type) {
    case Type::probability:
      if (number && *number >= 0 && *number <= 1) return {};
      return wrong(kind, parameter.name, value, "no probability from 0 to 1", "0.1");
    case Type::factor:
      if (number && *number > 0 && *number <= 1) return {};
      return wrong(kind, parameter.name, value, "no factor above 0 and at most 1", "0.1");
    case Type::rate:
      if (number && *number >= 0 && *number <= 100) return {};
      return wrong(kind, parameter.name, value, "no rate from 0 to 100", "0.3: three tenths as fast");
    default: FL_ASSERT(parameter.type == Type::count);
  }
  if (value.is_integer() && value.as_integer() >= 1) return {};
  return wrong(kind, parameter.name, value, "no whole number from 1", "3");
}

Result<void> check_text(std::string_view kind, const Parameter& parameter, const Value& value) {
  const std::string_view text = value.is_string() ? value.as_text() : std::string_view();
  switch (parameter.type) {
    case Type::word:
      if (text.empty()) return wrong(kind, parameter.name, value, "no word", joined(parameter.words));
      if (std::find(parameter.words.begin(), parameter.words.end(), text) != parameter.words.end()) return {};
      return unknown_word(fmt::format("{} of {}", parameter.name, kind), text, parameter.words);
    case Type::duration:
      if (is_duration(value, false)) return {};
      return wrong(kind, parameter.name, value, "no duration with a unit", "\"50ms\"");
    case Type::skew:
      if (is_duration(value, true)) return {};
      return wrong(kind, parameter.name, value, "no duration with a unit", "\"-2s\"");
    case Type::size:
      if (is_size(text)) return {};
      return wrong(kind, parameter.name, value, "no size with a unit, at most 1GiB", "\"64KiB\"");
    case Type::throughput:
      if (text.ends_with("/s") && is_size(text.substr(0, text.size() - 2))) return {};
      return wrong(kind, parameter.name, value, "no rate with a unit", "\"1MB/s\"");
    default: FL_ASSERT(parameter.type == Type::glob);
  }
  if (!text.empty()) return {};
  return wrong(kind, parameter.name, value, "no pattern of files", "\"wal/*\"");
}

Result<void> check_one(std::string_view kind, const Parameter& parameter, const Value& value,
                       const std::vector<NodeName>& nodes) {
  switch (parameter.type) {
    case Type::open: return {};
    case Type::links: return check_links(value, nodes);
    case Type::clogs: return check_clogs(value, nodes);
    case Type::clients: return check_clients(value, nodes);
    case Type::probability:
    case Type::factor:
    case Type::rate:
    case Type::count: return check_number(kind, parameter, value);
    default: return check_text(kind, parameter, value);
  }
}

// --- what belongs together -------------------------------------------------------------------------------------------

Result<void> needs(const Fault& fault, std::string_view name, std::string_view why) {
  if (!fault.parameters.get(name).is_null()) return {};
  return Error::bad_input(fmt::format("{} needs '{}'", why, name));
}

Result<void> check_clock(const Fault& fault) {
  const std::string_view change = fault.parameters.get("change").as_text();
  if (change == "jump") return needs(fault, "by", "a clock that jumps");
  if (change == "rate") return needs(fault, "rate", "a clock of another rate");
  if (change == "freeze") return {};
  if (auto by = needs(fault, "by", "a clock that is strobed"); !by) return by;
  return needs(fault, "period", "a clock that is strobed");
}

Result<void> check_packet(const Fault& fault) {
  for (const std::string_view name : {"delay", "jitter", "loss", "duplicate", "reorder", "corrupt", "rate"}) {
    if (!fault.parameters.get(name).is_null()) return {};
  }
  return Error::bad_input("a packet fault does nothing",
                          "give one of delay, jitter, loss, duplicate, reorder, corrupt, rate");
}

}  // namespace

Result<void> check_parameters(const Fault& fault, const std::vector<NodeName>& nodes) {
  const auto known =
      std::find_if(all.begin(), all.end(), [&](const KindParameters& kind) { return kind.kind == fault.kind; });
  FL_ASSERT(known != all.end());
  std::vector<std::string_view> names;
  for (const Parameter& parameter : known->parameters) names.push_back(parameter.name);
  if (!fault.parameters.is_null()) {
    auto checked = only_fields(fault.parameters, fmt::format("parameters of {}", fault.kind), names);
    if (!checked) return checked;
  }
  for (const Parameter& parameter : known->parameters) {
    const Value& value = fault.parameters.get(parameter.name);
    if (value.is_null()) {
      if (!parameter.required) continue;
      return Error::bad_input(fmt::format("{} needs '{}'", fault.kind, parameter.name),
                              parameter.words.empty() ? "" : "known: " + joined(parameter.words));
    }
    if (auto checked = check_one(fault.kind, parameter, value, nodes); !checked) return checked;
  }
  if (fault.kind == "clock") return check_clock(fault);
  return fault.kind == "packet" ? check_packet(fault) : Result<void>();
}

}  // namespace faultline
