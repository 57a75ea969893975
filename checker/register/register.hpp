// The engines for read / write / cas registers, over a compact form of one key's operations. Private to checker/.
//
// A RegisterProblem names values by dense ids and spends 24 bytes on an operation, so that a million of them fit a
// cache-friendly array; it is made from Items, or straight from the columns of a History without materialising a Value
// per operation. Pure and single-threaded: a search may run on any thread, two searches share nothing.
//
// The engines, each in files of its name (the frontier's moves in moves.hpp):
//   zones        unique writes: n log n at worst, linear passes in practice. Gibbons, Korach 1997, section 4
//   frontier     the set of possible configurations, carried along the events. Lowe 2017 (just-in-time)
//   depth-first  the same moves, one path at a time, with a memo of dead ends. Wing, Gong 1993; Lowe 2017
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <faultline/checker.hpp>
#include <faultline/history.hpp>

#include "../problem.hpp"

namespace faultline {

// A value of one problem, dense from 0.
using ValueId = std::uint32_t;

enum class RegisterKind : std::uint8_t {
  read,     // saw `from`
  write,    // stores `to`
  cas,      // saw `from`, stored `to`; `from` differs from `to`
  differs,  // a failed cas: saw something else than `from`
  nothing,  // constrains nothing and never happens: open reads, open cas a -> a
};

struct RegisterOperation {
  EventIndex invoked = 0;
  EventIndex completed = none;  // none: open
  ValueId from = 0;
  ValueId to = 0;
  OperationIndex operation = none;
  RegisterKind kind = RegisterKind::nothing;

  [[nodiscard]] bool open() const { return completed == none; }
};
static_assert(sizeof(RegisterOperation) == 24);

struct RegisterProblem {
  std::vector<RegisterOperation> operations;  // by `invoked`
  ValueId initial = 0;
  std::uint32_t values = 1;  // ids are below this
  std::string unfinished;    // not empty: the budget that ended compiling; there are no operations then

  [[nodiscard]] std::uint64_t bytes() const { return operations.capacity() * sizeof(RegisterOperation); }
};

// Position i of the problem is item i. A function other than read, write and cas is our bug: prepare has refused it.
RegisterProblem compile(const Items& items, const Value& initial, const Budget& budget = {});

struct RegisterRules {
  Value initial;
  FailedCas failed_cas = FailedCas::drop;  // even then one with error "precondition-failed" is observed
  NilRead nil_read = NilRead::value;
};

// The same from the operations of one key, in order of invocation, by the same rules of semantics as prepare's, which
// has checked the shapes before (or whoever recorded the history). Dropped operations are absent; `operation` maps
// back.
RegisterProblem compile(const History& history, std::span<const OperationIndex> operations, const RegisterRules& rules,
                        const Budget& budget = {});
// Every operation of a history about one object.
RegisterProblem compile(const History& history, const RegisterRules& rules);

enum class RegisterEngine : std::uint8_t { automatic, zones, frontier, depth_first };

// Whether the zones engine may be asked: no value is stored twice, nor the initial one at all.
bool zones_apply(const RegisterProblem& problem);

// The engine of a name as the command line has it; nullopt: none of these.
std::optional<RegisterEngine> register_engine(std::string_view name);

// Whether the order of a valid problem is wanted, or may be left out where it is not needed to decide.
enum class Witness : std::uint8_t { always, if_needed };

// Judges. `order` holds positions in the problem. RegisterEngine::zones may not know
// (unknown): where values repeat, and where there are failed cas that no order it finds explains.
SearchResult search_register(const RegisterProblem& problem, const Budget& budget,
                             RegisterEngine which = RegisterEngine::automatic, Witness witness = Witness::always);
SearchResult search_register(const Items& items, const Value& initial, const Budget& budget,
                             RegisterEngine which = RegisterEngine::automatic);

}  // namespace faultline
