// Reading a vDSO image: where the clock entries are, and which bytes of it nobody uses.
//
// Pure: bytes in, offsets out. No offset is hard-coded; an image that is not a 64-bit x86 ELF, or lacks an entry, is an error that says so.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <faultline/result.hpp>

#include "pages.hpp"

namespace faultline::live::clock {

inline constexpr std::array<std::string_view, entry_count> entry_names = {"__vdso_clock_gettime", "__vdso_gettimeofday",
                                                                          "__vdso_time"};

// Addresses or offsets, the end excluded.
struct Range {
  std::uint64_t begin = 0, end = 0;

  [[nodiscard]] bool holds(std::uint64_t place) const { return place >= begin && place < end; }
  friend bool operator==(const Range&, const Range&) = default;
};

// Of an entry at this address: where a thread must not be while its first word is exchanged; at the address itself it may.
Range torn_by_jump(std::uint64_t entry);

// What must hold of every thread while entries are patched.
struct Avoid {
  // Where none may be: an entry's first bytes only, if nothing in the image can jump back to them, which is decided by looking at every
  // byte as if a jump began there; else also the whole image.
  std::vector<Range> places;
  // Where no signal handler may return to.
  std::vector<Range> returns;

  // The same, of an image that begins there.
  [[nodiscard]] Avoid at(std::uint64_t begin) const;
};

struct VdsoImage {
  std::array<std::size_t, entry_count> entries{};  // offsets; each is a multiple of 8 and at least 8 bytes long
  std::size_t tail = 0;                            // from here on the image holds only zeros; a multiple of 8
  std::size_t size = 0;
  Avoid avoid;  // offsets
};

Result<VdsoImage> parse_vdso(std::span<const std::byte> image);

// The word that makes the entry at `from` jump to `to`: jmp rel32, and the last three bytes of `original`.
// REQUIRES: in_reach(from, to).
std::uint64_t jump_word(std::uint64_t from, std::uint64_t to, std::uint64_t original);
// Where such a word jumps to; 0 if it is no jump.
std::uint64_t jump_target(std::uint64_t from, std::uint64_t word);
bool in_reach(std::uint64_t from, std::uint64_t to);

}  // namespace faultline::live::clock
