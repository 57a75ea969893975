#include "online_watch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace faultline::cli {

namespace {

constexpr auto period = std::chrono::milliseconds(50);
constexpr Duration look_every = std::chrono::milliseconds(100);
constexpr std::size_t most_queued = 1 << 16;

}  // namespace

struct OnlineWatch::Impl {
  explicit Impl(OnlineChecker made) : checker(std::move(made)) {}

  void work() {
    Instant looked{};
    while (!ended) {
      std::vector<Event> batch;
      Instant until;
      {
        std::unique_lock lock(mutex);
        wake.wait_for(lock, period, [&] { return ended.load(); });
        if (behind) return;  // what came before was whole, what comes now is not
        batch.swap(queue);
        until = now;
      }
      for (const Event& event : batch) {
        if (ended) return;
        if (auto violation = checker.feed(event)) found(std::move(*violation), until);
      }
      if (until - looked < look_every) continue;
      looked = until;
      for (OnlineViolation& violation : checker.look(until)) found(std::move(violation), until);
    }
  }

  void found(OnlineViolation violation, Instant at) {
    const std::lock_guard lock(mutex);
    findings.push_back(
        {.key = std::move(violation.key), .event = violation.event, .time = violation.time, .found = at});
    count = findings.size();
  }

  void end() {
    ended = true;
    wake.notify_one();
    if (thread.joinable()) thread.join();
  }

  OnlineChecker checker;  // the thread's, until it has ended
  std::atomic<bool> ended{false};
  std::atomic<std::size_t> count{0};
  mutable std::mutex mutex;  // guards what follows
  std::condition_variable wake;
  std::vector<Event> queue;
  Instant now{};
  bool behind = false;
  std::vector<OnlineFinding> findings;
  std::thread thread;
};

Result<std::unique_ptr<OnlineWatch>> OnlineWatch::start(std::string_view model, OnlineOptions options) {
  auto checker = OnlineChecker::make(model, std::move(options));
  if (!checker) return checker.error();
  auto impl = std::make_unique<Impl>(std::move(checker).value());
  impl->thread = std::thread([raw = impl.get()] { raw->work(); });
  return std::unique_ptr<OnlineWatch>(new OnlineWatch(std::move(impl)));
}

OnlineWatch::OnlineWatch(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
OnlineWatch::~OnlineWatch() { impl_->end(); }

void OnlineWatch::record(const Event& event, Instant now) {
  const std::lock_guard lock(impl_->mutex);
  impl_->now = std::max(impl_->now, now);
  if (impl_->behind) return;
  if (impl_->queue.size() >= most_queued) {
    impl_->behind = true;
    impl_->queue.clear();
    return;
  }
  impl_->queue.push_back(event);
}

void OnlineWatch::tick(Instant now) {
  const std::lock_guard lock(impl_->mutex);
  impl_->now = std::max(impl_->now, now);
}

std::size_t OnlineWatch::violations() const { return impl_->count; }

OnlineFinding OnlineWatch::violation(std::size_t i) const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->findings.at(i);
}

OnlineInfo OnlineWatch::stop() {
  impl_->end();
  const OnlineStatus status = impl_->checker.status();
  OnlineInfo info{.violations = impl_->findings,
                  .keys = status.keys,
                  .keys_relaxed = status.relaxed,
                  .keys_given_up = status.given_up,
                  .reason = status.reason};
  if (impl_->behind) {
    info.keys_given_up = info.keys;
    info.reason = fmt::format("the online check fell {} events behind", most_queued);
  }
  return info;
}

std::string disagreement(const OnlineInfo& online, const Verdict& verdict) {
  for (const OnlineFinding& finding : online.violations) {
    const auto judged = std::find_if(verdict.by_key.begin(), verdict.by_key.end(),
                                     [&](const KeyVerdict& key) { return key.key == finding.key; });
    if (judged == verdict.by_key.end() || judged->kind != VerdictKind::valid) continue;
    return fmt::format(
        "the online check proved key {} wrong at event {}, and the check after the run calls it valid ({}): one of "
        "them is "
        "wrong, which is a defect of faultline; keep the history and report it",
        finding.key.to_string(), finding.event, judged->engine);
  }
  return {};
}

}  // namespace faultline::cli
