// Asking a node how it is: blocking calls on connections of their own, within a limit.
//
// Thread rules: any thread that has entered the client network.
#pragma once

#include <string>
#include <vector>

#include <faultline/etcd/codec.hpp>
#include <faultline/live/network.hpp>
#include <faultline/result.hpp>
#include <faultline/time.hpp>

namespace faultline::etcd {

// One request; the error if there is no reply, whatever the reply says.
Result<Reply> ask(const live::Endpoint& endpoint, const Request& request, Duration limit);
Result<MemberStatus> ask_status(const live::Endpoint& endpoint, Duration limit);
Result<std::vector<Member>> ask_members(const live::Endpoint& endpoint, Duration limit);
Result<std::string> ask_version(const live::Endpoint& endpoint, Duration limit);

// The node's status, if it knows a leader and answers a linearizable read; else the error says what it lacks.
Result<MemberStatus> ask_whether_it_serves(const live::Endpoint& endpoint, Duration limit);

// Deletes every key that starts with the prefix.
Result<void> delete_keys(const live::Endpoint& endpoint, const std::string& prefix, Duration limit);

}  // namespace faultline::etcd
