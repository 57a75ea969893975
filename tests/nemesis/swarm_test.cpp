#include <faultline/formats.hpp>
#include <faultline/swarm.hpp>

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/workloads/golden.hpp"

namespace faultline {
namespace {

using namespace std::chrono_literals;

std::vector<std::string> all_names() {
  std::vector<std::string> names;
  for (const Package& package : packages()) names.emplace_back(package.name);
  return names;
}

ScheduleOptions options_of(std::uint64_t seed) {
  ScheduleOptions options{.seed = seed, .duration = 30s, .begin = 2s, .nodes = {"n1", "n2", "n3", "n4", "n5"}};
  options.drawing.clients = 5;
  options.drawing.files = {"wal/*"};
  options.frames = {"AppendEntries", "RequestVote"};
  return options;
}

Schedule drawn(const Mix& mix, const ScheduleOptions& options) {
  auto schedule = draw_schedule(mix, options);
  EXPECT_TRUE(schedule.ok()) << schedule.error().to_string();
  return std::move(schedule).value();
}

TEST(Swarm, EachPackageIsOffHalfTheTimeAndOneRunOfTwentyIsQuiet) {
  std::map<std::string, int> on;
  int quiet = 0;
  constexpr int runs = 4000;
  for (std::uint64_t seed = 0; seed < runs; ++seed) {
    const Mix mix = draw_mix(Rng(seed), all_names());
    quiet += mix.packages.empty();
    for (const std::string& name : mix.packages) ++on[name];
  }
  EXPECT_NEAR(quiet, runs * 0.05, 50);
  ASSERT_EQ(on.size(), packages().size());
  for (const auto& [name, n] : on) EXPECT_NEAR(n, runs * 0.475, 130) << name;
}

TEST(Swarm, TastesHaveSilentWordsButNeverOnlySuch) {
  int silent = 0, words = 0;
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    for (const auto& [name, taste] : draw_mix(Rng(seed), all_names()).tastes) {
      for (const auto& [question, weights] : taste) {
        std::uint64_t total = 0;
        for (const std::uint64_t weight : weights) {
          total += weight;
          silent += weight == 0;
          ++words;
        }
        EXPECT_GT(total, 0U) << name << " " << question;
      }
    }
  }
  EXPECT_NEAR(static_cast<double>(silent) / words, 0.25, 0.03);
}

TEST(Swarm, WhetherAPackageIsOnDoesNotDependOnTheOthersAskedFor) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const Mix all = draw_mix(Rng(seed), all_names()),
              two = draw_mix(Rng(seed), std::vector<std::string>{"kill", "clock"});
    if (all.packages.empty() || two.packages.size() != 2) continue;
    EXPECT_EQ(all.tastes.at("kill"), two.tastes.at("kill"));
    EXPECT_EQ(all.tastes.at("clock"), two.tastes.at("clock"));
  }
}

TEST(Swarm, AMixIsPrintedAndReadBack) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const Mix mix = draw_mix(Rng(seed), all_names());
    const auto again = mix_from_value(parse_json(to_json(to_value(mix))).value());
    ASSERT_TRUE(again.ok()) << again.error().to_string();
    EXPECT_EQ(again.value(), mix);
  }
}

TEST(Swarm, AMixWithUnknownWordsIsRefusedByName) {
  const auto refused = [](std::string_view json) {
    const auto mix = mix_from_value(parse_json(json).value());
    EXPECT_FALSE(mix.ok()) << json;
    return mix.ok() ? std::string() : mix.error().to_string();
  };
  EXPECT_EQ(refused(R"({"kil":{}})"), "unknown nemesis package 'kil'\n  did you mean 'kill'?");
  EXPECT_EQ(refused(R"({"kill":{"shape":{"bridge":1}}})"),
            "unknown field of taste of kill: 'shape'\n  known: target, start");
  EXPECT_EQ(refused(R"({"partition":{"shape":{"brige":1}}})"),
            "unknown field of shape of partition: 'brige'\n  did you mean 'bridge'?");
  EXPECT_EQ(refused(R"({"partition":{"shape":{"bridge":0}}})"), "shape of partition leaves no word any weight");
  EXPECT_EQ(refused(R"({"partition":{"shape":{"bridge":-1}}})"),
            "shape of partition: the weight of bridge is no whole number from 0 to 1000000");
  EXPECT_EQ(refused("7"), "a mix of faults is no object: 7");
}

