// Grudges: the shapes a network can be cut into, and who is hit by a fault, as pure functions of the nodes, the current
// primaries and a random stream.
//
// Every shape cuts links in both directions unless it is one_way or directed, so that TCP sees them as cut. Of n nodes
// a quorum is n / 2 + 1. With too few nodes for a shape (a ring of majorities of two nodes, anything of one) nothing is
// cut: the empty grudge. `nodes` are the cluster's in its own order, without duplicates; so are all results.
#pragma once

#include <faultline/fault.hpp>
#include <faultline/rng.hpp>

#include <span>
#include <string_view>
#include <utility>

namespace faultline {

using Nodes = std::vector<NodeName>;

[[nodiscard]] constexpr std::size_t quorum(std::size_t nodes) { return nodes / 2 + 1; }

// --- shapes ----------------------------------------------------------------------------------------------------------
// Nodes of different groups hear nothing of each other; a node in no group is left alone.
Grudge cut(std::span<const Nodes> groups);
// The first ⌊n/2⌋ nodes from the others.
Grudge halves(const Nodes& nodes);
Grudge random_halves(const Nodes& nodes, Rng& rng);
// Each of these alone, cut off from everybody, also from each other.
Grudge isolate(const Nodes& nodes, const Nodes& whom);
Grudge isolate_one(const Nodes& nodes, Rng& rng);
// A random group below a quorum from the others; they keep a quorum (but of two nodes, where none can).
Grudge minority(const Nodes& nodes, Rng& rng);
// Two random halves and one node that hears both. REQUIRES for a cut: n >= 3.
Grudge bridge(const Nodes& nodes, Rng& rng);
// Each node hears a majority (itself included), no two the same one. To five nodes: a path of three, a ring of four or
// five, in random order; above, links are cut at random as long as both ends keep a majority. REQUIRES for a cut: n >=
// 3.
Grudge majorities_ring(const Nodes& nodes, Rng& rng);
// Keeps one direction of every link the grudge cuts both ways, drawn by coin: between two groups all links lose the
// same direction.
Grudge one_way(const Grudge& grudge, const Nodes& nodes, Rng& rng);
// `second` hears nothing from `first`.
Grudge directed(std::span<const std::pair<NodeName, NodeName>> links);

// halves, random_halves, isolate_one, minority, bridge, majorities_ring, primaries, one_way.
std::span<const std::string_view> shape_names();
// one, minority, majority, primaries, random, all.
std::span<const std::string_view> target_names();

// --- when a decision fires -------------------------------------------------------------------------------------------
// Whether resolve() needs to know the primaries: asking a cluster for them may take a while.
[[nodiscard]] bool needs_primaries(const Fault& fault);

// Nothing is left open: it names its nodes, grudge, links, clogs or clients.
[[nodiscard]] bool is_explicit(const Fault& fault);

// Draws what the fault leaves open. An explicit fault stays as it is. Else
//   partition     {"shape": "bridge"}, {"shape": "one_way", "of": "halves"}                    fills in `grudge`
//                 and {"clients": 10}: of clients c0 … c9 (c<w> is at node w mod N) each whose node is cut off from somebody takes a
//                 side by coin; those that are not on their node's become {"clients": {"n1": ["c0"]}}
//   clog, packet  {"pairs": 2}: so many directed links                                         fills in {"links": [["n1","n2"],…]}
//   swizzle_clog  {"window": "4s"}: each node with p = 1/2 and some links, from the first half of the window to its second
//                                                                                              fills in {"clogs": […]}
//   any other     {"target": "minority"}, {"target": ["n1","n3"]}; clog and packet, too        fills in `nodes`
// `primaries` of a cluster that has none now means a random node; the parameters then say {"fallback": "no primary
// answered"}. Bad input: an unknown shape, target or node, naming those known.
Result<Fault> resolve(const Fault& fault, const Nodes& nodes, const Nodes& primaries, Rng& rng);

// What resolve() would refuse, without drawing; needs no primaries.
Result<void> validate(const Fault& fault, const Nodes& nodes);

}  // namespace faultline
