#include <faultline/sim/options.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <set>

#include <faultline/rng.hpp>
#include <faultline/text.hpp>

namespace faultline::sim {

namespace {

std::string exact(Duration duration) {
  constexpr std::array<std::pair<std::string_view, Duration::rep>, 3> units{
      {{"s", 1'000'000'000}, {"ms", 1'000'000}, {"us", 1'000}}};
  for (const auto& [unit, size] : units) {
    if (duration.count() % size == 0) return fmt::format("{}{}", duration.count() / size, unit);
  }
  return fmt::format("{}ns", duration.count());
}

// Calls visit(section, name, field) for every field, so that writing and reading cannot differ.
template <class Options, class Visit>
void each_field(Options& options, Visit&& visit) {
  visit("", "seed", options.seed);
  visit("", "nodes", options.nodes);
  visit("", "spares", options.spares);
  visit("", "concurrency", options.concurrency);
  visit("network", "delay", options.network.delay);
  visit("network", "jitter", options.network.jitter);
  visit("network", "client_delay", options.network.client_delay);
  visit("network", "client_jitter", options.network.client_jitter);
  visit("network", "streams", options.network.streams);
  visit("disk", "latency", options.disk.latency);
  visit("disk", "jitter", options.disk.jitter);
  visit("clock", "wall_offset_max", options.clock.wall_offset_max);
  visit("clock", "drift_ppm_max", options.clock.drift_ppm_max);
  visit("", "event_cost", options.event_cost);
  visit("", "operation_limit", options.operation_limit);
  visit("", "membership_limit", options.membership_limit);
  visit("", "membership_interval", options.membership_interval);
  visit("", "beyond_model", options.beyond_model);
}

Value write(std::uint64_t n) {
  // JSON readers elsewhere may know nothing beyond 63 bits; larger numbers become text.
  if (n <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return static_cast<std::int64_t>(n);
  return fmt::format("{}", n);
}
Value write(std::int64_t n) { return n; }
Value write(bool b) { return b; }
Value write(Duration duration) { return exact(duration); }
Value write(const std::vector<NodeName>& names) { return Value::list({names.begin(), names.end()}); }

bool read(const Value& value, std::uint64_t& n) {
  if (value.is_integer() && value.as_integer() >= 0) return n = static_cast<std::uint64_t>(value.as_integer()), true;
  if (!value.is_string() || value.as_text().empty()) return false;
  std::uint64_t number = 0;
  for (const char c : value.as_text()) {
    if (c < '0' || c > '9' || number > (UINT64_MAX - static_cast<std::uint64_t>(c - '0')) / 10) return false;
    number = number * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return n = number, true;
}
bool read(const Value& value, std::int64_t& n) {
  return value.is_integer() && value.as_integer() >= 0 && (n = value.as_integer(), true);
}
bool read(const Value& value, bool& b) { return value.is_boolean() && (b = value.as_boolean(), true); }
bool read(const Value& value, Duration& duration) {
  const auto parsed = value.is_string() ? parse_duration(value.as_text()) : Result<Duration>(Error());
  return parsed && parsed.value() >= Duration::zero() && (duration = parsed.value(), true);
}
bool read(const Value& value, std::vector<NodeName>& names) {
  if (!value.is_list()) return false;
  names.clear();
  for (const Value& name : value.as_list()) {
    if (!name.is_string() || name.as_text().empty()) return false;
    names.emplace_back(name.as_text());
  }
  return true;
}

constexpr std::array<std::string_view, 3> sections{"network", "disk", "clock"};

Result<void> check_known(const SimOptions& options, const Value& value) {
  std::set<std::pair<std::string, std::string>> known;
  SimOptions copy = options;
  each_field(copy, [&](const char* section, const char* name, const auto&) { known.emplace(section, name); });
  const auto check = [&](const Value& fields, const std::string& section) -> Result<void> {
    if (!fields.is_map()) return Error::bad_input("the options of the simulator are no object");
    for (const auto& [key, field] : fields.as_map()) {
      const std::string name = key.is_string() ? std::string(key.as_text()) : key.to_string();
      const bool is_section = section.empty() && std::find(sections.begin(), sections.end(), name) != sections.end();
      if (!is_section && !known.contains({section, name}))
        return Error::bad_input(fmt::format("unknown option of the simulator: '{}'", escape_controls(clip(name, 80))));
    }
    return {};
  };
  if (auto checked = check(value, ""); !checked) return checked;
  for (const std::string_view section : sections) {
    const Value& fields = value.get(section);
    if (fields.is_null()) continue;
    if (auto checked = check(fields, std::string(section)); !checked) return checked;
  }
  return {};
}

Duration microseconds(std::uint64_t n) { return std::chrono::microseconds(static_cast<std::int64_t>(n)); }

// Log-uniform from 1 to 2^bits, in halves of powers of two.
std::uint64_t spread(Rng& rng, unsigned bits) {
  const std::uint64_t power = 1ULL << rng.below(bits + 1);
  return power + rng.below(power);
}

}  // namespace

SimOptions draw_options(std::uint64_t seed, std::size_t nodes, std::size_t spares, std::size_t concurrency) {
  SimOptions options;
  options.seed = seed;
  options.nodes.clear();
  for (std::size_t i = 1; i <= nodes + spares; ++i)
    (i <= nodes ? options.nodes : options.spares).push_back(fmt::format("n{}", i));
  options.concurrency = concurrency;
  Rng rng = Rng(seed).fork("options");
  options.network.delay = microseconds(20 * spread(rng, 6));
  options.network.jitter = microseconds(10 * spread(rng, 7));
  options.network.client_delay = microseconds(20 * spread(rng, 4));
  options.network.client_jitter = microseconds(10 * spread(rng, 5));
  options.network.streams = rng.chance(0.5);
  options.disk.latency = microseconds(20 * spread(rng, 7));
  options.disk.jitter = microseconds(20 * spread(rng, 6));
  options.clock.wall_offset_max = std::chrono::milliseconds(static_cast<std::int64_t>(rng.below(200)));
  options.clock.drift_ppm_max = static_cast<std::int64_t>(rng.below(200));
  // Half of the administrators soon go on to what they want next, while the change before it may still be under way.
  if (rng.chance(0.5)) options.membership_limit = std::chrono::milliseconds(100) * static_cast<int>(spread(rng, 6));
  return options;
}

Value to_value(const SimOptions& options) {
  std::map<std::string, std::vector<Value::Entry>> fields;
  each_field(options, [&](const char* section, const char* name, const auto& field) {
    fields[section].emplace_back(name, write(field));
  });
  std::vector<Value::Entry> all = std::move(fields[""]);
  for (const std::string_view section : sections) all.emplace_back(section, Value::map(fields[std::string(section)]));
  return Value::map(std::move(all));
}

Result<SimOptions> options_from_value(const Value& value) {
  SimOptions options;
  if (auto known = check_known(options, value); !known) return known.error();
  std::string wrong;
  each_field(options, [&](const char* section, const char* name, auto& field) {
    const Value& found = *section == '\0' ? value.get(name) : value.get(section).get(name);
    if (!found.is_null() && !read(found, field) && wrong.empty())
      wrong = fmt::format("option '{}' of the simulator cannot be {}", name, clip(found.to_string(), 80));
  });
  if (!wrong.empty()) return Error::bad_input(wrong);
  if (options.nodes.empty() || options.concurrency == 0)
    return Error::bad_input("the simulator needs at least one node and one client");
  std::set<NodeName> names(options.nodes.begin(), options.nodes.end());
  names.insert(options.spares.begin(), options.spares.end());
  if (names.size() != options.nodes.size() + options.spares.size())
    return Error::bad_input("two nodes of the simulator have the same name");
  return options;
}

}  // namespace faultline::sim
