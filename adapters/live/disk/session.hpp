// Session: one listener, from the child that sends it to the end of the last process it is about, in a thread of its own.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "calls.hpp"

namespace faultline::live::disk {

class Session {
 public:
  Session(State& state, bool performs, Handle socket);
  ~Session();  // ends the thread, though something may still run
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // False: something that is supervised still runs.
  bool wait_until_ended(Duration limit);

 private:
  using Clock = std::chrono::steady_clock;
  struct Waiting {
    Clock::time_point due;  // of one that is held: when to ask again
    seccomp_notif call;
    std::optional<Held> held;
  };

  void work();
  [[nodiscard]] Handle receive_listener();
  void serve();
  void take();
  void answer(const seccomp_notif& call, Progress progress);
  void answer(const seccomp_notif& call, Answer answer);
  void answer_due();
  void freeze(const seccomp_notif& call, Freeze freeze);
  void send(const seccomp_notif& call, std::int64_t value, int error, bool goes_on);
  [[nodiscard]] bool is_valid(const seccomp_notif& call) const;
  // In milliseconds, for poll.
  [[nodiscard]] int until_due() const;

  State& state_;
  Calls calls_;
  Handle socket_;
  Handle listener_;
  Handle bell_;  // eventfd: end
  std::deque<Waiting> waiting_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  bool ended_ = false;
  std::thread thread_;  // last: it uses all of this
};

}  // namespace faultline::live::disk
