// The seccomp filter: which calls of the daemon wait for the supervisor, and how the child installs it.
#pragma once

#include <faultline/live/disk.hpp>

namespace faultline::live::disk {

// Runs in the child between fork and exec: sets no_new_privs, installs the filter, and sends its listener through the socket. Only
// async-signal-safe calls. 0, or -1 with errno.
int install_filter(int socket);
int install_filter_with_reads(int socket);

// Whether a call that waits for the supervisor and was seen by it cannot be interrupted by a signal (Linux 5.19).
[[nodiscard]] bool waits_are_killable_only();

}  // namespace faultline::live::disk
