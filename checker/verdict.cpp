#include <faultline/assert.hpp>
#include <faultline/verdict.hpp>

namespace faultline {

std::string_view to_string(VerdictKind kind) {
  switch (kind) {
    case VerdictKind::valid: return "valid";
    case VerdictKind::unknown: return "unknown";
    case VerdictKind::invalid: return "invalid";
  }
  FL_ASSERT(false && "unknown verdict");
}

}  // namespace faultline
