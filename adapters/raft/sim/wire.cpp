#include "wire.hpp"

#include <faultline/raft/crc32c.hpp>

#include <charconv>
#include <initializer_list>

namespace faultline::raft::sim {
namespace {

constexpr std::size_t checksum_bytes = 4;

std::string lines(std::initializer_list<std::string_view> heads, std::string_view body) {
  std::size_t bytes = checksum_bytes + body.size();
  for (const std::string_view head : heads) bytes += head.size() + 1;
  std::string out;
  out.reserve(bytes);
  out.resize(checksum_bytes);
  for (const std::string_view head : heads) {
    out += head;
    out += '\n';
  }
  out += body;
  const std::uint32_t checksum = crc32c(std::string_view(out).substr(checksum_bytes));
  for (std::size_t i = 0; i < checksum_bytes; ++i) out[i] = static_cast<char>(checksum >> (8 * i));
  return out;
}

// What follows the checksum; nothing if it is wrong.
std::optional<std::string_view> checked(std::string_view bytes) {
  if (bytes.size() < checksum_bytes) return std::nullopt;
  std::uint32_t checksum = 0;
  for (std::size_t i = 0; i < checksum_bytes; ++i) {
    checksum |= static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  }
  bytes.remove_prefix(checksum_bytes);
  if (checksum != crc32c(bytes)) return std::nullopt;
  return bytes;
}

// Takes the first line off.
std::optional<std::string_view> line(std::string_view& bytes) {
  const std::size_t end = bytes.find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view first = bytes.substr(0, end);
  bytes.remove_prefix(end + 1);
  return first;
}

}  // namespace

std::string encode(const WireRequest& request) {
  return lines({request.path, request.session, request.sequence}, request.body);
}

std::optional<WireRequest> decode_request(std::string_view message) {
  const auto whole = checked(message);
  if (!whole) return std::nullopt;
  std::string_view bytes = *whole;
  const auto path = line(bytes);
  const auto session = line(bytes);
  const auto sequence = line(bytes);
  if (!path || !session || !sequence) return std::nullopt;
  return WireRequest{*path, *session, *sequence, bytes};
}

std::string encode(const WireReply& reply) {
  return lines({std::to_string(reply.status), reply.content_type}, reply.body);
}

std::optional<WireReply> decode_reply(std::string_view message) {
  const auto whole = checked(message);
  if (!whole) return std::nullopt;
  std::string_view bytes = *whole;
  const auto status = line(bytes);
  const auto content_type = line(bytes);
  if (!status || !content_type) return std::nullopt;
  WireReply reply{.content_type = *content_type, .body = bytes};
  const auto [end, error] = std::from_chars(status->data(), status->data() + status->size(), reply.status);
  if (error != std::errc() || end != status->data() + status->size()) return std::nullopt;
  return reply;
}

}  // namespace faultline::raft::sim
