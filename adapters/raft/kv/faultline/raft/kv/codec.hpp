// Commands and replies as bytes: what stands in log entries, in peer frames (a follower forwards a command, the leader's reply comes
// back) and in the session table.
//
// Little-endian, one version byte first, lengths before bytes, nothing optional: equal values have equal bytes and every accepted
// text is the encoding of exactly one value. Decoding checks every bound, refuses trailing bytes, unknown enum values and nesting
// deeper than operations_max, and never reads beyond the text.
#pragma once

#include <faultline/raft/kv/command.hpp>
#include <faultline/result.hpp>

#include <string>
#include <string_view>

namespace faultline::raft::kv {

inline constexpr std::size_t operations_max = 128;  // of one transaction; nested ones share it (etcd's --max-txn-ops)
inline constexpr std::size_t command_bytes_max = 1'572'864;  // etcd's --max-request-bytes

std::string encode(const Command& command);
std::string encode(const Reply& reply);
// bad_input naming the offset: not an encoding of this version.
Result<Command> decode_command(std::string_view bytes);
Result<Reply> decode_reply(std::string_view bytes);

// One line for dumps and transcripts, bytes escaped and clipped: `put "k" "v" lease 7`.
std::string to_text(const Command& command);
std::string to_text(const Reply& reply);

}  // namespace faultline::raft::kv
