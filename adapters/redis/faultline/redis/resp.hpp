// RESP, Redis's text protocol, version 2: commands out, replies in. Pure.
//
//   command   *N\r\n then N times $LENGTH\r\n BYTES\r\n
//   reply     +text · -error · :integer · $LENGTH bytes or $-1 · *N replies or *-1
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <faultline/result.hpp>

namespace faultline::redis {

struct Reply {
  enum class Kind : std::uint8_t { status, error, integer, bytes, nil, list };
  Kind kind = Kind::nil;
  std::string text;  // of a status, an error or bytes
  std::int64_t number = 0;
  std::vector<Reply> items;

  friend bool operator==(const Reply&, const Reply&) = default;
};

std::string encode_command(std::span<const std::string> words);

struct Parsed {
  Reply reply;
  std::size_t size = 0;  // bytes it took
};
// The first reply in the bytes; nullopt: more are needed. The error: no server says so, or it is deeper than 8 lists or longer than 64 MiB.
Result<std::optional<Parsed>> parse_reply(std::string_view bytes);

}  // namespace faultline::redis
