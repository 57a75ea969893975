// SpaceFrontier: the checker of any model while the run goes on, fed event by event.
//
// The set of all configurations the object could be in: a state, the operations in flight that have been placed, and how
// many open operations of each kind are spent. Lowe 2017, "Testing for linearizability" (just-in-time linearization); the
// rules and their exchange arguments are those of search/frontier.cpp, without what looks at results still to come.
// Two differences: configurations remember no order, since nobody asks for one, and open operations are counted per
// configuration, not interned, so that a copy goes on from the same point on its own.
//
// An operation is fed with the result it is going to have, or as open. Empty is final. Memory follows the operations in
// flight, the kinds of open operations, the configurations kept and the states themselves, not the length. Past a
// thousand configurations between two events, or 20,000 steps within one, it gives up: it then proves nothing more.
// Queues may get there: who was enqueued first among concurrent ones is told by the dequeues only, much later.
//
// Not thread-safe; one owner.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include <faultline/space.hpp>

#include "../search/mask.hpp"

namespace faultline::online {

class SpaceFrontier {
 public:
  using Handle = std::uint32_t;
  // Another space with the same states under the same numbers.
  using Clone = std::function<std::unique_ptr<Space>(const Space&)>;

  SpaceFrontier(std::unique_ptr<Space> space, Clone clone);
  SpaceFrontier(const SpaceFrontier& other);
  SpaceFrontier(SpaceFrontier&&) noexcept = default;
  SpaceFrontier& operator=(const SpaceFrontier&) = delete;

  // `deadline`: the position of its completion, `none` if it is open, never to be completed. An open observer is nothing.
  Handle invoke(const Call& call, EventIndex deadline);
  // REQUIRES: invoked, not open and not completed. False if the history up to here is not linearizable.
  bool complete(Handle handle);

  [[nodiscard]] bool possible() const { return possible_; }
  // False once it gave up: it then proves nothing more.
  [[nodiscard]] bool exact() const { return !blind_; }
  [[nodiscard]] bool blind() const { return blind_; }
  [[nodiscard]] std::uint64_t bytes() const;

 private:
  using Mask = search::WideMask;
  using Slot = std::uint32_t;
  struct Pending {
    Call call;
    EventIndex deadline = none;
    bool observes = false;
  };
  struct OpenKind {
    Call call;
    std::uint32_t capacity = 0;
  };
  struct Config {
    Mask placed;
    StateId state = refused;                                     // refused: dropped
    std::vector<std::pair<std::uint32_t, std::uint32_t>> spent;  // kind and number > 0, by kind
  };
  // Configurations without those that another one can imitate (search/configs.hpp).
  struct Set {
    std::vector<Config> list;
    std::unordered_map<std::uint64_t, std::vector<std::uint32_t>> buckets;  // only looked up
  };

  void add_open(const Call& call);
  void search(Slot due);
  void find_relevant(Slot due);
  void expand(const Config& from, Slot due);
  void reach(Config next, Slot due);
  void insert(Set& set, Config config);
  void give_up();
  void forget_states();

  std::unique_ptr<Space> space_;
  Clone clone_;
  bool possible_ = true, blind_ = false;
  Handle next_handle_ = 0;
  std::map<Handle, Slot> slots_by_handle_;
  std::vector<Pending> slots_;
  std::vector<Slot> free_;
  Mask observers_, mutators_;  // in flight
  std::vector<OpenKind> open_kinds_;
  std::map<std::pair<std::string_view, Value>, std::uint32_t> kind_of_;
  std::vector<Config> configs_;
  std::size_t forget_at_ = 1024;
  // During a completion.
  Set reached_, survivors_;
  std::vector<bool> relevant_slots_, relevant_kinds_;
  std::uint64_t steps_ = 0;
};

}  // namespace faultline::online
