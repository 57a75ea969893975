// What an HTTP request to the gateway asks: bytes in, a typed question for the key-value store or the host out. Pure.
//
// The API is the JSON gateway of etcd 3.4, down to the texts of its refusals, because one client table reads both servers. That fixes
// how a body is read, and neither strictly nor by any JSON library: the first value counts and what follows it is ignored, unknown
// fields are skipped, of a field given twice the last one holds, `snake_case` and `lowerCamel` both name a field and lowerCamel wins,
// integers come as numbers or strings, enums as names or numbers, bytes as padded standard base64 (or as an array of numbers). Fields
// are read in the order of etcd's messages, so the first error is the same one.
//
// What this does not judge is whether the question makes sense (an empty key, a key written twice): that is kv::check, which the host
// asks next, before it proposes or reads.
//
// Beyond etcd: `X-Session-Id` and `X-Session-Seq` make a write exactly-once; POST /v3/session/open opens such a session; GET /debug/raft.
#pragma once

#include <faultline/raft/kv/command.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace faultline::raft::gateway {

inline constexpr std::size_t body_bytes_max = std::size_t{4}
                                              << 20U;       // more is refused as etcd refuses messages above 2 MiB
inline constexpr std::size_t stream_requests_max = 10'000;  // in the body of one watch or keepalive

// Views into what the connection has received; of the headers only those that mean something here, empty if absent.
struct HttpRequest {
  std::string_view method;
  std::string_view target;  // path and query
  std::string_view body;
  std::string_view session_id;
  std::string_view session_seq;
};

enum class Call : std::uint8_t {
  put,
  range,
  delete_range,
  txn,
  compaction,
  lease_grant,
  lease_revoke,
  lease_time_to_live,
  lease_leases,
  lease_keepalive,
  lock,
  unlock,
  watch,
  status,
  member_list,
  transfer_leadership,
  alarm,       // answered {}: there is nothing to raise
  defragment,  // answered {}: there is nothing to do
  session_open,
  version,
  health,
  metrics,
  debug,
};

// A write. Its command goes through the log.
struct Write {
  kv::Command command;
};
// A range: linearizable, or from this member's own state.
struct Read {
  kv::Range range;
  bool serializable = false;
};
// A transaction that can only read, whichever branch it takes: read_txn.hpp answers it without the log.
struct ReadTxn {
  kv::Txn txn;
  bool serializable = false;  // all of its ranges are
};
struct TimeToLive {
  kv::LeaseId id = kv::no_lease;
  bool keys = false;
};
struct Lock {
  std::string name;
  kv::LeaseId lease = kv::no_lease;  // none: the server brings one
};
struct Transfer {
  std::uint64_t target = 0;
};

// One line of a watch's body.
struct WatchCreate {
  std::string key;
  std::string range_end;
  kv::Revision start_revision = 0;  // 0: from now on
  std::int64_t watch_id = 0;        // 0: the server picks
  bool prev_kv = false;
  bool no_put = false;
  bool no_delete = false;
};
struct WatchCancel {
  std::int64_t watch_id = 0;
};
struct WatchProgress {};
using WatchRequest = std::variant<WatchCreate, WatchCancel, WatchProgress>;
struct Watches {
  std::vector<WatchRequest> requests;
  // etcd answers nothing, not even a status, before there is something to say.
};
struct Keepalives {
  std::vector<kv::LeaseId> leases;
};

struct HttpReply {
  int status = 200;
  std::string_view content_type = "application/json";
  std::string body;
};

struct Request {
  Call call = Call::put;
  // monostate: the call says it all. HttpReply: refused, this is the answer.
  std::variant<std::monostate, HttpReply, Write, Read, ReadTxn, TimeToLive, Lock, Transfer, Watches, Keepalives>
      content;
};

// Reusable, so that reading a request allocates next to nothing but its keys and values. One owner.
class Decoder {
 public:
  Decoder();
  ~Decoder();
  Decoder(Decoder&&) noexcept;
  Decoder& operator=(Decoder&&) noexcept;

  Request decode(const HttpRequest& request);

 private:
  struct Scratch;
  std::unique_ptr<Scratch> scratch_;
};

}  // namespace faultline::raft::gateway
