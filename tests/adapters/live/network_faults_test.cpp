// Every packet fault, in both networks: it does to trains of probes what it says, on the links it names and no others, and heals; and the
// faults of a cluster of real daemons that are made of them.
#include <faultline/live/network.hpp>

#include <gtest/gtest.h>

#include "adapters/live/packet_queue.hpp"
#include "adapters/live/spawn.hpp"
#include "support.hpp"

namespace faultline::live {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::Folder;
using test::grows;
using test::heard;

// What carries packets and does to them what is asked.
struct Carrier {
  const char* name;
  NetworkKind kind;
  PacketMechanism mechanism = PacketMechanism::automatic;

  // Says so where it does not.
  [[nodiscard]] bool works() const {
    if (kind == NetworkKind::proxy) return true;
    if (!test::is_root()) return false;
    auto works = packet_faults_work();
    if (works && mechanism == PacketMechanism::netem) works = netem_works();
    if (!works) std::printf("%s\n", works.error().to_string().c_str());
    return works.ok();
  }
  // NOLINTNEXTLINE: the name is what the library looks for.
  friend void PrintTo(const Carrier& carrier, std::ostream* out) { *out << carrier.name; }
};

constexpr Carrier proxy{"Proxy", NetworkKind::proxy};
constexpr Carrier queue{"Namespaces", NetworkKind::namespaces, PacketMechanism::nfqueue};
constexpr Carrier netem{"Netem", NetworkKind::namespaces, PacketMechanism::netem};

std::string name_of(const testing::TestParamInfo<Carrier>& instance) { return instance.param.name; }

// A network of three nodes without daemons.
struct Wires {
  explicit Wires(const Carrier& carrier) {
    auto made = make_network({.nodes = {"n1", "n2", "n3"},
                              .run_id = fresh_run_id(),
                              .kind = carrier.kind,
                              .needs = {.packets = true, .mechanism = carrier.mechanism}});
    EXPECT_TRUE(made.ok());
    network = std::move(made).value();
    const auto up = network->set_up();
    EXPECT_TRUE(up.ok()) << (up.ok() ? "" : up.error().to_string());
  }
  ~Wires() { EXPECT_TRUE(network->tear_down().ok()); }

  // n1->n2 suffers, and nothing else.
  void suffer(const LinkFaults& faults) {
    const auto shaped = network->shape({{{"n1", "n2"}, faults}});
    ASSERT_TRUE(shaped.ok()) << shaped.error().to_string();
  }
  void suffer(const PacketRules& rules) { suffer(LinkFaults{.packets = {rules}, .clogs = {}}); }
  [[nodiscard]] Sounding sound(std::int64_t count, Duration pace, Duration limit = seconds(20), const char* from = "n1",
                               const char* to = "n2") const {
    auto sounding = network->sound(from, to, count, pace, limit);
    EXPECT_TRUE(sounding.ok()) << (sounding.ok() ? "" : sounding.error().to_string());
    return sounding.value();
  }
  void expect_healed() {
    ASSERT_TRUE(network->shape({}).ok());
    const auto probed = network->probe(seconds(10));
    ASSERT_TRUE(probed.ok()) << probed.error().to_string();
    EXPECT_EQ(probed.value().get("sounded_links"), Value(1));
    const Sounding after = sound(100, {});
    EXPECT_EQ(after.arrived, 100);
    EXPECT_EQ(after.copies + after.out_of_order + after.damaged, 0);
  }
  [[nodiscard]] std::int64_t count(const std::string& name) const { return network->counters()[name]; }

