// Locks and leases over etcd's v3 JSON gateway: the codec of what a client must remember. Pure: no socket, no clock; times are handed in.
//
// Locks (etcd's concurrency package makes them the same way: a key under a lease, created only if it is not there)
//   acquire       grant a lease of invocation.value milliseconds, or renew the one of the last lock; then a txn that creates the lock's key
//                 under it. ok: the key's create_revision, which is the fencing token. `fail`: somebody else's key is there.
//   release       a txn that deletes the key if it is still ours. ok in either case, with the extra `lost` if it was not: whatever took the
//                 lock away did so before. Anything else is `info`, also what was refused: who asks for the release uses the lock no
//                 longer, and its lease, no longer kept alive, will release it. After `info` the client is dropped.
//   write [t v]   at what the lock protects, outside the system under test: see Fence. `fail`: it knows of a newer token.
// A holder's lease is to be kept alive by whoever owns the session: keep_alive_request() every third of its time.
//
// Leases (results are what the model `lease` wants: {"alive","from","to","ttl","steady"}, times in milliseconds of the given clock)
//   grant         grant a lease of invocation.value milliseconds, then put the key under it
//   keep          one keepalive; a reply without TTL means that the lease is gone
//   read          range; `steady` is since when one leader has answered this client without a break: every read since then took at most
//                 a second, none began more than a second after the last had ended, all in one term, and two reads of that term had come
//                 one after the other by then. So no leader was elected since, none was paused for much longer than a second.
//
// Recording as in codec.hpp: a write is `fail` only if the reply proves that nothing was written. A lease that nobody holds a key under is
// nothing: an acquire or grant that got no further is `fail`.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include <faultline/etcd/codec.hpp>
#include <faultline/event.hpp>
#include <faultline/result.hpp>
#include <faultline/time.hpp>

namespace faultline::etcd {

// What a lock protects: accepts no token older than one it has been shown. Outside the system under test, shared by its clients.
class Fence {
 public:
  // Whether the token is the newest so far; then it is remembered. The newest one otherwise.
  std::optional<std::int64_t> refuses(const Value& key, std::int64_t token);

 private:
  std::map<Value, std::int64_t> newest_;
};

// Whether holders of locks were served by this harness as they should be: whoever stalls for longer than a lease lives (a loaded machine, a
// laptop that was asleep) ends it himself, and the next holder is no finding about the system under test. Shared by its clients. Times
// are since the clients' common origin.
class Diligence {
 public:
  // Its lease was granted or renewed, at `asked` at the earliest.
  void acquired(const Value& lock, std::int64_t token, Duration ttl, Duration asked);
  // Its lease is about to be renewed. No effect if it is not the holder.
  void kept(const Value& lock, std::int64_t token, Duration now);
  // It asks for the release, or is gone.
  void released(const Value& lock, std::int64_t token);
  // Somebody holds it, or believes so, whose lease was left alone for more than three quarters of its time. Keepalives are due every third,
  // and an answer is waited for as long: a harness that does not stall leaves at most two thirds.
  [[nodiscard]] bool neglects(const Value& lock, Duration now) const;

 private:
  struct Holder {
    std::int64_t token = 0;
    Duration ttl{}, kept{};
    bool is_neglected = false;
    [[nodiscard]] bool is_overdue(Duration now) const { return now - kept > ttl / 4 * 3; }
  };
  std::map<Value, Holder> holders_;
};

// What one process remembers of its node.
class Holdings {
 public:
  struct Lock {
    std::int64_t lease = 0;
    std::int64_t token = 0;  // the key's create_revision
    Duration ttl{};
  };
  std::map<Value, Lock> locks;           // held, by key
  std::optional<std::int64_t> spare;     // a lease under which no lock is held
  std::map<Value, std::int64_t> leases;  // granted, by key

  // A linearizable read was answered in this term; since when that has been so without a break, if that is long enough known.
  std::optional<std::int64_t> read_in(std::int64_t term, std::int64_t from_ms, std::int64_t to_ms);
  void broke() { term_.reset(); }

 private:
  std::optional<std::int64_t> term_;   // of the last read; none: it failed
  std::optional<std::int64_t> since_;  // of the second read of an unbroken chain
  std::int64_t last_end_ms_ = 0;
};

Request keep_alive_request(std::int64_t lease);
// Seconds left; nullopt: the lease is gone. The error: the reply says neither.
Result<std::optional<std::int64_t>> parse_keep_alive(const Reply& reply);

// One operation's talk, as Conversation. `now`: since the clients' common origin.
class HoldingTalk {
 public:
  // bad_input: an unknown f, a time to live below a second, a lock that is not held.
  static Result<HoldingTalk> start(const Event& invocation, const CodecOptions& options, Holdings& holdings,
                                   Fence& fence, Duration now);

  // Not null: the operation needs no talk.
  [[nodiscard]] const std::optional<Completion>& done() const { return done_; }
  [[nodiscard]] const Request& request() const { return request_; }
  // nullopt: request() is now the next one to send.
  std::optional<Completion> receive(const Reply& reply, Duration now);
  [[nodiscard]] Completion broken(bool sent, std::string why);

 private:
  enum class Step : std::uint8_t { renew, grant, create, remove, put, keep, read };
  struct Success;

  HoldingTalk(const Event& invocation, const CodecOptions& options, Holdings& holdings, Fence& fence, Duration now);
  Result<void> begin();
  Result<void> begin_acquire();
  Result<void> begin_release();
  Result<void> begin_write();
  Result<void> begin_grant();
  Result<void> begin_keep();
  Result<void> begin_read();
  Result<void> need_ttl();
  void ask_for_lease();
  void go_on_with(std::int64_t lease);

  Result<std::optional<Completion>> understand(const Success& reply, Duration now);
  Result<std::optional<Completion>> understand_renewal(const Success& reply);
  Result<std::optional<Completion>> understand_grant(const Success& reply);
  Result<std::optional<Completion>> understand_create(const Success& reply);
  Result<std::optional<Completion>> understand_remove(const Success& reply) const;
  Result<std::optional<Completion>> understand_keep(const Success& reply, Duration now) const;
  Result<std::optional<Completion>> understand_read(const Success& reply, Duration now);
  [[nodiscard]] Completion ended(bool definite, std::string error);
  [[nodiscard]] Completion refused(const Reply& reply);
  [[nodiscard]] Value sighting(bool alive, Duration now, std::optional<std::int64_t> ttl_ms,
                               std::optional<std::int64_t> steady_ms) const;

  Step step_ = Step::read;
  Event invocation_;
  std::string key_;  // base64
  bool linearizable_ = true;
  Holdings* holdings_;
  Fence* fence_;
  std::int64_t from_ms_;
  std::int64_t ttl_s_ = 0;
  std::int64_t lease_ = 0;
  Request request_;
  std::optional<Completion> done_;
};

}  // namespace faultline::etcd
