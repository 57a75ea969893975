#include <faultline/live/live_world.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <fcntl.h>
#include <sched.h>
#include <sys/eventfd.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include <faultline/nemesis.hpp>

#include "descriptor.hpp"

namespace faultline::live {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

namespace {

// The nemesis's thread and what it shares with the world. Lives until both are done with it.
struct NemesisDesk {
  explicit NemesisDesk(Rng rng) : process(std::move(rng)) {}

  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Event> asked;
  std::deque<Event> done;
  bool closing = false;
  bool ended = false;
  Descriptor bell;         // eventfd: written after `done` has grown
  NemesisProcess process;  // used by the thread alone
  std::shared_ptr<EventBoard> events;

  void work(Target& target);
  void finish(Event completion);
};

// The target's port as long as the world wants it: the nemesis makes several calls for one event, and none may begin once the world is
// closing, since the target may go next.
struct GuardedPort final : FaultPort {
  GuardedPort(FaultPort& guarded, NemesisDesk& its_desk) : port(guarded), desk(its_desk) {}
  FaultPort& port;
  NemesisDesk& desk;

  [[nodiscard]] bool is_closing() const {
    const std::lock_guard lock(desk.mutex);
    return desk.closing;
  }
  static Error closing() { return Error::environment("the run was ended"); }

  [[nodiscard]] std::vector<NodeName> nodes() const override {
    return is_closing() ? std::vector<NodeName>() : port.nodes();
  }
  std::vector<NodeName> primaries() override { return is_closing() ? std::vector<NodeName>() : port.primaries(); }
  [[nodiscard]] Result<void> supports(const Fault& fault) const override {
    return is_closing() ? Result<void>(closing()) : port.supports(fault);
  }
  Result<Value> apply(const Fault& fault) override {
    return is_closing() ? Result<Value>(closing()) : port.apply(fault);
  }
  Result<Value> heal(const Fault& fault) override { return is_closing() ? Result<Value>(closing()) : port.heal(fault); }
  Result<Value> heal_all() override { return is_closing() ? Result<Value>(closing()) : port.heal_all(); }
};

void ring(int bell) {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto n = ::write(bell, &one, sizeof one);
}

Event refused(const Event& invocation, const std::string& why) {
  Event completion = invocation;
  completion.type = EventType::info;
  completion.time = no_time;
  return completion.with("error", why);
}

void NemesisDesk::finish(Event completion) {
  const Value& decision = completion.extra.get("decision");
  if (events && decision.is_integer()) events->performed(static_cast<std::uint64_t>(decision.as_integer()));
  const std::lock_guard lock(mutex);
  done.push_back(std::move(completion));
  if (!closing) ring(bell.get());
}

// One call after the other. Once `closing` is seen the target is not touched any more.
void NemesisDesk::work(Target& target) {
  Result<void> entered;
  bool first = true;
  for (;;) {
    Event invocation;
    {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return closing || !asked.empty(); });
      if (closing) break;
      invocation = std::move(asked.front());
      asked.pop_front();
    }
    if (std::exchange(first, false)) entered = target.enter_client_network();
    if (!entered) {
      finish(refused(invocation, entered.error().to_string()));
      continue;
    }
    GuardedPort port(target.faults(), *this);
    finish(process.perform(invocation, port));
  }
  const std::lock_guard lock(mutex);
  ended = true;
  changed.notify_all();
}

// An operation under way, shared by its coroutine and its timer: the first to end it answers, the other finds it answered.
struct Pending {
  Pending(Event event, asio::io_context& context) : invocation(std::move(event)), deadline(context) {}
  Event invocation;
  asio::steady_timer deadline;
  bool answered = false;
};

struct Slot {
  Process process = 0;
  std::shared_ptr<Client> client;
};

// Keeps the client alive as long as its coroutine, whatever the world does with the slot.
asio::awaitable<Event> perform(std::shared_ptr<Client> client, Event invocation) {
  co_return co_await client->perform(invocation);
}

std::string what(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const std::exception& e) {
    return e.what();
  } catch (...) {
    return "an unknown exception";
  }
}

}  // namespace

