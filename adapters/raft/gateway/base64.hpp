// Base64 (RFC 4648), the standard alphabet, padded, as Go's encoding/base64 reads it: line ends are skipped, the bits under the padding
// are not looked at, and an error names the byte at which Go gives up. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace faultline::raft::gateway {

void append_base64(std::string& out, std::string_view bytes);

struct Base64Decoded {
  std::string bytes;
  std::optional<std::size_t> corrupt_at;  // set: not base64
};
Base64Decoded from_base64(std::string_view text);

}  // namespace faultline::raft::gateway
