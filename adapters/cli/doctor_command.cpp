// faultline doctor: tries each ability, says what it is good for and what would add it; heals what dead runs left.
#include <faultline/live/clock.hpp>
#include <faultline/live/disk.hpp>
#include <faultline/live/leftovers.hpp>
#include <faultline/live/local_cluster.hpp>
#include <faultline/live/network.hpp>
#include <faultline/live/remote.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <unistd.h>

#include <algorithm>

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

Ability nfqueue_ability() {
  const auto works = live::packet_faults_work();
  return {"nfqueue", works ? "ok" : "degraded",
          "--nemesis packet, clog in namespaces: packets delayed, lost, doubled … (without: frames, in the proxy)",
          works ? "-" : works.error().to_string()};
}

Ability netem_ability() {
  const auto works = live::netem_works();
  return {"netem", works ? "ok" : "degraded",
          "--nemesis packet in namespaces: delay and loss by the kernel itself (without: nfqueue)",
          works ? "-" : works.error().to_string()};
}

Ability proxy_ability() {
  const auto works = live::proxy_works();
  return {"proxy", works ? "ok" : "missing", "--network proxy: network faults for any user",
          works ? "-" : works.error().to_string()};
}

Ability clocks_ability() {
  const auto works = live::clock_faults_work();
  return {"clocks", works ? "ok" : "degraded", "--nemesis clock: other times for running processes",
          works ? "-" : works.error().to_string()};
}

Ability disks_ability() {
  const auto works = live::disk_faults_work();
  const char* enables = "--nemesis power, crash, disk: writes lost, torn, failing, slow, on running processes";
  if (!works) return {"disks", "degraded", enables, works.error().to_string()};
  return {"disks", "ok", enables, works.value() ? "-" : "Linux 5.19 would make the order of calls exact"};
}

Ability images_ability() {
  const auto works = live::disk_images_work();
  return {"images", works ? "ok" : "degraded",
          "--set nemesis.power.mechanism=image: writes lost by a file system of each node's own",
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

Ability ssh_ability() {
  const bool found = !program_path("ssh-keygen").empty();
  return {"ssh", found ? "ok" : "degraded",
          "--inventory: remote nodes (ssh itself is built in; ssh-keygen and ssh-keyscan make keys known)",
          found ? "-" : "apt install openssh-client"};
}

std::string table_of(const std::vector<Ability>& abilities) {
  std::string text;
  for (const Ability& a : abilities) text += fmt::format("{:<9} {:<11} {}  {}\n", a.state, a.name, a.enables, a.remedy);
  return text;
}

nlohmann::ordered_json json_of(const std::vector<Ability>& abilities) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const Ability& a : abilities)
    list.push_back({{"state", a.state}, {"name", a.name}, {"enables", a.enables}, {"remedy", a.remedy}});
  return list;
}

// Each node by itself; reaching them also heals what dead runs left there.
int examine_nodes(const std::string& file, Console& console) {
  auto inventory = live::remote::read_inventory(file);
  if (!inventory) return fail(inventory.error(), console);
  const auto report =
      live::remote::examine({.inventory = std::move(inventory).value(), .target = {}, .agent = {}, .note = {}});
  for (const std::string& line : report.healed) console.note("left behind by a dead run: " + line);
  std::vector<Ability> abilities;
  bool all_reached = true;
  for (const auto& [node, name, state, enables, remedy] : report.abilities) {
    abilities.push_back({fmt::format("{}{}{}", node, node.empty() ? "" : " ", name), state, enables, remedy});
    all_reached = all_reached && state != "missing";
  }
  console.result(console.json()
                     ? nlohmann::ordered_json{{"schema", 1}, {"abilities", json_of(abilities)}}.dump(2) + "\n"
                     : table_of(abilities));
  return all_reached ? 0 : 3;
}

int heal(Console& console) {
  const auto healed = live::heal_leftovers(live::remote::heal_node);
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
  if (settings.given("inventory")) return examine_nodes(settings.text("inventory"), console);
  const std::vector<Ability> abilities{etcd_ability(),   redis_ability(), namespaces_ability(), nfqueue_ability(),
                                       netem_ability(),  proxy_ability(), clocks_ability(),     disks_ability(),
                                       images_ability(), ssh_ability(),   state_ability(),      memory_ability()};
  const bool can_run =
      std::none_of(abilities.begin(), abilities.end(), [](const Ability& a) { return a.state == "missing"; });
  console.result(console.json()
                     ? nlohmann::ordered_json{{"schema", 1}, {"abilities", json_of(abilities)}}.dump(2) + "\n"
                     : table_of(abilities));
  return can_run ? 0 : 3;
}

}  // namespace faultline::cli
