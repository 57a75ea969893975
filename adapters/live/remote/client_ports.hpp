// Client ports: how nodes tell the clients of a run apart, which all come from this machine: by the local ports their connections leave
// from. Each worker has a range of its own, outside of those that the kernel gives to other connections of this machine.
//
// Translation of addresses on the way may change ports; whoever cuts clients off by them has to try that first.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <faultline/live/network.hpp>
#include <faultline/result.hpp>

#include "adapters/live/descriptor.hpp"

namespace faultline::live::remote {

// What the kernel gives to connections that ask for no port, from its file ip_local_port_range.
struct GivenPorts {
  std::uint16_t first = 32768, last = 60999;
};
Result<GivenPorts> given_ports(const std::string& text);

// For each worker, from 0 on; the error says that there is no room.
Result<std::vector<std::shared_ptr<SourcePorts>>> split_ports(GivenPorts given, std::size_t workers);
// The same for this machine as it is now.
Result<std::vector<std::shared_ptr<SourcePorts>>> ports_of_workers(std::size_t workers);

// The IPv4 address from which this machine's packets to that one leave.
Result<std::string> address_towards(const std::string& address);

// A connection from the ports that is being opened; it is not waited for.
Result<Descriptor> begin_connection(SourcePorts& from, const Endpoint& to);
// Whether one that is opened from the ports is answered, if only by a refusal, within the limit.
Result<bool> is_answered(SourcePorts& from, const Endpoint& to, Duration limit);

}  // namespace faultline::live::remote