TEST(Swarm, SchedulesAreValidWithinTheirTimeAndReadBack) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const ScheduleOptions options = options_of(seed);
    const Schedule schedule = drawn(draw_mix(Rng(seed), all_names()), options);
    const auto again = schedule_from_value(parse_json(to_json(to_value(schedule))).value(), options.nodes);
    ASSERT_TRUE(again.ok()) << again.error().to_string();
    EXPECT_EQ(again.value(), schedule);
    for (const Decision& decision : schedule.decisions) {
      ASSERT_TRUE(decision.lasts);
      EXPECT_GT(*decision.lasts, 0s);
      if (const auto* at = std::get_if<Duration>(&decision.when)) {
        EXPECT_GE(*at, options.begin);
        EXPECT_LE(*at + *decision.lasts, options.begin + options.duration + 1us);
      }
    }
  }
}

TEST(Swarm, DwellTimesSpreadFromATenthToTwentyOfTheScale) {
  int shorter = 0, longer = 0, all = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    ScheduleOptions options = options_of(seed);
    options.duration = 300s;
    for (const Decision& decision : drawn({.packages = {"pause"}, .tastes = {}}, options).decisions) {
      ++all;
      EXPECT_LE(*decision.lasts, 20s);
      shorter += *decision.lasts < 1s;
      longer += *decision.lasts > 5s;
    }
  }
  EXPECT_GT(shorter, all / 4);
  EXPECT_GT(longer, all / 10);
  ScheduleOptions steady = options_of(1);
  steady.interval = 4s;
  steady.duration = 300s;
  for (const Decision& decision : drawn({.packages = {"pause"}, .tastes = {}}, steady).decisions) {
    if (std::get_if<Duration>(&decision.when) && std::get<Duration>(decision.when) > 290s) continue;
    EXPECT_GE(*decision.lasts, 2700ms);
    EXPECT_LE(*decision.lasts, 5200ms);
  }
}

TEST(Swarm, AnotherPackageLeavesTheDecisionsOfTheFirstAlone) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const auto kills = [&](const Mix& mix) {
      std::vector<Decision> some;
      for (Decision decision : drawn(mix, options_of(seed)).decisions) {
        if (decision.fault.kind != "kill") continue;
        decision.id = 0;
        some.push_back(decision);
      }
      return some;
    };
    EXPECT_EQ(kills({.packages = {"kill"}, .tastes = {}}),
              kills({.packages = {"partition", "kill", "disk"}, .tastes = {}}));
  }
}

TEST(Swarm, DecisionsBeginAtEventsOnlyWhereFramesAreKnown) {
  const Mix mix{.packages = {"frames", "kill"}, .tastes = {}};
  std::set<std::size_t> triggers;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    for (const Decision& decision : drawn(mix, options_of(seed)).decisions) {
      const auto* trigger = std::get_if<EventTrigger>(&decision.when);
      if (trigger == nullptr) continue;
      triggers.insert(trigger->what.index());
      const auto* frame = std::get_if<FrameTrigger>(&trigger->what);
      if (frame == nullptr) continue;
      EXPECT_NE(frame->from, frame->to);
      if (decision.fault.nodes.size() == 1) {
        EXPECT_TRUE(decision.fault.nodes[0] == frame->from || decision.fault.nodes[0] == frame->to);
      }
    }
    ScheduleOptions blind = options_of(seed);
    blind.frames.clear();
    for (const Decision& decision : drawn(mix, blind).decisions)
      EXPECT_TRUE(std::holds_alternative<Duration>(decision.when));
  }
  EXPECT_EQ(triggers.size(), 2U);
}

TEST(Swarm, RotationDrawsAnewForEachPeriodAndLeavesSomeQuiet) {
  ScheduleOptions options = options_of(3);
  options.duration = 2000s;
  options.limit = 100'000;
  const std::vector<std::string> names = all_names();
  const auto schedule = draw_rotation(names, 20s, options);
  ASSERT_TRUE(schedule.ok());
  std::map<long, std::set<std::string>> kinds_of;
  std::set<std::uint64_t> ids;
  for (const Decision& decision : schedule.value().decisions) {
    EXPECT_TRUE(ids.insert(decision.id).second);
    if (const auto* at = std::get_if<Duration>(&decision.when)) kinds_of[(*at - 2s) / 20s].insert(decision.fault.kind);
  }
  EXPECT_LT(kinds_of.size(), 92U);  // of 100
  EXPECT_GT(kinds_of.size(), 55U);
  std::set<std::set<std::string>> mixes;
  for (const auto& [period, mix] : kinds_of) mixes.insert(mix);
  EXPECT_GT(mixes.size(), 40U);
  EXPECT_FALSE(draw_rotation(names, 0s, options).ok());
  EXPECT_FALSE(draw_rotation(std::vector<std::string>{"gremlins"}, 20s, options).ok());
}

