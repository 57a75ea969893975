// Framers: the systems whose connections between nodes this agent can take apart, by the names the harness has for them.
//
// The agent is a program of its own, and this is where it is put together: nothing else of it knows a system.
#pragma once

#include <string_view>

#include <faultline/live/framer.hpp>

namespace faultline::live::agent {

// Empty: it knows none for that system.
MakeFramer framer_of(std::string_view system);

}  // namespace faultline::live::agent
