// CRC32C (Castagnoli), the checksum of every file: by the processor's instruction where it has one, else by table.
#pragma once

#include <cstdint>
#include <string_view>

namespace faultline::raft::storage {

// Continues from `crc`, the checksum of what came before; 0 at the start. crc32c("123456789") is 0xe3069283.
std::uint32_t crc32c(std::string_view bytes, std::uint32_t crc = 0);
// The same, always by table.
std::uint32_t crc32c_by_table(std::string_view bytes, std::uint32_t crc = 0);

}  // namespace faultline::raft::storage
