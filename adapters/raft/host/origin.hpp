// Who asked for an entry: 24 bytes in front of its command, so that the node that took the request recognises it when it is applied.
#pragma once

#include <faultline/raft/little_endian.hpp>
#include <faultline/raft/types.hpp>

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
    append_little(bytes, number);
  }
  bytes.append(command);
  return bytes;
}

inline std::optional<Origin> origin_of(std::string_view entry) {
  if (entry.size() < origin_bytes) return std::nullopt;
  const auto number = [&](std::size_t at) { return load_little<std::uint64_t>(entry.data() + at); };
  return Origin{{number(0)}, number(8), number(16)};
}

}  // namespace faultline::raft
