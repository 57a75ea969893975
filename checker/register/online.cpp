#include "online.hpp"

#include <deque>
#include <map>
#include <optional>
#include <tuple>

#include "relaxed.hpp"

namespace faultline {

namespace {

using registers::ClassId;
using registers::Slot;
using M = registers::WideMask;

constexpr std::size_t most_configurations = 500;
constexpr std::size_t most_open_kinds = 1'000;
constexpr std::uint64_t most_polls = 200;  // of one completion, of about 1,000 steps each

// Values to ids, which are used again once nobody refers to them.
class ValuePool {
 public:
  ValueId id(const Value& value) {
    const auto [entry, fresh] = ids_.try_emplace(value, 0);
    if (fresh) {
      if (free_.empty()) free_.push_back(next_++);
      entry->second = free_.back();
      free_.pop_back();
    }
    return entry->second;
  }
  [[nodiscard]] bool wants_sweep() const { return ids_.size() > sweep_at_; }
  void sweep(const std::vector<bool>& used) {
    std::erase_if(ids_, [&](const auto& entry) {
      const bool unused = entry.second >= used.size() || !used[entry.second];
      if (unused) free_.push_back(entry.second);
      return unused;
    });
    sweep_at_ = 2 * ids_.size() + 1024;
  }
  [[nodiscard]] std::size_t size() const { return next_; }

 private:
  std::map<Value, ValueId> ids_;
  std::vector<ValueId> free_;
  ValueId next_ = 0;
  std::size_t sweep_at_ = 1024;
};

}  // namespace

class OnlineRegister::Watcher {
 public:
  explicit Watcher(const Value& initial)
      : initial_(values_.id(initial)),
        relaxation_(initial_, 1),
        frontier_(std::in_place, initial_, 1,
                  // Who is due first is not known here.
                  registers::Frontier<M>::Options{
                      .prunings = {.twins = false}, .count_all = true, .counted = {}, .recording = false}),
        meter_(budget_, [] { return 0; }),
        patient_(unlimited_, [] { return 0; }) {}
  Watcher(const Watcher& other)
      : values_(other.values_),
        initial_(other.initial_),
        relaxation_(other.relaxation_),
        meter_(budget_, [] { return 0; }),
        patient_(unlimited_, [] { return 0; }),
        possible_(other.possible_),
        blind_(other.blind_),
        next_event_(other.next_event_),
        next_handle_(other.next_handle_),
        in_flight_(other.in_flight_),
        free_(other.free_),
        next_slot_(other.next_slot_),
        classes_(other.classes_) {
    if (other.frontier_) frontier_.emplace(*other.frontier_);
  }
  Watcher& operator=(const Watcher&) = delete;

  Handle invoke(const Call& call) {
    const Handle handle = next_handle_++;
    const RegisterOperation op = operation_of(call);
    if (op.kind == RegisterKind::nothing || !possible_ || blind_) return handle;
    if (free_.empty()) free_.push_back(next_slot_++);
    const Slot slot = free_.back();
    free_.pop_back();
    in_flight_.emplace(handle, InFlight{op, slot});
    relaxation_.invoke(slot, handle, op);
    if (frontier_) frontier_->invoke(slot, handle, op);
    if (op.open()) join();
    return handle;
  }

  bool complete(Handle handle) {
    const EventIndex now = next_event_++;
    if (!possible_ || blind_) return possible_;
    const auto found = in_flight_.find(handle);
    FL_ASSERT(found != in_flight_.end() && !found->second.operation.open());
    const Slot slot = found->second.slot;
    in_flight_.erase(found);
    possible_ = relaxation_.complete(slot, patient_);
    if (possible_ && frontier_) complete_exactly(slot, now);
    free_.push_back(slot);
    if (possible_) join();
    if (possible_ && values_.wants_sweep()) sweep();
    if (relaxation_.size() > most_configurations || classes_.size() > most_open_kinds) give_up();
    return possible_;
  }

  [[nodiscard]] bool possible() const { return possible_; }
  [[nodiscard]] bool exact() const { return frontier_.has_value(); }
  [[nodiscard]] bool blind() const { return blind_; }
  [[nodiscard]] std::uint64_t bytes() const {
    return relaxation_.bytes() + (frontier_ ? frontier_->bytes() : 0) + values_.size() * 64 +
           (in_flight_.size() + classes_.size()) * 96;
  }

 private:
  struct InFlight {
    RegisterOperation operation;
    Slot slot = 0;
  };

