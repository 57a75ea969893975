// Preparation: what the operations of a history mean, by the rules of semantics (what ok, fail, info, nil and a failed
// cas mean), and which of them belong to each key.
//
// Engines see the result only, so what an operation means is decided here and nowhere else (register/compile.cpp, which
// reads the columns of a history itself, is held to the same rules by tests). Making one takes one pass over the
// history's columns and keeps four bytes an operation; Items, 72 bytes an operation, are made for one key at a time,
// while somebody needs them. Calls point into History::functions(): the history must outlive them. Pure; once made, any
// number of threads may ask at once.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include <faultline/checker.hpp>
#include <faultline/models.hpp>

#include "problem.hpp"

namespace faultline {

// What prepare must know of a model.
struct ModelRules {
  std::string_view model;
  bool catalogued = false;                          // `functions` is all it knows, and other models may know more
  std::span<const FunctionSpec> functions;          // of a model of one's own: may be empty
  std::function<bool(std::string_view f)> accepts;  // of a model of one's own; empty: everything
  std::function<bool(const Call& call)> observer;   // never changes the state; empty: unknown
};

class Preparation {
 public:
  // Sorts operations by key and judges their shapes. The error is bad_input and names the line: a function the model
  // does not know, a value of the wrong shape. All arguments must outlive it.
  static Result<Preparation> make(const History& history, const ModelRules& rules, const CheckOptions& options,
                                  const Budget& budget = {});

  // Not empty: the budget that was spent before all operations had been looked at. There are no keys then.
  [[nodiscard]] const std::string& unfinished() const { return unfinished_; }
  // In order of first appearance.
  [[nodiscard]] std::size_t keys() const { return keys_.size(); }
  [[nodiscard]] const Value& key(std::size_t key) const { return history_->keys()[keys_[key].id]; }
  // Of the history, on this key, in order of invocation: also those that constrain nothing.
  [[nodiscard]] std::span<const OperationIndex> operations(std::size_t key) const {
    return std::span(by_key_).subspan(keys_[key].begin, keys_[key].end - keys_[key].begin);
  }
  // What is left of them to be placed. An empty result and a reason if the budget does not allow it.
  struct Made {
    Items items;
    std::string unfinished;
  };
  [[nodiscard]] Made items(std::size_t key, const Budget& budget) const;
  [[nodiscard]] Items items(std::size_t key) const { return items(key, {}).items; }

  // Whether its first result names the version of the object it saw.
  [[nodiscard]] bool names_versions(std::size_t key) const;

  [[nodiscard]] std::size_t failed() const { return failed_; }  // dropped, certainly no effect
  [[nodiscard]] std::size_t open() const { return open_; }      // info or never completed
  [[nodiscard]] const std::vector<std::string>& ignored() const { return ignored_; }
  [[nodiscard]] std::uint64_t bytes() const { return by_key_.capacity() * sizeof(OperationIndex); }

 private:
  // One operation as the engines will see it; its values are in the history.
  struct Meaning {
    bool dropped = false;  // it failed, and that says nothing
    bool open = false;
    bool failed = false;            // and observed
    const Value* input = nullptr;   // null: it takes none
    const Value* output = nullptr;  // null: nothing was returned
  };
  struct Key {
    std::uint32_t id;
    std::size_t begin, end;  // in by_key_
  };

  Preparation(const History& history, const ModelRules& rules, const CheckOptions& options)
      : history_(&history), rules_(&rules), options_(&options) {}
  void sort_by_key(const Budget& budget);
  Result<void> judge_all(const Budget& budget);
  Result<void> judge(OperationIndex o, const FunctionSpec& spec);
  Result<void> learn(FunctionId id, EventIndex invoked);
  [[nodiscard]] Result<void> check_shape(OperationIndex o, const Meaning& meaning, const FunctionSpec& spec) const;
  [[nodiscard]] Meaning meaning_of(OperationIndex o, const FunctionSpec& spec) const;
  [[nodiscard]] bool observes_failure(EventIndex invoked, EventIndex completed) const;
  [[nodiscard]] bool matches_anything(const Meaning& meaning, const FunctionSpec& spec) const;
  [[nodiscard]] bool observes(OperationIndex o, const Meaning& meaning, const FunctionSpec& spec) const;
  [[nodiscard]] Call call_of(OperationIndex o, const Meaning& meaning) const;

  const History* history_;
  const ModelRules* rules_;
  const CheckOptions* options_;
  std::vector<std::optional<FunctionSpec>> specs_;  // by FunctionId; none: no operation has it
  std::vector<OperationIndex> by_key_;
  std::vector<Key> keys_;
  std::size_t failed_ = 0;
  std::size_t open_ = 0;
  std::size_t dropped_open_ = 0;
  std::size_t dropped_nil_ = 0;
  std::vector<std::string> ignored_;
  std::string unfinished_;
};

struct KeyProblem {
  Value key;
  Items items;
  std::size_t operations = 0;  // of the history, on this key
};

struct Prepared {
  std::vector<KeyProblem> keys;  // in order of first appearance
  std::size_t failed = 0;
  std::size_t open = 0;
  std::vector<std::string> ignored;
};

// The items of all keys at once.
Result<Prepared> prepare(const History& history, const ModelRules& rules, const CheckOptions& options);

}  // namespace faultline
