#include "snapshot_file.hpp"

#include <faultline/raft/crc32c.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "record.hpp"

namespace faultline::raft::storage {

std::string snapshot_name(Mark label) {
  return fmt::format("{:016x}-{:016x}.snap", label.index.value, label.term.value);
}

std::optional<SnapshotName> parse_snapshot_name(std::string_view name) {
  SnapshotName parsed;
  if (name.ends_with(".part")) {
    parsed.part = true;
    name.remove_suffix(5);
  }
  if (name.size() != 38) return std::nullopt;
  std::from_chars(name.data(), name.data() + 16, parsed.label.index.value, 16);
  std::from_chars(name.data() + 17, name.data() + 33, parsed.label.term.value, 16);
  if (snapshot_name(parsed.label) != name) return std::nullopt;
  return parsed;
}

std::string snapshot_header(const SnapshotInfo& info, std::uint64_t cluster) {
  std::string out(snapshot_magic);
  put_u32(out, snapshot_version);
  put_u32(out, static_cast<std::uint32_t>(info.config.size()));
  put_u64(out, cluster);
  put_u64(out, info.label.index.value);
  put_u64(out, info.label.term.value);
  put_u64(out, info.size);
  out += info.config;
  out.resize(padded(out.size()), '\0');
  put_u32(out, crc32c(out));
  put_u32(out, 0);
  return out;
}

Result<SnapshotHead> read_snapshot_header(File& file) {
  auto head = file.read(0, snapshot_head_bytes);
  if (!head) return head.error();
  const std::string_view start = head.value();
  if (start.size() < snapshot_head_bytes || start.substr(0, 8) != snapshot_magic) {
    return Error::environment("not a snapshot: it begins otherwise");
  }
  if (get_u32(start, 8) != snapshot_version) {
    return Error::environment(fmt::format("a snapshot of version {}, which is not known", get_u32(start, 8)));
  }
  const std::uint64_t body = padded(snapshot_head_bytes + get_u32(start, 12));
  auto whole = file.read(0, body + 8);
  if (!whole) return whole.error();
  const std::string_view bytes = whole.value();
  if (bytes.size() < body + 8) return Error::environment("the file ends within the header");
  const std::uint32_t computed = crc32c(bytes.substr(0, body));
  if (get_u32(bytes, body) != computed) {
    return Error::environment(fmt::format("the header's checksum is wrong; crc {:08x} stored, {:08x} computed",
                                          get_u32(bytes, body), computed));
  }
  SnapshotHead result;
  result.cluster = get_u64(bytes, 16);
  result.info.label = {{get_u64(bytes, 24)}, {get_u64(bytes, 32)}};
  result.info.size = get_u64(bytes, 40);
  result.info.config = bytes.substr(snapshot_head_bytes, get_u32(bytes, 12));
  result.bytes = body + 8;
  return result;
}

std::uint64_t chunks_of(std::uint64_t size) { return (size + snapshot_chunk_bytes - 1) / snapshot_chunk_bytes; }

std::uint64_t chunk_length(std::uint64_t size, std::uint64_t number) {
  return std::min(snapshot_chunk_bytes, size - number * snapshot_chunk_bytes);
}

std::uint32_t chunk_crc(std::uint64_t number, std::string_view bytes) {
  std::string start;
  put_u64(start, number);
  return crc32c(bytes, crc32c(start));
}

std::string chunk_bytes(std::uint64_t number, std::string_view bytes) {
  std::string out;
  out.reserve(chunk_head_bytes + bytes.size());
  put_u32(out, static_cast<std::uint32_t>(bytes.size()));
  put_u32(out, chunk_crc(number, bytes));
  out += bytes;
  return out;
}

Result<Chunk> read_chunk(File& file, std::uint64_t header_bytes, std::uint64_t number, std::uint64_t length) {
  auto read = file.read(header_bytes + chunk_offset(number), chunk_head_bytes + length);
  if (!read) return read.error();
  std::string bytes = std::move(read).value();
  Chunk chunk;
  if (bytes.size() < chunk_head_bytes + length) {
    chunk.fault = "the file ends within the chunk";
    return chunk;
  }
  chunk.stored = get_u32(bytes, 4);
  chunk.computed = chunk_crc(number, std::string_view(bytes).substr(chunk_head_bytes));
  if (get_u32(bytes, 0) != length) {
    chunk.fault = fmt::format("a chunk of {} bytes where {} belong", get_u32(bytes, 0), length);
  } else if (chunk.stored != chunk.computed) {
    chunk.fault = "the chunk's checksum is wrong";
  }
  bytes.erase(0, chunk_head_bytes);
  chunk.bytes = std::move(bytes);
  return chunk;
}

}  // namespace faultline::raft::storage