TEST(Swarm, OptionsOutOfRangeAndUnknownPackagesAreRefused) {
  EXPECT_FALSE(draw_schedule({.packages = {"kil"}, .tastes = {}}, options_of(1)).ok());
  ScheduleOptions options = options_of(1);
  options.duration = 0s;
  EXPECT_FALSE(draw_schedule({}, options).ok());
  options = options_of(1);
  options.interval = -1s;
  EXPECT_FALSE(draw_schedule({}, options).ok());
}

TEST(Swarm, PresetsNamePackagesThatExist) {
  EXPECT_EQ(find_preset("defualt").error().to_string(), "unknown preset 'defualt'\n  did you mean 'default'?");
  for (const Preset& preset : presets()) {
    for (const std::string_view name : preset.packages) EXPECT_TRUE(find_package(name).ok()) << name;
    const Mix mix = mix_of(preset, Rng(5));
    if (preset.swarm) continue;
    EXPECT_EQ(mix.packages.size(), preset.packages.size()) << preset.name;
  }
  EXPECT_TRUE(mix_of(*find_preset("none").value(), Rng(1)).packages.empty());
}

// What the swarm of a few seeds looks like: a change here changes what every seed does.
TEST(Swarm, AFewSeedsLookLikeThis) {
  std::string text;
  for (const std::uint64_t seed : {1U, 7U, 23496U}) {
    const Mix mix = mix_of(*find_preset("swarm").value(), Rng(seed));
    ScheduleOptions options = options_of(seed);
    options.duration = 12s;
    text += "seed " + std::to_string(seed) + "\n" + to_json(to_value(mix)) + "\n";
    const Value schedule = to_value(drawn(mix, options));
    for (const Value& decision : schedule.get("decisions").as_list()) text += to_json(decision) + "\n";
  }
  expect_golden("tests/nemesis/golden/swarm.txt", text);
}

// Who is cut off from whom, as sets of the smaller side; empty: no cut between nodes.
std::set<NodeName> smaller_side(const Fault& fault, const Nodes& nodes) {
  if (fault.kind != "partition" || fault.grudge.empty()) return {};
  std::set<NodeName> side{nodes.front()}, rest;
  for (const NodeName& node : nodes) {
    const auto found = fault.grudge.find(nodes.front());
    (found != fault.grudge.end() && found->second.contains(node) ? rest : side).insert(node);
  }
  return side.size() < rest.size() ? side : rest;
}

TEST(Swarm, ThePlayOfTailsCutsALeaderOffWithAMinorityAndThenWithOthers) {
  const Mix mix{.packages = {"plays"}, .tastes = {{"plays", {{"play", {0, 0, 0, 0, 0, 0, 1, 0}}}}}};
  for (const bool is_bound : {false, true}) {
    ScheduleOptions options = options_of(3);
    if (is_bound) options.drawing.drift = 0.1;
    std::size_t hurries = 0;
    std::map<NodeName, std::vector<std::set<NodeName>>> sides;
    for (const Decision& decision : drawn(mix, options).decisions) {
      const auto* trigger = std::get_if<EventTrigger>(&decision.when);
      ASSERT_NE(trigger, nullptr);
      const auto& role = std::get<RoleTrigger>(trigger->what);
      hurries += decision.fault.kind == "clock" ? 1 : 0;
      const auto side = smaller_side(decision.fault, options.nodes);
      if (side.empty()) continue;
      EXPECT_TRUE(side.contains(role.node)) << role.node;
      EXPECT_EQ(side.size(), 2U);
      if (role.nth <= 2) sides[role.node].push_back(side);
    }
    EXPECT_EQ(hurries > 0, !is_bound);
    ASSERT_EQ(sides.size(), options.nodes.size());
    for (const auto& [leader, both] : sides) {
      ASSERT_GE(both.size(), 2U) << leader;
      EXPECT_NE(both[0], both[1]) << leader;
    }
  }
}

}  // namespace
}  // namespace faultline
