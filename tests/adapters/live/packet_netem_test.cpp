// What netem is told and what it says, as text; and, where the kernel has it, what happens to packets.
#include "adapters/live/packet_netem.hpp"

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>

#include <fstream>

#include "adapters/live/namespaces.hpp"
#include "adapters/live/spawn.hpp"
#include "support.hpp"

namespace faultline::live {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const std::vector<std::string> addresses{"10.99.0.1", "10.99.0.2", "10.99.0.3"};

TEST(PacketNetem, AFirstFaultMakesTheBandsAndLeadsOnlyItsSourceThere) {
  EXPECT_EQ(netem_batch("p2", addresses, {},
                        {{0, {.delay = milliseconds(200), .jitter = milliseconds(50)}}, {1, {.loss = 0.125}}}),
            "qdisc add dev p2 root handle 1: prio bands 4 priomap 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
            "qdisc add dev p2 parent 1:2 netem limit 65536 delay 225000.000us 25000.000us rate 100gbit\n"
            "filter add dev p2 parent 1: protocol ip prio 1 u32 match ip src 10.99.0.1/32 flowid 1:2\n"
            "qdisc add dev p2 parent 1:3 netem limit 65536 loss random 12.500000% rate 100gbit\n"
            "filter add dev p2 parent 1: protocol ip prio 2 u32 match ip src 10.99.0.2/32 flowid 1:3\n");
}

TEST(PacketNetem, AChangeKeepsWhatIsUnderWayAndALinkThatGoesClosesItsFilterFirst) {
  const NetemPort both{{0, {.delay = milliseconds(200)}}, {2, {.loss = 1}}};
  EXPECT_EQ(netem_batch("p1", addresses, both, both), "");
  EXPECT_EQ(netem_batch("p1", addresses, both, {{0, {}}, {2, {.loss = 1}}}),
            "qdisc change dev p1 parent 1:2 netem limit 65536 rate 100gbit\n");
  EXPECT_EQ(netem_batch("p1", addresses, both, {{2, {.loss = 1}}}),
            "filter del dev p1 parent 1: protocol ip prio 1\n"
            "qdisc del dev p1 parent 1:2\n");
  EXPECT_EQ(netem_batch("p1", addresses, {{0, {}}, {2, {}}}, {}),
            "filter del dev p1 parent 1: protocol ip prio 1\n"
            "filter del dev p1 parent 1: protocol ip prio 3\n"
            "qdisc del dev p1 root\n");
}

TEST(PacketNetem, ClassesAreWrittenInHexadecimal) {
  const std::vector<std::string> most(netem_nodes_most, "10.99.0.9");
  const std::string batch = netem_batch("p0", most, {}, {{8, {.loss = 1}}, {14, {.loss = 1}}});
  EXPECT_NE(batch.find("prio bands 16 "), std::string::npos);
  EXPECT_NE(batch.find("flowid 1:a\n"), std::string::npos);
  EXPECT_NE(batch.find("flowid 1:10\n"), std::string::npos);
}

LinkFaults on_link(std::vector<PacketRules> packets, std::vector<Clog> clogs = {}) {
  return {.packets = std::move(packets), .clogs = std::move(clogs)};
}

TEST(PacketNetem, TakesDelayJitterAndLossAndLeavesTheRestToTheQueue) {
  EXPECT_EQ(netem_rules(on_link({{.delay = milliseconds(5), .jitter = milliseconds(2), .loss = 0.1}})),
            (NetemRules{.delay = milliseconds(5), .jitter = milliseconds(2), .loss = 0.1}));
  EXPECT_EQ(netem_rules(on_link({{.delay = seconds(2)}})), (NetemRules{.delay = seconds(2)}));
  EXPECT_EQ(netem_rules(on_link({{.delay = seconds(2), .jitter = milliseconds(1)}})), std::nullopt)
      << "it could not be let go at once";
  for (const PacketRules& rules : {PacketRules{.delay = milliseconds(5), .duplicate = 0.1}, PacketRules{.reorder = 0.1},
                                   PacketRules{.corrupt = 0.1}, PacketRules{.delay = milliseconds(5), .rate = 1000}}) {
    EXPECT_EQ(netem_rules(on_link({rules})), std::nullopt);
  }
  EXPECT_EQ(netem_rules(on_link({}, {Clog()})), std::nullopt);
  EXPECT_EQ(netem_rules(on_link({{.delay = milliseconds(5)}}, {Clog()})), std::nullopt);
  EXPECT_EQ(netem_rules({}), std::nullopt);
}

TEST(PacketNetem, FaultsOnOneLinkAddUpUnlessTheirSpreadsWould) {
  const auto sum = netem_rules(on_link(
      {{.delay = milliseconds(5), .jitter = milliseconds(2), .loss = 0.5}, {.delay = milliseconds(10), .loss = 0.5}}));
  ASSERT_TRUE(sum.has_value());
  EXPECT_EQ(sum->delay, milliseconds(15));
  EXPECT_EQ(sum->jitter, milliseconds(2));
  EXPECT_DOUBLE_EQ(sum->loss, 0.75);
  EXPECT_EQ(netem_rules(on_link({{.jitter = milliseconds(2)}, {.jitter = milliseconds(2)}})), std::nullopt);
}

// What tc 6.1 said of three ports on Linux 6.1 while packets were on their way: p0 with a clear netem, p1 without any, p2 with two.
TEST(PacketNetem, CountsAreReadAsTcPrintsThem) {
  std::ifstream file(FL_SOURCE_DIR "/tests/adapters/live/netem_listing.json");
  const std::string listing{std::istreambuf_iterator<char>(file), {}};
  const auto counts = netem_counts(listing);
  ASSERT_TRUE(counts.ok()) << counts.error().to_string();
  using Port = std::pair<std::string, std::size_t>;
  EXPECT_EQ(counts.value(), (std::map<Port, NetemCount>{{{"p0", 2}, {.passed = 16}},
                                                        {{"p2", 0}, {.passed = 16, .waiting = 14}},
                                                        {{"p2", 1}, {.passed = 35, .lost = 5}}}));
}

TEST(PacketNetem, AListingThatIsNotUnderstoodIsAnError) {
  EXPECT_TRUE(netem_counts("[]").value().empty());
  for (const char* listing : {"", "qdisc noqueue 0: dev lo root refcnt 2", "{}",
                              R"([{"kind":"netem","dev":"p0","parent":"1:2","packets":3}])"}) {
    EXPECT_FALSE(netem_counts(listing).ok()) << listing;
  }
}

// --- where the kernel has it ---------------------------------------------------------------------------------------------

// Says so where it does not; elsewhere it must say how to get it.
bool works() {
  if (!test::is_root()) return false;
  const auto works = packet_faults_work() ? netem_works() : packet_faults_work();
  if (works) return true;
  std::printf("%s\n", works.error().to_string().c_str());
  EXPECT_FALSE(works.error().remedy.empty());
  return false;
}

struct Nodes {
  explicit Nodes(PacketMechanism mechanism) {
    auto made = make_network({.nodes = {"n1", "n2", "n3"},
                              .run_id = run,
                              .kind = NetworkKind::namespaces,
                              .needs = {.packets = true, .mechanism = mechanism}});
    EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().to_string());
    network = std::move(made).value();
    const auto up = network->set_up();
    EXPECT_TRUE(up.ok()) << (up.ok() ? "" : up.error().to_string());
  }
  ~Nodes() { EXPECT_TRUE(network->tear_down().ok()); }

