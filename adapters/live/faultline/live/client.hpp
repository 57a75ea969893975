// Client: what performs one process's operations against a live system. Implemented per system under test.
//
// One client serves one process, is pinned to one node and lives on the world's io_context; it never retries and never throws.
#pragma once

#include <boost/asio/awaitable.hpp>

#include <memory>
#include <string>

#include <faultline/event.hpp>
#include <faultline/fault.hpp>

namespace faultline::live {

struct Client {
  virtual ~Client() = default;
  // Performs the invocation within its own deadline and returns the completion: same process, f and key; type ok, fail or info; value
  // as the history formats say; extras `node`, `error` and whatever the system told (member_id, raft_term, revision, version).
  // The time is filled in by the world. One call at a time.
  virtual boost::asio::awaitable<Event> perform(Event invocation) = 0;
};

}  // namespace faultline::live
