// Deterministic histories of any object, written as native lines: made by a simulated object, so linearizable.
//
// Every client runs a closed loop: think time uniform in [0, 20) us, latency uniform in [50, 150) us, the effect at a
// uniform instant inside the operation; so almost all clients are in flight at any time. The object says what a client
// asks for next, and what an operation does and returns when it takes effect. The same seed gives the same file
// everywhere.
#pragma once

#include <fstream>
#include <functional>
#include <queue>
#include <string>
#include <tuple>
#include <vector>

#include <faultline/formats.hpp>
#include <faultline/rng.hpp>

namespace faultline::bench {

// `Object` has: Event ask(Rng&), the invocation without process and time; Value take_effect(const Event&), the result.
template <class Object>
class ClosedLoop {
 public:
  ClosedLoop(Object object, std::size_t operations, unsigned clients, std::uint64_t seed)
      : object_(std::move(object)), rng_(Rng(seed).fork("closed loop")), left_(operations), clients_(clients) {}

  void write(const std::string& path) {
    std::ofstream out(path, std::ios::binary);
    for (std::uint32_t c = 0; c < clients_.size(); ++c) schedule(below(think), What::invoke, c);
    while (!queue_.empty()) {
      const auto [at, sequence, what, c] = queue_.top();
      queue_.pop();
      Event& open = clients_[c];
      open.time = Instant(Duration(at));
      if (what == What::invoke && left_ > 0) {
        --left_;
        invoke(c, at);
        out << native_line(index_++, open);
      } else if (what == What::effect) {
        result_.resize(clients_.size());
        result_[c] = object_.take_effect(open);
      } else if (what == What::complete) {
        Event completion = open;
        completion.type = EventType::ok;
        if (!result_[c].is_null()) completion.value = result_[c];
        out << native_line(index_++, completion);
        schedule(at + 1 + below(think), What::invoke, c);
      }
    }
  }

 private:
  enum class What : std::uint8_t { invoke, effect, complete };
  static constexpr std::int64_t think = 20'000;

  void invoke(std::uint32_t c, std::int64_t at) {
    clients_[c] = object_.ask(rng_);
    clients_[c].process = c;
    clients_[c].time = Instant(Duration(at));
    const std::int64_t latency = 50'000 + below(100'000);
    schedule(at + 1 + below(latency - 2), What::effect, c);
    schedule(at + latency, What::complete, c);
  }
  std::int64_t below(std::int64_t bound) {
    return static_cast<std::int64_t>(rng_.below(static_cast<std::uint64_t>(bound)));
  }
  void schedule(std::int64_t at, What what, std::uint32_t client) { queue_.emplace(at, sequence_++, what, client); }

  using Entry = std::tuple<std::int64_t, std::uint64_t, What, std::uint32_t>;

  Object object_;
  Rng rng_;
  std::size_t left_;
  std::vector<Event> clients_;  // the invocation each waits for
  std::vector<Value> result_;   // by client
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue_;
  std::uint64_t sequence_ = 0;
  EventIndex index_ = 0;
};

}  // namespace faultline::bench
