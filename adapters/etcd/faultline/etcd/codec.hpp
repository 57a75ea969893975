// The codec of the etcd v3 JSON gateway: operations to HTTP requests, replies to ok, fail or info. Pure: no socket, no
// clock.
//
// etcd 3.4 to 3.6 and every server that speaks the same gateway are read by one table. The rule behind it: a wrong
// `fail` invents violations, a wrong `info` only weakens the test. So a write is `fail` only if the reply proves that
// nothing was written, and whatever is unknown or cannot be parsed is `info`; a read changes nothing and is never
// `info`.
//
// Operations
//   read          range; nil if the key is absent
//   write v       put; writing nil deletes the key, so that nil and absent are the same everywhere
//   cas [from to] txn comparing VALUE, or CREATE with 0 if from is nil. A false compare is `fail` with the error
//                 "precondition-failed" and the extra `found`: what the same transaction read.
//   get           as read, but "" if the key is absent (the kv model's initial value)
//   put s         as write
//   append s      range, then a txn that puts the longer text if MOD is still what the range saw. A lost race is `fail`.
// of sets (Objects::sets)
//   add e         put of a key of the element's own
//   read          range over them: the list of elements
// Locks and leases, which a client must remember: holding.hpp.
//
// Encoding. A key is `key_prefix` followed by the JSON text of the operation's key, a value is its JSON text: null,
// true, 7, 1.5, "text", [1,2], {"a":1}. Integers never carry a point and reals always do, map keys are sorted, nothing
// is padded: equal values have equal bytes and different values different ones, which a VALUE compare needs. Bytes that
// are no such text come back as the tagged value #bytes "<base64>", equal to nothing a workload writes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <faultline/event.hpp>
#include <faultline/result.hpp>

namespace faultline::etcd {

enum class Reads : std::uint8_t {
  linearizable,  // confirmed by a quorum
  serializable,  // answered by the node alone: stale on a node that is cut off, by design
};
std::string_view to_string(Reads reads);

// What the operations are about: read and write mean something else for each.
enum class Objects : std::uint8_t { values, sets, locks, leases };
Objects objects_of(std::string_view workload);

struct CodecOptions {
  Reads reads = Reads::linearizable;  // of read and get
  Objects objects = Objects::values;
  std::string key_prefix = "faultline/";
};

// An HTTP POST with a JSON body.
struct Request {
  std::string path;  // "/v3/kv/put"
  std::string body;
  bool writes = false;  // whether the server may change something because of it

  friend bool operator==(const Request&, const Request&) = default;
};

// A whole HTTP response: chunks joined, trailers dropped.
struct Reply {
  unsigned status = 0;
  std::string content_type;
  std::string body;
};

// What became of an operation, and who said so.
struct Completion {
  EventType type = EventType::info;
  Value value;                 // as the history formats say; the invocation's unless an ok read
  std::string error;           // "<code> <message>" if the server said it; empty iff ok
  std::string harness_error;   // not empty: the endpoint is not this API, so the test itself is wrong; says what to do
  bool lost = false;           // a lock that was let go was no longer held
  std::optional<Value> found;  // what a cas read instead of what it expected
  std::optional<std::uint64_t> member_id;
  std::optional<std::int64_t> raft_term;
  std::optional<std::int64_t> revision;  // of the answering member's store
  // Of the key (its mod_revision): what was read, or what the write made; none if the key is absent then.
  std::optional<std::int64_t> version;

  friend bool operator==(const Completion&, const Completion&) = default;
};

// The completion as an event of the invocation's process, without a time. Extras: node, member_id (hex, as etcd's logs
// print it), raft_term, revision, version, error, lost, found, harness_error, each only if known.
Event to_event(const Event& invocation, std::string_view node, const Completion& completion);

// One operation's talk with one node, as a state machine: send request(), hand the reply to receive(), which completes
// the operation or leaves the next request to send. Whatever breaks the talk goes to broken().
class Conversation {
 public:
  // bad_input: an operation or a value that cannot be said to etcd, e.g. an unknown f, a cas that is no pair, a NaN.
  static Result<Conversation> start(const Event& invocation, const CodecOptions& options);

  [[nodiscard]] const Request& request() const { return request_; }
  // nullopt: request() is now the next one to send.
  std::optional<Completion> receive(const Reply& reply);
  // The connection or the deadline ended the talk during request(). `sent`: at least one byte of the request left.
  [[nodiscard]] Completion broken(bool sent, std::string why) const;

 private:
  enum class Step : std::uint8_t { read, put, remove, cas, append_read, append_write, read_set };

  static Result<Conversation> start_on_set(const Event& invocation, const CodecOptions& options,
                                           const std::string& key);
  Conversation(Step step, Value input) : step_(step), input_(std::move(input)) {}
  [[nodiscard]] Completion indefinite(std::string error) const;  // info if the request may have written, else fail
  [[nodiscard]] Completion definite(std::string error) const;    // fail
  [[nodiscard]] Completion refused(const Reply& reply) const;
  // A 200 with a header. An error: it does not say what such a reply must say.
  struct Success;
  Result<std::optional<Completion>> understand(const Success& reply);
  Result<std::optional<Completion>> understand_range(const Success& reply);
  Result<std::optional<Completion>> understand_txn(const Success& reply) const;
  Result<std::optional<Completion>> understand_set(const Success& reply) const;

  Step step_;
  Value input_;      // of the invocation
  Value absent_;     // what a read of a missing key shows
  std::string key_;  // base64
  Request request_;
};

// What a member says of itself (maintenance/status): answered locally, so it is a belief, not a fact about the cluster.
struct MemberStatus {
  std::uint64_t member_id = 0;
  std::uint64_t leader = 0;  // 0: knows of none
  std::int64_t raft_term = 0;
  std::string version;

  [[nodiscard]] bool believes_it_leads() const { return leader != 0 && leader == member_id; }
};
struct Member {
  std::uint64_t id = 0;
  std::string name;
  std::vector<std::string> client_urls;
};

Request status_request();
Request members_request();
// Errors are `environment` and hold the clipped reply.
Result<MemberStatus> parse_status(const Reply& reply);
Result<std::vector<Member>> parse_members(const Reply& reply);
// The reply to GET /version: {"etcdserver":"3.4.23","etcdcluster":"3.4.0"}.
Result<std::string> parse_version(const Reply& reply);

}  // namespace faultline::etcd
