// OnlineChecker: judges a history while it is being recorded, fed event by event.
//
// What an event means is decided as for the check afterwards (CheckOptions), and keys are judged apart. Each key has a
// *settled* frontier, fed with an operation once its fate is known. It trails: one operation that hangs holds up its key
// for up to a client's timeout. So that a violation is found within a second all the same, a key that is held up for
// longer than `lag` gets a second frontier, *ahead*: a copy of the settled one that goes on with operations that hang
// taken as open. It stops at the first operation in flight younger than `lag`.
//
// Both report only what is proved. Let P be the prefix recorded so far, in which whatever is in flight is open: it may
// take effect once, at any time after its invocation, with whatever result, or never. If the whole history H, however it
// goes on, has a legal order, then so has P: cut the order behind the last operation that completed in P. What an
// operation in flight turns out to be is one of the things it may do as an open one: `ok` took effect once; `info` the
// same or never; `fail` never, and leaving an operation out of an order is what open means; a failed cas that counts as
// an observation and a read change nothing, so they can be left out. Hence if P has no legal order, nor has H. What the
// frontier ahead was fed with is P without the events at its end, hanging operations open, the results of the others
// known: fewer behaviours than P cut there has, but each of P's remains. The settled one is the same with nothing open
// but what stays so. An empty frontier is final: linearizability is prefix-closed (Herlihy, Wing 1990, section 3.3), so
// later events cannot help.
//
// When an operation that was taken as open by the frontier ahead completes with `info`, it was right. With another fate
// it stands for more behaviours than there were: sound, but weak; the copy is dropped and made anew from the settled
// frontier, which has waited. So at the end the settled frontier has seen exactly what the check afterwards sees.
//
// Registers and cas registers: the lazy frontier and its relaxation (register/online.hpp); all other models: the generic
// frontier (online/space_frontier.hpp), without the monitors and the foresight of the check afterwards, because the
// results to come are not known. A key whose frontier exceeds its bounds is given up, with the reason, and left to the
// check after the run: never a wrong verdict. Possible and not given up proves nothing yet either.
//
// Memory follows the keys, what is in flight, what waits for the fate of a hanging operation, the kinds of open
// operations (equal ones are counted), the configurations kept and the object's own state; not the length.
//
// Pure: time comes with the events and with look(), in nanoseconds since the run began. Not thread-safe; one owner.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <faultline/checker.hpp>

namespace faultline {

struct OnlineOptions {
  Value initial;  // of registers and the like; as in CheckOptions
  FailedCas failed_cas = FailedCas::drop;
  NilRead nil_read = NilRead::value;
  Duration lag = std::chrono::milliseconds(300);  // an operation in flight for longer hangs
  std::size_t most_waiting = 100'000;             // events of one key behind an operation whose fate is not known
  std::uint64_t memory_limit = UINT64_MAX;        // bytes, of all keys; whoever holds most is given up first
};

// No order explains the events of this key up to and with this one.
struct OnlineViolation {
  Value key;
  EventIndex event = none;  // the completion; counting all events fed, from 0: as in the History
  Instant time = no_time;   // of that event
};

struct OnlineStatus {
  std::size_t keys = 0;
  std::size_t relaxed = 0;       // judged by the relaxation alone: it may miss violations
  std::size_t given_up = 0;      // left to the check after the run
  std::string reason;            // of the first key given up
  std::uint64_t operations = 0;  // that were fed to a settled frontier
  std::size_t waiting = 0;       // events not yet seen by a settled frontier
  std::uint64_t bytes = 0;
};

class OnlineChecker {
 public:
  // The error is bad_input: unknown model, an initial value it cannot have.
  static Result<OnlineChecker> make(std::string_view model, OnlineOptions options = {});
  OnlineChecker(OnlineChecker&&) noexcept;
  OnlineChecker& operator=(OnlineChecker&&) noexcept;
  ~OnlineChecker();

  // The next event of the history; notes of process -1 are only counted. The violation it completes the proof of, if
  // any; each key is reported once. Events the check afterwards would refuse as bad input make their key be given up.
  std::optional<OnlineViolation> feed(const Event& event);
  // Looks ahead of what hangs. Call it some times a second, and with the time of the latest event or later.
  std::vector<OnlineViolation> look(Instant now);
  // Nothing more will come: what is in flight stays open.
  std::vector<OnlineViolation> finish();

  [[nodiscard]] OnlineStatus status() const;

 private:
  class Impl;
  explicit OnlineChecker(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace faultline
