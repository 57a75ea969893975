// CRC32C (Castagnoli): the checksum of snapshots, chunks, log records and frames.
#pragma once

#include <cstdint>
#include <string_view>

namespace faultline::raft {

// The checksum of what `seed` is the checksum of, followed by `bytes`: crc32c(b, crc32c(a)) == crc32c(a + b).
// By the processor's instruction where it has one, else by table.
[[nodiscard]] std::uint32_t crc32c(std::string_view bytes, std::uint32_t seed = 0);
// The same, always by table.
[[nodiscard]] std::uint32_t crc32c_by_table(std::string_view bytes, std::uint32_t seed = 0);

}  // namespace faultline::raft
