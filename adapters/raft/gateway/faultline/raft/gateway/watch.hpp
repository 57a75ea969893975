// One watch stream: the requests of its body, then events as the store moves on. Pure: the host says when to look and sends the lines.
//
// A watcher that lags (it began in the past, or was slow) gets what it missed in messages of many revisions, one that is up to date
// one message per revision, as etcd does. A message always holds whole revisions. Ids: etcd's rules, an unset one is the lowest free.
#pragma once

#include <faultline/raft/gateway/reply.hpp>
#include <faultline/raft/kv/store.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace faultline::raft::gateway {

class WatchSession {
 public:
  // Does the requests of the body in turn; the lines that answer them at once, each ending in '\n'. Called once, first.
  std::string start(const Header& header, const kv::Store& store, const std::vector<WatchRequest>& requests);
  // The lines of all events since, about `bytes_max` of them at most: call again until it returns nothing.
  std::string poll(const Header& header, const kv::Store& store, std::size_t bytes_max);
  [[nodiscard]] std::size_t watchers() const { return watchers_.size(); }

 private:
  struct Watcher {
    kv::Watch watch;
    bool synced = false;  // has seen all revisions there were when it was last looked at
  };

  void create(const Header& header, const kv::Store& store, const WatchCreate& request, std::string& lines);
  bool advance(const Header& header, const kv::Store& store, std::int64_t id, Watcher& watcher, std::string& lines);

  std::map<std::int64_t, Watcher> watchers_;
  std::int64_t next_id_ = 0;
};

}  // namespace faultline::raft::gateway
