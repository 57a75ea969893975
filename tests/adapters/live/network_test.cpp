// Both networks, with real daemons: cuts bite, in the directions they name and no others, and heal.
#include <faultline/live/network.hpp>

#include <gtest/gtest.h>
#include <poll.h>

#include "adapters/live/namespaces.hpp"
#include "adapters/live/packet_filter.hpp"
#include "adapters/live/proxy.hpp"
#include "adapters/live/spawn.hpp"
#include "support.hpp"

namespace faultline::live {
namespace {

namespace fs = std::filesystem;
using test::Folder;
using test::grows;
using test::heard;

Fault partition(Grudge grudge) {
  return {.kind = "partition", .nodes = {}, .grudge = std::move(grudge), .parameters = {}};
}

// Long enough for a hundred messages to arrive if they could.
constexpr auto silence = std::chrono::seconds(1);

// Whether `node` hears nothing new of that kind while everything keeps talking. What had arrived at the node when the
// cut came may still wait to be read there, on a busy machine for a while: so a later window may be the silent one.
bool is_deaf(const LocalCluster& cluster, const NodeName& node, const std::string& what) {
  for (int window = 0; window < 5; ++window) {
    const long before = heard(cluster, node, what);
    std::this_thread::sleep_for(silence);
    if (before >= 0 && heard(cluster, node, what) == before) return true;
  }
  return false;
}

// A cluster of three gossip nodes; the test's thread is where clients are.
struct Gossip {
  explicit Gossip(NetworkKind kind) : cluster(test::gossip_options(folder / "run", kind)) {
    const auto up = cluster.set_up();
    EXPECT_TRUE(up.ok()) << (up.ok() ? "" : up.error().to_string());
    EXPECT_TRUE(cluster.enter_client_network().ok());
    for (const auto& place : cluster.places()) {
      for (const auto& other : cluster.places()) {
        EXPECT_TRUE(place.name == other.name || grows(cluster, place.name, "stream." + other.name));
      }
    }
  }
  [[nodiscard]] bool is_deaf(const NodeName& node, const std::string& what) const {
    return live::is_deaf(cluster, node, what);
  }

