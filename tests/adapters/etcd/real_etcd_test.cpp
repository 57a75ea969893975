// Against Debian's etcd: the operations on one node, a cluster of three under faults, a cluster that is running already.
#include "real_etcd.hpp"

#include <fstream>
#include <set>
#include <sstream>

#include <faultline/live/network.hpp>

namespace faultline::etcd {
namespace {

using namespace std::chrono_literals;

EtcdOptions one_node(const Folder& folder) {
  return {.nodes = 1,
          .run_directory = folder.run(),
          .network = live::NetworkKind::proxy,
          .heartbeat_interval = 20ms,
          .election_timeout = 200ms};
}

// The target is up and is torn down at the end, whatever happens.
struct Up {
  explicit Up(std::unique_ptr<live::Target> made) : target(std::move(made)) {
    const auto up = target->set_up();
    EXPECT_TRUE(up.ok()) << up.error().to_string();
    is_up = up.ok();
  }
  ~Up() {
    const auto down = target->tear_down();
    EXPECT_TRUE(down.ok()) << down.error().to_string();
  }
  Up(const Up&) = delete;
  Up& operator=(const Up&) = delete;

  std::unique_ptr<live::Target> target;
  bool is_up = false;
};

void expect_ok(const Event& event, const Value& value) {
  EXPECT_EQ(event.type, EventType::ok) << event.extra.to_string();
  EXPECT_EQ(event.value, value);
  EXPECT_TRUE(event.extra.get("member_id").is_string());
  EXPECT_TRUE(event.extra.get("raft_term").is_integer());
  EXPECT_TRUE(event.extra.get("revision").is_integer());
}

void every_operation(live::Target& target) {
  Session s(target, "n1");
  expect_ok(s.perform("read"), Value());
  const Event write = s.perform("write", 1);
  expect_ok(write, 1);
  const Event read = s.perform("read");
  expect_ok(read, 1);
  EXPECT_EQ(read.extra.get("version"), write.extra.get("version"));
  EXPECT_EQ(read.node(), Value("n1"));

  const Event cas = s.perform("cas", Value::list({1, 2}));
  expect_ok(cas, Value::list({1, 2}));
  EXPECT_EQ(s.perform("read").extra.get("version"), cas.extra.get("version"));
  const Event refused = s.perform("cas", Value::list({1, 3}));
  EXPECT_EQ(refused.type, EventType::fail);
  EXPECT_EQ(refused.error(), Value("precondition-failed"));
  EXPECT_EQ(refused.extra.get("found"), Value(2));
  // 2 is not 2.0 and not "2".
  EXPECT_EQ(s.perform("cas", Value::list({2.0, 3})).type, EventType::fail);
  EXPECT_EQ(s.perform("cas", Value::list({"2", 3})).type, EventType::fail);

  expect_ok(s.perform("write", Value()), Value());
  expect_ok(s.perform("read"), Value());
  EXPECT_EQ(s.perform("cas", Value::list({2, 3})).extra.get("found"), Value());
  expect_ok(s.perform("cas", Value::list({Value(), 3})), Value::list({Value(), 3}));
  EXPECT_EQ(s.perform("cas", Value::list({Value(), 4})).extra.get("found"), Value(3));
  expect_ok(s.perform("cas", Value::list({3, Value()})), Value::list({3, Value()}));
  expect_ok(s.perform("read"), Value());

  const Value typed = Value::map({{"a", Value::list({1, 1.5, "text \u00e9\n", Value(), true})}});
  expect_ok(s.perform("write", typed), typed);
  expect_ok(s.perform("read"), typed);

  expect_ok(s.perform("get", {}, "kv"), "");
  expect_ok(s.perform("append", "a", "kv"), "a");
  const Event second = s.perform("append", "b", "kv");
  expect_ok(second, "b");
  const Event get = s.perform("get", {}, "kv");
  expect_ok(get, "ab");
  EXPECT_EQ(get.extra.get("version"), second.extra.get("version"));
  expect_ok(s.perform("put", "c", "kv"), "c");
  expect_ok(s.perform("get", {}, "kv"), "c");
  EXPECT_EQ(s.perform("append", "a").type, EventType::fail);  // x holds a map

  const Event too_large = s.perform("write", Value(std::string(1'700'000, 'x')), "large");
  EXPECT_EQ(too_large.type, EventType::fail);
  EXPECT_EQ(too_large.error(), Value("3 etcdserver: request is too large"));
}

// Appends race on one key: each acknowledged one is in the final text exactly once, each refused one never.
void racing_appends(live::Target& target) {
  std::mutex mutex;
  std::set<std::string> kept, refused;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      Session s(target, "n1");
      for (int i = 0; i < 25; ++i) {
        const std::string mark = "<" + std::to_string(t) + "." + std::to_string(i) + ">";
        const Event event = s.perform("append", Value(mark), "race");
        const std::lock_guard lock(mutex);
        (event.type == EventType::ok ? kept : refused).insert(mark);
        EXPECT_NE(event.type, EventType::info) << event.extra.to_string();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::string text(Session(target, "n1").perform("get", {}, "race").value.as_text());
  std::size_t length = 0;
  for (const std::string& mark : kept) {
    EXPECT_NE(text.find(mark), std::string::npos);
    length += mark.size();
  }
  EXPECT_EQ(text.size(), length);
  EXPECT_GT(kept.size(), 0U);
  EXPECT_EQ(kept.size() + refused.size(), 100U);
}

void a_dead_and_a_paused_node(live::Target& target) {
  Session s(target, "n1");
  const Value before = s.perform("read").value;
  ASSERT_TRUE(target.faults().apply({.kind = "kill", .nodes = {"n1"}}).ok());
  const Event dead = s.perform("write", 9);
  EXPECT_EQ(dead.type, EventType::fail);
  EXPECT_EQ(dead.error(), Value("connecting: Connection refused"));
  ASSERT_TRUE(target.faults().heal({.kind = "kill", .nodes = {"n1"}}).ok());
  ASSERT_TRUE(target.faults().heal_all().ok());
  expect_ok(s.perform("read"), before);

  ASSERT_TRUE(target.faults().apply({.kind = "pause", .nodes = {"n1"}}).ok());
  EXPECT_EQ(s.perform("read").type, EventType::fail);
  const Event paused = s.perform("write", 10);
  EXPECT_EQ(paused.type, EventType::info);
  EXPECT_EQ(paused.error(), Value("timeout while waiting for the reply"));
  ASSERT_TRUE(target.faults().heal({.kind = "pause", .nodes = {"n1"}}).ok());
  ASSERT_TRUE(target.faults().heal_all().ok());
  const Value after = s.perform("read").value;
  EXPECT_TRUE(after == before || after == Value(10)) << after.to_string();
}

TEST(RealEtcd, OneNodePerformsEveryOperationAndSurvivesKillAndPause) {
  if (!etcd_is_present()) return;
  const Folder folder;
  EtcdOptions options = one_node(folder);
  options.operation_timeout = 2s;
  const Up up(make_etcd_target(options));
  ASSERT_TRUE(up.is_up);
  EXPECT_EQ(up.target->nodes(), std::vector<NodeName>{"n1"});
  EXPECT_TRUE(up.target->describe().at("etcd").starts_with("3.")) << up.target->describe().at("etcd");
  EXPECT_EQ(up.target->faults().primaries(), std::vector<NodeName>{"n1"});
  as_client_of(*up.target, [&] {
    every_operation(*up.target);
    racing_appends(*up.target);
    a_dead_and_a_paused_node(*up.target);
  });
}

// --- three nodes ------------------------------------------------------------------------------------------------------------

class ThreeNodes : public testing::TestWithParam<live::NetworkKind> {};

NodeName other_than(const std::vector<NodeName>& nodes, const NodeName& one) {
  return nodes[0] == one ? nodes[1] : nodes[0];
}

// Around an election any operation may fail; repeats it until one is ok.
Event until_ok(Session& session, const std::string& f, const Value& value = {}) {
  Event event;
  EXPECT_TRUE(eventually([&] { return (event = session.perform(f, value)).type == EventType::ok; }))
      << event.extra.to_string();
  return event;
}

Fault isolate(const std::vector<NodeName>& nodes, const NodeName& one) {
  Fault fault{.kind = "partition"};
  for (const NodeName& node : nodes) {
    if (node == one) continue;
    fault.grudge[one].insert(node);
    fault.grudge[node].insert(one);
  }
  return fault;
}

TEST_P(ThreeNodes, TakePartitionKillAndPauseAndLeaveNothingBehind) {
  if (!etcd_is_present()) return;
  if (GetParam() == live::NetworkKind::namespaces && !live::namespaces_work().ok()) {
    std::puts("network namespaces not present");
    return;
  }
  const Folder folder;
  EtcdOptions options{.nodes = 3,
                      .run_directory = folder.run(),
                      .network = GetParam(),
                      .heartbeat_interval = 50ms,
                      .election_timeout = 500ms,
                      .reads = Reads::serializable,
                      .operation_timeout = 1s};
  {
    const Up up(make_etcd_target(options));
    ASSERT_TRUE(up.is_up);
    live::Target& target = *up.target;
    FaultPort& faults = target.faults();
    EXPECT_EQ(target.unavailable_faults().size(), 2U);
    EXPECT_TRUE(target.unavailable_faults().contains("membership"));
    EXPECT_TRUE(target.unavailable_faults().contains("wipe"));
    const std::vector<NodeName> nodes = target.nodes();
    ASSERT_EQ(nodes, (std::vector<NodeName>{"n1", "n2", "n3"}));
    ASSERT_TRUE(eventually([&] { return faults.primaries().size() == 1; }));
    const NodeName old_leader = faults.primaries().front();
    const NodeName majority = other_than(nodes, old_leader);

    as_client_of(target, [&] {
      Session there(target, old_leader), here(target, majority);
      until_ok(here, "write", 1);
      ASSERT_TRUE(eventually([&] { return there.perform("read").value == Value(1); }));

      const Fault cut = isolate(nodes, old_leader);
      ASSERT_TRUE(faults.apply(cut).ok());
      ASSERT_TRUE(eventually([&] {
        const auto leaders = faults.primaries();
        return leaders.size() == 1 && leaders.front() != old_leader;
      }));
      until_ok(here, "write", 2);
      // Stale by design: the node answers alone.
      expect_ok(until_ok(there, "read"), 1);
      const Event lost = there.perform("write", 3);
      EXPECT_EQ(lost.type, EventType::info) << lost.extra.to_string();

      ASSERT_TRUE(faults.heal(cut).ok());
      const auto healed = faults.heal_all();
      ASSERT_TRUE(healed.ok()) << healed.error().to_string();
      EXPECT_TRUE(eventually([&] { return there.perform("read").value != Value(1); }));

      const Fault kill{.kind = "kill", .nodes = {old_leader}};
      ASSERT_TRUE(faults.apply(kill).ok());
      EXPECT_EQ(there.perform("read").error(), Value("connecting: Connection refused"));
      until_ok(here, "write", 4);
      ASSERT_TRUE(faults.heal(kill).ok());
      ASSERT_TRUE(faults.heal_all().ok());
      EXPECT_TRUE(eventually([&] { return there.perform("read").value == Value(4); }));

      const Fault pause{.kind = "pause", .nodes = {majority}};
      ASSERT_TRUE(faults.apply(pause).ok());
      until_ok(there, "write", 5);
      ASSERT_TRUE(faults.heal(pause).ok());
      ASSERT_TRUE(faults.heal_all().ok());
      EXPECT_TRUE(eventually([&] { return here.perform("read").value == Value(5); }));
    });
  }
  // Logs stay; data, namespaces and journals do not.
  std::set<std::string> left;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path())) {
    if (entry.is_regular_file()) left.insert(std::filesystem::relative(entry.path(), folder.path()));
  }
  EXPECT_EQ(left,
            (std::set<std::string>{"run/nodes/n1/daemon.log", "run/nodes/n2/daemon.log", "run/nodes/n3/daemon.log"}));
}

INSTANTIATE_TEST_SUITE_P(RealEtcd, ThreeNodes, testing::Values(live::NetworkKind::namespaces, live::NetworkKind::proxy),
                         [](const auto& instance) {
                           return instance.param == live::NetworkKind::proxy ? "BehindTheProxy" : "InNamespaces";
                         });

// --- what can go wrong ------------------------------------------------------------------------------------------------------

TEST(EtcdTarget, AMissingBinaryIsNamedWithThePackageThatHasIt) {
  const Folder folder;
  for (const char* binary : {"no-such-etcd", "/no/such/etcd", "/tmp"}) {
    EtcdOptions options = one_node(folder);
    options.binary = binary;
    const auto target = make_etcd_target(options);
    const auto up = target->set_up();
    ASSERT_FALSE(up.ok());
    EXPECT_EQ(up.error().kind, ErrorKind::environment);
    EXPECT_NE(up.error().message.find(binary), std::string::npos);
    EXPECT_EQ(up.error().remedy, "apt install etcd-server");
    EXPECT_TRUE(target->tear_down().ok());
  }
}

TEST(EtcdTarget, ADaemonThatDiesAtStartIsNamedWithItsLogAndLastWords) {
  if (!etcd_is_present()) return;
  const Folder folder;
  EtcdOptions options = one_node(folder);
  options.heartbeat_interval = 100ms;
  options.election_timeout = 100ms;  // etcd wants five heartbeats
  const auto target = make_etcd_target(options);
  const auto up = target->set_up();
  ASSERT_FALSE(up.ok());
  const std::string text = up.error().to_string();
  EXPECT_NE(text.find("n1"), std::string::npos) << text;
  EXPECT_NE(text.find(folder.run() / "nodes/n1/daemon.log"), std::string::npos) << text;
  EXPECT_NE(text.find("election-timeout"), std::string::npos) << text;
  EXPECT_TRUE(target->tear_down().ok());
  EXPECT_TRUE(target->tear_down().ok());
}

// --- a cluster that is running already --------------------------------------------------------------------------------------

TEST(EndpointsTarget, RefusesUrlsThatAreNone) {
  for (const char* bad :
       {"", "http://", "localhost", "http://localhost", "http://:1", "http://a:0", "http://a:70000", "http://a:1x",
        "https://a:1", "http://a b:1", "ftp://a:1", "http://a:1/v3", "a@b:1", "::1:2379"}) {
    const auto target = make_endpoints_target({.urls = {bad}});
    ASSERT_FALSE(target.ok()) << bad;
    EXPECT_EQ(target.error().kind, ErrorKind::bad_input);
  }
  EXPECT_FALSE(make_endpoints_target({}).ok());
  EXPECT_FALSE(make_endpoints_target({.urls = {"http://a:1", "a:1"}}).ok());
}

TEST(EndpointsTarget, NamesNodesByHostAndPort) {
  const auto target = make_endpoints_target({.urls = {"http://10.0.0.1:2379", "b.example:2379/", "http://[::1]:2379"}});
  ASSERT_TRUE(target.ok());
  EXPECT_EQ(target.value()->nodes(), (std::vector<NodeName>{"10.0.0.1:2379", "b.example:2379", "[::1]:2379"}));
}

TEST(EndpointsTarget, ANodeThatDoesNotAnswerIsNamed) {
  auto target = make_endpoints_target({.urls = {"127.0.0.1:1"}});
  ASSERT_TRUE(target.ok());
  const auto up = target.value()->set_up();
  ASSERT_FALSE(up.ok());
  EXPECT_NE(up.error().message.find("127.0.0.1:1 is not usable"), std::string::npos);
  EXPECT_TRUE(target.value()->tear_down().ok());
}

// The client URL of the one node of a target, from its own log or command line, is not part of the port; the node itself tells it.
std::string client_url(const Folder& folder) {
  std::ifstream log(folder.run() / "nodes/n1/daemon.log");
  std::ostringstream text;
  text << log.rdbuf();
  const std::string key = "advertise client URLs = ";
  const std::size_t at = text.str().find(key);
  EXPECT_NE(at, std::string::npos) << text.str();
  const std::size_t begin = at + key.size();
  return text.str().substr(begin, text.str().find_first_of(" \n", begin) - begin);
}

TEST(EndpointsTarget, TestsARunningClusterWithoutFaultsAndRemovesItsKeys) {
  if (!etcd_is_present()) return;
  const Folder folder;
  const Up up(make_etcd_target(one_node(folder)));
  ASSERT_TRUE(up.is_up);
  as_client_of(*up.target, [&] {
    Session owner(*up.target, "n1");
    expect_ok(owner.perform("write", 1), 1);

    auto made = make_endpoints_target({.urls = {client_url(folder)}, .run_id = "t1"});
    ASSERT_TRUE(made.ok());
    live::Target& target = *made.value();
    const auto set_up = target.set_up();
    ASSERT_TRUE(set_up.ok()) << set_up.error().to_string();
    const NodeName node = target.nodes().front();
    EXPECT_EQ(target.faults().primaries(), target.nodes());
    const auto description = target.describe();
    EXPECT_TRUE(description.at("etcd").starts_with("3."));
    EXPECT_TRUE(description.at("node " + node).starts_with("member n1 ("));

    Session s(target, node);
    expect_ok(s.perform("read"), Value());  // its keys are its own
    expect_ok(s.perform("write", 2), 2);
    EXPECT_EQ(s.perform("read").node(), Value(node));

    const auto unavailable = target.unavailable_faults();
    for (const char* kind : {"partition", "kill", "pause", "membership", "clock"}) {
      EXPECT_NE(unavailable.at(kind).find("not started here"), std::string::npos);
      EXPECT_FALSE(target.faults().apply({.kind = kind, .nodes = {node}}).ok());
    }
    EXPECT_TRUE(target.faults().heal_all().ok());

    ASSERT_TRUE(target.tear_down().ok());
    ASSERT_TRUE(target.tear_down().ok());
    expect_ok(s.perform("read"), Value());
    expect_ok(owner.perform("read"), 1);
  });
}

}  // namespace
}  // namespace faultline::etcd
