// The messages of etcd's API as JSON, appended. Pure.
#pragma once

#include "writer.hpp"

#include <faultline/raft/gateway/reply.hpp>

#include <string>

namespace faultline::raft::gateway {

// `revision` 0 is left out, as everything zero is.
void append_header(Object& object, const Header& header, kv::Revision revision);
void append_key_value(std::string& out, const kv::KeyValue& kv);

}  // namespace faultline::raft::gateway
