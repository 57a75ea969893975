// Parameters: what each kind of fault may be told, checked by name, type and range before anything is applied.
#pragma once

#include <faultline/fault.hpp>

namespace faultline {

// Names known, values of the right type and in range, what is required there. Nodes that are named must be known, unless `nodes` is
// empty. Says nothing of targets and shapes.
Result<void> check_parameters(const Fault& fault, const std::vector<NodeName>& nodes);

}  // namespace faultline
