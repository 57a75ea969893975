#include "peer_framer.hpp"

#include <algorithm>

namespace faultline::raft {
namespace {

constexpr std::string_view magic = "FLRAFT1\n";
constexpr std::size_t greeting_bytes = 32;
constexpr std::size_t length_bytes = 4;
constexpr std::size_t frame_bytes_max = 64U << 20U;

}  // namespace

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
