// Facts: all operations of one key as a class of anomaly looks at them, failed ones included, and the words for them.
//
// Sentences are rendered here once for all formats. Values, keys and nodes come from a system that may be broken or
// hostile: they are escaped and clipped to 200 bytes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <faultline/history.hpp>

#include "../problem.hpp"

namespace faultline {

struct Fact {
  OperationIndex operation = none;
  Process process = 0;
  Outcome outcome = Outcome::open;
  EventIndex invoked = 0;
  EventIndex returned = none;  // none unless it certainly took effect (or was observed to fail)
  Call call;
  bool kept = false;  // of the core

  // It certainly took effect, or is the observation of a failed cas.
  [[nodiscard]] bool certain() const { return returned != none; }
  // It certainly had no effect.
  [[nodiscard]] bool failed() const { return outcome == Outcome::fail && !call.failed; }
};

class Facts {
 public:
  struct Core {
    std::vector<OperationIndex> operations;
    OperationIndex since = none;  // where it begins, see certificate.hpp
    bool proven = false;          // it was searched: no legal order, but legal ones without any single operation
  };

  // `items`: everything prepared for the key.
  Facts(const History& history, const Items& items, const Core& core);

  [[nodiscard]] const std::vector<Fact>& all() const { return facts_; }
  // The core's, in order of their return.
  [[nodiscard]] std::vector<const Fact*> core() const;

  [[nodiscard]] bool proven() const { return proven_; }
  // Where the core begins, or null.
  [[nodiscard]] const Fact* since() const;

  // "x = 3", or "3" for a history about one object
  [[nodiscard]] std::string key_is(const Value& value) const;
  // "x", or what to call it in a history about one object.
  [[nodiscard]] std::string key_name(std::string_view otherwise) const;
  // " from n1", or nothing if the node is not known
  [[nodiscard]] std::string from_node(const Fact& fact) const;
  [[nodiscard]] std::optional<std::string> node(const Fact& fact) const;
  // From one event to a later one: "412 ms", or "3 events" where the history has no usable times.
  [[nodiscard]] std::string gap(EventIndex earlier, EventIndex later) const;
  [[nodiscard]] std::optional<Duration> duration(EventIndex earlier, EventIndex later) const;
  [[nodiscard]] const History& history() const { return history_; }

 private:
  const History& history_;
  Value key_;
  OperationIndex since_;
  bool proven_;
  std::vector<Fact> facts_;  // by invocation
};

// "3", clipped.
std::string shown(const Value& value);
// As a name: a string without its quotes.
std::string bare(const Value& value);
// "write 5", "cas 3→5", "enqueue 1", "read"
std::string phrase(const Call& call);
// "line 17", or "event 16" if the history was not read from a file.
std::string place(const History& history, EventIndex event);

}  // namespace faultline
