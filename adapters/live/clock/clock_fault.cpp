#include <faultline/live/clock.hpp>

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>

#include "change.hpp"
#include "patch.hpp"
#include "stub.hpp"

namespace faultline::live {

using namespace clock;

namespace {

constexpr auto tolerance = std::chrono::milliseconds(1);
// How far ahead a change is published, so that no reader meets it late.
constexpr auto lead = std::chrono::milliseconds(2);
constexpr std::int64_t second = 1'000'000'000;

constexpr std::array wall_clocks = {CLOCK_REALTIME, CLOCK_REALTIME_COARSE, CLOCK_TAI};
constexpr std::array mono_clocks = {CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME};

std::int64_t read_clock(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return std::int64_t{now.tv_sec} * second + now.tv_nsec;
}

template <class Clocks>
std::uint64_t sum(const Scratch& scratch, const Clocks& clocks) {
  std::uint64_t total = 0;
  for (const clockid_t clock : clocks) total += __atomic_load_n(&scratch.reads[clock], __ATOMIC_RELAXED);
  return total;
}

// When a change comes into force, by each clock it is about.
struct Due {
  clockid_t clock;
  std::int64_t at;
};

std::vector<Due> due_soon(ClockGroup group) {
  std::vector<Due> due;
  const auto add = [&](const auto& clocks) {
    for (const clockid_t clock : clocks) due.push_back({clock, read_clock(clock) + Duration(lead).count()});
  };
  if (group != ClockGroup::mono) add(wall_clocks);
  if (group != ClockGroup::wall) add(mono_clocks);
  return due;
}

// Whether every clock is `margin` before it.
bool is_early(const std::vector<Due>& due, Duration margin) {
  return std::all_of(due.begin(), due.end(), [&](const Due& d) { return read_clock(d.clock) + margin.count() < d.at; });
}
bool is_over(const std::vector<Due>& due) {
  return std::all_of(due.begin(), due.end(), [](const Due& d) { return read_clock(d.clock) >= d.at; });
}

bool is_monotonic(clockid_t clock) {
  return std::find(mono_clocks.begin(), mono_clocks.end(), clock) != mono_clocks.end();
}

}  // namespace

Result<void> check_change(const ClockChange& change) {
  constexpr double fastest = 1000;
  constexpr auto farthest = std::chrono::hours(24 * 365 * 10);
  if (change.kind == ClockChange::Kind::rate && !(change.rate >= 0 && change.rate <= fastest))
    return Error::bad_input("the rate of a clock must be between 0 and 1000");
  if (change.kind == ClockChange::Kind::strobe && change.period < std::chrono::microseconds(1))
    return Error::bad_input("the period of a strobing clock must be at least 1 us");
  if (change.by > farthest || change.by < -farthest)
    return Error::bad_input("a clock can be set off by 10 years at most");
  return {};
}

struct ClockFault::Impl {
  Site site;
  PagesView pages;
  bool patched = false;
  std::size_t parts_lost = 0;  // resuming parts that a thread may still need
  Duration stop_time{};

  [[nodiscard]] std::string who() const { return "process " + std::to_string(site.undo.pid); }
  [[nodiscard]] bool is_gone() const {
    return start_time(site.undo.pid) != site.undo.start_time || threads_of(site.undo.pid).empty();
  }
  [[nodiscard]] const Table& table() const {
    return pages->parameters.tables[__atomic_load_n(&pages->parameters.version, __ATOMIC_RELAXED) & 1];
  }

  // Valid from publish() on.
  void prepare(const Table& next) {
    Parameters& p = pages->parameters;
    p.tables[(__atomic_load_n(&p.version, __ATOMIC_RELAXED) + 1) & 1] = next;
  }
  void publish() { __atomic_fetch_add(&pages->parameters.version, 1, __ATOMIC_RELEASE); }
  void publish_truth() {
    prepare(Table{});
    publish();
  }

  // In a tracer thread.
  Result<void> map(Borrowed& thread) {
    auto mapped = map_pages(thread, site);
    if (!mapped) return mapped.error();
    pages = std::move(mapped).value();
    publish_truth();
    return {};
  }
  // In a tracer thread.
  Result<void> patch_running() {
    auto halt = Halt::all_of(site.undo.pid, site.avoid);
    if (!halt) return halt.error();
    auto put = put_in(halt.value().tid(), site.undo);
    stop_time = std::max(stop_time, halt.value().release());
    patched = true;  // perhaps in part
    return put;
  }

