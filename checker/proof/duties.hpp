// Duties: what each operation of a history obliges a correct object to have done; derived from the history alone.
//
// This is the verifier's own reading of the rules; it shares nothing with what prepares operations for the engines, so
// that a mistake there cannot confirm itself:
//   ok                 must: took effect once, between invocation and completion, with this result
//   fail               nothing: no effect; but a failed cas that counts as an observation must: "the value was not it"
//   info, unfinished   may: took effect once, at any time after its invocation, with any result, or never
// The argument of a write, cas, put or append is an ok completion's value, or the invocation's if that is nil; of
// others the other way round. A nil read constrains nothing (`may`) if the certificate says that nil stands for any
// result.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include <faultline/certificate.hpp>
#include <faultline/models.hpp>

namespace faultline {

enum class Obligation : std::uint8_t { nothing, must, may };

struct Duty {
  Obligation obligation = Obligation::nothing;
  EventIndex invoked = 0;
  EventIndex returned = none;  // none unless `must`
  Call call;                   // as recorded; for `may` without result
};

// Refers to both arguments, which must outlive it.
class Duties {
 public:
  Duties(const History& history, const Certificate& certificate, std::span<const FunctionSpec> functions);

  // Why the model cannot judge this history at all; none if it can. Call it before anything else.
  [[nodiscard]] std::optional<std::string> objection() const;
  [[nodiscard]] Duty of(OperationIndex operation) const;
  [[nodiscard]] std::uint32_t key_id(OperationIndex operation) const {
    return history_.key_id(history_.invoked(operation));
  }
  // "write of process 3 (line 17)"
  [[nodiscard]] std::string name(OperationIndex operation) const;

 private:
  [[nodiscard]] const FunctionSpec* spec(OperationIndex operation) const;
  [[nodiscard]] Value argument(OperationIndex operation) const;
  [[nodiscard]] bool observed_failure(OperationIndex operation) const;

  const History& history_;
  const Certificate& certificate_;
  std::vector<const FunctionSpec*> specs_;  // by function id
};

// The same call without its result: it may have returned anything.
[[nodiscard]] Call without_result(Call call);

}  // namespace faultline