  void suffer(const PacketRules& rules) {
    const auto shaped = network->shape({{{"n1", "n2"}, on_link({rules})}});
    ASSERT_TRUE(shaped.ok()) << shaped.error().to_string();
  }
  [[nodiscard]] Sounding sound(std::int64_t count, Duration pace) const {
    auto sounding = network->sound("n1", "n2", count, pace, seconds(20));
    EXPECT_TRUE(sounding.ok());
    return sounding.value();
  }
  // How many netems there are, as tc lists them.
  [[nodiscard]] std::size_t netems() const {
    const auto listing = run_checked({"tc", "-s", "-j", "qdisc", "show"}, "", namespace_path("fl-" + run + "-net"));
    EXPECT_TRUE(listing.ok());
    return netem_counts(listing.value()).value().size();
  }
  void expect_healed() {
    ASSERT_TRUE(network->shape({}).ok());
    const auto probed = network->probe(seconds(20));
    ASSERT_TRUE(probed.ok()) << probed.error().to_string();
    EXPECT_EQ(netems(), 0U);
  }

  std::string run = fresh_run_id();
  std::unique_ptr<Network> network;
};

TEST(PacketNetem, TakesTheLinksItCanAndHandsThemOverWhenMoreIsAsked) {
  if (!works()) return;
  Nodes nodes(PacketMechanism::automatic);
  EXPECT_NE(nodes.network->describe().find("by the kernel (netem)"), std::string::npos) << nodes.network->describe();
  nodes.suffer({.delay = milliseconds(300)});
  EXPECT_EQ(nodes.netems(), 1U);
  EXPECT_GE(nodes.sound(20, milliseconds(1)).median, milliseconds(300));
  nodes.suffer({.delay = milliseconds(300), .duplicate = 1});
  const Sounding doubled = nodes.sound(20, milliseconds(1));
  EXPECT_GE(doubled.median, milliseconds(300));
  EXPECT_EQ(nodes.network->counters()["duplicated_packets"], 20);
  nodes.suffer({.delay = milliseconds(300)});
  const Sounding back = nodes.sound(20, milliseconds(1));
  EXPECT_GE(back.median, milliseconds(300));
  EXPECT_EQ(back.arrived, 20);
  EXPECT_EQ(nodes.network->counters()["delayed_packets"], 60) << "each by one of them";
  EXPECT_EQ(nodes.network->counters()["duplicated_packets"], 20);
  nodes.expect_healed();
}

