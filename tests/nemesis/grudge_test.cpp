// Properties of every shape and target, for one to nine nodes and many seeds.
#include <faultline/grudge.hpp>

#include <gtest/gtest.h>

#include <algorithm>

namespace faultline {
namespace {

constexpr std::size_t most_nodes = 9;
constexpr std::uint64_t seeds = 200;

Nodes cluster(std::size_t n) {
  Nodes nodes;
  for (std::size_t i = 1; i <= n; ++i) nodes.push_back("n" + std::to_string(i));
  return nodes;
}

bool drops(const Grudge& grudge, const NodeName& node, const NodeName& from) {
  const auto found = grudge.find(node);
  return found != grudge.end() && found->second.contains(from);
}

// Whom a node hears, itself included.
std::set<NodeName> heard(const Grudge& grudge, const Nodes& nodes, const NodeName& node) {
  std::set<NodeName> all;
  for (const NodeName& from : nodes) {
    if (!drops(grudge, node, from)) all.insert(from);
  }
  return all;
}

bool symmetric(const Grudge& grudge) {
  for (const auto& [node, dropped] : grudge) {
    for (const NodeName& from : dropped) {
      if (!drops(grudge, from, node)) return false;
    }
  }
  return true;
}

bool well_formed(const Grudge& grudge, const Nodes& nodes) {
  const auto known = [&](const NodeName& node) { return std::find(nodes.begin(), nodes.end(), node) != nodes.end(); };
  for (const auto& [node, dropped] : grudge) {
    if (!known(node) || dropped.empty() || dropped.contains(node)) return false;
    if (!std::all_of(dropped.begin(), dropped.end(), known)) return false;
  }
  return true;
}

// The sizes of groups of nodes that hear the same, if that is all they hear.
std::vector<std::size_t> group_sizes(const Grudge& grudge, const Nodes& nodes) {
  std::set<std::set<NodeName>> groups;
  for (const NodeName& node : nodes) groups.insert(heard(grudge, nodes, node));
  std::vector<std::size_t> sizes;
  for (const auto& group : groups) sizes.push_back(group.size());
  std::sort(sizes.begin(), sizes.end());
  return sizes;
}

template <class Check>
void for_all(Check check) {
  for (std::size_t n = 1; n <= most_nodes; ++n) {
    for (std::uint64_t seed = 0; seed < seeds; ++seed) {
      Rng rng = Rng(seed).fork(n);
      SCOPED_TRACE("nodes " + std::to_string(n) + " seed " + std::to_string(seed));
      check(cluster(n), rng);
      if (testing::Test::HasFailure()) return;
    }
  }
}

TEST(Grudge, EverySymmetricShapeIsWellFormedAndCutsBothWays) {
  for_all([](const Nodes& nodes, Rng& rng) {
    for (const Grudge& grudge :
         {halves(nodes), random_halves(nodes, rng), isolate_one(nodes, rng), minority(nodes, rng), bridge(nodes, rng),
          majorities_ring(nodes, rng), isolate(nodes, {nodes.front()})}) {
      EXPECT_TRUE(well_formed(grudge, nodes));
      EXPECT_TRUE(symmetric(grudge));
    }
  });
}

TEST(Grudge, HalvesAreTwoGroupsThatDifferByAtMostOne) {
  for_all([](const Nodes& nodes, Rng& rng) {
    for (const Grudge& grudge : {halves(nodes), random_halves(nodes, rng)}) {
      const std::size_t n = nodes.size();
      const std::vector<std::size_t> expected = n == 1       ? std::vector<std::size_t>{1}
                                                : n % 2 == 0 ? std::vector<std::size_t>{n / 2, n / 2}
                                                             : std::vector<std::size_t>{n / 2, n / 2 + 1};
      EXPECT_EQ(group_sizes(grudge, nodes), expected);
    }
  });
  EXPECT_EQ(halves(cluster(3)), (Grudge{{"n1", {"n2", "n3"}}, {"n2", {"n1"}}, {"n3", {"n1"}}}));
}

TEST(Grudge, RandomHalvesReachEveryDivision) {
  std::set<std::set<NodeName>> seen;
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    Rng rng(seed);
    const Nodes nodes = cluster(4);
    seen.insert(heard(random_halves(nodes, rng), nodes, "n1"));
  }
  EXPECT_EQ(seen.size(), 3U);  // n1 with n2, n3 or n4
}

TEST(Grudge, IsolateOneCutsOffExactlyOneAndReachesAll) {
  std::set<NodeName> hit;
  for_all([&](const Nodes& nodes, Rng& rng) {
    const Grudge grudge = isolate_one(nodes, rng);
    if (nodes.size() == 1) {
      EXPECT_TRUE(grudge.empty());
      return;
    }
    std::size_t alone = 0;
    for (const NodeName& node : nodes) {
      const std::size_t count = heard(grudge, nodes, node).size();
      if (count == 1) ++alone;
      if (nodes.size() == 9 && count == 1) hit.insert(node);
      EXPECT_TRUE(count == 1 || count == nodes.size() - 1);
    }
    EXPECT_EQ(alone, nodes.size() == 2 ? 2U : 1U);
  });
  EXPECT_EQ(hit.size(), 9U);
}

TEST(Grudge, IsolatedPrimariesAreAloneAlsoFromEachOther) {
  const Nodes nodes = cluster(5);
  const Grudge grudge = isolate(nodes, {"n2", "n4"});
  EXPECT_EQ(heard(grudge, nodes, "n2"), (std::set<NodeName>{"n2"}));
  EXPECT_EQ(heard(grudge, nodes, "n4"), (std::set<NodeName>{"n4"}));
  EXPECT_EQ(heard(grudge, nodes, "n1"), (std::set<NodeName>{"n1", "n3", "n5"}));
}

TEST(Grudge, MinorityIsBelowQuorumAndLeavesOne) {
  std::set<std::size_t> sizes_of_nine;
  for_all([&](const Nodes& nodes, Rng& rng) {
    const std::vector<std::size_t> sizes = group_sizes(minority(nodes, rng), nodes);
    const std::size_t n = nodes.size();
    if (n == 1) {
      EXPECT_EQ(sizes, (std::vector<std::size_t>{1}));
      return;
    }
    EXPECT_EQ(sizes.size(), 2U);
    EXPECT_LT(sizes.front(), quorum(n));
    if (n > 2) {
      EXPECT_GE(sizes.back(), quorum(n));
    }
    if (n == 9) sizes_of_nine.insert(sizes.front());
  });
  EXPECT_EQ(sizes_of_nine, (std::set<std::size_t>{1, 2, 3, 4}));
}

TEST(Grudge, BridgeIsTwoHalvesAndOneNodeThatHearsBoth) {
  for_all([](const Nodes& nodes, Rng& rng) {
    const Grudge grudge = bridge(nodes, rng);
    const std::size_t n = nodes.size();
    if (n < 3) {
      EXPECT_TRUE(grudge.empty());
      return;
    }
    std::size_t all = 0;
    for (const NodeName& node : nodes) {
      const std::size_t count = heard(grudge, nodes, node).size();
      all += count == n ? 1 : 0;
      if (count != n) {
        EXPECT_GE(count, (n - 1) / 2 + 1);
        EXPECT_LE(count, n / 2 + 1);
      }
    }
    EXPECT_EQ(all, 1U);
  });
}

TEST(Grudge, MajoritiesRingShowsEveryNodeItsOwnMajority) {
  for_all([](const Nodes& nodes, Rng& rng) {
    const Grudge grudge = majorities_ring(nodes, rng);
    const std::size_t n = nodes.size();
    if (n < 3) {
      EXPECT_TRUE(grudge.empty());
      return;
    }
    std::set<std::set<NodeName>> majorities;
    std::size_t links = 0;
    for (const NodeName& node : nodes) {
      const std::set<NodeName> majority = heard(grudge, nodes, node);
      EXPECT_TRUE(majority.contains(node));
      EXPECT_GE(majority.size(), quorum(n));
      if (n == 4 || n == 5) {
        EXPECT_EQ(majority.size(), 3U);
      }  // exact
      links += majority.size() - 1;
      majorities.insert(majority);
    }
    EXPECT_EQ(majorities.size(), n);
    EXPECT_LT(links, n * (n - 1));
  });
}

TEST(Grudge, OneWayKeepsOneDirectionOfEveryCutLink) {
  std::map<std::string, int> directions;
  for_all([&](const Nodes& nodes, Rng& rng) {
    for (const Grudge& whole :
         {random_halves(nodes, rng), isolate_one(nodes, rng), bridge(nodes, rng), majorities_ring(nodes, rng)}) {
      const Grudge half = one_way(whole, nodes, rng);
      EXPECT_TRUE(well_formed(half, nodes));
      for (const NodeName& a : nodes) {
        for (const NodeName& b : nodes) {
          if (a < b) {
            EXPECT_EQ(drops(half, a, b) + drops(half, b, a), drops(whole, a, b) ? 1 : 0);
          }
        }
      }
    }
    const Grudge cut_off = one_way(isolate(nodes, {"n1"}), nodes, rng);
    if (nodes.size() == 5) ++directions[cut_off.contains("n1") ? "n1 is deaf" : "n1 is mute"];
    // Between two groups, all links lose the same direction.
    if (nodes.size() > 2) {
      EXPECT_TRUE(cut_off.contains("n1") ? cut_off.at("n1").size() == nodes.size() - 1
                                         : cut_off.size() == nodes.size() - 1);
    }
  });
  EXPECT_NEAR(directions["n1 is deaf"], 100, 30);  // of 200; standard deviation 7
  EXPECT_NEAR(directions["n1 is mute"], 100, 30);
}

TEST(Grudge, DirectedDropsWhatItIsTold) {
  const std::vector<std::pair<NodeName, NodeName>> links{{"n1", "n2"}, {"n3", "n2"}};
  EXPECT_EQ(directed(links), (Grudge{{"n2", {"n1", "n3"}}}));
}

Fault fault(std::string kind, std::vector<Value::Entry> parameters) {
  return {.kind = std::move(kind), .nodes = {}, .grudge = {}, .parameters = Value::map(std::move(parameters))};
}

TEST(Resolve, EveryTargetHitsWhomItSays) {
  std::map<std::string, std::set<std::size_t>> sizes;
  for_all([&](const Nodes& nodes, Rng& rng) {
    const std::size_t n = nodes.size();
    for (const std::string_view target : target_names()) {
      const auto resolved = resolve(fault("kill", {{"target", target}}), nodes, {nodes.back()}, rng);
      ASSERT_TRUE(resolved.ok());
      const Nodes& hit = resolved.value().nodes;
      ASSERT_FALSE(hit.empty());
      EXPECT_TRUE(std::is_sorted(hit.begin(), hit.end()));  // the cluster's order
      EXPECT_EQ(std::set<NodeName>(hit.begin(), hit.end()).size(), hit.size());
      if (n == 5) sizes[std::string(target)].insert(hit.size());
      if (target == "primaries") {
        EXPECT_EQ(hit, (Nodes{nodes.back()}));
      }
      if (target == "minority" && n > 2) {
        EXPECT_LT(hit.size(), quorum(n));
      }
      EXPECT_FALSE(needs_primaries(resolved.value()));  // nothing is left open
    }
  });
  EXPECT_EQ(sizes, (std::map<std::string, std::set<std::size_t>>{{"one", {1}},
                                                                 {"minority", {1, 2}},
                                                                 {"majority", {3}},
                                                                 {"primaries", {1}},
                                                                 {"random", {1, 2, 3, 4, 5}},
                                                                 {"all", {5}}}));
}

TEST(Resolve, EveryShapeCutsSomethingInAClusterOfThreeOrMore) {
  for_all([](const Nodes& nodes, Rng& rng) {
    if (nodes.size() < 3) return;
    for (const std::string_view shape : shape_names()) {
      std::vector<Value::Entry> parameters{{"shape", shape}};
      if (shape == "one_way") parameters.emplace_back("of", "primaries");
      const auto resolved = resolve(fault("partition", parameters), nodes, {nodes.front()}, rng);
      ASSERT_TRUE(resolved.ok()) << shape;
      EXPECT_FALSE(resolved.value().grudge.empty()) << shape;
      EXPECT_EQ(resolved.value().parameters.get("shape"), Value(shape));  // what was asked for stays readable
    }
  });
}

TEST(Resolve, WithoutAPrimaryItHitsOneNodeAndSaysSo) {
  Rng rng(1);
  const auto kill = resolve(fault("kill", {{"target", "primaries"}}), cluster(3), {}, rng);
  EXPECT_EQ(kill.value().nodes.size(), 1U);
  EXPECT_EQ(kill.value().parameters.get("fallback"), Value("no primary answered"));
  const auto cut_off = resolve(fault("partition", {{"shape", "primaries"}}), cluster(3), {}, rng);
  EXPECT_EQ(cut_off.value().grudge.size(), 3U);
  EXPECT_EQ(cut_off.value().parameters.get("fallback"), Value("no primary answered"));
}

TEST(Resolve, PrimariesThatAreNoNodesDoNotCount) {
  Rng rng(1);
  const auto kill = resolve(fault("kill", {{"target", "primaries"}}), cluster(3), {"n9", "n2"}, rng);
  EXPECT_EQ(kill.value().nodes, (Nodes{"n2"}));
}

TEST(Resolve, AMembershipShrinksByOneNodeEvenIfTwoBelieveThatTheyLead) {
  Rng rng(1);
  const auto shrink = fault("membership", {{"change", "shrink"}, {"target", "primaries"}});
  EXPECT_EQ(resolve(shrink, cluster(5), {"n4", "n2"}, rng).value().nodes, (Nodes{"n2"}));
}

TEST(Resolve, AMembershipThatGrowsLeavesTheChoiceToTheCluster) {
  Rng rng(1);
  const auto grow = fault("membership", {{"change", "grow"}});
  EXPECT_EQ(resolve(grow, cluster(3), {}, rng).value(), grow);
  EXPECT_FALSE(needs_primaries(grow));
}

TEST(Resolve, AFaultThatNamesItsNodesStaysAsItIs) {
  Rng rng(1);
  const Fault kill{.kind = "kill", .nodes = {"n2"}, .grudge = {}, .parameters = {}};
  const Fault cut_off{
      .kind = "partition", .nodes = {}, .grudge = {{"n1", {"n2"}}}, .parameters = Value::map({{"shape", "halves"}})};
  EXPECT_EQ(resolve(kill, cluster(3), {}, rng).value(), kill);
  EXPECT_EQ(resolve(cut_off, cluster(3), {}, rng).value(), cut_off);
  EXPECT_EQ(resolve(fault("pause", {{"target", Value::list({"n3", "n1"})}}), cluster(3), {}, rng).value().nodes,
            (Nodes{"n3", "n1"}));
  EXPECT_EQ(rng.draws(), 0U);
}

TEST(Resolve, WhatIsUnknownIsRefusedByName) {
  const auto refused = [](const Fault& wrong) {
    const auto checked = validate(wrong, cluster(3));
    EXPECT_FALSE(checked.ok());
    return checked.ok() ? std::string() : checked.error().to_string();
  };
  EXPECT_EQ(refused(fault("pausse", {})), "unknown kind of fault 'pausse'\n  did you mean 'pause'?");
  EXPECT_EQ(refused(fault("partition", {{"shape", "brige"}})), "unknown shape 'brige'\n  did you mean 'bridge'?");
  EXPECT_EQ(refused(fault("partition", {{"shap", "bridge"}})),
            "unknown field of parameters of partition: 'shap'\n  did you mean 'shape'?");
  EXPECT_EQ(refused(fault("kill", {{"target", "everyone"}})),
            "unknown target 'everyone'\n  known: one, minority, majority, primaries, random, all");
  EXPECT_EQ(refused(fault("kill", {{"target", Value::list({"n7"})}})), "unknown node 'n7'\n  known: n1, n2, n3");
  EXPECT_FALSE(refused(fault("kill", {{"target", Value::list({})}})).empty());
  EXPECT_FALSE(refused(fault("kill", {})).empty());
  EXPECT_EQ(refused(fault("membership", {{"change", "shrnk"}})), "unknown change 'shrnk'\n  did you mean 'shrink'?");
  EXPECT_EQ(refused(fault("membership", {{"change", "shrink"}, {"target", "all"}})),
            "unknown target of a shrink 'all'\n  known: one, primaries");
  EXPECT_FALSE(refused(fault("membership", {{"change", "shrink"}})).empty());
  EXPECT_FALSE(refused(fault("membership", {{"change", "grow"}, {"target", "one"}})).empty());
  EXPECT_FALSE(refused(fault("partition", {{"shape", "one_way"}})).empty());
  EXPECT_FALSE(refused(fault("partition", {{"shape", "one_way"}, {"of", "one_way"}})).empty());
  EXPECT_FALSE(refused(fault("partition", {{"shape", "halves"}, {"of", "halves"}})).empty());
  EXPECT_FALSE(refused({.kind = "kill", .nodes = {"n4"}, .grudge = {}, .parameters = {}}).empty());
  EXPECT_FALSE(refused({.kind = "kill", .nodes = {}, .grudge = {{"n1", {"n2"}}}, .parameters = {}}).empty());
  EXPECT_FALSE(refused({.kind = "partition", .nodes = {"n1"}, .grudge = {}, .parameters = {}}).empty());
  EXPECT_FALSE(refused({.kind = "partition", .nodes = {}, .grudge = {{"n1", {"n4"}}}, .parameters = {}}).empty());
}

}  // namespace
}  // namespace faultline
