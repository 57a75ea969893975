#include "session.hpp"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace faultline::live::disk {

namespace {
constexpr auto ask_again = std::chrono::milliseconds(1);
}

Session::Session(State& state, bool performs, Handle socket)
    : state_(state), calls_(state, performs), socket_(std::move(socket)), bell_(::eventfd(0, EFD_CLOEXEC)) {
  thread_ = std::thread([this] { work(); });
}

Session::~Session() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto n = ::write(bell_.get(), &one, sizeof one);
  thread_.join();
}

bool Session::wait_until_ended(Duration limit) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, limit, [&] { return ended_; });
}

void Session::work() {
  sigset_t all;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
  listener_ = receive_listener();
  if (listener_) serve();
  listener_.reset();
  const std::lock_guard lock(mutex_);
  ended_ = true;
  changed_.notify_all();
}

// None if the child ends without having sent it.
Handle Session::receive_listener() {
  std::array<pollfd, 2> watched{pollfd{socket_.get(), POLLIN, 0}, pollfd{bell_.get(), POLLIN, 0}};
  while (::poll(watched.data(), watched.size(), -1) < 0 && errno == EINTR) {
  }
  if (watched[0].revents == 0) return {};
  char byte = 0;
  iovec data{&byte, 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t n = ::recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC);
  const cmsghdr* header = n == 1 ? CMSG_FIRSTHDR(&message) : nullptr;
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS) return {};
  int listener = -1;
  std::memcpy(&listener, CMSG_DATA(header), sizeof listener);
  return Handle(listener);
}

int Session::until_due() const {
  if (waiting_.empty()) return -1;
  const auto first = std::min_element(waiting_.begin(), waiting_.end(),
                                      [](const Waiting& a, const Waiting& b) { return a.due < b.due; });
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(first->due - Clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000));
}

void Session::serve() {
  for (;;) {
    std::array<pollfd, 2> watched{pollfd{listener_.get(), POLLIN, 0}, pollfd{bell_.get(), POLLIN, 0}};
    if (::poll(watched.data(), watched.size(), until_due()) < 0 && errno != EINTR) return;
    if (watched[1].revents != 0) return;
    answer_due();
    if ((watched[0].revents & POLLIN) != 0) {
      take();
    } else if ((watched[0].revents & (POLLHUP | POLLERR)) != 0) {
      return;  // nothing runs any more that has the filter
    }
  }
}

void Session::take() {
  seccomp_notif call{};
  if (::ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_RECV, &call) == 0) answer(call, Progress::fresh);
}

void Session::answer_due() {
  const auto now = Clock::now();
  std::deque<Waiting> due;
  for (auto at = waiting_.begin(); at != waiting_.end();) {
    if (at->due > now) {
      ++at;
      continue;
    }
    due.push_back(*at);
    at = waiting_.erase(at);
  }
  for (Waiting& one : due) {
    if (!one.held) {
      answer(one.call, Progress::was_slowed);
    } else if (one.held->holds && one.held->holds() && is_valid(one.call)) {
      one.due = now + ask_again;
      waiting_.push_back(std::move(one));
    } else if (one.held->then) {
      std::visit([&](auto settled) { answer(one.call, Answer(settled)); }, *one.held->then);
    } else {
      answer(one.call, Progress::was_held);
    }
  }
}

bool Session::is_valid(const seccomp_notif& call) const {
  std::uint64_t id = call.id;
  return ::ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

void Session::send(const seccomp_notif& call, std::int64_t value, int error, bool goes_on) {
  seccomp_notif_resp response{};
  response.id = call.id;
  response.val = value;
  response.error = -error;
  response.flags = goes_on ? SECCOMP_USER_NOTIF_FLAG_CONTINUE : 0;
  ::ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_SEND, &response);  // fails only if the caller is gone
}

void Session::answer(const seccomp_notif& call, Progress progress) {
  std::unique_lock lock(state_.mutex);
  if (state_.is_frozen) return;
  Answer answer = calls_.answer(call, progress, [&] { return is_valid(call); });
  if (std::holds_alternative<Freeze>(answer)) {
    state_.is_frozen = true;
    lock.unlock();
    return freeze(call, std::get<Freeze>(std::move(answer)));
  }
  lock.unlock();
  this->answer(call, std::move(answer));
}

// But for a freeze.
void Session::answer(const seccomp_notif& call, Answer answer) {
  if (std::holds_alternative<GoOn>(answer)) return send(call, 0, 0, true);
  if (const auto* failed = std::get_if<Failed>(&answer)) return send(call, 0, failed->error, false);
  if (const auto* done = std::get_if<Done>(&answer)) return send(call, done->value, 0, false);
  if (auto* held = std::get_if<Held>(&answer)) {
    waiting_.push_back({Clock::now() + ask_again, call, std::move(*held)});
  } else {
    waiting_.push_back({Clock::now() + std::get<Later>(answer).delay, call, std::nullopt});
  }
}

void Session::freeze(const seccomp_notif& call, Freeze freeze) {
  if (freeze.change) {
    // Only the daemon itself can make the change: it is let go until that is seen, and no further than its next call.
    send(call, 0, 0, true);
    const auto until = Clock::now() + std::chrono::milliseconds(200);
    for (bool waits = true; waits && Clock::now() < until;) {
      ::sched_yield();
      const std::lock_guard lock(state_.mutex);
      state_.note_changes(0);
      waits = state_.is_expected(*freeze.change);
    }
  }
  if (freeze.crash) freeze.crash();
}

}  // namespace faultline::live::disk
