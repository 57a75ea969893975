#include "key_watch.hpp"

#include <faultline/assert.hpp>

#include <fmt/format.h>

namespace faultline::online {

namespace {

std::uint32_t invoke_on(Watcher& watcher, const Call& call, EventIndex deadline) {
  if (auto* generic = std::get_if<SpaceFrontier>(&watcher)) return generic->invoke(call, deadline);
  return std::get<OnlineRegister>(watcher).invoke(call);
}
bool complete_on(Watcher& watcher, std::uint32_t handle) {
  return std::visit([&](auto& concrete) { return concrete.complete(handle); }, watcher);
}
bool blind(const Watcher& watcher) {
  return std::visit([](const auto& concrete) { return concrete.blind(); }, watcher);
}
std::uint64_t bytes_of(const Watcher& watcher) {
  return std::visit([](const auto& concrete) { return concrete.bytes(); }, watcher);
}

Instant time_of(const Event& event) { return event.time == no_time ? Instant() : event.time; }

constexpr std::string_view too_much = "its frontier grew beyond its bounds";

}  // namespace

KeyWatch::KeyWatch(Value key, Watcher watcher, Meaning& meaning, const OnlineOptions& options)
    : key_(std::move(key)), meaning_(&meaning), options_(&options), settled_(std::move(watcher)) {}

KeyWatch::OperationId KeyWatch::invoke(const Event& invocation, EventIndex at) {
  const OperationId id = next_++;
  if (!watching()) return id;
  tracked_.emplace(id, Tracked{.invocation = invocation, .call = {}});
  steps_.push_back({.operation = id, .completion = false, .event = at, .time = time_of(invocation)});
  if (steps_.size() > options_->most_waiting) {
    give_up(fmt::format("more than {} events waited for the fate of one operation", options_->most_waiting));
  }
  return id;
}

std::optional<OnlineViolation> KeyWatch::complete(OperationId id, const Event& completion, EventIndex at) {
  if (!watching()) return std::nullopt;
  Tracked& operation = tracked_.at(id);
  FL_ASSERT(operation.fate == Fate::unknown);
  auto meant = meaning_->of(operation.invocation, &completion);
  if (!meant) {
    refuse(meant.error());
    return std::nullopt;
  }
  const std::optional<Item>& item = meant.value();
  operation.fate = !item ? Fate::nothing : item->completed == none ? Fate::open : Fate::completes;
  if (item) operation.call = item->call;
  // The frontier ahead took it for what it is, or is too weak now.
  if (operation.taken_ahead != Fate::unknown && operation.taken_ahead != operation.fate) drop_ahead();
  if (operation.fate == Fate::completes) {
    operation.completed = at;
    steps_.push_back({.operation = id, .completion = true, .event = at, .time = time_of(completion)});
    ++completions_;
  }
  return settle();
}

// Feeds the settled frontier up to the first operation whose fate is not known.
std::optional<OnlineViolation> KeyWatch::settle() {
  while (!steps_.empty()) {
    const Step step = steps_.front();
    const auto found = tracked_.find(step.operation);
    Tracked& operation = found->second;
    if (operation.fate == Fate::unknown) break;
    steps_.pop_front();
    ++first_;
    const bool last = step.completion || operation.fate != Fate::completes;
    if (step.completion) {
      --completions_;
      if (!complete_on(*settled_, operation.settled)) return violation(step);
    } else if (operation.fate != Fate::nothing) {
      operation.settled = invoke_on(*settled_, operation.call, operation.completed);
      ++operations_;
    }
    if (last) tracked_.erase(found);
    if (blind(*settled_)) {
      give_up(std::string(too_much));
      return std::nullopt;
    }
  }
  if (ahead_ && ahead_->position <= first_) drop_ahead();
  return std::nullopt;
}

std::optional<OnlineViolation> KeyWatch::look(Instant now) {
  // An operation that hangs in front of no completion hides nothing.
  if (!watching() || completions_ == 0 || now - steps_.front().time < options_->lag) return std::nullopt;
  if (!ahead_) {
    ahead_.emplace(Ahead{.watcher = *settled_, .position = first_});
    for (auto& [id, operation] : tracked_) operation.ahead = operation.settled;
  }
  return go_ahead(now);
}

std::optional<OnlineViolation> KeyWatch::go_ahead(Instant now) {
  for (; ahead_->position < first_ + steps_.size(); ++ahead_->position) {
    const Step& step = steps_[ahead_->position - first_];
    Tracked& operation = tracked_.at(step.operation);
    if (step.completion) {
      if (!complete_on(ahead_->watcher, operation.ahead)) return violation(step);
    } else if (operation.fate == Fate::unknown) {
      if (now - step.time < options_->lag) return std::nullopt;
      if (!open_ahead(operation)) return std::nullopt;
    } else if (operation.fate != Fate::nothing) {
      operation.ahead = invoke_on(ahead_->watcher, operation.call, operation.completed);
    }
  }
  return std::nullopt;
}

// False if the key was given up.
bool KeyWatch::open_ahead(Tracked& operation) {
  const auto meant = meaning_->of(operation.invocation, nullptr);
  if (!meant) {
    refuse(meant.error());
    return false;
  }
  if (meant.value()) invoke_on(ahead_->watcher, meant.value()->call, none);
  operation.taken_ahead = meant.value() ? Fate::open : Fate::nothing;
  return true;
}

std::optional<OnlineViolation> KeyWatch::finish() {
  if (!watching()) return std::nullopt;
  for (auto& [id, operation] : tracked_) {
    if (operation.fate != Fate::unknown) continue;
    const auto meant = meaning_->of(operation.invocation, nullptr);
    if (!meant) {
      refuse(meant.error());
      return std::nullopt;
    }
    operation.fate = meant.value() ? Fate::open : Fate::nothing;
    if (meant.value()) operation.call = meant.value()->call;
  }
  return settle();
}

std::optional<OnlineViolation> KeyWatch::violation(const Step& step) {
  const OnlineViolation found{.key = key_, .event = step.event, .time = step.time};
  stop();
  return found;
}

void KeyWatch::give_up(std::string reason) {
  given_up_ = std::move(reason);
  stop();
}

// The words of bad input are the check's own; here they only say why the key is left to it.
void KeyWatch::refuse(const Error& error) { give_up(error.message); }

void KeyWatch::stop() {
  settled_.reset();
  ahead_.reset();
  steps_.clear();
  tracked_.clear();
  completions_ = 0;
}

void KeyWatch::drop_ahead() {
  ahead_.reset();
  for (auto& [id, operation] : tracked_) operation.taken_ahead = Fate::unknown;
}

bool KeyWatch::relaxed() const {
  const auto* reg = settled_ ? std::get_if<OnlineRegister>(&*settled_) : nullptr;
  return reg != nullptr && !reg->exact();
}

std::uint64_t KeyWatch::bytes() const {
  constexpr std::uint64_t tracked_bytes = sizeof(Tracked) + 160;  // with its node, and a small value or two
  return (settled_ ? bytes_of(*settled_) : 0) + (ahead_ ? bytes_of(ahead_->watcher) : 0) +
         steps_.size() * sizeof(Step) + tracked_.size() * tracked_bytes;
}

}  // namespace faultline::online
