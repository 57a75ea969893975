// Events of a running system that decisions of a schedule wait for: a frame on a link, a call on a file, a role that a node takes. What a
// system can tell of (EventPort), and where it is told (EventBoard).
//
// The n-th frame and the n-th call are counted from watch() on, the n-th role from the first start of the daemons, so that the leader a run
// begins with has taken its role once. Of one event the first time counts.
//
// What met the event can wait for the fault: a call of the disk does not go on, and on the link nothing follows the frame, until the decision
// was performed, at most for hold_limit. Only faults wait so whose application does not need the daemon that is held (not a pause, nor a
// clock), and that follow at once, without a delay of their own.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include <faultline/schedule.hpp>
#include <faultline/time.hpp>

namespace faultline::live {

// Between those who see events (in threads of their own) and the world that performs decisions. Any thread; no call waits.
class EventBoard {
 public:
  static constexpr Duration hold_limit = std::chrono::seconds(2);

  // An event of the schedule; the heals of other decisions are none.
  struct Watched {
    std::uint64_t decision = 0;
    EventTrigger trigger;
  };

  explicit EventBoard(const Schedule& schedule);

  [[nodiscard]] const std::vector<Watched>& watched() const { return watched_; }
  // It has happened. The world is woken.
  void happened(std::uint64_t decision);
  [[nodiscard]] std::optional<Instant> when(std::uint64_t decision) const;
  // The fault was applied, or could not be.
  void performed(std::uint64_t decision);
  // Whether what will meet the event is to wait at all.
  [[nodiscard]] bool may_hold(std::uint64_t decision) const;
  // Whether what met the event still waits.
  [[nodiscard]] bool holds(std::uint64_t decision) const;
  // Decisions whose event did not come.
  [[nodiscard]] std::vector<std::uint64_t> missed() const;

  // From now on instants are of this clock, and `wake` is called when something has happened; until close(), which also lets everything go
  // that waits.
  void open(std::function<Instant()> clock, std::function<void()> wake);
  void close();

 private:
  struct State {
    bool may_hold = false;
    std::optional<Instant> when;
    bool is_performed = false;
  };
  std::vector<Watched> watched_;
  mutable std::mutex mutex_;  // guards everything below
  std::map<std::uint64_t, State> states_;
  std::function<Instant()> clock_;
  std::function<void()> wake_;
};

// What a target can watch for.
struct EventPort {
  virtual ~EventPort() = default;
  // Whether it could, once it is set up. The error, bad input, says what is missing and what would offer it.
  [[nodiscard]] virtual Result<void> can_watch(const EventTrigger& trigger) const = 0;
  // Tells the board from now on. REQUIRES: it is set up, and can watch for all that is on the board. Once; ends with the tear-down.
  virtual Result<void> watch(std::shared_ptr<EventBoard> board) = 0;
};

// The roles one node takes, for systems that tell of them.
struct RoleSource {
  virtual ~RoleSource() = default;
  // Those taken since this was asked last, in order: leader, candidate, follower.
  virtual std::vector<std::string> taken() = 0;
};

}  // namespace faultline::live
