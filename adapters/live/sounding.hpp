// Sounding: trains of numbered probes, sent at a steady pace over whatever carries them, and what became of them.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <faultline/live/traffic.hpp>

namespace faultline::live {

inline constexpr std::size_t probe_bytes = 32;

class Train {
 public:
  explicit Train(std::uint64_t secret) : secret_(secret) {}

  std::string next(Instant now);
  void arrived(std::string_view probe, Instant now);
  [[nodiscard]] Sounding result() const;
  [[nodiscard]] bool complete() const { return distinct_.size() == static_cast<std::size_t>(sounding_.sent); }

 private:
  std::uint64_t secret_;
  Sounding sounding_;
  std::set<std::uint64_t> distinct_;
  std::uint64_t newest_ = 0;
  std::vector<Duration> took_;
};

struct SoundingPlan {
  std::int64_t count = 100;
  Duration pace{};                                  // from one probe to the next
  Duration limit = std::chrono::seconds(2);         // for all
  Duration settle = std::chrono::milliseconds(20);  // after the last has arrived: copies may follow
};

// `send` hands one probe to the network; `receive` waits at most so long for one and returns nothing if none came.
Sounding sound(const SoundingPlan& plan, const std::function<void(std::string_view)>& send,
               const std::function<std::optional<std::string>(Duration)>& receive);

// Whether the train fared as on a link without faults: all arrived, once, in order, intact, and about as soon as `before`, the baseline.
// Says what is wrong; empty: nothing.
std::string unlike_clear(const Sounding& sounding, Duration before);

}  // namespace faultline::live
