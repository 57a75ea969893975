// The checker's front door: is this history linearizable, per key, for this model?
//
// Pure and deterministic: time and cancellation are handed in. Threads are used only when options.threads > 1, in one file, and never
// change the result. See verdict.hpp for what comes back, certificate.hpp for how to make somebody else believe it.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <faultline/history.hpp>
#include <faultline/models.hpp>
#include <faultline/space.hpp>
#include <faultline/verdict.hpp>

namespace faultline {

enum class FailedCas : std::uint8_t { drop, observe };  // observe: a failed cas proves "value != expected"
enum class NilRead : std::uint8_t { value, unknown };   // unknown: a nil read matches anything

struct CheckProgress {
  std::size_t keys_total = 0, keys_valid = 0, keys_invalid = 0, keys_unknown = 0;
  std::uint64_t configurations = 0;
};

struct CheckOptions {
  Value initial;                           // of registers; null by default
  FailedCas failed_cas = FailedCas::drop;  // even then one with error "precondition-failed" is observed
  NilRead nil_read = NilRead::value;
  std::string engine = "auto";
  unsigned threads = 1;
  Duration time_limit = Duration::max();
  std::uint64_t memory_limit = UINT64_MAX;  // bytes the engines may hold at once
  std::function<Duration()>
      elapsed;                      // since the caller's budget began; needed for a time limit; called from any thread
  std::function<bool()> cancelled;  // polled as often as the clock
  std::function<void(const CheckProgress&)> progress;  // from the calling thread, at most some times a second
  bool stop_at_first = false;                          // leave further keys unknown once one is invalid
  bool certify = false;                                // keep the legal order of every valid key
  bool explain = true;                                 // shrink to a core and name the anomaly
  Duration explain_limit = std::chrono::seconds(20);   // a verdict that is found need not wait long for a smaller core
};

// Every model by name: register, cas-register, kv, mutex, set, counter, fifo-queue, unordered-queue, stack,
// priority-queue, unique-ids, append-list, fenced-mutex,
// fencing, lease.
std::span<const std::string_view> model_names();

// Judges with a model of the catalogue. The error is bad_input: unknown model or engine, an f the model does not know, a cas that is
// no pair, …; it names the line and says what is known. An empty history is unknown ("nothing to judge"), never valid;
// one of fault notes alone has nothing that could be wrong, and is valid.
Result<Verdict> check(const History& history, std::string_view model, const CheckOptions& options = {});
Result<Verdict> check(const History& history, const AnyModel& model, const CheckOptions& options = {});

// A model of one's own, its type forgotten.
struct CustomModel {
  std::string name = "custom";
  std::function<bool(std::string_view f)> accepts;  // empty: everything
  std::function<std::unique_ptr<Space>()> make_space;
};
Result<Verdict> check(const History& history, const CustomModel& model, const CheckOptions& options = {});

// Judges with any model, of the catalogue or one's own; bad input is unknown, with the error as reason.
template <Model M>
Verdict check_linearizable(const M& model, const History& history, const CheckOptions& options = {}) {
  const auto judge = [&]() -> Result<Verdict> {
    if constexpr (std::is_constructible_v<AnyModel, M>) {
      return check(history, AnyModel(model), options);
    } else {
      CustomModel custom{.make_space = [&model] { return std::make_unique<ModelSpace<M>>(model); }};
      if constexpr (detail::Accepting<M>) custom.accepts = [&model](std::string_view f) { return model.accepts(f); };
      return check(history, custom, options);
    }
  };
  auto verdict = judge();
  if (verdict) return std::move(verdict).value();
  return Verdict{.kind = VerdictKind::unknown, .reason = verdict.error().to_string()};
}

}  // namespace faultline
