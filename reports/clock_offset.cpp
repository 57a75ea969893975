// How far clocks were off, from the notes of the nemesis: ours name the skew they read back, Jepsen's carry a map of offsets.
#include <faultline/report.hpp>

#include <algorithm>
#include <map>
#include <string>

namespace faultline {

namespace {

constexpr std::size_t max_points = 20'000;
constexpr double milliseconds_per_second = 1e3;

std::optional<double> number(const Value& value) {
  if (value.is_real()) return value.as_real();
  if (value.is_integer()) return static_cast<double>(value.as_integer());
  return std::nullopt;
}

std::string name_of(const Value& key) { return key.is_string() ? std::string(key.as_text()) : key.to_string(); }

class Offsets {
 public:
  explicit Offsets(const History& history) : history_(history) {}

  std::vector<ClockOffset> take() {
    for (const EventIndex e : history_.notes()) {
      if (history_.time(e) == no_time) continue;
      now_ = history_.time(e);
      if (history_.type(e) == EventType::invoke) {
        asked_ = now_;
        continue;
      }
      const Value& value = history_.value(e);
      const Value& beside = history_.extra(e).get("clock-offsets");
      sampled(beside.is_map() ? beside : value.get("clock-offsets"));
      note(value);
      const Value& stopped = value.get("stopped");
      if (!stopped.is_list()) continue;
      for (const Value& fault : stopped.as_list()) note(fault);
    }
    std::stable_sort(points_.begin(), points_.end(),
                     [](const ClockOffset& a, const ClockOffset& b) { return a.time < b.time; });
    return std::move(points_);
  }

 private:
  void add(const std::string& node, Instant time, double seconds, bool wall) {
    if (points_.size() < max_points) points_.push_back({node, time, seconds, wall});
    last_[node] = seconds;
  }

  // Jepsen: node to seconds.
  void sampled(const Value& offsets) {
    if (!offsets.is_map()) return;
    for (const auto& [node, offset] : offsets.as_map()) {
      if (const auto seconds = number(offset)) add(name_of(node), now_, *seconds, true);
    }
  }

  // A fault of ours that began or ended: the clock changed between the asking and now.
  void note(const Value& fault) {
    const Value& done = fault.get("done");
    const Value& skewed = done.get("skewed");
    if (!skewed.is_map()) return;
    const Value& healed = done.get("healed");
    const bool wall = fault.get("parameters").get("clock") != Value("mono");
    for (const auto& [node, skew] : skewed.as_map()) {
      const auto off = number(skew);
      if (!off) continue;
      const std::string name = name_of(node);
      const double seconds = *off / milliseconds_per_second;
      const auto before = last_.find(name);
      if (!healed.is_list()) {
        add(name, asked_, before == last_.end() ? 0.0 : before->second, wall);
        add(name, now_, seconds, wall);
        continue;
      }
      add(name, asked_, seconds, wall);
      const auto list = healed.as_list();
      if (std::find(list.begin(), list.end(), node) == list.end()) continue;
      const auto slews = number(done.get("slewing_ms").get(name));
      if (slews) add(name, now_, seconds, wall);
      add(name, slews ? now_ + Duration(static_cast<std::int64_t>(*slews * 1e6)) : now_, 0.0, wall);
    }
  }

  const History& history_;
  Instant now_{}, asked_{};
  std::map<std::string, double> last_;
  std::vector<ClockOffset> points_;
};

}  // namespace

std::vector<ClockOffset> clock_offsets(const History& history) { return Offsets(history).take(); }

}  // namespace faultline
