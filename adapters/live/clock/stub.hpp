// The code that runs inside other processes: one position-independent block without relocations, vector registers or calls outside.
//
// It is copied to the start of a code page (see pages.hpp), and its resuming part also to where a thread is borrowed before there is a
// page. Everything here only names places in the block; nothing of it is ever called in the harness.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "pages.hpp"

namespace faultline::live::clock {

// The whole block. It fits Pages::code.
std::span<const std::byte> stub_code();

// Offsets in the block.
struct StubOffsets {
  std::size_t entries[entry_count];  // what the patched entries of the vDSO jump to
  std::size_t probe;           // a function: calls each entry, fills Scratch::samples, waits to be taken away, returns
  std::size_t trampoline;      // the syscall instruction in front of `resume`
  std::size_t resume;          // restores the signal mask and all registers from `saved`, and jumps to saved rip
  std::size_t saved;           // SavedRegisters
  std::size_t trampoline_end;  // after `saved`
};
StubOffsets stub_offsets();

}  // namespace faultline::live::clock