  std::unique_ptr<Network> network;
};

class PacketFaults : public testing::TestWithParam<Carrier> {
 protected:
  void SetUp() override {
    if (GetParam().works()) wires = std::make_unique<Wires>(GetParam());
  }
  [[nodiscard]] bool is_proxy() const { return GetParam().kind == NetworkKind::proxy; }
  std::unique_ptr<Wires> wires;
};

TEST_P(PacketFaults, DelayIsAddedInOneDirectionOfOneLink) {
  if (!wires) return;
  wires->suffer({.delay = milliseconds(500)});
  const Sounding slow = wires->sound(20, milliseconds(1));
  EXPECT_EQ(slow.arrived, 20);
  EXPECT_GE(slow.median, milliseconds(500));
  EXPECT_LT(wires->sound(20, milliseconds(1), seconds(20), "n2", "n1").median, milliseconds(400)) << "the way back";
  EXPECT_LT(wires->sound(20, milliseconds(1), seconds(20), "n1", "n3").median, milliseconds(400)) << "another link";
  EXPECT_GE(wires->count("delayed_packets"), 20);
  wires->expect_healed();
}

TEST_P(PacketFaults, JitterSpreadsTheDelayAndKeepsTheOrder) {
  if (!wires) return;
  wires->suffer({.jitter = milliseconds(200)});
  const Sounding spread = wires->sound(50, milliseconds(2));
  EXPECT_EQ(spread.arrived, 50);
  EXPECT_EQ(spread.out_of_order, 0);
  EXPECT_GE(spread.median, milliseconds(50));
  wires->expect_healed();
}

TEST_P(PacketFaults, LossLosesAboutAsManyAsAsked) {
  if (!wires) return;
  wires->suffer({.loss = 0.4});
  const Sounding lossy = wires->sound(200, milliseconds(1), seconds(4));
  EXPECT_LT(lossy.arrived, 160);
  EXPECT_GT(lossy.arrived, 80);
  EXPECT_EQ(lossy.damaged + lossy.copies, 0) << "the stream stays in step";
  EXPECT_EQ(wires->count("lost_packets"), lossy.sent - lossy.arrived);
  wires->expect_healed();
}

TEST_P(PacketFaults, CopiesArriveTwice) {
  if (!wires) return;
  wires->suffer({.duplicate = 0.5});
  const Sounding doubled = wires->sound(100, milliseconds(1));
  EXPECT_EQ(doubled.arrived, 100);
  EXPECT_GT(doubled.copies, 20);
  EXPECT_LE(doubled.copies, wires->count("duplicated_packets"));
  wires->expect_healed();
}

TEST_P(PacketFaults, ReorderedPacketsAreOvertaken) {
  if (!wires) return;
  wires->suffer({.reorder = 0.2});
  const Sounding mixed = wires->sound(200, milliseconds(1));
  EXPECT_EQ(mixed.arrived, 200);
  EXPECT_GT(mixed.out_of_order, 10);
  EXPECT_GT(wires->count("reordered_packets"), 10);
  wires->expect_healed();
}

TEST_P(PacketFaults, CorruptionDamagesFramesAndBelowTcpLosesPackets) {
  if (!wires) return;
  wires->suffer({.corrupt = 0.3});
  const Sounding damaged = wires->sound(200, milliseconds(1), seconds(4));
  const std::int64_t flipped = wires->count("corrupted_packets");
  EXPECT_GT(flipped, 25);
  EXPECT_EQ(damaged.arrived, damaged.sent - flipped) << "nobody takes a damaged probe for a good one";
  EXPECT_EQ(damaged.damaged, is_proxy() ? flipped : 0) << "the kernel drops what fails its checksum";
  wires->expect_healed();
}

TEST_P(PacketFaults, ARateSlowsATrainDown) {
  if (!wires) return;
  // 100 probes of 72 to 100 bytes with headers, at 10 kB/s: from 0.7 s on.
  wires->suffer({.rate = 10000});
  const Sounding slowed = wires->sound(100, {}, seconds(20));
  EXPECT_GE(slowed.arrived, 100);
  EXPECT_GE(slowed.median, milliseconds(300));
  EXPECT_GE(wires->count("throttled_packets"), 90) << "all but the first wait";
  EXPECT_GE(wires->count("throttled_bytes"), 90 * 32);
  wires->expect_healed();
}

TEST_P(PacketFaults, AClogHoldsAndDeliversOnceInOrder) {
  if (!wires) return;
  // A loaded machine may take longer than a clog to send into it: then it gets a longer one.
  bool was_in_time = false;
  for (std::int64_t length = 700; !was_in_time && length < 100'000; length *= 5) {
    const std::int64_t before = wires->count("held_packets");
    const Instant end = steady_now() + milliseconds(length);
    wires->suffer(LinkFaults{.packets = {}, .clogs = {{steady_now(), end}}});
    was_in_time = steady_now() < end - milliseconds(length / 2);
    const Sounding held = wires->sound(50, {}, milliseconds(length) + seconds(5));
    EXPECT_EQ(held.arrived, 50);
    EXPECT_EQ(held.copies + held.out_of_order, 0);
    if (!was_in_time) continue;
    EXPECT_GE(steady_now(), end);
    EXPECT_GT(wires->count("held_packets"), before);
  }
  EXPECT_TRUE(was_in_time);
  wires->expect_healed();
}

TEST_P(PacketFaults, WhatIsHeldArrivesWhenTheFaultIsHealed) {
  if (!wires) return;
  wires->suffer(LinkFaults{.packets = {}, .clogs = {{}}});
  std::thread healer([&] {
    EXPECT_TRUE(test::eventually([&] { return wires->count("held_packets") >= 50; }));
    EXPECT_TRUE(wires->network->shape({}).ok());
  });
  const Sounding held = wires->sound(50, {}, seconds(10));
  healer.join();
  EXPECT_EQ(held.arrived, 50);
  EXPECT_EQ(held.out_of_order, 0);
  wires->expect_healed();
}

INSTANTIATE_TEST_SUITE_P(Network, PacketFaults, testing::Values(proxy, queue, netem), name_of);

// --- of a cluster of real daemons --------------------------------------------------------------------------------------

Fault with(const std::string& kind, std::vector<NodeName> nodes, std::vector<Value::Entry> parameters = {}) {
  return {.kind = kind,
          .nodes = std::move(nodes),
          .grudge = {},
          .parameters = parameters.empty() ? Value() : Value::map(std::move(parameters))};
}

Value links(std::vector<std::pair<std::string, std::string>> pairs) {
  std::vector<Value> list;
  for (const auto& [from, to] : pairs) list.push_back(Value::list({from, to}));
  return Value::list(std::move(list));
}

struct Cluster {
  explicit Cluster(const Carrier& carrier, bool client_links = false)
      : cluster(options(folder / "run", carrier, client_links)) {
    const auto up = cluster.set_up();
    EXPECT_TRUE(up.ok()) << (up.ok() ? "" : up.error().to_string());
    EXPECT_TRUE(cluster.enter_client_network().ok());
    EXPECT_TRUE(grows(cluster, "n2", "stream.n1"));
  }
  static LocalClusterOptions options(const std::filesystem::path& directory, const Carrier& carrier,
                                     bool client_links) {
    auto options = test::gossip_options(directory, carrier.kind);
    options.needs = {.packets = true, .client_links = client_links, .mechanism = carrier.mechanism};
    return options;
  }
  void expect_all_healed() {
    const auto all = cluster.heal_all();
    ASSERT_TRUE(all.ok()) << all.error().to_string();
    EXPECT_EQ(all.value().get("reachable_pairs"), Value(6));
  }
  Folder folder;
  LocalCluster cluster;
};

class ClusterTraffic : public testing::TestWithParam<Carrier> {
 protected:
  [[nodiscard]] static bool works() { return GetParam().works(); }
};

TEST_P(ClusterTraffic, APacketFaultDelaysWhatANodeHearsAndCounts) {
  if (!works()) return;
  Cluster run(GetParam());
  const Fault slow = with("packet", {}, {{"delay", "400ms"}, {"links", links({{"n1", "n2"}})}});
  const auto applied = run.cluster.apply(slow);
  ASSERT_TRUE(applied.ok()) << applied.error().to_string();
  EXPECT_EQ(applied.value().get("affected_links"), Value(1));
  // Lines come every 10 ms, so what n2 has heard of n1 is 40 behind what n3 has.
  EXPECT_TRUE(test::eventually([&] {
    const long behind = heard(run.cluster, "n2", "stream.n1");
    return behind > 0 && heard(run.cluster, "n3", "stream.n1") - behind > 20;
  }));
  const auto healed = run.cluster.heal(slow);
  ASSERT_TRUE(healed.ok()) << healed.error().to_string();
  EXPECT_GT(healed.value().get("delayed_packets").as_integer(), 0) << healed.value().to_string();
  EXPECT_TRUE(healed.value().get("held_packets").is_null()) << "that is what clogs do";
  run.expect_all_healed();
}

TEST_P(ClusterTraffic, AClogHoldsAllLinksOfItsNodes) {
  if (!works()) return;
  Cluster run(GetParam());
  const Fault clog = with("clog", {"n1"});
  const auto applied = run.cluster.apply(clog);
  ASSERT_TRUE(applied.ok()) << applied.error().to_string();
  EXPECT_EQ(applied.value().get("clogged_links"), Value(4));
  EXPECT_TRUE(grows(run.cluster, "n2", "stream.n3", 20)) << "by then n2 has read what had arrived before";
  const long before = heard(run.cluster, "n2", "stream.n1");
  EXPECT_TRUE(grows(run.cluster, "n2", "stream.n3", 50)) << "other links stay";
  EXPECT_EQ(heard(run.cluster, "n2", "stream.n1"), before);
  const auto healed = run.cluster.heal(clog);
  ASSERT_TRUE(healed.ok());
  EXPECT_GT(healed.value().get("held_packets").as_integer(), 0);
  EXPECT_TRUE(grows(run.cluster, "n2", "stream.n1", 30)) << "what was held comes";
  run.expect_all_healed();
}

TEST_P(ClusterTraffic, ASwizzleClogBeginsAndEndsByItself) {
  if (!works()) return;
  Cluster run(GetParam());
  // A loaded machine may take longer than a window to look at what happens in it: then it gets a longer one.
  bool was_in_time = false;
  for (std::int64_t window = 1500; !was_in_time && window < 100'000; window *= 5) {
    const Value first = Value::map({{"node", "n1"}, {"from", "0ms"}, {"to", std::to_string(window) + "ms"}});
    const Value later =
        Value::map({{"node", "n3"}, {"from", "600s"}, {"to", "700s"}, {"links", links({{"n3", "n2"}})}});
    const Fault swizzle = with("swizzle_clog", {}, {{"clogs", Value::list({first, later})}});
    const Instant begun = steady_now();
    const auto applied = run.cluster.apply(swizzle);
    ASSERT_TRUE(applied.ok()) << applied.error().to_string();
    EXPECT_EQ(applied.value().get("clogged_links"), Value(5)) << "one of them later";
    EXPECT_TRUE(grows(run.cluster, "n2", "stream.n3", 10));
    const long before = heard(run.cluster, "n2", "stream.n1");
    EXPECT_TRUE(grows(run.cluster, "n2", "stream.n3", 20));
    const long after = heard(run.cluster, "n2", "stream.n1");
    was_in_time = steady_now() - begun < milliseconds(window);
    EXPECT_TRUE(grows(run.cluster, "n2", "stream.n1", 60, milliseconds(window) + seconds(10)))
        << "without being healed";
    const auto healed = run.cluster.heal(swizzle);
    ASSERT_TRUE(healed.ok());
    if (!was_in_time) continue;
    EXPECT_EQ(after, before);
    EXPECT_GT(healed.value().get("held_packets").as_integer(), 0);
  }
  EXPECT_TRUE(was_in_time);
  run.expect_all_healed();
}

std::string ask_by(const ClientRoute& route) {
  std::string answer;
  const Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval limit{.tv_sec = 1, .tv_usec = 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  ::inet_pton(AF_INET, route.from.c_str(), &address.sin_addr);
  EXPECT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0) << route.from;
  address.sin_port = htons(route.to.port);
  ::inet_pton(AF_INET, route.to.host.c_str(), &address.sin_addr);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return answer;
  char chunk[1024];
  for (ssize_t n = 0; (n = ::recv(socket.get(), chunk, sizeof chunk, 0)) > 0;)
    answer.append(chunk, static_cast<std::size_t>(n));
  return answer;
}

TEST_P(ClusterTraffic, APartitionCutsTheClientsItNamesFromTheNodesItNames) {
  if (!works()) return;
  Cluster run(GetParam(), true);
  const LocalCluster& cluster = run.cluster;
  for (const std::size_t worker : {0U, 3U, 260U}) EXPECT_NE(ask_by(cluster.client_route("n1", worker)), "");
  const Fault cut = with("partition", {}, {{"clients", Value::map({{"n1", Value::list({"c3", "c260"})}})}});
  const auto applied = run.cluster.apply(cut);
  ASSERT_TRUE(applied.ok()) << applied.error().to_string();
  EXPECT_EQ(applied.value().get("cut_clients"), Value(2));
  EXPECT_EQ(ask_by(cluster.client_route("n1", 3)), "");
  EXPECT_EQ(ask_by(cluster.client_route("n1", 260)), "");
  EXPECT_NE(ask_by(cluster.client_route("n1", 0)), "") << "another client";
  EXPECT_NE(ask_by(cluster.client_route("n2", 3)), "") << "another node";
  EXPECT_GE(heard(cluster, "n1", "stream.n2"), 0) << "the harness itself is never cut";
  const auto healed = run.cluster.heal(cut);
  ASSERT_TRUE(healed.ok());
  const char* counter = GetParam().kind == NetworkKind::proxy ? "cut_connections" : "dropped_packets";
  EXPECT_GT(healed.value().get(counter).as_integer(), 0) << healed.value().to_string();
  EXPECT_NE(ask_by(cluster.client_route("n1", 3)), "");
  run.expect_all_healed();
}

INSTANTIATE_TEST_SUITE_P(Network, ClusterTraffic, testing::Values(proxy, queue, netem), name_of);

// What cannot be done is refused with a reason and a remedy, before anything is applied.
TEST(TrafficFaults, RefusesWhatItCannotDo) {
  Cluster run(proxy);
  const auto refusal = [&](const Fault& fault) {
    const auto supported = run.cluster.supports(fault);
    EXPECT_FALSE(run.cluster.apply(fault).ok());
    return supported.ok() ? "" : supported.error().to_string();
  };
  EXPECT_NE(refusal(with("packet", {"n1"}, {{"duplicate", 0.5}})).find("a stream has no copies"), std::string::npos)
      << "gossip has no framer";
  EXPECT_NE(refusal(with("packet", {"n1"}, {{"delay", "fast"}})).find("no duration"), std::string::npos);
  EXPECT_NE(refusal(with("packet", {"n9"}, {{"delay", "1ms"}})).find("n9"), std::string::npos);
  EXPECT_NE(refusal(with("clog", {}, {{"links", links({{"c0", "n1"}})}})).find("link of a client"), std::string::npos);
  EXPECT_NE(refusal(with("partition", {}, {{"clients", Value::map({{"n1", Value::list({"c0"})}})}}))
                .find("--nemesis directed"),
            std::string::npos);
  const auto both = run.cluster.apply(with("packet", {"n1"}, {{"duplicate", 0.5}, {"delay", "1ms"}}));
  ASSERT_TRUE(both.ok());
  EXPECT_FALSE(both.value().get("skipped").get("duplicate").is_null()) << "said, where the rest can be done";
  run.expect_all_healed();
}

// As an ordinary user, who has the proxy: a whole frame doubled, a fault of a cluster, a client cut off.
TEST(TrafficFaults, WorkForAUserWithoutRights) {
  if (!test::is_root()) return;  // then every other test has shown it
  const Folder folder;
  std::filesystem::permissions(folder.path(), std::filesystem::perms::all);
  for (const auto& [from, to] : {std::pair(std::filesystem::path("/proc/self/exe"), "test"),
                                 std::pair(std::filesystem::path(test::gossip_program()), "gossip")}) {
    std::filesystem::copy_file(from, folder / to);
  }
  const auto run =
      run_command({"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env",
                   "FAULTLINE_TEST_GOSSIP=" + (folder / "gossip").string(), "TMPDIR=" + folder.path().string(),
                   (folder / "test").string(),
                   "--gtest_filter=*.CopiesArriveTwice/Proxy:*.APacketFaultDelays*/Proxy:*.APartitionCuts*/Proxy"},
                  "", "", seconds(60));
  ASSERT_TRUE(run.ok()) << run.error().to_string();
  EXPECT_EQ(run.value().status, 0) << run.value().output << run.value().errors;
  EXPECT_NE(run.value().output.find("[  PASSED  ] 3 tests."), std::string::npos);
}

TEST(PacketQueue, BatchesOfBothTools) {
  const FilterPlan plan{.name = "faultline_x", .harness = {}, .sources = {"10.99.0.1", "10.99.0.2"}};
  EXPECT_EQ(
      iptables_queue_rules(plan, {1}),
      "*mangle\n:faultline_x_q - [0:0]\n-A faultline_x_q -s 10.99.0.2 -m mark ! --mark 17996 -j NFQUEUE --queue-num 9 "
      "--queue-bypass\nCOMMIT\n");
  EXPECT_EQ(
      nft_queue_rules(plan, {0}),
      "add table ip faultline_x_q\nadd chain ip faultline_x_q input { type filter hook input priority -150; policy "
      "accept; }\nflush chain ip faultline_x_q input\nadd rule ip faultline_x_q input ip saddr 10.99.0.1 meta mark != "
      "17996 queue num 9 bypass\n");
}

}  // namespace
}  // namespace faultline::live