TEST(PacketNetem, WhatItHoldsArrivesInOrderBeforeTheLinkIsHealed) {
  if (!works()) return;
  Nodes nodes(PacketMechanism::netem);
  nodes.suffer({.delay = milliseconds(1500)});
  Sounding held;
  std::thread train([&] { held = nodes.sound(200, milliseconds(5)); });
  EXPECT_TRUE(test::eventually([&] { return nodes.network->counters()["delayed_packets"] >= 50; }));
  ASSERT_TRUE(nodes.network->shape({}).ok());
  train.join();
  EXPECT_EQ(held.arrived, 200);
  EXPECT_EQ(held.copies + held.out_of_order, 0) << "what is sent later waits behind it";
  EXPECT_EQ(nodes.netems(), 1U) << "it goes when it is known to be empty";
  nodes.expect_healed();
}

TEST(PacketNetem, ALinkThatIsClearAndEmptyLosesItsNetemWithTheNextFault) {
  if (!works()) return;
  Nodes nodes(PacketMechanism::netem);
  nodes.suffer({.delay = milliseconds(1)});
  ASSERT_TRUE(nodes.network->shape({}).ok());
  EXPECT_EQ(nodes.netems(), 1U);
  ASSERT_TRUE(nodes.network->shape({{{"n3", "n1"}, on_link({{.loss = 0.5}})}}).ok());
  EXPECT_EQ(nodes.netems(), 1U);
  nodes.suffer({.delay = milliseconds(100)});
  EXPECT_GE(nodes.sound(20, milliseconds(1)).median, milliseconds(100));
  nodes.expect_healed();
}

TEST(PacketNetem, ForcedToTheQueueNoNetemIsMade) {
  if (!works()) return;
  Nodes nodes(PacketMechanism::nfqueue);
  nodes.suffer({.delay = milliseconds(100)});
  EXPECT_EQ(nodes.netems(), 0U);
  EXPECT_GE(nodes.sound(20, milliseconds(1)).median, milliseconds(100));
  nodes.expect_healed();
}

