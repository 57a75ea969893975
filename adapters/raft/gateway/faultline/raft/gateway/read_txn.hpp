// A transaction that only reads, answered from a store without going through the log. Pure.
#pragma once

#include <faultline/raft/kv/store.hpp>

#include <variant>

namespace faultline::raft::gateway {

// What Store::apply would answer to it, now.
// REQUIRES: no put and no delete in any branch; kv::check has passed it.
std::variant<kv::Failure, kv::TxnReply> read_txn(const kv::Store& store, const kv::Txn& txn);

}  // namespace faultline::raft::gateway
