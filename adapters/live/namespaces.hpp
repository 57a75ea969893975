// Named network namespaces, as `ip netns` makes them: files under /run/netns.
#pragma once

#include <string>

#include <faultline/result.hpp>

namespace faultline::live {

// "/run/netns/NAME".
std::string namespace_path(const std::string& name);
[[nodiscard]] bool namespace_exists(const std::string& name);
// REQUIRES: the name is ours (prefixed with "fl-").
Result<void> create_namespace(const std::string& name);
// Idempotent. Also removes what a creation that was cut short left.
Result<void> delete_namespace(const std::string& name);

}  // namespace faultline::live
