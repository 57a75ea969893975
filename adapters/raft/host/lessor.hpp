// Lessor: the leader's countdowns of leases and sessions. Volatile: a new leader starts them all in full, so that nothing ends early.
#pragma once

#include <faultline/raft/kv/store.hpp>
#include <faultline/time.hpp>

#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace faultline::raft {

class Lessor {
 public:
  explicit Lessor(Duration session_idle) : session_idle_(session_idle) {}

  void start(Instant now, const kv::Store& store);
  void stop();

  // What an applied command said. No effect unless started.
  void note(Instant now, const kv::LeaseReply& lease);
  void note(Instant now, const kv::SessionReply& session, std::uint64_t entry);
  void note_use(Instant now, kv::SessionId session, std::uint64_t entry);

  // What to propose now; each is proposed again after a second, until it is noted as gone.
  std::vector<kv::Command> due(Instant now);
  [[nodiscard]] Instant next() const;
  // Whole seconds left, rounded up; -1: not counted.
  [[nodiscard]] std::int64_t remaining(Instant now, kv::LeaseId id) const;

 private:
  using Key = std::pair<bool, std::uint64_t>;  // a lease or a session, and which
  struct Countdown {
    Instant end;
    Instant due;  // end, or later if it was proposed already
    std::uint64_t mark = 0;
  };
  void set(Key key, Instant end, std::uint64_t mark);
  void drop(Key key);

  Duration session_idle_;
  bool started_ = false;
  std::map<Key, Countdown> countdowns_;
  std::set<std::pair<Instant, Key>> queue_;
};

}  // namespace faultline::raft
