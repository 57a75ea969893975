// The pidfd calls of the C library. glibc 2.36 declares them without extern "C", so that C++ would look for other names.
#pragma once

extern "C" {
#include <sys/pidfd.h>
}
