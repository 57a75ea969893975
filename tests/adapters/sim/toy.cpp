#include "toy.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace faultline::sim::toy {

namespace {

// A fixed width, so that what a torn write leaves is seen as such.
constexpr std::size_t record_size = 32;

std::string record_of(const std::string& number) {
  std::uint64_t sum = 0;
  for (const char c : number) sum = mix64(sum ^ static_cast<unsigned char>(c));
  return fmt::format("{:>15} {:016x}", number, sum);
}

std::optional<std::string> number_of(std::string_view record) {
  std::string number(record.substr(0, 15));
  number.erase(0, number.find_first_not_of(' '));
  if (record_of(number) != record) return std::nullopt;
  return number;
}

std::string ping_of(std::uint64_t number) { return fmt::format("{:016x}{:016x}", number, mix64(number)); }

}  // namespace

Result<std::unique_ptr<Daemon>> Toy::boot(Surroundings& surroundings) {
  auto daemon = std::make_unique<ToyDaemon>(*this, surroundings);
  if (auto done = daemon->recover(); !done) return done.error();
  return std::unique_ptr<Daemon>(std::move(daemon));
}

std::unique_ptr<Client> Toy::client(Process, ClientSurroundings& surroundings) {
  return std::make_unique<ToyClient>(surroundings);
}

std::optional<Violation> Toy::after_step(NodeIndex node) {
  ++steps;
  return invariant ? invariant(node) : std::nullopt;
}

Result<bool> Toy::change_members(MemberStep step, NodeIndex contact, NodeIndex member) {
  if (contact != leader && contact != (leader + 1) % 3) return Error::environment("not the leader");
  if (step == MemberStep::remove) configuration.erase(member);
  if (step == MemberStep::promote) configuration.insert(member);
  return true;
}

void Toy::mix(Hash& hash) const {
  for (const auto& [node, pings] : heard) hash.mix(pings.size() << 8 | node);
}

std::size_t Toy::pings(NodeIndex from, NodeIndex to) const {
  const auto found = heard.find(to);
  if (found == heard.end()) return 0;
  return static_cast<std::size_t>(
      std::count_if(found->second.begin(), found->second.end(), [&](const Ping& p) { return p.from == from; }));
}

// --- the daemon ------------------------------------------------------------------------------------------------------------

// A file that nobody writes to any more.
Result<void> ToyDaemon::make_label(Disk& disk) {
  auto label = disk.open("log/0", Disk::Open::create);
  if (!label) return label.error();
  if (auto written = label.value()->write(0, "the label of the toy"); !written) return written;
  return label.value()->sync();
}

Result<void> ToyDaemon::recover() {
  Disk& disk = world_.disk();
  if (auto made = disk.make_folder("log"); !made) return made;
  auto opened = disk.open("log/1", Disk::Open::existing);
  if (!opened) {
    if (toy_.needs_data && world_.boot() > 1 && !world_.joins()) return Error::environment("the data is gone");
    opened = disk.open("log/1", Disk::Open::create);
    if (!opened) return opened.error();
    if (auto made = make_label(disk); !made) return made;
    if (auto synced = disk.sync_folder("log"); !synced) return synced;
  }
  file_ = std::move(opened).value();
  auto bytes = file_->read(0, UINT64_MAX);
  if (!bytes) return bytes.error();
  auto& recovered = toy_.recovered[world_.node()];
  recovered.clear();
  while (size_ + record_size <= bytes.value().size()) {
    const auto number = number_of(std::string_view(bytes.value()).substr(size_, record_size));
    if (!number) break;
    recovered.push_back(value_ = *number);
    size_ += record_size;
  }
  wake();
  return {};
}

void ToyDaemon::wake() {
  const NodeIndex self = world_.node();
  if (toy_.keeps) toy_.wakes[self].push_back(world_.monotonic());
  for (NodeIndex to = 0; to < 8; ++to) {
    if (to != self) world_.send(to, "Ping", ping_of(++toy_.sent[{self, to}]));
  }
  world_.wake_at(world_.monotonic() + toy_.ping_interval);
}

