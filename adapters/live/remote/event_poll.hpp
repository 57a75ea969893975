// EventPoll: tells of events that a node's keeper sees, by asking it again and again as long as one is awaited or holds what met it; that waits
// there meanwhile, until the keeper is told to let it go.
//
// Thread rules: await() from one thread at a time; a thread of its own asks, and tells.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include <faultline/result.hpp>

namespace faultline::live::remote {

class EventPoll {
 public:
  using Events = std::vector<std::uint64_t>;
  // Lets these go, and asks which have been met so far. An error: the node is lost, and its run ends.
  using Ask = std::function<Result<Events>(const Events& let_go)>;
  struct Awaited {
    std::function<void()> seen;
    std::function<bool()> holds;  // may be empty
  };

  explicit EventPoll(Ask ask) : ask_(std::move(ask)) {}
  ~EventPoll();
  EventPoll(const EventPoll&) = delete;
  EventPoll& operator=(const EventPoll&) = delete;

  // The keeper knows the event by that number.
  void await(std::uint64_t event, Awaited awaited);

 private:
  void look();
  std::optional<Events> to_let_go();
  void met(const Events& events);

  Ask ask_;
  std::mutex mutex_;  // guards the next four
  std::map<std::uint64_t, Awaited> awaited_, met_;
  bool looks_ = false;
  bool ends_ = false;
  std::thread thread_;
};

}  // namespace faultline::live::remote
