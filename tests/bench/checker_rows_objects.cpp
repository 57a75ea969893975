// The table's rows about other objects than registers.
#include <deque>
#include <map>

#include "checker_table.hpp"
#include "closed_loop.hpp"

namespace faultline::bench {

namespace {

// Half of the operations enqueue, each a value of its own; the rest dequeue, and may find nothing.
class Queue {
 public:
  Event ask(Rng& rng) {
    Event event{.f = rng.chance(0.5) ? "enqueue" : "dequeue", .key = {}, .value = {}, .extra = {}};
    if (event.f == "enqueue") event.value = Value(next_++);
    return event;
  }
  Value take_effect(const Event& event) {
    if (event.f == "enqueue") {
      queue_.push_back(event.value);
      return {};
    }
    if (queue_.empty()) return {};
    Value first = queue_.front();
    queue_.pop_front();
    return first;
  }

 private:
  std::int64_t next_ = 1'000'000;
  std::deque<Value> queue_;
};

// Strings by key: as many gets as appends of pieces of their own, and a put in twenty operations, which keeps the
// strings at some ten pieces.
class Strings {
 public:
  Event ask(Rng& rng) {
    Event event{.f = {}, .key = Value(static_cast<std::int64_t>(rng.below(keys))), .value = {}, .extra = {}};
    const std::uint64_t kind = rng.below(20);
    event.f = kind == 0 ? "put" : kind < 10 ? "append" : "get";
    if (event.f != "get") event.value = Value("x " + std::to_string(next_++) + " y");
    return event;
  }
  Value take_effect(const Event& event) {
    std::string& text = texts_[event.key.as_integer()];
    if (event.f == "get") return Value(text);
    if (event.f == "put") text.clear();
    text += event.value.as_text();
    return {};
  }

 private:
  static constexpr std::uint64_t keys = 100;
  std::int64_t next_ = 0;
  std::map<std::int64_t, std::string> texts_;
};

}  // namespace

void add_object_rows(Table& table) {
  table.push_back({.name = "FIFO queue, unique values, C=20, N=1,000,000",
                   .model = "fifo-queue",
                   .expected = "valid",
                   .seconds_at_most = 0.5,
                   .megabytes_at_most = 300,
                   .make = [](const std::string& path) { ClosedLoop(Queue(), 1'000'000, 20, 1).write(path); }});
  table.push_back({.name = "kv append, 100 keys, C=50, N=1,000,000",
                   .model = "kv",
                   .expected = "valid",
                   .seconds_at_most = 2,
                   .megabytes_at_most = 500,
                   .make = [](const std::string& path) { ClosedLoop(Strings(), 1'000'000, 50, 1).write(path); }});
}

}  // namespace faultline::bench
