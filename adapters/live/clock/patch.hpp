// Where a process can be patched, and the patching itself. See <faultline/live/clock.hpp> for what it is good for.
#pragma once

#include <sys/types.h>

#include <memory>

#include <faultline/live/clock.hpp>

#include "process.hpp"
#include "tracer.hpp"
#include "vdso.hpp"

namespace faultline::live::clock {

// What is known of a process before anything of it is changed.
struct Site {
  ClockUndo undo;           // identity, and the words to be
  Avoid avoid;              // addresses
  std::uint64_t tail = 0;   // address of the unused end of the vDSO
  std::uint64_t pages = 0;  // address where Pages go
  bool littered = false;    // a harness that was killed has left its trampoline in the tail
};

Result<Mapping> find_vdso(pid_t pid);
// Reads only. The error is the reason why this process cannot be patched.
Result<Site> inspect(pid_t pid);

// Whether the pages that the record's jumps lead to are mapped: not if the process has executed another program since.
bool has_pages(const ClockUndo& undo);

// Our own view of a process's pages.
struct Unmap {
  void operator()(Pages* pages) const;
};
using PagesView = std::unique_ptr<Pages, Unmap>;

// Empties the tail, once no thread is in it. For a process that runs; in a tracer thread.
Result<void> clear_tail(const Site& site);

// Maps the pages in the process through a borrowed thread, filled with code and neutral parameters, and gives the thread back.
Result<PagesView> map_pages(Borrowed& thread, const Site& site);

// Writes every entry; REQUIRES: no thread of the process can be where Site::avoid says. `tid` is stopped by this thread.
Result<void> put_in(pid_t tid, const ClockUndo& undo);
// Writes back what put_in() changed, with no thread at torn_by_jump() of an entry. True: there was something; an error if an entry holds
// neither our jump nor its original.
Result<bool> take_out(pid_t tid, const ClockUndo& undo);

// The same for a process that runs; in a tracer thread.
struct TakenOut {
  bool any = false;
  Duration stopped{};
};
Result<TakenOut> halt_and_take_out(const ClockUndo& undo);

}  // namespace faultline::live::clock
