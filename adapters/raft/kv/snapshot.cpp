#include <faultline/raft/kv/snapshot.hpp>

#include <algorithm>
#include <utility>

#include <faultline/assert.hpp>

#include "frozen.hpp"
#include "wire.hpp"

namespace faultline::raft::kv {
namespace {

constexpr std::string_view magic = "FLKV";
constexpr std::uint32_t snapshot_version = 1;
constexpr std::uint64_t head_bytes = 4 + 4 + 8 + 8 + 8 + 16 + 24;
constexpr std::uint64_t lease_bytes = 24;
constexpr std::uint64_t session_head_bytes = 28;
constexpr std::uint64_t tail_bytes = 16;

template <class Id>
void put_id(std::string& out, Id id) {
  put_number(out, static_cast<std::underlying_type_t<Id>>(id));
}

std::string_view reply_of(const SessionState& session) {
  return session.reply ? std::string_view(*session.reply) : std::string_view();
}

void put_head(std::string& out, const View::Frozen& frozen) {
  out += magic;
  put_number(out, snapshot_version);
  put_number(out, frozen.applied.value);
  put_number(out, frozen.revision);
  put_number(out, frozen.compacted);
  put_number(out, frozen.sweep.main);
  put_number(out, std::uint64_t{frozen.sweep.sub});
  put_number(out, std::uint64_t{frozen.leases.size()});
  put_number(out, std::uint64_t{frozen.sessions.size()});
  put_number(out, frozen.records);
}

void put_lease(std::string& out, const Lease& lease) {
  put_id(out, lease.id);
  put_number(out, lease.ttl);
  put_number(out, lease.renewal);
}

void put_session(std::string& out, const SessionState& session) {
  put_id(out, session.session.id);
  put_number(out, session.session.last_used);
  put_number(out, session.session.sequence);
  put_bytes(out, reply_of(session));
}

void put_record(std::string& out, const Record& record) {
  put_number(out, record.main);
  put_number(out, record.sub);
  put_number(out, std::uint32_t{record.tombstone ? 1U : 0U});
  put_number(out, record.create);
  put_number(out, record.version);
  put_id(out, record.lease);
  put_number(out, static_cast<std::uint32_t>(record.key.size()));
  put_number(out, static_cast<std::uint32_t>(record.value.size()));
  out += record.key;
  out += record.value;
}

}  // namespace

// -- View, Exporter --

View::View(std::unique_ptr<Frozen> frozen) : frozen_(std::move(frozen)) {}
View::View(View&&) noexcept = default;
View& View::operator=(View&&) noexcept = default;
View::~View() = default;

LogIndex View::applied() const { return frozen_->applied; }

std::uint64_t View::size() const {
  std::uint64_t size = head_bytes + frozen_->leases.size() * lease_bytes + frozen_->record_bytes + tail_bytes;
  for (const SessionState& session : frozen_->sessions) size += session_head_bytes + reply_of(session).size();
  return size;
}

Exporter::Exporter(View view) : view_(std::move(view)) {}
Exporter::~Exporter() = default;

void Exporter::fill(std::size_t bytes) {
  const View::Frozen& frozen = *view_.frozen_;
  while (pending_.size() < bytes && section_ < Section::done) {
    const auto finished = [&] {
      section_ = static_cast<Section>(static_cast<int>(section_) + 1);
      item_ = 0;
    };
    switch (section_) {
      case Section::head:
        put_head(pending_, frozen);
        finished();
        break;
      case Section::leases:
        if (item_ == frozen.leases.size())
          finished();
        else
          put_lease(pending_, frozen.leases[item_++]);
        break;
      case Section::sessions:
        if (item_ == frozen.sessions.size())
          finished();
        else
          put_session(pending_, frozen.sessions[item_++]);
        break;
      case Section::records:
        if (item_ == frozen.history.chunks.size())
          finished();
        else
          fill_from_chunk();
        break;
      case Section::tail:
        put_number(pending_, frozen.hash.high);
        put_number(pending_, frozen.hash.low);
        finished();
        break;
      case Section::done: break;
    }
  }
}

void Exporter::fill_from_chunk() {
  const History::Frozen& history = view_.frozen_->history;
  if (slot_ == history.used(item_)) {
    ++item_;
    slot_ = 0;
    return;
  }
  const RecordPtr& record = history.chunks[item_]->slots[slot_++].record;
  if (record) put_record(pending_, *record);
}

std::string Exporter::next(std::size_t bytes_max) {
  fill(bytes_max);
  if (pending_.size() <= bytes_max) return std::exchange(pending_, {});
  std::string piece = pending_.substr(0, bytes_max);
  pending_.erase(0, bytes_max);
  return piece;
}

// -- Importer --

// Decodes as much of `pending` as is whole, item by item; what is left waits for the next bytes.
struct Importer::Progress {
  std::unique_ptr<Store::State> state = std::make_unique<Store::State>();
  std::string pending;
  std::uint64_t offset = 0;  // of pending
  bool head_read = false;
  bool done = false;
  std::uint64_t leases = 0;  // still to come
  std::uint64_t sessions = 0;
  std::uint64_t records = 0;
  Moment last;  // of the records so far
  std::optional<Error> error;