struct LiveWorld::Impl {
  Impl(Target& world_target, LiveWorldOptions world_options)
      : target(world_target), options(world_options), nodes(target.nodes()) {}

  Target& target;
  LiveWorldOptions options;
  std::vector<NodeName> nodes;
  Clock::time_point origin = Clock::now();
  Descriptor home;  // the network namespace the thread came from
  std::deque<Event> completions;
  std::map<std::size_t, Slot> slots;  // by worker
  std::shared_ptr<NemesisDesk> desk;
  std::thread nemesis;
  Descriptor bell;  // eventfd: an interruption
  std::atomic<bool> interrupted{false};
  // Last, so that it goes first: what is pending in it refers to everything above.
  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
  asio::posix::stream_descriptor bell_reader{context};
  asio::posix::stream_descriptor desk_reader{context};

  Result<void> open();
  void listen(asio::posix::stream_descriptor& reader);
  void collect();
  void answer(const std::shared_ptr<Pending>& pending, Event completion);
  Client& client_of(Process process, Slot& slot);
  void start(const Event& invocation);
  void close();
};

// A bell only ends the wait; what it announces lies in the flag or on the desk.
void LiveWorld::Impl::listen(asio::posix::stream_descriptor& reader) {
  reader.async_wait(asio::posix::stream_descriptor::wait_read, [this, &reader](const boost::system::error_code& error) {
    if (error) return;
    std::uint64_t rung = 0;
    [[maybe_unused]] const auto n = ::read(reader.native_handle(), &rung, sizeof rung);
    listen(reader);
  });
}

Result<void> LiveWorld::Impl::open() {
  home = Descriptor(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (auto entered = target.enter_client_network(); !entered) return entered;
  desk = std::make_shared<NemesisDesk>(Rng(options.seed).fork("nemesis process"));
  desk->events = options.events;
  for (Descriptor* each : {&bell, &desk->bell}) {
    *each = Descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!*each)
      return Error::environment("cannot make an eventfd: " + errno_text(errno),
                                "raise the limit of open files (ulimit -n)");
  }
  // The readers own duplicates: interrupt() may ring until the very end of the world.
  for (auto [reader, each] : {std::pair(&bell_reader, &bell), std::pair(&desk_reader, &desk->bell)}) {
    const int duplicate = ::fcntl(each->get(), F_DUPFD_CLOEXEC, 0);
    if (duplicate < 0) return Error::environment("cannot duplicate a descriptor: " + errno_text(errno));
    reader->assign(duplicate);
    listen(*reader);
  }
  try {
    nemesis = std::thread([shared = desk, &system = target] { shared->work(system); });
  } catch (const std::system_error& e) {
    return Error::environment(std::string("cannot start a thread: ") + e.what());
  }
  return {};
}

void LiveWorld::Impl::collect() {
  const std::lock_guard lock(desk->mutex);
  for (auto& event : desk->done) completions.push_back(std::move(event));
  desk->done.clear();
}

// The new client of a worker whose process retired is pinned to the same node.
Client& LiveWorld::Impl::client_of(Process process, Slot& slot) {
  const std::size_t worker = static_cast<std::size_t>(process) % options.concurrency;
  if (slot.client && slot.process == process) return *slot.client;
  slot.client.reset();
  slot.client = target.open_client(context.get_executor(), process, nodes[worker % nodes.size()]);
  slot.process = process;
  FL_ASSERT(slot.client);
  return *slot.client;
}

void LiveWorld::Impl::answer(const std::shared_ptr<Pending>& pending, Event completion) {
  if (std::exchange(pending->answered, true)) return;
  pending->deadline.cancel();
  const Event& asked = pending->invocation;
  // The contract of Client, checked where it enters: a wrong completion would be recorded as another operation's.
  const bool kept = completion.type != EventType::invoke && completion.process == asked.process &&
                    completion.f == asked.f && completion.key == asked.key;
  if (!kept) completion = refused(asked, "the client answered for another operation");
  if (completion.node().is_null()) {
    const std::size_t worker = static_cast<std::size_t>(asked.process) % options.concurrency;
    completion = completion.with("node", nodes[worker % nodes.size()]);
  }
  completion.time = no_time;
  completions.push_back(std::move(completion));
}

