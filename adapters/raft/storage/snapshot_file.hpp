// The snapshot file's layout, shared by writer, reader and dump. It is described in snapshots.hpp.
#pragma once

#include <faultline/raft/storage/snapshots.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace faultline::raft::storage {

inline constexpr std::uint64_t snapshot_head_bytes = 48;  // before the configuration
inline constexpr std::uint64_t chunk_head_bytes = 8;
inline constexpr std::uint32_t snapshot_version = 1;
inline constexpr std::string_view snapshot_magic = "FLSNAP\r\n";

std::string snapshot_name(Mark label);  // without folder
struct SnapshotName {
  Mark label;
  bool part = false;
};
std::optional<SnapshotName> parse_snapshot_name(std::string_view name);

std::string snapshot_header(const SnapshotInfo& info, std::uint64_t cluster);
struct SnapshotHead {
  SnapshotInfo info;  // without the checksum
  std::uint64_t cluster = 0;
  std::uint64_t bytes = 0;  // of the header, configuration and checksum included
};
// The message says what is wrong; it does not know the file's name.
Result<SnapshotHead> read_snapshot_header(File& file);

std::uint64_t chunks_of(std::uint64_t size);
std::uint64_t chunk_length(std::uint64_t size, std::uint64_t number);
// Where it stands, from the end of the header.
constexpr std::uint64_t chunk_offset(std::uint64_t number) {
  return number * (chunk_head_bytes + snapshot_chunk_bytes);
}
std::uint32_t chunk_crc(std::uint64_t number, std::string_view bytes);
std::string chunk_bytes(std::uint64_t number, std::string_view bytes);

struct Chunk {
  std::string bytes;
  std::uint32_t stored = 0;
  std::uint32_t computed = 0;
  std::string fault;  // empty: none
};
// `length`: what it must have.
Result<Chunk> read_chunk(File& file, std::uint64_t header_bytes, std::uint64_t number, std::uint64_t length);

}  // namespace faultline::raft::storage
