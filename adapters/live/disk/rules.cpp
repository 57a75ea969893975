#include "rules.hpp"

#include <algorithm>
#include <array>

namespace faultline::live {

std::optional<DiskLoss> disk_loss_of(std::string_view word) {
  constexpr std::array<std::string_view, 4> words{"keep", "lose_unsynced", "torn", "reordered"};
  const auto found = std::find(words.begin(), words.end(), word);
  if (found == words.end()) return std::nullopt;
  return static_cast<DiskLoss>(found - words.begin());
}

std::span<const std::string_view> disk_call_words() {
  static constexpr std::array<std::string_view, 9> words{"open",     "read",   "write",  "allocate", "fsync",
                                                         "truncate", "rename", "unlink", "mkdir"};
  return words;
}

std::optional<DiskCall> disk_call_of(std::string_view word) {
  const auto words = disk_call_words();
  const auto found = std::find(words.begin(), words.end(), word);
  if (found == words.end()) return std::nullopt;
  return static_cast<DiskCall>(found - words.begin());
}

namespace {

bool matches_all_of(std::string_view glob, std::string_view path) {
  std::size_t g = 0, p = 0, star = std::string_view::npos, retry = 0;
  while (p < path.size()) {
    if (g < glob.size() && (glob[g] == '?' || (glob[g] == path[p] && glob[g] != '*'))) {
      ++g, ++p;
    } else if (g < glob.size() && glob[g] == '*') {
      star = g++;
      retry = p;
    } else if (star != std::string_view::npos) {
      g = star + 1;
      p = ++retry;
    } else {
      return false;
    }
  }
  while (g < glob.size() && glob[g] == '*') ++g;
  return g == glob.size();
}

}  // namespace

bool disk_file_matches(std::string_view glob, std::string_view path) {
  if (glob.empty()) return true;
  for (;;) {
    if (matches_all_of(glob, path)) return true;
    const std::size_t slash = path.find('/');
    if (slash == std::string_view::npos) return false;
    path.remove_prefix(slash + 1);
  }
}

}  // namespace faultline::live

namespace faultline::live::disk {

DiskSupervisor::RuleId Rules::add(DiskRule rule) {
  rules_.emplace(next_, Active{.rule = std::move(rule), .effect = {}});
  return next_++;
}

DiskRuleEffect Rules::remove(DiskSupervisor::RuleId id) {
  const DiskRuleEffect done = effect(id);
  rules_.erase(id);
  return done;
}

DiskRuleEffect Rules::effect(DiskSupervisor::RuleId id) const {
  const auto found = rules_.find(id);
  return found == rules_.end() ? DiskRuleEffect() : found->second.effect;
}

Duration Rules::delay() {
  Duration sum{};
  for (auto& [id, active] : rules_) {
    const auto* slow = std::get_if<SlowRule>(&active.rule);
    if (slow == nullptr) continue;
    ++active.effect.count;
    sum += slow->latency;
  }
  return sum;
}

std::function<void()> Rules::crash(DiskCall call, std::string_view path, bool after) {
  for (auto& [id, active] : rules_) {
    auto* point = std::get_if<CrashRule>(&active.rule);
    if (point == nullptr || active.fired || point->call != call || point->after != after) continue;
    if (!disk_file_matches(point->file, path) || ++active.seen < point->nth) continue;
    active.fired = true;
    active.effect.count = 1;
    return point->crash;
  }
  return {};
}

const WatchRule* Rules::watch(DiskCall call, std::string_view path, bool after) {
  const WatchRule* met = nullptr;
  for (auto& [id, active] : rules_) {
    const auto* rule = std::get_if<WatchRule>(&active.rule);
    if (rule == nullptr || active.fired || rule->call != call || rule->after != after) continue;
    if (!disk_file_matches(rule->file, path) || ++active.seen < rule->nth) continue;
    active.fired = true;
    active.effect.count = 1;
    rule->seen();
    met = rule;
  }
  return met;
}

int Rules::error(DiskCall call, std::string_view path) {
  for (auto& [id, active] : rules_) {
    const auto* rule = std::get_if<ErrorRule>(&active.rule);
    if (rule == nullptr || rule->reads != (call == DiskCall::read) || !disk_file_matches(rule->file, path)) continue;
    if (!rng_.chance(rule->probability)) continue;
    ++active.effect.count;
    return rule->error;
  }
  return 0;
}

Rules::FailedSync Rules::sync(std::string_view path) {
  for (auto& [id, active] : rules_) {
    const auto* rule = std::get_if<SyncErrorRule>(&active.rule);
    if (rule == nullptr || active.fired || !disk_file_matches(rule->file, path) || ++active.seen < rule->nth) continue;
    active.fired = true;
    active.effect.count = 1;
    return {rule->error, rule->drops_pages, id};
  }
  return {};
}

void Rules::dropped(DiskSupervisor::RuleId rule, std::uint64_t pages) {
  if (const auto found = rules_.find(rule); found != rules_.end()) found->second.effect.pages += pages;
}

std::uint64_t Rules::take_space(std::uint64_t wanted) {
  std::uint64_t fits = wanted;
  for (auto& [id, active] : rules_) {
    auto* space = std::get_if<SpaceRule>(&active.rule);
    if (space == nullptr) continue;
    if (space->bytes < wanted) ++active.effect.count;
    fits = std::min(fits, space->bytes);
  }
  for (auto& [id, active] : rules_) {
    if (auto* space = std::get_if<SpaceRule>(&active.rule)) space->bytes -= fits;
  }
  return fits;
}

void Rules::give_space(std::uint64_t bytes) {
  for (auto& [id, active] : rules_) {
    if (auto* space = std::get_if<SpaceRule>(&active.rule)) space->bytes += bytes;
  }
}

}  // namespace faultline::live::disk
