// etcd's lock, as commands and a question; the waiting is the host's.
//
// A waiter owns the key `<name>/<lease in hex>`, attached to its lease; whoever's key under `<name>/` was created first holds the
// lock. So:
//   1. propose lock_command(name, lease) (without a lease the server grants one of its own first);
//   2. read_ticket(reply): the key and its create_revision, which is the fencing token;
//   3. whenever revision() moves, lock_state(store, ticket): `held`: answer the key. `waiting`: wait on. `gone`: the waiter's own key
//      vanished (its lease ended, or somebody unlocked it): answer requested lease not found, code 5, never the key.
//   4. unlocking deletes the key.
// Re-entrant per lease: asking again finds the key and its token.
#pragma once

#include <faultline/raft/kv/store.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace faultline::raft::kv {

struct Ticket {
  std::string prefix;  // "<name>/"
  std::string key;
  Revision create_revision = 0;  // the fencing token

  friend bool operator==(const Ticket&, const Ticket&) = default;
};

enum class LockState { held, waiting, gone };

std::string lock_key(std::string_view name, LeaseId lease);
// REQUIRES: lease is not no_lease.
Command lock_command(std::string_view name, LeaseId lease);
// Nothing if the reply is a failure (the lease is not there, say).
std::optional<Ticket> read_ticket(std::string_view name, LeaseId lease, const Reply& reply);
LockState lock_state(const Store& store, const Ticket& ticket);

}  // namespace faultline::raft::kv
