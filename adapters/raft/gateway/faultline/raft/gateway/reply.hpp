// Replies as etcd 3.4's gateway writes them: JSON without white space, fields in the order of its messages, whatever is zero left out,
// 64-bit integers as strings, bytes as base64. Pure.
#pragma once

#include <faultline/raft/gateway/request.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace faultline::raft::gateway {

// What every header shows. `revision` is this member's store's; replies of the log bring their own.
struct Header {
  std::uint64_t cluster_id = 0;
  std::uint64_t member_id = 0;
  std::uint64_t raft_term = 0;
};

struct StatusReply {
  kv::Revision revision = 0;
  std::string version;  // what etcd clients compare
  std::int64_t db_size = 0;
  std::uint64_t leader = 0;  // 0: none known
  std::uint64_t raft_index = 0;
  std::uint64_t raft_applied_index = 0;
  std::vector<std::string> errors;
  std::int64_t db_size_in_use = 0;
  bool is_learner = false;
};

struct MemberReply {
  std::uint64_t id = 0;
  std::string name;
  std::vector<std::string> peer_urls;
  std::vector<std::string> client_urls;
  bool is_learner = false;
};

struct TimeToLiveReply {
  kv::Revision revision = 0;
  kv::LeaseId id = kv::no_lease;
  std::int64_t ttl = -1;  // seconds left; -1: there is no such lease
  std::int64_t granted_ttl = 0;
  std::vector<std::string> keys;
};

// Of a write; `call` is the request's. A Failure becomes an error.
// REQUIRES: the reply is one to that call.
HttpReply to_reply(Call call, const Header& header, const kv::Reply& reply);
HttpReply range_reply(const Header& header, kv::Revision revision, const kv::RangeReply& reply);
HttpReply txn_reply(const Header& header, kv::Revision revision, const kv::TxnReply& reply);
HttpReply time_to_live_reply(const Header& header, const TimeToLiveReply& reply);
HttpReply leases_reply(const Header& header, kv::Revision revision, const std::vector<kv::LeaseId>& leases);
HttpReply lock_reply(const Header& header, kv::Revision revision, std::string_view key);
HttpReply status_reply(const Header& header, const StatusReply& reply);
HttpReply member_list_reply(const Header& header,
                            const std::vector<MemberReply>& members);  // in the order given: etcd's is by id
HttpReply empty_reply();                                               // {}: transfer-leadership, alarm, defragment
// `raftd`: the version of this server, which etcd does not have.
HttpReply version_reply(std::string_view etcd_version, std::string_view cluster_version, std::string_view raftd);
HttpReply health_reply(bool healthy);

// Lock and unlock are a service beside the store in etcd, and its refusals lose their code there: 2 whatever they were.
HttpReply error_reply(Call call, const kv::Failure& failure);
// The code as it is: for a lock waiter whose key vanished (requested lease not found, 5).
HttpReply plain_error_reply(const kv::Failure& failure);

// A line of a keepalive stream. `ttl` 0: the lease is gone.
std::string keepalive_line(const Header& header, kv::Revision revision, kv::LeaseId id, std::int64_t ttl);
// A stream that fails: the reply if nothing was sent yet, else its body is the last line.
HttpReply stream_error_reply(const kv::Failure& failure);

int http_status(int grpc_code);

}  // namespace faultline::raft::gateway
