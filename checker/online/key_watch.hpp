// KeyWatch: one key's frontiers, settled and ahead, and the events that wait between them. See faultline/online.hpp.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <variant>

#include <faultline/online.hpp>

#include "../register/online.hpp"
#include "meaning.hpp"
#include "space_frontier.hpp"

namespace faultline::online {

// Both are copied to look ahead, and tell alike.
using Watcher = std::variant<OnlineRegister, SpaceFrontier>;

class KeyWatch {
 public:
  using OperationId = std::uint64_t;  // of one key

  KeyWatch(Value key, Watcher watcher, Meaning& meaning, const OnlineOptions& options);

  OperationId invoke(const Event& invocation, EventIndex at);
  // The violation this proves. REQUIRES: it is in flight.
  std::optional<OnlineViolation> complete(OperationId operation, const Event& completion, EventIndex at);
  std::optional<OnlineViolation> look(Instant now);
  std::optional<OnlineViolation> finish();
  void give_up(std::string reason);

  [[nodiscard]] bool watching() const { return settled_.has_value(); }
  [[nodiscard]] bool relaxed() const;
  [[nodiscard]] const std::string& given_up() const { return given_up_; }
  [[nodiscard]] std::uint64_t operations() const { return operations_; }
  [[nodiscard]] std::size_t waiting() const { return steps_.size(); }
  [[nodiscard]] std::uint64_t bytes() const;

 private:
  using Handle = std::uint32_t;
  enum class Fate : std::uint8_t { unknown, open, nothing, completes };
  struct Tracked {
    Event invocation;
    Fate fate = Fate::unknown;
    Call call;  // once the fate is known
    EventIndex completed = none;
    Handle settled = 0, ahead = 0;
    Fate taken_ahead = Fate::unknown;  // by the frontier ahead, while the fate was not known
  };
  struct Step {
    OperationId operation = 0;
    bool completion = false;
    EventIndex event = none;
    Instant time = no_time;
  };
  struct Ahead {
    Watcher watcher;
    std::uint64_t position = 0;  // the next step, counted from the key's first one
  };

  std::optional<OnlineViolation> settle();
  std::optional<OnlineViolation> go_ahead(Instant now);
  bool open_ahead(Tracked& operation);
  std::optional<OnlineViolation> violation(const Step& step);
  void stop();
  void drop_ahead();
  void refuse(const Error& error);

  const Value key_;
  Meaning* meaning_;
  const OnlineOptions* options_;
  std::optional<Watcher> settled_;
  std::optional<Ahead> ahead_;
  std::uint64_t first_ = 0;  // of steps_, counted from the key's first one
  std::deque<Step> steps_;
  std::size_t completions_ = 0;  // of steps_
  std::map<OperationId, Tracked> tracked_;
  OperationId next_ = 0;
  std::uint64_t operations_ = 0;
  std::string given_up_;
};

}  // namespace faultline::online
