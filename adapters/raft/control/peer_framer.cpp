#include "peer_framer.hpp"

#include <algorithm>
#include <array>

namespace faultline::raft {
namespace {

constexpr std::string_view magic = "FLRAFT1\n";
constexpr std::size_t greeting_bytes = 32;
constexpr std::size_t length_bytes = 4;
constexpr std::size_t frame_bytes_max = 64U << 20U;

constexpr std::size_t kind_at = length_bytes + 1;
constexpr std::size_t message_at = kind_at + 1 + 2 * 8;
constexpr std::size_t body_at = message_at + 2 + 4 * 8;
constexpr std::size_t entries_at = body_at + 4 * 8;  // of an append, how many

// By kind of frame, from 2, and by kind of message, from 0.
constexpr std::array<std::string_view, 4> words{"Forward", "Refused", "LeaseQuestion", "LeaseReport"};
constexpr std::array<std::string_view, 12> messages{"Hello",
                                                    "RequestVote",
                                                    "RequestVoteReply",
                                                    "AppendEntries",
                                                    "AppendEntriesReply",
                                                    "InstallSnapshot",
                                                    "InstallSnapshotReply",
                                                    "ReadIndex",
                                                    "ReadIndexReply",
                                                    "TimeoutNow",
                                                    "JoinRequest",
                                                    "JoinReply"};
constexpr std::size_t vote_request = 1, vote_reply = 2, append = 3;

// 0 where the frame is shorter.
std::size_t byte(std::string_view frame, std::size_t at) {
  return at < frame.size() ? static_cast<unsigned char>(frame[at]) : 0;
}

}  // namespace

std::string_view PeerFramer::name(std::string_view frame) const {
  if (frame.substr(0, magic.size()) == magic) return {};
  const std::size_t kind = byte(frame, kind_at);
  if (kind != 1) return kind >= 2 && kind - 2 < words.size() ? words[kind - 2] : std::string_view();
  const std::size_t message = byte(frame, message_at + 1);
  if (message >= messages.size()) return {};
  const bool is_set = byte(frame, body_at) != 0;
  if (message == vote_request && is_set) return "PreVote";
  if (message == vote_reply && is_set) return "PreVoteReply";
  if (message == append && frame.substr(std::min(entries_at, frame.size()), 4) == std::string_view("\0\0\0\0", 4))
    return "Heartbeat";
  return messages[message];
}

std::span<const std::string_view> PeerFramer::names() const {
  static constexpr std::array<std::string_view, 19> all{"AppendEntries",
                                                        "AppendEntriesReply",
                                                        "Forward",
                                                        "Heartbeat",
                                                        "Hello",
                                                        "InstallSnapshot",
                                                        "InstallSnapshotReply",
                                                        "JoinReply",
                                                        "JoinRequest",
                                                        "LeaseQuestion",
                                                        "LeaseReport",
                                                        "PreVote",
                                                        "PreVoteReply",
                                                        "ReadIndex",
                                                        "ReadIndexReply",
                                                        "Refused",
                                                        "RequestVote",
                                                        "RequestVoteReply",
                                                        "TimeoutNow"};
  return all;
}

live::FrameLook PeerFramer::look(std::string_view bytes) {
  if (!greeted_) {
    const std::size_t known = std::min(bytes.size(), magic.size());
    if (bytes.substr(0, known) != magic.substr(0, known)) return {.lost_step = true};
    if (bytes.size() < greeting_bytes) return {};
    greeted_ = true;
    return {.size = greeting_bytes, .frozen = greeting_bytes, .essential = true};
  }
  if (bytes.size() < length_bytes) return {};
  std::size_t length = 0;
  for (std::size_t i = 0; i < length_bytes; ++i)
    length |= static_cast<std::size_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  if (length > frame_bytes_max) return {.lost_step = true};
  if (bytes.size() < length_bytes + length) return {};
  return {.size = length_bytes + length, .frozen = length_bytes};
}

}  // namespace faultline::raft
