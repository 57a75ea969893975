// LiveWorld: the World of real daemons: one io_context, run by whoever calls next_completion(), and one thread for the nemesis.
//
// Time is the steady clock since the world was opened. A process >= 0 is performed by its worker's client (worker = process mod
// concurrency, pinned to node worker mod N); when the worker's process changes, because the last one retired after `info`, the old client
// is dropped and a new one opened. An operation that is not done within the operation limit completes as `info` and its client, whatever
// it still does, is dropped. The nemesis (process -1) makes the blocking calls of the FaultPort in a thread of its own, one at a time,
// in order.
//
// Recording rule: the caller records an invocation before dispatch(), which starts the client only in the next next_completion(); a
// completion gets its time when it leaves next_completion(), after the client has all of it.
//
// Thread rules: everything from the thread that opened it, except interrupt(). Destruction is clean at any time: operations under way are
// abandoned; a FaultPort call under way gets the nemesis limit to end, after that its thread is left behind: it touches the FaultPort
// until that one call returns, and nothing of the world. (LocalCluster::tear_down() makes such a call end, and waits for it.)
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include <faultline/live/target.hpp>
#include <faultline/world.hpp>

namespace faultline::live {

struct LiveWorldOptions {
  std::size_t concurrency = 10;
  std::uint64_t seed = 0;                               // for what a fault leaves open (which node, which shape)
  Duration operation_limit = std::chrono::seconds(30);  // the net under the clients' own deadlines
  std::shared_ptr<EventBoard> events;                   // whose decisions the nemesis performs; null: none
  Duration nemesis_limit = std::chrono::seconds(3);     // how long the destructor waits for a FaultPort call under way
};

class LiveWorld final : public World {
 public:
  // The calling thread enters the target's client network and becomes the world's thread. REQUIRES: target.set_up() succeeded.
  static Result<std::unique_ptr<LiveWorld>> open(Target& target, LiveWorldOptions options);
  ~LiveWorld() override;
  LiveWorld(const LiveWorld&) = delete;
  LiveWorld& operator=(const LiveWorld&) = delete;

  [[nodiscard]] Instant now() const override;
  void dispatch(const Event& invocation) override;
  std::optional<Event> next_completion(Instant until) override;

  // Makes the next_completion() under way, or else the next one, return nullopt at once. Safe from any thread and from a signal handler.
  void interrupt();

 private:
  struct Impl;
  explicit LiveWorld(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace faultline::live
