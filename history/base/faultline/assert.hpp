// FL_ASSERT: the one way to say "this is our bug".
//
// On in every build. A failed assertion prints the condition, the place and the context that was set for this thread
// (seed and step, when a simulation runs), then aborts. Never use it for what a system under test or the environment may do:
// the first is data, the second a Result.
#pragma once

#include <string>
#include <string_view>

namespace faultline {

// Text printed with a failing assertion of this thread, e.g. "seed 17 step 2041". Empty clears it.
void set_assert_context(std::string context);

namespace detail {
[[noreturn]] void assert_failed(std::string_view condition, const char* file, int line);
}

}  // namespace faultline

#define FL_ASSERT(condition) \
  (static_cast<bool>(condition) ? void(0) : ::faultline::detail::assert_failed(#condition, __FILE__, __LINE__))
