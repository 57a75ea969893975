#include "sounding.hpp"

#include <sys/random.h>

#include <algorithm>
#include <cstring>

#include <faultline/assert.hpp>
#include <faultline/rng.hpp>

namespace faultline::live {
namespace {

struct Ping {
  std::uint64_t secret;
  std::uint64_t number;  // from 1
  std::int64_t sent;
  std::uint64_t check;
};
static_assert(sizeof(Ping) == probe_bytes);

std::uint64_t check_of(const Ping& probe) {
  return mix64(probe.secret ^ mix64(probe.number ^ mix64(static_cast<std::uint64_t>(probe.sent))));
}

}  // namespace

std::string Train::next(Instant now) {
  Ping probe{secret_, static_cast<std::uint64_t>(++sounding_.sent), now.time_since_epoch().count(), 0};
  probe.check = check_of(probe);
  return {reinterpret_cast<const char*>(&probe), sizeof probe};
}

void Train::arrived(std::string_view bytes, Instant now) {
  Ping probe{};
  if (bytes.size() == sizeof probe) std::memcpy(&probe, bytes.data(), sizeof probe);
  if (bytes.size() != sizeof probe || probe.check != check_of(probe) || probe.secret != secret_) {
    ++sounding_.damaged;
    return;
  }
  if (!distinct_.insert(probe.number).second) {
    ++sounding_.copies;
    return;
  }
  if (probe.number < newest_) ++sounding_.out_of_order;
  newest_ = std::max(newest_, probe.number);
  took_.push_back(now - Instant(Duration(probe.sent)));
}

Sounding Train::result() const {
  Sounding result = sounding_;
  result.arrived = static_cast<std::int64_t>(distinct_.size());
  std::vector<Duration> took = took_;
  std::sort(took.begin(), took.end());
  if (!took.empty()) result.median = took[took.size() / 2];
  return result;
}

Sounding sound(const SoundingPlan& plan, const std::function<void(std::string_view)>& send,
               const std::function<std::optional<std::string>(Duration)>& receive) {
  std::uint64_t secret = 0;
  FL_ASSERT(::getrandom(&secret, sizeof secret, 0) == sizeof secret);
  Train train(secret);
  const Instant begun = steady_now();
  const Instant until = begun + plan.limit;
  std::int64_t sent = 0;
  Instant settled = Instant::max();
  for (Instant now = begun; now < std::min(until, settled); now = steady_now()) {
    const Instant due = begun + plan.pace * sent;
    if (sent < plan.count && now >= due) {
      send(train.next(now));
      ++sent;
      continue;
    }
    const Instant wake = std::min(sent < plan.count ? due : until, std::min(until, settled));
    if (const auto probe = receive(std::max(Duration::zero(), wake - now))) train.arrived(*probe, steady_now());
    if (sent == plan.count && train.complete() && settled == Instant::max()) settled = steady_now() + plan.settle;
  }
  return train.result();
}

std::string unlike_clear(const Sounding& sounding, Duration before) {
  // A loaded machine is slow by itself; the least fault of note is slower.
  constexpr Duration noise = std::chrono::milliseconds(50);
  std::string text;
  const auto add = [&](const std::string& what) { text += (text.empty() ? "" : ", ") + what; };
  if (sounding.arrived < sounding.sent)
    add(std::to_string(sounding.sent - sounding.arrived) + " of " + std::to_string(sounding.sent) + " probes lost");
  if (sounding.copies > 0) add(std::to_string(sounding.copies) + " probes came twice");
  if (sounding.out_of_order > 0) add(std::to_string(sounding.out_of_order) + " probes came out of order");
  if (sounding.damaged > 0) add(std::to_string(sounding.damaged) + " probes came damaged");
  if (sounding.median > before * 10 + noise)
    add("probes take " + to_text(sounding.median) + " instead of " + to_text(before));
  return text;
}

}  // namespace faultline::live
