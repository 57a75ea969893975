// The first boot of a group (core.hpp, "First boot"). Two steps, so that a crash anywhere neither forgets a promise nor
// makes a node look wiped that is not: nobody stores anything before everybody was heard, nobody campaigns before
// everybody has stored.

#include <faultline/raft/core.hpp>

#include <faultline/raft/codec.hpp>
#include <faultline/raft/membership.hpp>

#include <algorithm>

namespace faultline::raft {

Founding Raft::founding() const {
  if (!log_.last() && !term_) return Founding::empty;
  return log_.last() == LogIndex{1} && term_ == Term{1} ? Founding::founded : Founding::seasoned;
}

std::vector<Member> Raft::founders() const { return log_.last() ? log_.config().members() : options_.initial; }

// Only a node that is empty or holds nothing but the initial configuration has to ask.
bool Raft::must_ask() const {
  if (all_founded_ || founding() == Founding::seasoned) return false;
  return founding() == Founding::founded || !options_.initial.empty();
}

void Raft::say_hello() {
  next_hello_ = Instant::max();
  if (!must_ask()) return;
  next_hello_ = now_ + options_.heartbeat;
  for (const Member& member : founders()) {
    if (member.id == options_.id) continue;
    send(member.id, StayId{}, term_, Hello{.founding = founding(), .reply = false, .boot = options_.boot});
  }
  found_if_all_heard();  // a group of one has nobody to ask
}

void Raft::handle(const Message& message, Hello& hello) {
  if (!hello.reply) return reply(message, Hello{.founding = founding(), .reply = true, .boot = hello.boot});
  if (hello.boot != options_.boot || !must_ask()) return;
  if (founding() == Founding::empty && hello.founding == Founding::seasoned) {
    refusal_ = Refusal{message.from};
    return;
  }
  hellos_[message.from] = hello.founding;
  found_if_all_heard();
}

void Raft::found_if_all_heard() {
  const std::vector<Member> members = founders();
  const auto all_others = [&](auto holds) {
    return std::all_of(members.begin(), members.end(), [&](const Member& member) {
      if (member.id == options_.id) return true;
      const auto heard = hellos_.find(member.id);
      return heard != hellos_.end() && holds(heard->second);
    });
  };
  if (founding() == Founding::empty && all_others([](Founding) { return true; })) {
    term_ = Term{1};
    log_.append({term_, LogIndex{1}, EntryKind::config, encode(initial_config(options_.initial))});
    log_.commit_to(LogIndex{1});  // every member has this entry, or will have before it takes part
    restart_election_timer();
    next_hello_ = now_;
  }
  if (founding() == Founding::founded && all_others([](Founding f) { return f != Founding::empty; })) {
    all_founded_ = true;
  }
}

}  // namespace faultline::raft
