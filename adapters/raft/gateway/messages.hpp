// From the tape of a body to the messages of etcd's API, field by field in their order. Pure. Errors stay in the Reader.
#pragma once

#include "fields.hpp"

#include <faultline/raft/gateway/request.hpp>

#include <cstdint>
#include <optional>

namespace faultline::raft::gateway {

kv::Put read_put(Reader& reader, std::uint32_t node);
Read read_range(Reader& reader, std::uint32_t node);
kv::DeleteRange read_delete_range(Reader& reader, std::uint32_t node);

// What a transaction needs to be judged: its operations, and whether a branch holds anything but ranges.
struct ReadTxnMessage {
  kv::Txn txn;
  bool only_reads = true;
  bool serializable = true;
  std::optional<kv::Failure> refused;  // well-formed JSON that no kv::Txn can hold
};
ReadTxnMessage read_txn_message(Reader& reader, std::uint32_t node);

// Nothing if the message holds no request.
std::optional<WatchRequest> read_watch_request(Reader& reader, std::uint32_t node);

}  // namespace faultline::raft::gateway