  // Each returns false if the item is not whole yet; a wrong one sets error.
  bool read_head(Reader& in);
  bool read_lease(Reader& in);
  bool read_session(Reader& in);
  bool read_record(Reader& in);
  bool read_tail(Reader& in);
  bool step(Reader& in) {
    if (!head_read) return read_head(in);
    if (leases > 0) return read_lease(in);
    if (sessions > 0) return read_session(in);
    if (records > 0) return read_record(in);
    if (!done) return read_tail(in);
    if (in.left() > 0) wrong(in, "goes on after its end");
    return false;
  }
  bool wrong(const Reader& in, std::string_view what) {
    error = Error::bad_input("snapshot of the store: " + std::string(what) + " at byte " +
                             std::to_string(offset + in.at()));
    return false;
  }
};

bool Importer::Progress::read_head(Reader& in) {
  if (in.left() < head_bytes) return false;
  if (in.raw(magic.size()) != magic) return wrong(in, "not one: the magic bytes are missing");
  if (in.number<std::uint32_t>() != snapshot_version) return wrong(in, "of a version that is not known");
  state->applied = {in.number<std::uint64_t>()};
  state->revision = in.number<Revision>();
  state->compacted = in.number<Revision>();
  state->sweep.main = in.number<Revision>();
  const auto sub = in.number<std::uint64_t>();
  state->sweep.sub = static_cast<std::uint32_t>(sub);
  leases = in.number<std::uint64_t>();
  sessions = in.number<std::uint64_t>();
  records = in.number<std::uint64_t>();
  const bool ordered = state->revision >= 1 && state->compacted >= -1 && state->compacted <= state->revision &&
                       state->sweep.main >= 0 && state->sweep.main <= state->compacted + 1 && sub <= ~std::uint32_t{0};
  if (!ordered || sessions > sessions_max) return wrong(in, "an impossible head");
  head_read = true;
  return true;
}

bool Importer::Progress::read_lease(Reader& in) {
  if (in.left() < lease_bytes) return false;
  Lease lease;
  lease.id = static_cast<LeaseId>(in.number<std::int64_t>());
  lease.ttl = in.number<std::int64_t>();
  lease.renewal = in.number<std::uint64_t>();
  if (!state->leases.empty() && lease.id <= state->leases.rbegin()->first) return wrong(in, "a lease out of order");
  add(state->sum, hash_of(lease));
  state->leases.emplace_hint(state->leases.end(), lease.id, LeaseState{.lease = lease});
  --leases;
  return true;
}

bool Importer::Progress::read_session(Reader& in) {
  Session session;
  session.id = static_cast<SessionId>(in.number<std::uint64_t>());
  session.last_used = in.number<std::uint64_t>();
  session.sequence = in.number<std::uint64_t>();
  std::string reply = in.bytes();
  if (in.failed()) return false;
  if (!state->sessions.empty() && session.id <= state->sessions.rbegin()->first) {
    return wrong(in, "a session out of order");
  }
  if (reply.empty() != (session.sequence == 0)) return wrong(in, "a session whose reply does not fit its sequence");
  if (!reply.empty() && !decode_reply(reply).ok()) return wrong(in, "a session with a damaged reply");
  add(state->sum, hash_of(session, reply));
  SessionState restored{.session = session};
  if (!reply.empty()) restored.reply = std::make_shared<const std::string>(std::move(reply));
  state->sessions.emplace_hint(state->sessions.end(), session.id, std::move(restored));
  --sessions;
  return true;
}

bool Importer::Progress::read_record(Reader& in) {
  Record record;
  record.main = in.number<Revision>();
  record.sub = in.number<std::uint32_t>();
  const auto tombstone = in.number<std::uint32_t>();
  record.create = in.number<Revision>();
  record.version = in.number<std::int64_t>();
  record.lease = static_cast<LeaseId>(in.number<std::int64_t>());
  const auto key_length = in.number<std::uint32_t>();
  const auto value_length = in.number<std::uint32_t>();
  record.key = in.raw(key_length);
  record.value = in.raw(value_length);
  if (in.failed()) return false;
  record.tombstone = tombstone != 0;
  const Moment moment{record.main, record.sub};
  if (tombstone > 1 || record.key.empty()) return wrong(in, "an impossible record");
  if (moment <= last || record.main > state->revision) return wrong(in, "a record out of order");
  last = moment;
  Chain& chain = state->keys.try_emplace(record.key).first->second;
  const LeaseId before = chain.size() == 0 ? no_lease : chain.newest().lease;
  state->attach(record.key, before, record.lease);
  state->insert(chain, std::make_shared<const Record>(std::move(record)));
  --records;
  return true;
}

bool Importer::Progress::read_tail(Reader& in) {
  if (in.left() < tail_bytes) return false;
  StateHash hash;
  hash.high = in.number<std::uint64_t>();
  hash.low = in.number<std::uint64_t>();
  if (!(hash == state->hash())) return wrong(in, "the state hash differs from the one written");
  done = true;
  return true;
}

Importer::Importer() : progress_(std::make_unique<Progress>()) {}
Importer::~Importer() = default;

Result<void> Importer::feed(std::string_view bytes) {
  Progress& progress = *progress_;
  if (progress.error) return *progress.error;
  progress.pending.append(bytes);
  std::size_t used = 0;
  for (;;) {
    Reader in(std::string_view(progress.pending).substr(used));
    const std::uint64_t start = progress.offset;
    progress.offset = start + used;
    const bool whole = progress.step(in);
    progress.offset = start;
    if (progress.error) return *progress.error;
    if (!whole) break;
    used += in.at();
  }
  progress.pending.erase(0, used);
  progress.offset += used;
  return {};
}

Result<Store> Importer::finish() {
  if (progress_->error) return *progress_->error;
  if (!progress_->done) {
    return Error::bad_input("snapshot of the store: ends early, at byte " +
                            std::to_string(progress_->offset + progress_->pending.size()));
  }
  return Store(std::move(progress_->state));
}

}  // namespace faultline::raft::kv
