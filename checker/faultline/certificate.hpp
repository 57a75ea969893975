// Certificate: why a verdict is to be believed, in a form that somebody else can check with other code than ours.
//
//   valid    per key an order of operations: each acknowledged one once, each open one at most once, no failed one. One
//            linear pass replays it: real time is respected and the model reproduces every recorded result.
//   invalid  per invalid key a core: a few operations, kept with result and deadline, that admit no legal order even if
//            every other operation may have happened at any time after its invocation, with any result, or never. A
//            short search confirms it.
//   unknown  claims nothing, so there is nothing to verify.
//
// A certificate names its history by a digest of everything that matters to the verdict: order, type, process, f, key
// and value of the clients' events, and which failures count as observations. Times, line numbers and other extras are
// left out, so that a history converted to another format keeps its certificate. The digests tell files apart that were
// mixed up; they are not cryptographic and nothing rests on them: `verify` judges the history itself.
//
// `since` shortens cores. Let w be a kept operation after which the object's state is the same whatever it was before
// (a write), and legal at the beginning. Cut any legal order of the history just before w: what follows is legal too, w
// first. It holds every operation invoked after w returned, none that returned before w was invoked, and any of the
// others. So, if {w, the operations invoked after it} with all others relaxed, those that returned before w removed,
// admit no legal order, the history admits none. Kept writes that did not begin after w may stay as well: they can be
// put in front of w. Relaxation is explained in explain.hpp.
//
// `verify` shares only the history and the models with the rest of the checker; it derives afresh what each operation
// means.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <faultline/checker.hpp>
#include <faultline/history.hpp>
#include <faultline/result.hpp>
#include <faultline/verdict.hpp>

namespace faultline {

// What is claimed of one key.
struct KeyProof {
  Value key;
  VerdictKind kind = VerdictKind::unknown;
  // valid: complete; invalid: the longest legal prefix of core and context, or empty: not claimed; unknown: empty.
  std::vector<OperationIndex> order;
  std::vector<OperationIndex> core;     // invalid only
  std::vector<OperationIndex> context;  // invalid only: relaxed operations that can make a difference
  OperationIndex since = none;          // invalid only: see above; a member of core, or none

  friend bool operator==(const KeyProof&, const KeyProof&) = default;
};

struct Certificate {
  VerdictKind kind = VerdictKind::unknown;
  std::string model;
  Value initial;
  FailedCas failed_cas = FailedCas::drop;
  NilRead nil_read = NilRead::value;
  std::uint64_t events = 0;      // of the history, notes included not
  std::uint64_t operations = 0;  // of the history
  std::string history_digest;    // 32 hexadecimal digits
  std::string claim_digest;      // over history_digest, kind, model and its options
  // valid: every key with an operation that must be placed; invalid: at least one invalid key.
  std::vector<KeyProof> keys;

  friend bool operator==(const Certificate&, const Certificate&) = default;
};

// Fills in everything but the proofs from the history. Keys are taken as they are; nothing is checked.
Certificate make_certificate(const History& history, std::string_view model, const CheckOptions& options,
                             VerdictKind kind, std::vector<KeyProof> keys);
// Of a verdict on this history, reached with CheckOptions::certify and, for what is invalid, CheckOptions::explain: the
// order of each valid key, the core of each explained one.
Certificate make_certificate(const History& history, const Verdict& verdict, const CheckOptions& options);
// The proof of an invalid key, from its explanation.
KeyProof proof_of(const Anomaly& anomaly);

// One JSON object with a line per key; about seven bytes per operation.
std::string to_json(const Certificate& certificate);
// Strict: an unknown, missing or repeated field is bad_input, naming where. `name` is the file's, for messages.
Result<Certificate> parse_certificate(std::string_view text, std::string_view name = "certificate");

struct VerifyOptions {
  std::uint64_t max_steps = 1'000'000;  // model steps of the search that confirms one core; bounds time and memory
};

struct Verification {
  enum class Outcome : std::uint8_t {
    confirmed,     // the claim holds
    rejected,      // the certificate does not prove what it claims, or belongs to something else
    not_confirmed  // nothing is wrong, but the step budget ran out, or the certificate claims nothing
  };
  Outcome outcome = Outcome::not_confirmed;
  VerdictKind kind = VerdictKind::unknown;  // what was claimed
  std::string reason;                       // one sentence
  std::uint64_t steps = 0;                  // model steps taken
};
std::string_view to_string(Verification::Outcome outcome);

// The error is bad_input: the certificate names a model this program does not know.
Result<Verification> verify(const History& history, const Certificate& certificate, const VerifyOptions& options = {});

}  // namespace faultline
