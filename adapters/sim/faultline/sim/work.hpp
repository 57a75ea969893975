// Work: a call to be made later, once: a move-only std::function that keeps small closures inside itself.
//
// A simulated run schedules millions of them; a closure of up to 56 bytes costs no allocation, and one may own what cannot be copied.
#pragma once

#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

namespace faultline::sim {

class Work {
 public:
  static constexpr std::size_t inline_size = 56;

  Work() noexcept = default;
  template <class Closure>
  requires(!std::is_same_v<std::remove_cvref_t<Closure>, Work> && std::is_invocable_v<std::decay_t<Closure>&>)
      Work(Closure&& closure) {  // NOLINT: implicit by design, as std::function
    using Own = std::decay_t<Closure>;
    if constexpr (fits<Own>()) {
      ::new (static_cast<void*>(place_)) Own(std::forward<Closure>(closure));
      calls_ = &inside<Own>;
    } else {
      ::new (static_cast<void*>(place_)) Own*(new Own(std::forward<Closure>(closure)));
      calls_ = &outside<Own>;
    }
  }
  Work(Work&& other) noexcept : calls_(std::exchange(other.calls_, nullptr)) {
    if (calls_ != nullptr) calls_->move(other.place_, place_);
  }
  Work& operator=(Work&& other) noexcept {
    if (this == &other) return *this;
    reset();
    calls_ = std::exchange(other.calls_, nullptr);
    if (calls_ != nullptr) calls_->move(other.place_, place_);
    return *this;
  }
  ~Work() { reset(); }

  explicit operator bool() const { return calls_ != nullptr; }
  // REQUIRES: not empty.
  void operator()() { calls_->call(place_); }

 private:
  struct Calls {
    void (*call)(void* place);
    void (*move)(void* from, void* to) noexcept;  // and ends what is at `from`
    void (*destroy)(void* place) noexcept;
  };

  template <class Own>
  static constexpr bool fits() {
    return sizeof(Own) <= inline_size && alignof(Own) <= alignof(std::max_align_t) &&
           std::is_nothrow_move_constructible_v<Own>;
  }
  template <class Own>
  static constexpr Calls inside{[](void* place) { (*std::launder(static_cast<Own*>(place)))(); },
                                [](void* from, void* to) noexcept {
                                  Own* own = std::launder(static_cast<Own*>(from));
                                  ::new (to) Own(std::move(*own));
                                  own->~Own();
                                },
                                [](void* place) noexcept { std::launder(static_cast<Own*>(place))->~Own(); }};
  template <class Own>
  static constexpr Calls outside{
      [](void* place) { (**std::launder(static_cast<Own**>(place)))(); },
      [](void* from, void* to) noexcept { ::new (to) Own*(*std::launder(static_cast<Own**>(from))); },
      [](void* place) noexcept { delete *std::launder(static_cast<Own**>(place)); }};

  void reset() noexcept {
    if (calls_ != nullptr) std::exchange(calls_, nullptr)->destroy(place_);
  }

  alignas(std::max_align_t) std::byte place_[inline_size];
  const Calls* calls_ = nullptr;
};

}  // namespace faultline::sim