void ToyDaemon::receive(NodeIndex from, std::string bytes) {
  std::uint64_t number = 0;
  const bool read = bytes.size() == 32 && std::all_of(bytes.begin(), bytes.end(), [](char c) {
                      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
                    });
  if (read) number = std::stoull(bytes.substr(0, 16), nullptr, 16);
  if (!read || ping_of(number) != bytes) {
    ++toy_.damaged[world_.node()];
    return;
  }
  if (!toy_.keeps) return;
  toy_.heard[world_.node()].push_back({.from = from,
                                       .number = number,
                                       .boot = world_.boot(),
                                       .time = toy_.world == nullptr ? Instant() : toy_.world->now()});
}

void ToyDaemon::request(Connection from, std::string bytes) {
  if (bytes == "read") return world_.reply(from, value_);
  const std::string number = bytes.substr(6);
  if (number == toy_.feared) return world_.exit("not that");
  world_.after(world_.disk().latency(), [this, from, number] { append(from, number); });
}

void ToyDaemon::append(Connection from, const std::string& number) {
  auto done = file_->write(size_, record_of(number));
  if (done) done = file_->sync();
  if (!done) return world_.exit(done.error().message);
  size_ += record_size;
  value_ = number;
  world_.reply(from, "done");
}

void ToyDaemon::closed(Connection) { ++toy_.closed[world_.node()]; }
bool ToyDaemon::leads() const { return world_.node() == toy_.leader; }

// --- the client ------------------------------------------------------------------------------------------------------------

void ToyClient::perform(const Event& invocation) {
  invocation_ = invocation;
  world_.send(invocation.f == "read" ? "read" : "write " + std::to_string(invocation.value.as_integer()));
  world_.wake_at(world_.now() + std::chrono::milliseconds(500));
}

void ToyClient::end(EventType type, Value value, std::string_view error) {
  world_.wake_at(Instant::max());
  Event completion = invocation_;
  completion.type = type;
  completion.value = std::move(value);
  if (!error.empty()) completion = completion.with("error", error);
  world_.complete(std::move(completion));
}

void ToyClient::receive(std::string bytes) {
  end(EventType::ok, bytes == "done" ? invocation_.value : Value(bytes), "");
}
void ToyClient::refused() { end(EventType::fail, invocation_.value, "refused"); }
void ToyClient::broken() { end(EventType::info, invocation_.value, "broken"); }
void ToyClient::wake() {
  world_.hang_up();
  end(EventType::info, invocation_.value, "timeout");
}

// --- tests -----------------------------------------------------------------------------------------------------------------

Event invoke(Process process, std::string f, Value value) {
  return {.type = EventType::invoke,
          .process = process,
          .f = std::move(f),
          .key = {},
          .value = std::move(value),
          .time = no_time,
          .line = 0,
          .extra = {}};
}

std::vector<Event> run(SimWorld& world, Instant until) {
  std::vector<Event> completions;
  while (auto completion = world.next_completion(until)) completions.push_back(std::move(*completion));
  return completions;
}

Event ask(SimWorld& world, Process process, std::string f, Value value) {
  world.dispatch(invoke(process, std::move(f), std::move(value)));
  const auto completion = world.next_completion(world.now() + std::chrono::minutes(5));
  FL_ASSERT(completion.has_value());
  return *completion;
}

Fault fault(std::string kind, std::vector<NodeName> nodes, std::vector<Value::Entry> parameters) {
  return {.kind = std::move(kind),
          .nodes = std::move(nodes),
          .grudge = {},
          .parameters = parameters.empty() ? Value() : Value::map(std::move(parameters))};
}

std::int64_t counter(const Result<Value>& done, std::string_view name) {
  if (!done) return -1;
  const Value& value = done.value().get(name);
  if (value.is_integer()) return value.as_integer();
  if (value.is_list()) return static_cast<std::int64_t>(value.as_list().size());
  if (value.is_map()) return static_cast<std::int64_t>(value.as_map().size());
  return 0;
}

}  // namespace faultline::sim::toy
