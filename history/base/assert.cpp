#include <faultline/assert.hpp>

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace faultline {

namespace {
thread_local std::string context_of_thread;
}

void set_assert_context(std::string context) { context_of_thread = std::move(context); }

namespace detail {
void assert_failed(std::string_view condition, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: assertion failed: %.*s%s%s\n", file, line, static_cast<int>(condition.size()),
               condition.data(), context_of_thread.empty() ? "" : " at ", context_of_thread.c_str());
  std::abort();
}
}  // namespace detail

}  // namespace faultline