void LiveWorld::Impl::start(const Event& invocation) {
  Slot& slot = slots[static_cast<std::size_t>(invocation.process) % options.concurrency];
  client_of(invocation.process, slot);
  const auto pending = std::make_shared<Pending>(invocation, context);
  pending->deadline.expires_after(options.operation_limit);
  pending->deadline.async_wait([this, pending](const boost::system::error_code& error) {
    if (error) return;
    answer(pending,
           refused(pending->invocation, "not done within " + to_text(options.operation_limit) + "; abandoned"));
  });
  asio::co_spawn(
      context, perform(slot.client, invocation), [this, pending](const std::exception_ptr& thrown, Event completion) {
        answer(pending,
               thrown ? refused(pending->invocation, "the client threw: " + what(thrown)) : std::move(completion));
      });
}

// The nemesis's call gets its time to end; after that its thread keeps the desk, and nothing of the world.
void LiveWorld::Impl::close() {
  if (nemesis.joinable()) {
    std::unique_lock lock(desk->mutex);
    desk->closing = true;
    desk->changed.notify_all();
    const bool ended = desk->changed.wait_for(lock, options.nemesis_limit, [&] { return desk->ended; });
    lock.unlock();
    ended ? nemesis.join() : nemesis.detach();
  }
  slots.clear();
}

Result<std::unique_ptr<LiveWorld>> LiveWorld::open(Target& target, LiveWorldOptions options) {
  FL_ASSERT(options.concurrency > 0);
  auto impl = std::make_unique<Impl>(target, options);
  if (impl->nodes.empty()) return Error::environment("the system under test has no nodes");
  auto opened = impl->open();
  auto world = std::unique_ptr<LiveWorld>(new LiveWorld(std::move(impl)));
  if (!opened) return opened.error();
  if (const auto& events = world->impl_->options.events)
    events->open([it = world.get()] { return it->now(); }, [it = world.get()] { it->interrupt(); });
  return world;
}

LiveWorld::LiveWorld(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

LiveWorld::~LiveWorld() {
  if (impl_->options.events) impl_->options.events->close();
  impl_->close();
  const Descriptor home = std::move(impl_->home);
  impl_.reset();
  if (home) ::setns(home.get(), CLONE_NEWNET);  // fails without root, when the thread never left it
}

Instant LiveWorld::now() const { return Instant(std::chrono::duration_cast<Duration>(Clock::now() - impl_->origin)); }

void LiveWorld::dispatch(const Event& invocation) {
  if (invocation.process != nemesis_process) {
    FL_ASSERT(invocation.process >= 0);
    return impl_->start(invocation);
  }
  const std::lock_guard lock(impl_->desk->mutex);
  impl_->desk->asked.push_back(invocation);
  impl_->desk->changed.notify_all();
}

std::optional<Event> LiveWorld::next_completion(Instant until) {
  Impl& world = *impl_;
  // Far enough for any run, near enough to be added to the origin.
  constexpr auto farthest = Instant(std::chrono::hours(24 * 365));
  const auto deadline = world.origin + std::min(until, farthest).time_since_epoch();
  constexpr int most_handlers = 100000;  // a coroutine that never waits must not keep us here
  for (int handlers = 0; handlers < most_handlers; ++handlers) {
    world.collect();
    if (!world.completions.empty()) {
      Event completion = std::move(world.completions.front());
      world.completions.pop_front();
      completion.time = now();
      return completion;
    }
    if (world.interrupted.exchange(false)) return std::nullopt;
    // What is ready runs even when the deadline has passed: the caller may only be looking.
    if (world.context.poll_one() > 0) continue;
    if (Clock::now() >= deadline) return std::nullopt;
    world.context.run_one_until(deadline);
  }
  return std::nullopt;
}

void LiveWorld::interrupt() {
  const int error = errno;
  impl_->interrupted = true;
  ring(impl_->bell.get());
  errno = error;
}

}  // namespace faultline::live