// The longest frame of a stream that arrives at n2's port of the bridge.
std::size_t longest_frame(const Nodes& nodes) {
  const auto socket_at = [&](const std::string& space, int family, int type, int protocol) {
    Descriptor socket;
    EXPECT_TRUE(run_in_namespace(space, [&] { socket = Descriptor(::socket(family, type, protocol)); }).ok());
    const timeval limit{.tv_sec = 10, .tv_usec = 0};
    EXPECT_EQ(::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    EXPECT_EQ(::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit), 0);
    return socket;
  };
  const Descriptor tap = socket_at(namespace_path("fl-" + nodes.run + "-net"), AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
  sockaddr_ll port{};
  port.sll_family = AF_PACKET;
  port.sll_protocol = htons(ETH_P_ALL);
  EXPECT_TRUE(run_in_namespace(namespace_path("fl-" + nodes.run + "-net"), [&] {
                port.sll_ifindex = static_cast<int>(::if_nametoindex("p1"));
              }).ok());
  EXPECT_EQ(::bind(tap.get(), reinterpret_cast<const sockaddr*>(&port), sizeof port), 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  ::inet_pton(AF_INET, nodes.network->addresses("n2").client.host.c_str(), &address.sin_addr);
  auto* name = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof address;
  const Descriptor listener = socket_at(nodes.network->name_space("n2"), AF_INET, SOCK_STREAM, 0);
  EXPECT_EQ(::bind(listener.get(), name, size), 0);
  EXPECT_EQ(::getsockname(listener.get(), name, &size), 0);
  EXPECT_EQ(::listen(listener.get(), 1), 0);
  const Descriptor sender = socket_at(nodes.network->name_space("n1"), AF_INET, SOCK_STREAM, 0);
  EXPECT_EQ(::connect(sender.get(), name, size), 0);
  const Descriptor receiver(::accept(listener.get(), nullptr, nullptr));
  const std::string bytes(200'000, 'x');
  std::thread source([&] { (void)::send(sender.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL); });
  std::string chunk(1U << 16U, 0);
  for (std::size_t got = 0; got < bytes.size();) {
    const auto n = ::recv(receiver.get(), chunk.data(), chunk.size(), 0);
    if (n <= 0) break;
    got += static_cast<std::size_t>(n);
  }
  source.join();
  std::size_t longest = 0;
  for (ssize_t n = 0; (n = ::recv(tap.get(), chunk.data(), chunk.size(), MSG_DONTWAIT | MSG_TRUNC)) > 0;)
    longest = std::max(longest, static_cast<std::size_t>(n));
  return longest;
}

TEST(PacketNetem, AStreamMeetsItSegmentBySegmentAndNoLongerThanItLasts) {
  if (!works()) return;
  Nodes nodes(PacketMechanism::netem);
  constexpr std::size_t frame = 1514;
  EXPECT_GT(longest_frame(nodes), frame);
  nodes.suffer({.delay = milliseconds(1)});
  EXPECT_EQ(longest_frame(nodes), frame);
  nodes.expect_healed();
  EXPECT_GT(longest_frame(nodes), frame);
}

TEST(PacketNetem, WhereItIsMissingItIsRefusedIfAskedForAndElseSaid) {
  if (!test::is_root() || !packet_faults_work() || netem_works()) return;
  const auto asked = make_network({.nodes = {"n1", "n2"},
                                   .run_id = fresh_run_id(),
                                   .needs = {.packets = true, .mechanism = PacketMechanism::netem}});
  ASSERT_FALSE(asked.ok()) << "not the proxy instead";
  EXPECT_NE(asked.error().to_string().find("modprobe"), std::string::npos) << asked.error().to_string();
  const auto chosen = make_network({.nodes = {"n1", "n2"}, .run_id = fresh_run_id(), .needs = {.packets = true}});
  ASSERT_TRUE(chosen.ok());
  EXPECT_NE(chosen.value()->describe().find("netem takes no part: "), std::string::npos) << chosen.value()->describe();
}

TEST(PacketNetem, TheProxyHasNoChoiceOfMechanisms) {
  for (const auto& [kind, needs] :
       {std::pair(NetworkKind::proxy, NetworkNeeds{.packets = true, .mechanism = PacketMechanism::netem}),
        std::pair(NetworkKind::automatic,
                  NetworkNeeds{.packets = true, .frames = true, .mechanism = PacketMechanism::nfqueue})}) {
    const auto made = make_network({.nodes = {"n1", "n2"}, .run_id = "x", .kind = kind, .needs = needs});
    ASSERT_FALSE(made.ok());
    EXPECT_NE(made.error().message.find("in namespaces"), std::string::npos) << made.error().to_string();
  }
}

}  // namespace
}  // namespace faultline::live
