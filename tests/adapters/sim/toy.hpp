// A small system for tests of the world: nodes that ping each other and append what clients write to a file, synced before they answer. It
// replicates nothing: what matters here is what the world does to it.
#pragma once

#include <faultline/sim/sim_world.hpp>

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace faultline::sim::toy {

struct Ping {
  NodeIndex from = 0;
  std::uint64_t number = 0;
  std::uint32_t boot = 0;  // that heard it
  Instant time;
};

class Toy;

class ToyDaemon final : public Daemon {
 public:
  ToyDaemon(Toy& toy, Surroundings& world) : toy_(toy), world_(world) {}
  Result<void> recover();

  void wake() override;
  void receive(NodeIndex from, std::string bytes) override;
  void request(Connection from, std::string bytes) override;
  void closed(Connection from) override;
  [[nodiscard]] bool leads() const override;

 private:
  static Result<void> make_label(Disk& disk);
  void append(Connection from, const std::string& number);

  Toy& toy_;
  Surroundings& world_;
  std::unique_ptr<File> file_;
  std::uint64_t size_ = 0;
  std::string value_;
};

class ToyClient final : public Client {
 public:
  explicit ToyClient(ClientSurroundings& world) : world_(world) {}
  void perform(const Event& invocation) override;
  void receive(std::string bytes) override;
  void refused() override;
  void broken() override;
  void wake() override;

 private:
  void end(EventType type, Value value, std::string_view error);
  ClientSurroundings& world_;
  Event invocation_;
};

class Toy final : public System {
 public:
  // What it is told.
  Duration ping_interval = std::chrono::milliseconds(5);
  NodeIndex leader = 0;
  bool needs_data = false;  // refuses to boot again without its file
  bool members = false;
  std::string feared;  // ends by itself when it is to write this
  bool keeps = true;   // what it saw
  std::function<std::optional<Violation>(NodeIndex)> invariant;

  // What it saw.
  SimWorld* world = nullptr;
  std::map<NodeIndex, std::vector<Ping>> heard;
  std::map<NodeIndex, std::uint64_t> damaged;
  std::map<NodeIndex, std::vector<std::string>> recovered;  // by the last boot
  std::map<NodeIndex, std::vector<Instant>> wakes;          // own time
  std::map<NodeIndex, int> closed, ends;
  std::map<std::pair<NodeIndex, NodeIndex>, std::uint64_t> sent;
  std::set<NodeIndex> configuration;
  std::uint64_t steps = 0;

  Result<std::unique_ptr<Daemon>> boot(Surroundings& surroundings) override;
  std::unique_ptr<Client> client(Process process, ClientSurroundings& surroundings) override;
  void ended(NodeIndex node) override { ++ends[node]; }
  std::optional<Violation> after_step(NodeIndex node) override;
  [[nodiscard]] bool changes_members() const override { return members; }
  Result<bool> change_members(MemberStep step, NodeIndex contact, NodeIndex member) override;
  void mix(Hash& hash) const override;

  [[nodiscard]] std::size_t pings(NodeIndex from, NodeIndex to) const;
};

// The operations of a test, one after the other on each worker. Completions as they come.
Event invoke(Process process, std::string f, Value value = {});
// Runs the world until the time, collecting completions.
std::vector<Event> run(SimWorld& world, Instant until);
// Dispatches and waits for its completion.
Event ask(SimWorld& world, Process process, std::string f, Value value = {});

Fault fault(std::string kind, std::vector<NodeName> nodes, std::vector<Value::Entry> parameters = {});
std::int64_t counter(const Result<Value>& done, std::string_view name);  // integers, or the size of a list or map

constexpr Instant at(Duration time) { return Instant(time); }

}  // namespace faultline::sim::toy
