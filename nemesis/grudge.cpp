// The shapes of partitions.
#include <faultline/grudge.hpp>

#include <faultline/assert.hpp>

#include <algorithm>
#include <array>

namespace faultline {

namespace {

Nodes shuffled(Nodes nodes, Rng& rng) {
  rng.shuffle(std::span(nodes));
  return nodes;
}

// Which links are up, symmetrically, by position; every node hears itself.
using Links = std::vector<std::vector<bool>>;

Grudge grudge_of(const Nodes& nodes, const Links& up) {
  Grudge grudge;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    for (std::size_t j = 0; j < nodes.size(); ++j) {
      if (!up[i][j]) grudge[nodes[i]].insert(nodes[j]);
    }
  }
  return grudge;
}

bool all_different(const Links& up) {
  for (std::size_t i = 0; i < up.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (up[i] == up[j]) return false;
    }
  }
  return true;
}

// Each node hears its neighbours in the ring up to this distance.
Links ring(std::size_t nodes, std::size_t distance) {
  Links up(nodes, std::vector<bool>(nodes, false));
  for (std::size_t i = 0; i < nodes; ++i) {
    up[i][i] = true;
    for (std::size_t d = 1; d <= distance; ++d) up[i][(i + d) % nodes] = up[(i + d) % nodes][i] = true;
  }
  return up;
}

// Cuts links in random order as long as both ends keep a majority.
Links random_majorities(std::size_t nodes, Rng& rng) {
  Links up(nodes, std::vector<bool>(nodes, true));
  std::vector<std::size_t> heard(nodes, nodes);
  std::vector<std::pair<std::size_t, std::size_t>> links;
  for (std::size_t i = 0; i < nodes; ++i) {
    for (std::size_t j = 0; j < i; ++j) links.emplace_back(i, j);
  }
  rng.shuffle(std::span(links));
  for (const auto& [i, j] : links) {
    if (heard[i] <= quorum(nodes) || heard[j] <= quorum(nodes)) continue;
    up[i][j] = up[j][i] = false;
    --heard[i];
    --heard[j];
  }
  return up;
}

bool drops(const Grudge& grudge, const NodeName& node, const NodeName& from) {
  const auto found = grudge.find(node);
  return found != grudge.end() && found->second.contains(from);
}

// The groups into which links that are up in some direction connect the nodes, numbered by first member.
std::vector<std::size_t> components(const Grudge& grudge, const Nodes& nodes) {
  std::vector<std::size_t> component(nodes.size(), nodes.size());
  std::size_t count = 0;
  for (std::size_t start = 0; start < nodes.size(); ++start) {
    if (component[start] != nodes.size()) continue;
    std::vector<std::size_t> reached{start};
    component[start] = count;
    while (!reached.empty()) {
      const std::size_t i = reached.back();
      reached.pop_back();
      for (std::size_t j = 0; j < nodes.size(); ++j) {
        const bool cut_off = drops(grudge, nodes[i], nodes[j]) && drops(grudge, nodes[j], nodes[i]);
        if (component[j] != nodes.size() || cut_off) continue;
        component[j] = count;
        reached.push_back(j);
      }
    }
    ++count;
  }
  return component;
}

}  // namespace

Grudge cut(std::span<const Nodes> groups) {
  Grudge grudge;
  for (const Nodes& group : groups) {
    for (const Nodes& other : groups) {
      if (&group == &other || other.empty()) continue;
      for (const NodeName& node : group) grudge[node].insert(other.begin(), other.end());
    }
  }
  return grudge;
}

Grudge halves(const Nodes& nodes) {
  const auto middle = nodes.begin() + static_cast<std::ptrdiff_t>(nodes.size() / 2);
  const std::array<Nodes, 2> groups{Nodes(nodes.begin(), middle), Nodes(middle, nodes.end())};
  return cut(groups);
}

Grudge random_halves(const Nodes& nodes, Rng& rng) { return halves(shuffled(nodes, rng)); }

Grudge isolate(const Nodes& nodes, const Nodes& whom) {
  std::vector<Nodes> groups(1);
  for (const NodeName& node : nodes) {
    if (std::find(whom.begin(), whom.end(), node) == whom.end()) {
      groups.front().push_back(node);
    } else {
      groups.push_back({node});
    }
  }
  return cut(groups);
}

Grudge isolate_one(const Nodes& nodes, Rng& rng) {
  if (nodes.empty()) return {};
  return isolate(nodes, {rng.pick(nodes)});
}

Grudge minority(const Nodes& nodes, Rng& rng) {
  if (nodes.size() < 2) return {};
  const std::size_t largest = std::max<std::size_t>(1, nodes.size() - quorum(nodes.size()));
  const Nodes order = shuffled(nodes, rng);
  const auto end = order.begin() + static_cast<std::ptrdiff_t>(1 + rng.below(largest));
  const std::array<Nodes, 2> groups{Nodes(order.begin(), end), Nodes(end, order.end())};
  return cut(groups);
}

Grudge bridge(const Nodes& nodes, Rng& rng) {
  if (nodes.size() < 3) return {};
  Nodes others = shuffled(nodes, rng);
  others.pop_back();  // hears both halves
  return halves(others);
}

Grudge majorities_ring(const Nodes& nodes, Rng& rng) {
  const std::size_t n = nodes.size();
  if (n < 3) return {};
  const Nodes order = shuffled(nodes, rng);
  if (n == 3) {  // a symmetric ring of three is everybody; the path is what leaves three different majorities
    const std::array<Nodes, 2> ends{Nodes{order[0]}, Nodes{order[1]}};
    return cut(ends);
  }
  if (n <= 5) return grudge_of(order, ring(n, 1));
  for (int attempt = 0; attempt < 32; ++attempt) {
    const Links up = random_majorities(n, rng);
    if (all_different(up)) return grudge_of(order, up);
  }
  return grudge_of(order,
                   ring(n, quorum(n) / 2));  // windows of quorum or quorum + 1 nodes, fewer than n: all different
}

Grudge one_way(const Grudge& grudge, const Nodes& nodes, Rng& rng) {
  const std::vector<std::size_t> component = components(grudge, nodes);
  std::vector<std::size_t> rank(nodes.size());  // of a component; within one, of a node
  std::vector<std::size_t> node_rank(nodes.size());
  for (std::size_t i = 0; i < nodes.size(); ++i) rank[i] = node_rank[i] = i;
  rng.shuffle(std::span(rank).first(component.empty() ? 0 : *std::max_element(component.begin(), component.end()) + 1));
  rng.shuffle(std::span(node_rank));
  Grudge kept;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    for (std::size_t j = 0; j < nodes.size(); ++j) {
      if (!drops(grudge, nodes[i], nodes[j])) continue;
      const bool both = drops(grudge, nodes[j], nodes[i]);
      const bool lower =
          component[i] == component[j] ? node_rank[i] < node_rank[j] : rank[component[i]] < rank[component[j]];
      if (!both || lower) kept[nodes[i]].insert(nodes[j]);
    }
  }
  return kept;
}

Grudge directed(std::span<const std::pair<NodeName, NodeName>> links) {
  Grudge grudge;
  for (const auto& [from, to] : links) {
    FL_ASSERT(from != to);
    grudge[to].insert(from);
  }
  return grudge;
}

}  // namespace faultline
