// Who asked for an entry: 24 bytes in front of its command, so that the node that took the request recognises it when it is applied.
#pragma once

#include <faultline/raft/types.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace faultline::raft {

struct Origin {
  NodeId node;
  std::uint64_t boot = 0;
  std::uint64_t sequence = 0;
};

inline constexpr std::size_t origin_bytes = 24;

inline std::string with_origin(const Origin& origin, std::string_view command) {
  std::string bytes;
  bytes.reserve(origin_bytes + command.size());
  for (const std::uint64_t number : {origin.node.value, origin.boot, origin.sequence}) {
    for (unsigned shift = 0; shift < 64; shift += 8) bytes.push_back(static_cast<char>(number >> shift));
  }
  bytes.append(command);
  return bytes;
}

inline std::optional<Origin> origin_of(std::string_view entry) {
  if (entry.size() < origin_bytes) return std::nullopt;
  std::array<std::uint64_t, 3> numbers{};
  for (std::size_t i = 0; i < origin_bytes; ++i) {
    numbers[i / 8] |= static_cast<std::uint64_t>(static_cast<unsigned char>(entry[i])) << (8 * (i % 8));
  }
  return Origin{{numbers[0]}, numbers[1], numbers[2]};
}

}  // namespace faultline::raft