  Folder folder;
  LocalCluster cluster;
};

void expect_a_cut_to_bite_and_heal(NetworkKind kind, const std::string& counter) {
  Gossip gossip(kind);
  LocalCluster& cluster = gossip.cluster;
  const Fault isolated = partition({{"n1", {"n2", "n3"}}, {"n2", {"n1"}}, {"n3", {"n1"}}});
  const auto applied = cluster.apply(isolated);
  ASSERT_TRUE(applied.ok()) << applied.error().to_string();
  EXPECT_EQ(applied.value().get("dropped_pairs"), Value(4));
  EXPECT_TRUE(gossip.is_deaf("n1", "stream.n2"));
  EXPECT_TRUE(gossip.is_deaf("n2", "stream.n1"));
  EXPECT_TRUE(gossip.is_deaf("n3", "fresh.n1")) << "new connections, too";
  EXPECT_TRUE(gossip.is_deaf("n1", "acknowledged.n3"));
  EXPECT_TRUE(grows(cluster, "n2", "stream.n3")) << "other links stay";
  EXPECT_TRUE(grows(cluster, "n3", "fresh.n2"));

  const auto healed = cluster.heal(isolated);
  ASSERT_TRUE(healed.ok()) << healed.error().to_string();
  ASSERT_TRUE(healed.value().get(counter).is_integer()) << healed.value().to_string();
  EXPECT_GT(healed.value().get(counter).as_integer(), 0);
  for (const char* node : {"n2", "n3"}) {
    EXPECT_TRUE(grows(cluster, "n1", std::string("stream.") + node));
    EXPECT_TRUE(grows(cluster, node, "stream.n1"));
    EXPECT_TRUE(grows(cluster, node, "fresh.n1"));
    EXPECT_TRUE(grows(cluster, node, "acknowledged.n1"));
  }
  const auto all = cluster.heal_all();
  ASSERT_TRUE(all.ok()) << all.error().to_string();
  EXPECT_EQ(all.value().get("reachable_pairs"), Value(6));
}

// The network carries the union of overlapping partitions, and what remains when one of them heals.
void expect_overlapping_cuts_to_add_up(NetworkKind kind) {
  Gossip gossip(kind);
  LocalCluster& cluster = gossip.cluster;
  const Fault one = partition({{"n1", {"n2"}}, {"n2", {"n1"}}});
  const Fault two = partition({{"n1", {"n2", "n3"}}, {"n2", {"n1"}}, {"n3", {"n1"}}});
  ASSERT_TRUE(cluster.apply(one).ok());
  ASSERT_TRUE(cluster.apply(two).ok());
  ASSERT_TRUE(cluster.heal(two).ok());
  EXPECT_TRUE(grows(cluster, "n1", "stream.n3"));
  EXPECT_TRUE(gossip.is_deaf("n1", "stream.n2")) << "the first one is still in force";
  ASSERT_TRUE(cluster.heal(two).ok()) << "twice is once";
  ASSERT_TRUE(cluster.heal(one).ok());
  EXPECT_TRUE(grows(cluster, "n1", "stream.n2"));
}

TEST(NamespaceNetwork, ACutBitesAndHeals) {
  if (test::is_root()) expect_a_cut_to_bite_and_heal(NetworkKind::namespaces, "dropped_packets");
}

TEST(ProxyNetwork, ACutBitesAndHeals) { expect_a_cut_to_bite_and_heal(NetworkKind::proxy, "held_bytes"); }

TEST(NamespaceNetwork, OverlappingCutsAddUp) {
  if (test::is_root()) expect_overlapping_cuts_to_add_up(NetworkKind::namespaces);
}

TEST(ProxyNetwork, OverlappingCutsAddUp) { expect_overlapping_cuts_to_add_up(NetworkKind::proxy); }

TEST(NamespaceNetwork, AOneWayCutDropsOneDirectionOfPackets) {
  if (!test::is_root()) return;
  Gossip gossip(NetworkKind::namespaces);
  ASSERT_TRUE(gossip.cluster.apply(partition({{"n2", {"n1"}}})).ok());
  EXPECT_TRUE(gossip.is_deaf("n2", "datagram.n1"));
  EXPECT_TRUE(gossip.is_deaf("n2", "stream.n1"));
  EXPECT_TRUE(grows(gossip.cluster, "n1", "datagram.n2")) << "the other direction stays open";
  EXPECT_TRUE(gossip.is_deaf("n1", "acknowledged.n2"));
  EXPECT_TRUE(grows(gossip.cluster, "n3", "datagram.n1"));
}

TEST(ProxyNetwork, AOneWayCutIsOneWayOnEveryConnection) {
  Gossip gossip(NetworkKind::proxy);
  ASSERT_TRUE(gossip.cluster.apply(partition({{"n2", {"n1"}}})).ok());
  EXPECT_TRUE(gossip.is_deaf("n2", "stream.n1"));
  EXPECT_TRUE(gossip.is_deaf("n2", "fresh.n1"));
  EXPECT_TRUE(grows(gossip.cluster, "n1", "stream.n2", 100)) << "the other direction stays open";
  EXPECT_TRUE(grows(gossip.cluster, "n3", "stream.n1"));
}

TEST(ProxyNetwork, HeldBytesArriveInOrderOnceTheCutHeals) {
  Gossip gossip(NetworkKind::proxy);
  LocalCluster& cluster = gossip.cluster;
  const Fault cut = partition({{"n2", {"n1"}}});
  ASSERT_TRUE(cluster.apply(cut).ok());
  const long before = heard(cluster, "n2", "stream.n1");
  ASSERT_TRUE(gossip.is_deaf("n2", "stream.n1"));
  ASSERT_TRUE(cluster.heal(cut).ok());
  // About a hundred lines were sent meanwhile, on the connection that is still the same.
  EXPECT_TRUE(
      test::eventually([&] { return heard(cluster, "n2", "stream.n1") >= before + 60; }, std::chrono::seconds(2)));
}

TEST(ProxyNetwork, AConnectionOfNobodyWeKnowIsReset) {
  Gossip gossip(NetworkKind::proxy);
  const auto& place = gossip.cluster.place("n1");
  EXPECT_EQ(test::ask(place.addresses.peer_advertise, std::chrono::seconds(5)), "");
  const auto all = gossip.cluster.heal_all();
  ASSERT_TRUE(all.ok());
  EXPECT_GE(all.value().get("unattributed_connections").as_integer(), 1);
}

// With the process that is node 0 outside, the proxy must tell it from others by its sockets, children included.
TEST(Proxy, AttributesConnectionsOfChildrenToTheirNode) {
  Folder folder;
  auto options = test::gossip_options(folder / "run", NetworkKind::proxy);
  const auto plain = options.node_spec;
  options.node_spec = [plain](const NodePlace& self, std::span<const NodePlace> all) {
    NodeSpec spec = plain(self, all);
    std::string script;
    for (const auto& word : spec.command) script += word + " ";
    spec.command = {"sh", "-c", script + "& wait"};
    return spec;
  };
  LocalCluster cluster(std::move(options));
  ASSERT_TRUE(cluster.set_up().ok());
  EXPECT_TRUE(grows(cluster, "n2", "stream.n1"));
  ASSERT_TRUE(cluster.apply(partition({{"n2", {"n1"}}})).ok());
  EXPECT_TRUE(is_deaf(cluster, "n2", "stream.n1"));
  EXPECT_TRUE(grows(cluster, "n2", "stream.n3", 50));
}

TEST(ProxyNetwork, WorksForAUserWithoutRights) {
  if (!test::is_root()) return;  // then every other test has shown it
  const Folder folder;
  fs::permissions(folder.path(), fs::perms::all);
  for (const auto& [from, to] :
       {std::pair(fs::path("/proc/self/exe"), "test"), std::pair(fs::path(test::gossip_program()), "gossip")}) {
    fs::copy_file(from, folder / to);
  }
  const auto run =
      run_command({"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env",
                   "FAULTLINE_TEST_GOSSIP=" + (folder / "gossip").string(), "TMPDIR=" + folder.path().string(),
                   (folder / "test").string(), "--gtest_filter=ProxyNetwork.ACutBites*"},
                  "", "", std::chrono::seconds(60));
  ASSERT_TRUE(run.ok()) << run.error().to_string();
  EXPECT_EQ(run.value().status, 0) << run.value().output << run.value().errors;
  EXPECT_NE(run.value().output.find("[  PASSED  ] 1 test."), std::string::npos);
}

TEST(NamespaceNetwork, TheHarnessStaysReachableWhateverIsDropped) {
  if (!test::is_root()) return;
  Gossip gossip(NetworkKind::namespaces);
  Grudge everything;
  for (const auto& node : gossip.cluster.nodes()) everything[node] = {"n1", "n2", "n3"};
  ASSERT_TRUE(gossip.cluster.apply(partition(everything)).ok());
  for (const auto& node : gossip.cluster.nodes()) EXPECT_GE(heard(gossip.cluster, node, "stream.n1"), 0);
}

TEST(NamespaceNetwork, TwoRunsUseTheSameAddressesAndDoNotMeet) {
  if (!test::is_root()) return;
  Folder folder;
  LocalCluster one(test::gossip_options(folder / "one", NetworkKind::namespaces, {"a1", "a2"}));
  LocalCluster two(test::gossip_options(folder / "two", NetworkKind::namespaces, {"b1", "b2"}));
  ASSERT_TRUE(one.set_up().ok());
  ASSERT_TRUE(two.set_up().ok());
  EXPECT_EQ(one.place("a1").addresses, two.place("b1").addresses);
  std::thread([&] {
    ASSERT_TRUE(two.enter_client_network().ok());
    EXPECT_TRUE(grows(two, "b1", "stream.b2"));
    EXPECT_EQ(heard(two, "b1", "stream.a2"), 0);
  }).join();
}

TEST(NamespaceNetwork, LeavesNothingBehindAfterAHalfDoneSetUp) {
  if (!test::is_root()) return;
  Folder folder;
  const std::string run = fresh_run_id();
  ASSERT_TRUE(create_namespace("fl-" + run + "-n2").ok()) << "in the way of the network's own";
  const auto network =
      make_network({.nodes = {"n1", "n2"}, .run_id = run, .kind = NetworkKind::namespaces, .leftovers = nullptr});
  ASSERT_TRUE(network.ok());
  const auto up = network.value()->set_up();
  ASSERT_FALSE(up.ok());
  EXPECT_NE(up.error().message.find("ip netns add fl-" + run + "-n2 failed"), std::string::npos) << up.error().message;
  EXPECT_TRUE(network.value()->tear_down().ok());
  EXPECT_TRUE(network.value()->tear_down().ok()) << "twice is once";
  EXPECT_TRUE(test::namespaces_of(run).empty());
}

TEST(MakeNetwork, RefusesNamesItCannotUse) {
  EXPECT_FALSE(make_network({.nodes = {"n1"}, .run_id = "../x"}).ok());
  EXPECT_FALSE(make_network({.nodes = {"n 1"}, .run_id = "x"}).ok());
  EXPECT_FALSE(make_network({.nodes = {"n1", "n1"}, .run_id = "x"}).ok());
  EXPECT_FALSE(make_network({.nodes = {}, .run_id = "x"}).ok());
  EXPECT_EQ(make_network({.nodes = {"net"}, .run_id = "x"}).error().kind, ErrorKind::bad_input);
}

TEST(MakeNetwork, ChoosesNamespacesForRootAndTheProxyForOthersAndSaysSo) {
  const auto network = make_network({.nodes = {"n1"}, .run_id = fresh_run_id()});
  ASSERT_TRUE(network.ok());
  const std::string text = network.value()->describe();
  if (namespaces_work().ok()) {
    EXPECT_NE(text.find("its own network namespace"), std::string::npos) << text;
  } else {
    EXPECT_NE(text.find("fault proxy"), std::string::npos) << text;
  }
}

TEST(PacketFilter, BatchesAndListingsOfBothTools) {
  const FilterPlan plan{.name = "faultline_x", .harness = "10.99.0.254", .sources = {"10.99.0.1", "10.99.0.2"}};
  EXPECT_EQ(nft_rules(plan, {}), "flush chain ip faultline_x input\n");
  EXPECT_EQ(nft_rules(plan, {.sources = {1}}),
            "flush chain ip faultline_x input\n"
            "add rule ip faultline_x input ip saddr 10.99.0.254 accept\n"
            "add rule ip faultline_x input ip saddr 10.99.0.2 counter name \"from_1\" drop\n");
  EXPECT_EQ(iptables_rules(plan, {.sources = {0}}),
            "*filter\n:faultline_x - [0:0]\n-A faultline_x -s 10.99.0.254 -j ACCEPT\n-A faultline_x -s 10.99.0.1 -j "
            "DROP\nCOMMIT\n");
  FilterPlan of_clients = plan;
  of_clients.sources = {};
  of_clients.clients = "10.99.0.254";
  of_clients.client_port = 2379;
  EXPECT_EQ(nft_rules(of_clients, {.clients = {{10000, 10099}}}),
            "flush chain ip faultline_x input\nflush chain ip faultline_x output\n"
            "add rule ip faultline_x input ip saddr 10.99.0.254 tcp sport 10000-10099 tcp dport 2379 counter name "
            "\"from_others\" drop\n"
            "add rule ip faultline_x output ip daddr 10.99.0.254 tcp sport 2379 tcp dport 10000-10099 counter name "
            "\"from_others\" drop\n"
            "add rule ip faultline_x input ip saddr 10.99.0.254 accept\n");
  EXPECT_EQ(iptables_rules(of_clients, {.clients = {{10000, 10099}}}),
            "*filter\n:faultline_x - [0:0]\n:faultline_x_o - [0:0]\n"
            "-A faultline_x -s 10.99.0.254 -p tcp -m tcp --sport 10000:10099 --dport 2379 -j DROP\n"
            "-A faultline_x_o -d 10.99.0.254 -p tcp -m tcp --sport 2379 --dport 10000:10099 -j DROP\n"
            "-A faultline_x -s 10.99.0.254 -j ACCEPT\nCOMMIT\n");
  EXPECT_EQ(nft_packets("table ip x {\n\tcounter from_0 {\n\t\tpackets 7 bytes 420\n\t}\n\tcounter from_1 { packets 5 "
                        "bytes 1 }\n}\n"),
            12);
  EXPECT_EQ(iptables_packets(
                "[9:1] -A INPUT -j faultline_x\n[3:180] -A faultline_x -s 10.99.0.1/32 -j DROP\n"
                "[8:480] -A faultline_x -s 10.99.0.254/32 -j ACCEPT\n[4:240] -A faultline_x -s 10.99.0.2/32 -j DROP\n",
                "faultline_x"),
            7);
}

// Sends datagrams from the bridge's address, as a node that is dropped, to a namespace whose filter is under test.
void expect_filter_to_drop_and_count(FilterTool tool) {
  const std::string name = "fl-" + fresh_run_id() + "-filter";
  ASSERT_TRUE(create_namespace(name).ok());
  const std::string space = namespace_path(name);
  ASSERT_TRUE(run_checked({"ip", "-batch", "-"},
                          "link set lo up\naddr add 10.99.0.1/32 dev lo\naddr add 10.99.0.2/32 dev lo\n", space)
                  .ok());
  PacketFilter filter(tool, {.name = "faultline_x", .harness = "10.99.0.254", .sources = {"10.99.0.1", "10.99.0.2"}},
                      space);
  ASSERT_TRUE(filter.set_up().ok());
  const auto send_three_from = [&](const char* source) {
    ASSERT_TRUE(run_in_namespace(space, [&] {
                  const Descriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
                  sockaddr_in address{};
                  address.sin_family = AF_INET;
                  ::inet_pton(AF_INET, source, &address.sin_addr);
                  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
                  ::inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
                  address.sin_port = htons(9);
                  for (int i = 0; i < 3; ++i)
                    ::sendto(socket.get(), "x", 1, 0, reinterpret_cast<const sockaddr*>(&address), sizeof address);
                }).ok());
  };
  EXPECT_FALSE(filter.has_rules().value());
  ASSERT_TRUE(filter.drop({.sources = {0}}).ok());
  EXPECT_TRUE(filter.has_rules().value());
  send_three_from("10.99.0.1");
  send_three_from("10.99.0.2");
  EXPECT_EQ(filter.dropped_packets().value(), 3);
  ASSERT_TRUE(filter.drop({.sources = {1}}).ok());
  send_three_from("10.99.0.2");
  EXPECT_EQ(filter.dropped_packets().value(), 6) << "counts survive a change of rules";
  ASSERT_TRUE(filter.drop({}).ok());
  EXPECT_FALSE(filter.has_rules().value());
  send_three_from("10.99.0.1");
  EXPECT_EQ(filter.dropped_packets().value(), 6);
  EXPECT_TRUE(delete_namespace(name).ok());
}

// A listener that takes connections without being asked, and what connects to it from a port of its own.
void expect_filter_to_tell_clients_apart(FilterTool tool) {
  const std::string name = "fl-" + fresh_run_id() + "-filter";
  ASSERT_TRUE(create_namespace(name).ok());
  const std::string space = namespace_path(name);
  ASSERT_TRUE(run_checked({"ip", "link", "set", "lo", "up"}, "", space).ok());
  constexpr std::uint16_t port = 2379;
  PacketFilter filter(
      tool, {.name = "faultline_x", .harness = "127.0.0.1", .sources = {}, .clients = "127.0.0.1", .client_port = port},
      space);
  ASSERT_TRUE(filter.set_up().ok());
  const auto local = [](std::uint16_t number) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(number);
    ::inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    return address;
  };
  Descriptor listener;
  const auto is_heard_from = [&](std::uint16_t number) {
    bool heard = false;
    EXPECT_TRUE(run_in_namespace(space, [&] {
                  const Descriptor client(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
                  sockaddr_in address = local(number);
                  ASSERT_EQ(::bind(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
                  address = local(port);
                  (void)::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
                  pollfd watched{client.get(), POLLOUT, 0};
                  heard = ::poll(&watched, 1, 100) == 1 && (watched.revents & POLLERR) == 0;
                }).ok());
    return heard;
  };
  ASSERT_TRUE(run_in_namespace(space, [&] {
                listener = Descriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
                const sockaddr_in address = local(port);
                ASSERT_EQ(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
                ASSERT_EQ(::listen(listener.get(), 9), 0);
              }).ok());
  EXPECT_TRUE(is_heard_from(10001));
  ASSERT_TRUE(filter.drop({.clients = {{10000, 10099}, {10200, 10299}}}).ok());
  EXPECT_TRUE(filter.has_rules().value());
  EXPECT_FALSE(is_heard_from(10099));
  EXPECT_TRUE(is_heard_from(10100)) << "between the two";
  EXPECT_FALSE(is_heard_from(10200));
  EXPECT_GE(filter.dropped_packets().value(), 2);
  ASSERT_TRUE(filter.drop({}).ok());
  EXPECT_TRUE(is_heard_from(10098));
  EXPECT_GE(filter.dropped_packets().value(), 2) << "counts survive a change of rules";
  ASSERT_TRUE(filter.drop({.clients = {{10000, 10099}}}).ok());
  Result<bool> removed = false;
  ASSERT_TRUE(run_in_namespace(space, [&] { removed = remove_filter(to_string(tool), "faultline_x"); }).ok());
  EXPECT_TRUE(removed.ok() && removed.value());
  EXPECT_TRUE(is_heard_from(10097));
  EXPECT_TRUE(delete_namespace(name).ok());
}

TEST(PacketFilter, BothToolsTellClientsApartByTheirPorts) {
  if (!test::is_root()) return;
  for (const FilterTool tool : {FilterTool::nft, FilterTool::iptables}) expect_filter_to_tell_clients_apart(tool);
}

TEST(PacketFilter, NftDropsAndCounts) {
  if (test::is_root()) expect_filter_to_drop_and_count(FilterTool::nft);
}

TEST(PacketFilter, IptablesDropsAndCounts) {
  if (test::is_root()) expect_filter_to_drop_and_count(FilterTool::iptables);
}

}  // namespace
}  // namespace faultline::live
