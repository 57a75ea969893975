// Whether others can be reached: by a TCP connection, which takes packets both ways.
#pragma once

#include <string>
#include <vector>

#include <faultline/time.hpp>

namespace faultline::live::agent {

// Of "address:port" (IPv4), those from which nothing came back within the limit. A refusal is an answer: it crossed both ways, too.
std::vector<std::string> unreachable(const std::vector<std::string>& targets, Duration limit);

}  // namespace faultline::live::agent
