// OnlineChecker: pairs invocations and completions, and sends both to their key's watch.
#include <faultline/online.hpp>

#include <unordered_map>

#include "key_watch.hpp"

namespace faultline {

namespace {

using online::KeyWatch;
using online::Meaning;
using online::SpaceFrontier;
using online::Watcher;

Watcher watcher_for(const AnyModel& model) {
  return std::visit(
      [](const auto& concrete) -> Watcher {
        using M = std::decay_t<decltype(concrete)>;
        if constexpr (std::is_same_v<M, Register> || std::is_same_v<M, CasRegister>) {
          return Watcher(std::in_place_type<OnlineRegister>, concrete.initial);
        } else {
          const auto clone = [](const Space& space) -> std::unique_ptr<Space> {
            return std::make_unique<ModelSpace<M>>(static_cast<const ModelSpace<M>&>(space));
          };
          return Watcher(std::in_place_type<SpaceFrontier>, std::make_unique<ModelSpace<M>>(concrete), clone);
        }
      },
      model);
}

}  // namespace

class OnlineChecker::Impl {
 public:
  Impl(AnyModel model, OnlineOptions options)
      : model_(std::move(model)),
        options_(std::move(options)),
        meaning_(model_,
                 {.initial = options_.initial, .failed_cas = options_.failed_cas, .nil_read = options_.nil_read}) {}

  std::optional<OnlineViolation> feed(const Event& event) {
    const EventIndex at = next_event_++;
    if (event.process < 0) return std::nullopt;
    if (event.type == EventType::invoke) {
      const std::uint32_t key = watch_of(event.key);
      const InFlight operation{.key = key, .operation = watches_[key].invoke(event, at)};
      if (!running_by_process_.try_emplace(event.process, operation).second) watches_[key].give_up(std::string(broken));
      return std::nullopt;
    }
    const auto found = running_by_process_.find(event.process);
    if (found == running_by_process_.end()) {
      watches_[watch_of(event.key)].give_up(std::string(broken));
      return std::nullopt;
    }
    const auto [key, operation] = found->second;
    running_by_process_.erase(found);
    return watches_[key].complete(operation, event, at);
  }

  std::vector<OnlineViolation> look(Instant now) {
    std::vector<OnlineViolation> found;
    for (KeyWatch& watch : watches_) {
      if (auto violation = watch.look(now)) found.push_back(std::move(*violation));
    }
    keep_within_memory();
    return found;
  }

  std::vector<OnlineViolation> finish() {
    running_by_process_.clear();
    std::vector<OnlineViolation> found;
    for (KeyWatch& watch : watches_) {
      if (auto violation = watch.finish()) found.push_back(std::move(*violation));
    }
    return found;
  }

  [[nodiscard]] OnlineStatus status() const {
    OnlineStatus status{.keys = watches_.size()};
    for (const KeyWatch& watch : watches_) {
      status.relaxed += watch.relaxed();
      status.given_up += !watch.given_up().empty();
      if (status.reason.empty()) status.reason = watch.given_up();
      status.operations += watch.operations();
      status.waiting += watch.waiting();
      status.bytes += watch.bytes();
    }
    return status;
  }

 private:
  static constexpr std::string_view broken = "its events break the rules of histories";

  struct InFlight {
    std::uint32_t key = 0;
    KeyWatch::OperationId operation = 0;
  };

  std::uint32_t watch_of(const Value& key) {
    const auto [entry, fresh] = watch_by_key_.try_emplace(key, static_cast<std::uint32_t>(watches_.size()));
    if (fresh) watches_.emplace_back(key, watcher_for(model_), meaning_, options_);
    return entry->second;
  }

  void keep_within_memory() {
    if (options_.memory_limit == UINT64_MAX) return;
    while (true) {
      std::uint64_t all = 0;
      KeyWatch* largest = nullptr;
      for (KeyWatch& watch : watches_) {
        all += watch.bytes();
        if (watch.watching() && (largest == nullptr || watch.bytes() > largest->bytes())) largest = &watch;
      }
      if (all <= options_.memory_limit || largest == nullptr) return;
      largest->give_up("memory limit");
    }
  }

  const AnyModel model_;
  const OnlineOptions options_;
  Meaning meaning_;
  EventIndex next_event_ = 0;
  std::unordered_map<Value, std::uint32_t> watch_by_key_;     // only looked up
  std::deque<KeyWatch> watches_;                              // in order of first appearance
  std::unordered_map<Process, InFlight> running_by_process_;  // only looked up
};

Result<OnlineChecker> OnlineChecker::make(std::string_view model, OnlineOptions options) {
  auto made = make_model(model, {.initial = options.initial});
  if (!made) return made.error();
  return OnlineChecker(std::make_unique<Impl>(std::move(made).value(), std::move(options)));
}

OnlineChecker::OnlineChecker(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
OnlineChecker::OnlineChecker(OnlineChecker&&) noexcept = default;
OnlineChecker& OnlineChecker::operator=(OnlineChecker&&) noexcept = default;
OnlineChecker::~OnlineChecker() = default;

std::optional<OnlineViolation> OnlineChecker::feed(const Event& event) { return impl_->feed(event); }
std::vector<OnlineViolation> OnlineChecker::look(Instant now) { return impl_->look(now); }
std::vector<OnlineViolation> OnlineChecker::finish() { return impl_->finish(); }
OnlineStatus OnlineChecker::status() const { return impl_->status(); }

}  // namespace faultline
