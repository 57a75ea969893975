// What travels between a simulated client and its node: an HTTP request and its reply without HTTP around them.
//
//   message  CRC32C of what follows, 4 bytes little-endian, then
//   request  "<path>\n<session>\n<sequence>\n<body>", session and sequence as the headers X-Session-Id and X-Session-Seq, empty if absent
//   reply    "<status>\n<content type>\n<body>"
//
// The bytes may have been damaged on the way: nullopt for what is no message.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace faultline::raft::sim {

struct WireRequest {
  std::string_view path, session, sequence, body;
};
std::string encode(const WireRequest& request);
std::optional<WireRequest> decode_request(std::string_view bytes);

struct WireReply {
  int status = 0;
  std::string_view content_type, body;
};
std::string encode(const WireReply& reply);
std::optional<WireReply> decode_reply(std::string_view bytes);

}  // namespace faultline::raft::sim
