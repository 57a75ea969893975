#include <faultline/workload.hpp>

#include <faultline/text.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <set>

#include "locks.hpp"

namespace faultline {

namespace {

constexpr std::size_t most_keys = 1000;
constexpr double highest_rate = 1e6;
constexpr std::size_t most_final_keys = 100;
constexpr double put_share = 0.125;  // of kv-append's writes: appends must have something to pile up on

constexpr double set_read_share = 0.1;  // of the reads that others would do: each returns a whole set
constexpr std::int64_t longest_ttl_ms = 3'600'000;

constexpr std::array<WorkloadInfo, 7> all{{
    {"register", "register", "reads and writes of unique values on many keys"},
    {"cas-register", "cas-register", "reads, writes and compare-and-sets of few values on many keys"},
    {"kv-append", "kv", "gets, puts and appends of unique tokens on many keys"},
    {"set", "set", "additions of unique elements to many sets, and reads of whole sets"},
    {"lock", "mutex", "few locks with leases, taken, held and let go"},
    {"fenced-lock", "fencing", "the same, and what a lock protects refuses tokens older than one it has seen"},
    {"lease", "lease", "keys with leases, kept alive for a while, and read until they are gone"},
}};

struct Slot {
  std::uint64_t key = 0;
  std::uint64_t operations = 0;
  std::int64_t writes = 0;
};

struct Live {
  std::vector<Slot> slots;
  std::uint64_t keys_used = 0;
};

// What to do with a key; `writes` counts up for every value that must be new to it.
using KeyDraw = std::function<Invocation(std::int64_t& writes, Rng& rng)>;

Generator on_live_keys(Rng rng, const WorkloadOptions& options, std::uint64_t ops_per_key, std::string_view prefix,
                       KeyDraw draw) {
  Live live{.slots = std::vector<Slot>(options.keys), .keys_used = options.keys};
  for (std::size_t i = 0; i < live.slots.size(); ++i) live.slots[i].key = i;
  const auto next = [=, name = std::string(prefix), draw = std::move(draw)](Live& state, const Context&, Rng& r) {
    Slot& slot = state.slots[r.below(state.slots.size())];
    Invocation invocation = draw(slot.writes, r);
    invocation.key = name + std::to_string(slot.key);
    if (++slot.operations == ops_per_key) slot = {.key = state.keys_used++};
    return std::optional(std::move(invocation));
  };
  return unfold<Live>(std::move(rng), std::move(live), next);
}

KeyDraw register_draw(const WorkloadOptions& options) {
  return [reads = options.read_fraction](std::int64_t& writes, Rng& rng) {
    if (rng.chance(reads)) return Invocation{"read", {}, {}};
    return Invocation{"write", ++writes, {}};
  };
}

KeyDraw cas_draw(const WorkloadOptions& options) {
  return [reads = options.read_fraction, values = options.value_count](std::int64_t&, Rng& rng) {
    if (rng.chance(reads)) return Invocation{"read", {}, {}};
    const std::int64_t to = rng.between(0, values - 1);
    if (rng.chance(0.5)) return Invocation{"write", to, {}};
    const std::int64_t from = (to + rng.between(1, values - 1)) % values;  // a cas to the same value changes nothing
    return Invocation{"cas", Value::list({from, to}), {}};
  };
}

KeyDraw append_draw(const WorkloadOptions& options) {
  return [reads = options.read_fraction](std::int64_t& writes, Rng& rng) {
    if (rng.chance(reads)) return Invocation{"get", {}, {}};
    const char* f = rng.chance(put_share) ? "put" : "append";
    return Invocation{f, std::to_string(++writes) + ",", {}};
  };
}

KeyDraw set_draw(const WorkloadOptions& options) {
  return [reads = options.read_fraction * set_read_share](std::int64_t& writes, Rng& rng) {
    if (rng.chance(reads)) return Invocation{"read", {}, {}};
    return Invocation{"add", ++writes, {}};
  };
}

// Reads of keys that are always in use.
Generator reads_of(Rng rng, const WorkloadOptions& options) {
  return unfold<bool>(std::move(rng), true, [keys = options.keys](bool&, const Context&, Rng& r) {
    return std::optional(Invocation{"read", {}, "r" + std::to_string(r.below(keys))});
  });
}

std::function<Generator(const History&)> final_reads_of(std::string_view f, std::size_t keys) {
  return [f = std::string(f), most = std::min(keys, most_final_keys)](const History& history) {
    std::set<Value> seen;
    std::vector<Invocation> reads;
    for (auto o = history.operation_count(); o-- > 0 && reads.size() < most;) {
      const Value& key = history.key(history.invoked(static_cast<OperationIndex>(o)));
      if (seen.insert(key).second) reads.push_back({f, {}, key});
    }
    return each_worker(operations(std::move(reads)));
  };
}

// Every set once, the last ones by every worker: an element may be lost from a set long retired.
std::function<Generator(const History&)> final_reads_of_sets(std::size_t keys) {
  return [latest = final_reads_of("read", keys)](const History& history) {
    std::set<Value> seen;
    std::vector<Invocation> reads;
    for (OperationIndex o = 0; o < history.operation_count(); ++o) {
      const Value& key = history.key(history.invoked(o));
      if (seen.insert(key).second) reads.push_back({"read", {}, key});
    }
    return sequence({latest(history), operations(std::move(reads))});
  };
}

Result<void> check_options(std::string_view name, const WorkloadOptions& options) {
  const auto refuse = [](std::string message, std::string remedy) {
    return Error::bad_input(std::move(message), std::move(remedy));
  };
  if (options.keys < 1 || options.keys > most_keys) {
    return refuse(fmt::format("keys = {} is out of range", options.keys), fmt::format("choose 1 to {}", most_keys));
  }
  if (!(options.rate > 0 && options.rate <= highest_rate)) {
    return refuse(fmt::format("rate = {}/s is out of range", options.rate),
                  fmt::format("choose more than 0/s and at most {}/s", highest_rate));
  }
  if (!(options.read_fraction >= 0 && options.read_fraction <= 1)) {
    return refuse(fmt::format("read fraction = {} is out of range", options.read_fraction), "choose 0 to 1");
  }
  if (options.ttl < std::chrono::seconds(1) || options.ttl > std::chrono::milliseconds(longest_ttl_ms)) {
    return refuse(fmt::format("ttl = {} is out of range", to_text(options.ttl)), "choose 1s to 1h");
  }
  if (name == "cas-register" && options.value_count < 2) {
    return refuse(fmt::format("{} values are too few for cas-register", options.value_count), "choose at least 2");
  }
  return {};
}

Generator stateful_work(std::string_view name, const Rng& rng, const WorkloadOptions& options) {
  const std::int64_t ttl_ms = std::chrono::duration_cast<std::chrono::milliseconds>(options.ttl).count();
  if (name == "lease") return lease_work(rng.fork("operations"), {.keys = options.keys, .ttl_ms = ttl_ms});
  return lock_work(rng.fork("operations"), {.locks = options.keys, .ttl_ms = ttl_ms, .fenced = name == "fenced-lock"});
}

}  // namespace

std::span<const WorkloadInfo> workloads() { return all; }

Result<Workload> make_workload(std::string_view name, const WorkloadOptions& options) {
  const auto info = std::find_if(all.begin(), all.end(), [&](const WorkloadInfo& w) { return w.name == name; });
  if (info == all.end()) {
    std::vector<std::string_view> names;
    for (const WorkloadInfo& w : all) names.push_back(w.name);
    const std::string_view near = nearest(name, names);
    return Error::bad_input(
        fmt::format("unknown workload '{}'", escape_controls(clip(name, 80))),
        near.empty() ? fmt::format("known: {}", fmt::join(names, ", ")) : fmt::format("did you mean '{}'?", near));
  }
  if (const auto checked = check_options(name, options); !checked) return checked.error();

  const Rng rng = Rng(options.seed).fork("workload").fork(name);
  const auto interval = Duration(std::llround(1e9 / options.rate));
  if (name == "lock" || name == "fenced-lock" || name == "lease") {
    return Workload{.info = *info,
                    .clients = stagger(rng.fork("pace"), interval, stateful_work(name, rng, options)),
                    .final_reads = nullptr};
  }
  const bool is_kv = name == "kv-append";
  const std::uint64_t ops_per_key = options.ops_per_key.value_or(name == "register" ? 0 : 200);
  const bool is_set = name == "set";
  const KeyDraw draw = is_kv                    ? append_draw(options)
                       : is_set                 ? set_draw(options)
                       : name == "cas-register" ? cas_draw(options)
                                                : register_draw(options);
  Generator operations_on_keys = on_live_keys(rng.fork("operations"), options, ops_per_key,
                                              is_kv    ? "k"
                                              : is_set ? "s"
                                                       : "r",
                                              draw);
  if (options.readers > 0 && ops_per_key == 0 && !is_kv && !is_set) {
    operations_on_keys =
        reserve({{static_cast<Worker>(options.readers), reads_of(rng.fork("readers"), options)}}, operations_on_keys);
  }
  Workload made{.info = *info,
                .clients = stagger(rng.fork("pace"), interval, std::move(operations_on_keys)),
                .final_reads = nullptr};
  if (options.final_reads) {
    made.final_reads =
        is_set ? final_reads_of_sets(options.keys) : final_reads_of(is_kv ? "get" : "read", options.keys);
  }
  return made;
}

Result<double> parse_rate(std::string_view text) {
  double rate = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), rate);
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  if (error == std::errc{} && unit == "/s" && std::isfinite(rate) && rate > 0 && rate <= highest_rate) return rate;
  return Error::bad_input(fmt::format("'{}' is not a rate", escape_controls(clip(text, 80))),
                          "write operations per second, more than 0: \"200/s\"");
}

}  // namespace faultline
