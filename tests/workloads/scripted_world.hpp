// ScriptedWorld: a World with a simulated clock that answers every invocation as a function says, after the latency it says. Jumps to
// the next completion; nothing else moves its time.
#pragma once

#include <faultline/history.hpp>
#include <faultline/rng.hpp>
#include <faultline/run.hpp>
#include <faultline/world.hpp>

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace faultline {

using namespace std::chrono_literals;

struct Reply {
  Duration latency = 10ms;
  EventType type = EventType::ok;
  Value value;
  Value error;
  std::optional<Instant> stamp;  // the time it claims, if not the true one
};

class ScriptedWorld final : public World {
 public:
  using Script = std::function<std::optional<Reply>(const Event&, Rng&)>;  // nullopt: never answers

  explicit ScriptedWorld(Script script, std::uint64_t seed = 1)
      : script_(std::move(script)), rng_(Rng(seed).fork("world")) {}
  // Clients answer ok, the nemesis info, all after 10 ms.
  ScriptedWorld()
      : ScriptedWorld([](const Event& event, Rng&) {
          return Reply{.type = event.process == nemesis_process ? EventType::info : EventType::ok};
        }) {}

  [[nodiscard]] Instant now() const override { return now_; }
  void dispatch(const Event& invocation) override {
    dispatched.push_back(invocation);
    const std::optional<Reply> reply = script_(invocation, rng_);
    if (!reply) return;
    Event completion = invocation;
    completion.type = reply->type;
    completion.value = reply->value;
    completion.time = now_ + reply->latency;
    if (!reply->error.is_null()) completion = completion.with("error", reply->error);
    const Instant due = completion.time;
    if (reply->stamp) completion.time = *reply->stamp;
    due_.emplace(std::pair(due, sequence_++), completion);
  }
  std::optional<Event> next_completion(Instant until) override {
    if (!due_.empty() && due_.begin()->first.first <= std::max(until, now_)) {
      now_ = std::max(now_, due_.begin()->first.first);
      return std::move(due_.extract(due_.begin()).mapped());
    }
    now_ = std::max(now_, until);
    return std::nullopt;
  }
  // Comes at this time, whatever was asked: for completions that nobody invoked.
  void inject(Event event) { due_.emplace(std::pair(event.time, sequence_++), std::move(event)); }

  std::vector<Event> dispatched;

 private:
  Script script_;
  Rng rng_;
  Instant now_{};
  std::uint64_t sequence_ = 0;
  std::map<std::pair<Instant, std::uint64_t>, Event> due_;
};

// "12.5 3 ok read r1 7": milliseconds, process, type, f, key and value where there are any.
inline std::string line_of(const Event& event) {
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(event.time.time_since_epoch()).count();
  std::string line = std::to_string(us / 1000);
  if (us % 1000 != 0) line += "." + std::to_string(us % 1000 + 1000).substr(1);
  line += " " + std::to_string(event.process) + " " + std::string(to_string(event.type)) + " " + event.f;
  if (!event.key.is_null())
    line += " " + (event.key.is_string() ? std::string(event.key.as_text()) : event.key.to_string());
  if (!event.value.is_null()) line += " " + event.value.to_string();
  if (!event.error().is_null()) line += " " + event.error().to_string();
  return line + "\n";
}

inline std::string transcript(const History& history) {
  std::string all;
  for (EventIndex i = 0; i < history.size(); ++i) all += line_of(history.event(i));
  return all;
}

// Only the invocations, as "time f" with key and value: what most generators are about.
inline std::string invocations(const History& history) {
  std::string all;
  for (EventIndex i = 0; i < history.size(); ++i) {
    if (history.type(i) != EventType::invoke) continue;
    Event event = history.event(i);
    const std::string process = " " + std::to_string(event.process) + " invoke";
    std::string line = line_of(event);
    all += line.erase(line.find(process), process.size());
  }
  return all;
}

// Runs it with so many workers against clients that always answer ok after 10 ms.
inline RunResult run_ok(Generator generator, Worker concurrency = 1, Duration time_limit = Duration::max()) {
  ScriptedWorld world;
  return run({.main = std::move(generator)}, world, {.concurrency = concurrency, .seed = 1, .time_limit = time_limit});
}

}  // namespace faultline
