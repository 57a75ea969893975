// etcd 3.4's refusals: gRPC code and text, word for word, so that one client table reads both servers.
//
// The store returns those of the first block; the second is for the gateway and the host, which alone can know them.
#pragma once

#include <faultline/raft/kv/command.hpp>

namespace faultline::raft::kv::errors {

inline Failure key_not_provided() { return {3, "etcdserver: key is not provided"}; }
inline Failure value_provided() { return {3, "etcdserver: value is provided"}; }
inline Failure lease_provided() { return {3, "etcdserver: lease is provided"}; }
inline Failure key_not_found() { return {3, "etcdserver: key not found"}; }
inline Failure duplicate_key() { return {3, "etcdserver: duplicate key given in txn request"}; }
inline Failure too_many_operations() { return {3, "etcdserver: too many operations in txn request"}; }
inline Failure request_too_large() { return {3, "etcdserver: request is too large"}; }
inline Failure lease_not_found() { return {5, "etcdserver: requested lease not found"}; }
inline Failure lease_exists() { return {9, "etcdserver: lease already exists"}; }
inline Failure lease_ttl_too_large() { return {11, "etcdserver: too large lease TTL"}; }
inline Failure compacted() { return {11, "etcdserver: mvcc: required revision has been compacted"}; }
inline Failure future_revision() { return {11, "etcdserver: mvcc: required revision is a future revision"}; }
// Ours: etcd has no client sessions.
inline Failure session_unknown() { return {9, "raftd: session is not open or has expired"}; }
inline Failure session_sequence_old() { return {9, "raftd: session sequence is older than the last one applied"}; }
inline Failure too_many_sessions() { return {8, "raftd: too many open sessions"}; }
inline Failure malformed_command() { return {13, "raftd: malformed command in the log"}; }

inline Failure too_many_requests() { return {8, "etcdserver: too many requests"}; }
inline Failure no_space() { return {8, "etcdserver: mvcc: database space exceeded"}; }
inline Failure not_leader() { return {9, "etcdserver: not leader"}; }
inline Failure bad_leader_transferee() { return {9, "etcdserver: bad leader transferee"}; }
inline Failure timed_out() { return {14, "etcdserver: request timed out"}; }
inline Failure timed_out_leader_failed() {
  return {14, "etcdserver: request timed out, possibly due to previous leader failure"};
}
inline Failure timed_out_connection_lost() {
  return {14, "etcdserver: request timed out, possibly due to connection lost"};
}
inline Failure leader_changed() { return {14, "etcdserver: leader changed"}; }
inline Failure no_leader() { return {14, "etcdserver: no leader"}; }
inline Failure server_stopped() { return {14, "etcdserver: server stopped"}; }

}  // namespace faultline::raft::kv::errors
