// The wire form of the Raft's values: little-endian, lengths before contents, a version in front of each message and
// snapshot.
//
// Decoding trusts nothing: every length is checked against what is left, every enumeration against its names, a
// configuration against its rules, and nothing may be left over. Errors are bad_input and say at which byte. Framing (a
// length before the payload) and connections are the host's.
#pragma once

#include <string>
#include <string_view>

#include <faultline/raft/message.hpp>
#include <faultline/result.hpp>

namespace faultline::raft {

inline constexpr std::uint8_t wire_version = 3;

std::string encode(const Message& message);
void encode_onto(std::string& bytes, const Message& message);  // behind what is there
Result<Message> decode_message(std::string_view bytes);
// The same, in place: `message` is new, and holds anything after an error.
Result<void> decode_message(std::string_view bytes, Message& message);

std::string encode(const Entry& entry);
Result<Entry> decode_entry(std::string_view bytes);

std::string encode(const Config& config);
Result<Config> decode_config(std::string_view bytes);

std::string encode(const Snapshot& snapshot);
Result<Snapshot> decode_snapshot(std::string_view bytes);

std::string encode(const HardState& hard_state);
Result<HardState> decode_hard_state(std::string_view bytes);

}  // namespace faultline::raft
