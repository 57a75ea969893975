#include "random_commands.hpp"

namespace faultline::raft::kv {

std::string RandomCommands::key() {
  if (rng_.chance(0.01)) return "";
  return std::string(1, static_cast<char>('a' + rng_.below(5)));
}

std::string RandomCommands::range_end() {
  switch (rng_.below(4)) {
    case 0: return std::string(1, '\0');
    case 1: return key();
    default: return "";
  }
}

Revision RandomCommands::near(Revision revision) { return rng_.chance(0.5) ? 0 : revision - rng_.between(-1, 12); }

LeaseId RandomCommands::lease() { return rng_.chance(0.5) ? no_lease : static_cast<LeaseId>(rng_.between(-1, 3)); }

Put RandomCommands::put() {
  Put put{.key = key(), .value = std::string(rng_.below(3), 'v'), .lease = lease()};
  put.prev_kv = rng_.chance(0.3);
  put.ignore_value = rng_.chance(0.1);
  put.ignore_lease = rng_.chance(0.1);
  if (put.ignore_value && rng_.chance(0.8)) put.value.clear();
  if (put.ignore_lease && rng_.chance(0.8)) put.lease = no_lease;
  return put;
}

Range RandomCommands::range(Revision revision) {
  Range range{.key = key(), .range_end = range_end(), .revision = near(revision)};
  if (rng_.chance(0.3)) range.limit = rng_.between(-1, 4);
  if (rng_.chance(0.4)) range.sort_order = static_cast<SortOrder>(rng_.below(3));
  if (rng_.chance(0.4)) range.sort_target = static_cast<SortTarget>(rng_.below(5));
  range.keys_only = rng_.chance(0.1);
  range.count_only = rng_.chance(0.1);
  if (rng_.chance(0.1)) range.min_mod_revision = near(revision);
  if (rng_.chance(0.1)) range.max_mod_revision = near(revision);
  if (rng_.chance(0.1)) range.min_create_revision = near(revision);
  if (rng_.chance(0.1)) range.max_create_revision = near(revision);
  return range;
}

Watch RandomCommands::watch(Revision revision) {
  Watch watch{.key = key(), .range_end = range_end(), .start_revision = revision - rng_.between(-2, 15)};
  watch.no_put = rng_.chance(0.2);
  watch.no_delete = rng_.chance(0.2);
  watch.prev_kv = rng_.chance(0.5);
  return watch;
}

Compare RandomCommands::compare(Revision revision) {
  Compare compare{.key = key(), .range_end = range_end()};
  compare.target = static_cast<Compare::Target>(rng_.below(5));
  compare.result = static_cast<Compare::Result>(rng_.below(4));
  if (compare.target == Compare::Target::value)
    compare.value = std::string(rng_.below(3), 'v');
  else if (compare.target == Compare::Target::version || compare.target == Compare::Target::lease)
    compare.number = rng_.between(0, 3);
  else
    compare.number = near(revision);
  return compare;
}

Operation RandomCommands::operation(Revision revision, int depth) {
  switch (rng_.below(depth > 0 ? 4 : 3)) {
    case 0: return {put()};
    case 1: return {range(revision)};
    case 2: return {DeleteRange{.key = key(), .range_end = range_end(), .prev_kv = rng_.chance(0.3)}};
    default: return {txn(revision, depth - 1)};
  }
}

Txn RandomCommands::txn(Revision revision, int depth) {
  Txn txn;
  for (auto n = rng_.below(3); n > 0; --n) txn.compares.push_back(compare(revision));
  for (auto n = rng_.below(4); n > 0; --n) txn.success.push_back(operation(revision, depth));
  for (auto n = rng_.below(3); n > 0; --n) txn.failure.push_back(operation(revision, depth));
  return txn;
}

decltype(Command::request) RandomCommands::request(Revision revision, std::uint64_t index) {
  const std::uint64_t before = index - std::min<std::uint64_t>(index, 1 + rng_.below(8));
  switch (rng_.below(20)) {
    case 0: return Compaction{revision - rng_.between(-1, 15)};
    case 1: return LeaseGrant{static_cast<LeaseId>(rng_.between(1, 3)), rng_.between(-1, 5)};
    case 2: return rng_.chance(0.02) ? LeaseGrant{LeaseId{9}, lease_ttl_max + 1} : LeaseGrant{LeaseId{-1}, 7};
    case 3: return LeaseRevoke{static_cast<LeaseId>(rng_.between(-1, 4))};
    case 4: return LeaseKeepalive{static_cast<LeaseId>(rng_.between(-1, 4))};
    case 5: return LeaseExpire{static_cast<LeaseId>(rng_.between(-1, 3)), before};
    case 6: return SessionOpen{};
    case 7: return SessionExpire{static_cast<SessionId>(before), before};
    case 8:
    case 9: return DeleteRange{.key = key(), .range_end = range_end(), .prev_kv = rng_.chance(0.3)};
    case 10:
    case 11:
    case 12:
    case 13: return txn(revision, 2);
    default: return put();
  }
}

Command RandomCommands::command(Revision revision, std::uint64_t index) {
  Command command;
  if (rng_.chance(0.2)) {
    const std::uint64_t session = index - std::min<std::uint64_t>(index, 1 + rng_.below(12));
    command.client = ClientSequence{static_cast<SessionId>(session), rng_.below(4)};
  }
  command.request = request(revision, index);
  return command;
}

}  // namespace faultline::raft::kv