  Result<void> probe();
  [[nodiscard]] Result<Duration> judge(Probe probe, const Warp& warp) const;
  Result<void> restore();
};

namespace {

// Where the resuming part of this number begins in the code page; nullopt: there are not so many.
std::optional<std::size_t> resuming_part(std::size_t number) {
  const StubOffsets offsets = stub_offsets();
  constexpr std::size_t alignment = 64;
  const auto aligned = [](std::size_t size) { return (size + alignment - 1) / alignment * alignment; };
  const std::size_t size = aligned(offsets.trampoline_end - offsets.trampoline);
  const std::size_t begin = aligned(stub_code().size()) + number * size;
  if (begin + size > sizeof(Pages::code)) return std::nullopt;
  return begin;
}

}  // namespace

// In a tracer thread.
Result<void> ClockFault::Impl::probe() {
  const auto part = resuming_part(parts_lost);
  if (!part) return Error::environment(who() + " did not answer in time when its clocks were read", "restart it");
  auto thread = Borrowed::any_of(site.undo.pid);
  if (!thread) return thread.error();
  if (!has_pages(site.undo))
    return Error::environment(who() + " has executed another program since its clocks were bent", "bend them again");
  const StubOffsets offsets = stub_offsets();
  const auto code = stub_code().subspan(offsets.trampoline, offsets.trampoline_end - offsets.trampoline);
  const SavedRegisters saved = thread.value().saved();
  std::memcpy(pages->code + *part, code.data(), code.size());
  std::memcpy(pages->code + *part + (offsets.saved - offsets.trampoline), &saved, sizeof saved);
  const std::uint64_t resume = site.pages + *part + (offsets.resume - offsets.trampoline);
  std::memcpy(pages->scratch.stack + sizeof pages->scratch.stack - sizeof resume, &resume, sizeof resume);
  std::uint64_t* generation = &pages->scratch.generation;
  const std::uint64_t before = *generation;
  const auto ran = thread.value().run(
      site.pages + offsets.probe, site.pages + sizeof(Pages) - sizeof resume,
      [&] { return __atomic_load_n(generation, __ATOMIC_ACQUIRE) != before; }, std::chrono::seconds(5));
  if (!ran || !ran.value()) ++parts_lost;
  if (!ran) return ran.error();
  return thread.value().give_back();
}

// The skew, from the sample that was least disturbed.
Result<Duration> ClockFault::Impl::judge(Probe probe, const Warp& warp) const {
  const auto& samples = pages->scratch.samples[probe];
  const Sample& s = *std::min_element(std::begin(samples), std::end(samples), [](const Sample& a, const Sample& b) {
    return a.after - a.before < b.after - b.before;
  });
  const auto [low, high] = std::minmax({seen_at(warp, s.before), seen_at(warp, s.after)});
  const std::int64_t slack = Duration(tolerance).count();
  const std::int64_t least = probe == probe_time ? low / second * second : low;
  if (s.seen > least - slack && s.seen < high + slack) return Duration(s.seen - s.before - (s.after - s.before) / 2);
  constexpr std::array names = {"clock_gettime(CLOCK_REALTIME)", "clock_gettime(CLOCK_MONOTONIC)", "gettimeofday",
                                "time"};
  return Error::environment("in " + who() + " " + names[probe] + " is off by " +
                            to_text(Duration(s.seen < low ? low - s.seen : s.seen - high)) + " from what was set");
}

Result<void> ClockFault::Impl::restore() {
  if (!patched) return {};
  publish_truth();
  if (is_gone()) {
    patched = false;
    return {};
  }
  const auto taken = on_tracer_thread<TakenOut>([&] { return halt_and_take_out(site.undo); });
  if (!taken && !is_gone()) return taken.error();
  stop_time = taken ? taken.value().stopped : Duration();
  patched = false;
  return {};
}

ClockFault::ClockFault(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ClockFault::ClockFault(ClockFault&&) noexcept = default;
ClockFault::~ClockFault() {
  if (impl_) (void)impl_->restore().ok();
}
ClockFault& ClockFault::operator=(ClockFault&& other) noexcept {
  std::swap(impl_, other.impl_);
  return *this;
}

Result<ClockFault> ClockFault::attach(pid_t pid, const Intend& intend) {
  auto site = inspect(pid);
  if (!site) return site.error();
  ClockFault fault(std::make_unique<Impl>());
  fault.impl_->site = std::move(site).value();
  auto mapped = on_tracer_thread<void>([&]() -> Result<void> {
    if (fault.impl_->site.littered) {
      if (auto cleared = clear_tail(fault.impl_->site); !cleared) return cleared;
    }
    auto thread = Borrowed::any_of(pid);
    if (!thread) return thread.error();
    return fault.impl_->map(thread.value());
  });
  if (!mapped) return mapped.error();
  if (auto again = fault.reattach(intend); !again) return again.error();
  return fault;
}

Result<void> ClockFault::reattach(const Intend& intend) {
  FL_ASSERT(impl_);
  if (auto restored = impl_->restore(); !restored) return restored;
  impl_->stop_time = {};
  impl_->publish_truth();
  if (auto intended = intend(impl_->site.undo); !intended) return intended;
  // A process that is too busy to come to rest at one moment may do so at the next.
  constexpr int attempts = 3;
  Result<void> patched = clock::denied(pid(), ESRCH);
  for (int attempt = 0; attempt < attempts && !patched && !impl_->is_gone(); ++attempt)
    patched = on_tracer_thread<void>([&] { return impl_->patch_running(); });
  if (patched) {
    const auto read = read_back();
    if (read) return {};
    patched = read.error();
  }
  (void)impl_->restore().ok();
  return patched;
}

Result<ClockFault> ClockFault::attach_at_exec(pid_t pid, const std::function<Result<void>()>& release,
                                              const Intend& intend, const std::vector<ClockChange>& changes) {
  ClockFault fault(std::make_unique<Impl>());
  Impl& impl = *fault.impl_;
  auto done = on_tracer_thread<void>([&]() -> Result<void> {
    auto thread = Borrowed::at_exec(pid, release);
    if (!thread) return thread.error();
    auto site = inspect(pid);
    if (!site) return site.error();
    impl.site = std::move(site).value();
    if (auto mapped = impl.map(thread.value()); !mapped) return mapped;
    if (auto intended = intend(impl.site.undo); !intended) return intended;
    for (const ClockChange& change : changes) {
      if (auto set = fault.set(change); !set) return set;
    }
    impl.patched = true;
    return put_in(thread.value().tid(), impl.site.undo);
  });
  if (!done) return done.error();
  if (auto read = fault.read_back(); !read) return read.error();
  return fault;
}

Result<void> ClockFault::set(const ClockChange& change) {
  FL_ASSERT(impl_ && impl_->pages);
  if (auto checked = check_change(change); !checked) return checked;
  constexpr auto margin = lead / 4;
  constexpr int attempts = 1000;
  for (int attempt = 0; attempt < attempts; ++attempt) {
    const std::vector<Due> due = due_soon(change.group);
    Table next = impl_->table();
    for (const Due& d : due) {
      const std::int64_t now = d.at - Duration(lead).count();
      next.clocks[d.clock] = changed(next.clocks[d.clock], change, is_monotonic(d.clock), now, d.at);
    }
    impl_->prepare(next);
    if (!is_early(due, margin)) continue;  // we were held up: readers would see the clock first go on, then step
    impl_->publish();
    while (!is_over(due)) std::this_thread::sleep_for(margin);
    return {};
  }
  return Error::environment("this program is too short of processor time to change a clock", "run less at once");
}

Result<ClockSkew> ClockFault::read_back() {
  FL_ASSERT(impl_ && impl_->patched);
  if (auto probed = on_tracer_thread<void>([&] { return impl_->probe(); }); !probed) return probed.error();
  const Table& table = impl_->table();
  for (const Probe probe : {probe_gettimeofday, probe_time}) {
    if (auto judged = impl_->judge(probe, table.clocks[CLOCK_REALTIME]); !judged) return judged.error();
  }
  const auto wall = impl_->judge(probe_wall, table.clocks[CLOCK_REALTIME]);
  if (!wall) return wall.error();
  const auto mono = impl_->judge(probe_mono, table.clocks[CLOCK_MONOTONIC]);
  if (!mono) return mono.error();
  return ClockSkew{.wall = wall.value(), .mono = mono.value()};
}

ClockReads ClockFault::reads() const {
  const Scratch& scratch = impl_->pages->scratch;
  // A probe reads mono through one entry and wall through three.
  const std::uint64_t probed = __atomic_load_n(&scratch.generation, __ATOMIC_RELAXED) * sample_count;
  return {.wall = sum(scratch, wall_clocks) - 3 * probed, .mono = sum(scratch, mono_clocks) - probed};
}

Duration ClockFault::settles_in() const {
  // Each by itself: they run at slightly different speeds, and coarse ones lag.
  Duration longest{};
  const auto look = [&](const auto& clocks) {
    for (const clockid_t clock : clocks) {
      const std::int64_t now = read_clock(clock);
      longest = std::max(longest, Duration(settles_at(impl_->table().clocks[clock], now) - now));
    }
  };
  look(wall_clocks);
  look(mono_clocks);
  return longest;
}

Result<void> ClockFault::restore() { return impl_->restore(); }
pid_t ClockFault::pid() const { return impl_->site.undo.pid; }
Duration ClockFault::stop_time() const { return impl_->stop_time; }

Result<void> clock_faults_work() {
  const pid_t harness = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) return Error::environment("cannot start a process to try clock faults on: " + errno_message(errno));
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != harness) ::_exit(0);
    for (;;) ::pause();
  }
  Result<void> outcome;
  {
    auto fault = ClockFault::attach(child, [](const ClockUndo&) { return Result<void>(); });
    if (!fault) outcome = fault.error();
  }
  ::kill(child, SIGKILL);
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  return outcome;
}

}  // namespace faultline::live
