// What the replicated key-value store can be asked, and what it answers: plain values, etcd v3's calls without their JSON.
//
// A Command becomes a log entry through codec.hpp; Store::apply answers it with a Reply (store.hpp). Ranges and watches do not go
// through the log: the host asks the Store directly once it may read (see read path in the Raft's design).
//
// Conventions, all of them etcd 3.4's
//   revision   0 in a request means "now". The store is born at revision 1; every entry that changes a key adds one.
//   range      `range_end` empty: the one key `key`. "\0": every key from `key` on. Else the keys in [key, range_end).
//   lease      LeaseId{0} is none.
//   bytes      keys and values are any bytes; a key is never empty.
//   TTL        seconds, as etcd's; the host counts them on its own monotonic clock.
// A Failure has changed nothing.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace faultline::raft::kv {

using Revision = std::int64_t;
enum class LeaseId : std::int64_t {};
enum class SessionId : std::uint64_t {};  // the log index of the entry that opened it: never used twice
inline constexpr LeaseId no_lease{0};

// A live key as of some revision; of a deleted one only key and mod_revision are set.
struct KeyValue {
  std::string key;
  std::string value;
  Revision create_revision = 0;
  Revision mod_revision = 0;
  std::int64_t version = 0;  // 1 at creation; 0 says deleted
  LeaseId lease = no_lease;

  friend bool operator==(const KeyValue&, const KeyValue&) = default;
};

// -- Requests --

struct Put {
  std::string key;
  std::string value;
  LeaseId lease = no_lease;
  bool prev_kv = false;
  bool ignore_value = false;  // keep the value there is; the key must exist
  bool ignore_lease = false;  // keep the lease there is; the key must exist

  friend bool operator==(const Put&, const Put&) = default;
};

enum class SortOrder : std::uint8_t { none, ascend, descend };
enum class SortTarget : std::uint8_t { key, version, create, mod, value };

struct Range {
  std::string key;
  std::string range_end;
  std::int64_t limit = 0;  // 0 or less: all
  Revision revision = 0;   // 0 or less: now
  SortOrder sort_order = SortOrder::none;
  SortTarget sort_target = SortTarget::key;
  bool keys_only = false;
  bool count_only = false;
  Revision min_mod_revision = 0;  // these four: 0 is no bound; `count` ignores them
  Revision max_mod_revision = 0;
  Revision min_create_revision = 0;
  Revision max_create_revision = 0;

  friend bool operator==(const Range&, const Range&) = default;
};

struct DeleteRange {
  std::string key;
  std::string range_end;
  bool prev_kv = false;

  friend bool operator==(const DeleteRange&, const DeleteRange&) = default;
};

// Holds if it holds for every key of the range; an absent key has version, revisions and lease 0, and no VALUE compare holds for it.
struct Compare {
  enum class Target : std::uint8_t { version, create, mod, value, lease };
  enum class Result : std::uint8_t { equal, greater, less, not_equal };
  std::string key;
  std::string range_end;
  Target target = Target::version;
  Result result = Result::equal;
  std::int64_t number = 0;  // for every target but value
  std::string value;        // for value

  friend bool operator==(const Compare&, const Compare&) = default;
};

struct Operation;

// All compares, also those of nested transactions, look at the state before the transaction.
struct Txn {
  std::vector<Compare> compares;
  std::vector<Operation> success;
  std::vector<Operation> failure;

  friend bool operator==(const Txn&, const Txn&) = default;
};

struct Operation {
  std::variant<Put, Range, DeleteRange, Txn> request;

  friend bool operator==(const Operation&, const Operation&) = default;
};

struct Compaction {
  Revision revision = 0;

  friend bool operator==(const Compaction&, const Compaction&) = default;
};

struct LeaseGrant {
  LeaseId id = no_lease;  // none: the store picks one
  std::int64_t ttl = 0;   // raised to lease_ttl_min

  friend bool operator==(const LeaseGrant&, const LeaseGrant&) = default;
};

