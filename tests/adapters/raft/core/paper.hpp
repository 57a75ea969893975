// What the paper tests say again and again: single messages, and the one answer to them.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "network.hpp"

namespace faultline::raft::test {

using std::chrono::milliseconds;

inline void expect_sound(Network& net) {
  EXPECT_TRUE(net.invariants().violations().empty()) << net.invariants().violations().front();
}

inline Message append(std::uint64_t from, std::uint64_t to, std::uint64_t term, LogIndex prev, Term prev_term,
                      std::vector<Entry> entries, std::uint64_t commit) {
  return {
      NodeId{from}, NodeId{to}, Term{term}, StayId{1},
      Append{.prev_index = prev, .prev_term = prev_term, .commit = LogIndex{commit}, .entries = std::move(entries)}};
}
inline Entry command(std::uint64_t index, std::uint64_t term, std::string data) {
  return {Term{term}, LogIndex{index}, EntryKind::command, std::move(data)};
}
inline Message vote(std::uint64_t from, std::uint64_t to, std::uint64_t term, std::uint64_t index,
                    std::uint64_t last_term) {
  return {NodeId{from}, NodeId{to}, Term{term}, StayId{1},
          VoteRequest{.last_index = LogIndex{index}, .last_term = Term{last_term}}};
}
// The one reply of this kind that is under way.
template <class Body>
Body only(Network& net) {
  EXPECT_EQ(net.wire().size(), 1U);
  Body body = std::get<Body>(net.wire().front().body);
  net.drop_all();
  return body;
}
inline bool grants(Network& net, const Message& request) {
  net.inject(request);
  if (net.wire().empty()) return false;
  return only<VoteReply>(net).granted;
}

}  // namespace faultline::raft::test