  void complete_exactly(Slot slot, EventIndex now) {
    polls_ = 0;
    const bool alive = frontier_->complete(slot, now + 1, {}, meter_);
    if (meter_.spent() || frontier_->configurations().size() > most_configurations) {
      frontier_.reset();  // an unfinished step proves nothing
    } else {
      possible_ = alive;
    }
  }

  void give_up() {
    if (!possible_) return;  // proved already
    blind_ = true;
    frontier_.reset();
    relaxation_ = registers::Relaxation<M>(initial_, 1);
    in_flight_.clear();
    classes_.clear();
    values_ = ValuePool();
  }

  RegisterOperation operation_of(const Call& call) {
    // A completion is only known to come: any position later than the invocation's does, until it is there.
    RegisterOperation op{.invoked = next_event_++, .completed = call.result_known ? none - 2 : none};
    if (call.f == "read") {
      if (!call.result_known) return op;
      op.kind = RegisterKind::read;
      op.from = values_.id(call.output);
    } else if (call.f == "write") {
      op.kind = RegisterKind::write;
      op.to = values_.id(call.input);
    } else {
      FL_ASSERT(call.f == "cas" && call.input.is_pair());
      op.from = values_.id(call.input.as_list()[0]);
      op.to = values_.id(call.input.as_list()[1]);
      op.kind = RegisterKind::cas;
      if (op.from == op.to) op.kind = op.open() ? RegisterKind::nothing : RegisterKind::read;
      if (call.failed) op.kind = RegisterKind::differs;
    }
    return op;
  }

  // Open operations join their class once everything invoked before them has completed (timeline.hpp).
  void join() {
    while (!in_flight_.empty() && in_flight_.begin()->second.operation.open()) {
      const InFlight first = in_flight_.begin()->second;
      in_flight_.erase(in_flight_.begin());
      const RegisterOperation& op = first.operation;
      const auto id =
          classes_.try_emplace({op.kind, op.from, op.to}, static_cast<ClassId>(classes_.size())).first->second;
      if (frontier_) frontier_->join(first.slot, id, {op.kind, op.from, op.to});
      free_.push_back(first.slot);
    }
  }

  void sweep() {
    std::vector<bool> used(values_.size());
    const auto use = [&](ValueId value) { used[value] = true; };
    use(initial_);
    for (const auto& [handle, entry] : in_flight_) {
      use(entry.operation.from);
      use(entry.operation.to);
    }
    for (const auto& [kind, id] : classes_) {
      use(std::get<1>(kind));
      use(std::get<2>(kind));
    }
    relaxation_.each_value(use);
    if (frontier_) frontier_->each_value(use);
    values_.sweep(used);
  }

  ValuePool values_;
  ValueId initial_;
  registers::Relaxation<M> relaxation_;
  std::optional<registers::Frontier<M>> frontier_;
  std::uint64_t polls_ = 0;  // during this completion
  const Budget budget_{.stop = [this] { return ++polls_ > most_polls; }};
  registers::Meter meter_;
  // The relaxation is small by itself, and an unfinished step of it would be taken for a proof.
  const Budget unlimited_;
  registers::Meter patient_;
  bool possible_ = true;
  bool blind_ = false;
  EventIndex next_event_ = 0;
  Handle next_handle_ = 0;
  std::map<Handle, InFlight> in_flight_;  // by invocation
  std::vector<Slot> free_;
  Slot next_slot_ = 0;
  std::map<std::tuple<RegisterKind, ValueId, ValueId>, ClassId> classes_;
};

OnlineRegister::OnlineRegister(const Value& initial) : watcher_(std::make_unique<Watcher>(initial)) {}
OnlineRegister::OnlineRegister(const OnlineRegister& other) : watcher_(std::make_unique<Watcher>(*other.watcher_)) {}
OnlineRegister::OnlineRegister(OnlineRegister&&) noexcept = default;
OnlineRegister::~OnlineRegister() = default;

OnlineRegister::Handle OnlineRegister::invoke(const Call& call) { return watcher_->invoke(call); }
bool OnlineRegister::complete(Handle handle) { return watcher_->complete(handle); }
bool OnlineRegister::possible() const { return watcher_->possible(); }
bool OnlineRegister::exact() const { return watcher_->exact(); }
bool OnlineRegister::blind() const { return watcher_->blind(); }
std::uint64_t OnlineRegister::bytes() const { return watcher_->bytes(); }

}  // namespace faultline