struct LeaseRevoke {
  LeaseId id = no_lease;

  friend bool operator==(const LeaseRevoke&, const LeaseRevoke&) = default;
};

struct LeaseKeepalive {
  LeaseId id = no_lease;

  friend bool operator==(const LeaseKeepalive&, const LeaseKeepalive&) = default;
};

// The leader's: the TTL since `renewal` has run out. Ignored if a renewal came first.
struct LeaseExpire {
  LeaseId id = no_lease;
  std::uint64_t renewal = 0;  // Lease::renewal when the countdown started

  friend bool operator==(const LeaseExpire&, const LeaseExpire&) = default;
};

struct SessionOpen {
  friend bool operator==(const SessionOpen&, const SessionOpen&) = default;
};

// The leader's: nothing came from the session since the entry `last_used`. Ignored if something did.
struct SessionExpire {
  SessionId id{0};
  std::uint64_t last_used = 0;

  friend bool operator==(const SessionExpire&, const SessionExpire&) = default;
};

// Exactly-once (Raft §8): a command that carries a session and a sequence number one above the session's last is applied; the same
// number again gets the stored reply; a lower one, or a session that is not open (any more), fails with code 9.
struct ClientSequence {
  SessionId session{0};
  std::uint64_t sequence = 0;  // from 1; gaps are allowed

  friend bool operator==(const ClientSequence&, const ClientSequence&) = default;
};

struct Command {
  std::optional<ClientSequence> client;
  std::variant<Put, DeleteRange, Txn, Compaction, LeaseGrant, LeaseRevoke, LeaseKeepalive, LeaseExpire, SessionOpen,
               SessionExpire>
      request;

  friend bool operator==(const Command&, const Command&) = default;
};

// -- Replies --

// A gRPC code and etcd's text: errors.hpp.
struct Failure {
  int code = 0;
  std::string message;

  friend bool operator==(const Failure&, const Failure&) = default;
};

struct PutReply {
  std::optional<KeyValue> prev_kv;

  friend bool operator==(const PutReply&, const PutReply&) = default;
};

struct RangeReply {
  std::vector<KeyValue> kvs;
  bool more = false;       // the limit cut some off
  std::int64_t count = 0;  // of all keys in the range

  friend bool operator==(const RangeReply&, const RangeReply&) = default;
};

struct DeleteReply {
  std::int64_t deleted = 0;
  std::vector<KeyValue> prev_kvs;  // in key order

  friend bool operator==(const DeleteReply&, const DeleteReply&) = default;
};

struct OperationReply;

struct TxnReply {
  bool succeeded = false;
  std::vector<OperationReply> responses;

  friend bool operator==(const TxnReply&, const TxnReply&) = default;
};

// `revision` is what a txn response's header shows; a nested transaction's is 0: etcd sends none.
struct OperationReply {
  Revision revision = 0;
  std::variant<PutReply, RangeReply, DeleteReply, TxnReply> response;

  friend bool operator==(const OperationReply&, const OperationReply&) = default;
};

struct CompactionReply {
  friend bool operator==(const CompactionReply&, const CompactionReply&) = default;
};

// Of every lease command. The leader (re)starts its countdown when it sees a `renewal`, and drops it when `ttl` is 0.
struct LeaseReply {
  LeaseId id = no_lease;
  std::int64_t ttl = 0;       // granted, seconds; 0: there is no such lease (any more)
  std::uint64_t renewal = 0;  // the entry that granted or renewed it last

  friend bool operator==(const LeaseReply&, const LeaseReply&) = default;
};

struct SessionReply {
  SessionId id{0};
  bool open = false;

  friend bool operator==(const SessionReply&, const SessionReply&) = default;
};

struct Reply {
  Revision revision = 0;  // the store's, after the command: what the header shows
  std::variant<Failure, PutReply, DeleteReply, TxnReply, CompactionReply, LeaseReply, SessionReply> response;

  friend bool operator==(const Reply&, const Reply&) = default;
};

}  // namespace faultline::raft::kv
