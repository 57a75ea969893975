// faultline doctor: tries each ability, says what it is good for and what would add it; heals what dead runs left.
#include <faultline/live/clock.hpp>
#include <faultline/live/leftovers.hpp>
#include <faultline/live/network.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <unistd.h>

#include "commands.hpp"
#include "system.hpp"
#include "units.hpp"

namespace faultline::cli {

namespace {

struct Ability {
  std::string name, state, enables, remedy;  // state: ok, degraded, missing
};

std::string program_path(std::string_view name) {
  const char* path = std::getenv("PATH");
  for (const std::string& folder : split(path ? path : "/usr/bin:/bin", ':')) {
    const std::string candidate = folder + "/" + std::string(name);
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return "";
}

Ability etcd_ability() {
  const bool found = !program_path("etcd").empty();
  return {"etcd", found ? "ok" : "missing", "--target etcd", found ? "-" : "apt install etcd-server"};
}

// Not missing: no other target needs it.
Ability redis_ability() {
  const bool found = !program_path("redis-server").empty();
  return {"redis", found ? "ok" : "degraded", "--target redis", found ? "-" : "apt install redis-server"};
}

Ability namespaces_ability() {
  const auto works = live::namespaces_work();
  return {"namespaces", works ? "ok" : "degraded", "packets dropped per directed pair (without: the proxy holds bytes)",
          works ? "-" : works.error().to_string()};
}

Ability clocks_ability() {
  const auto works = live::clock_faults_work();
  return {"clocks", works ? "ok" : "degraded", "--nemesis clock: other times for running processes",
          works ? "-" : works.error().to_string()};
}

Ability state_ability() {
  const auto directory = live::leftovers_directory();
  return {"state", directory ? "ok" : "missing", "cleaning up after a run that was killed",
          directory ? directory.value().string() : directory.error().to_string()};
}

Ability memory_ability() {
  constexpr std::uint64_t enough = 1ULL << 30;
  const std::uint64_t limit = default_memory_limit();
  return {"memory", limit >= enough ? "ok" : "degraded", fmt::format("searches up to {}", bytes_text(limit)),
          limit >= enough ? "-" : "raise it with --memory-limit"};
}

int heal(Console& console) {
  const auto healed = live::heal_leftovers();
  if (!healed) return fail(healed.error(), console);
  std::string text;
  for (const std::string& line : healed.value().done) text += line + "\n";
  for (const std::string& line : healed.value().remaining) text += "remains: " + line + "\n";
  console.result(text.empty() ? "nothing was left behind\n" : text);
  return healed.value().remaining.empty() ? 0 : 3;
}

}  // namespace

int doctor_command(const Settings& settings, Console& console) {
  if (settings.flag("heal")) return heal(console);
  const std::vector<Ability> abilities{etcd_ability(),   redis_ability(), namespaces_ability(),
                                       clocks_ability(), state_ability(), memory_ability()};
  bool can_run = true;
  std::string text;
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const Ability& a : abilities) {
    can_run = can_run && a.state != "missing";
    text += fmt::format("{:<9} {:<11} {}  {}\n", a.state, a.name, a.enables, a.remedy);
    list.push_back({{"state", a.state}, {"name", a.name}, {"enables", a.enables}, {"remedy", a.remedy}});
  }
  console.result(console.json() ? nlohmann::ordered_json{{"schema", 1}, {"abilities", list}}.dump(2) + "\n" : text);
  return can_run ? 0 : 3;
}

}  // namespace faultline::cli
