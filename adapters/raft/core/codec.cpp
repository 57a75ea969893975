#include <faultline/raft/codec.hpp>

#include <faultline/raft/little_endian.hpp>
#include <faultline/raft/membership.hpp>

#include <array>
#include <type_traits>
#include <utility>

namespace faultline::raft {

namespace {

// Integers gather in a buffer of its own and reach the bytes together.
class Writer {
 public:
  explicit Writer(std::string& bytes) : bytes_(bytes) {}
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  ~Writer() { flush(); }

  template <class T>
  void integer(T value) {
    if (gathered_.size() - size_ < sizeof(T)) flush();
    store_little(gathered_.data() + size_, value);
    size_ += sizeof(T);
  }
  void flag(bool value) { integer<std::uint8_t>(value ? 1 : 0); }
  void bytes(std::string_view text) {
    integer(static_cast<std::uint32_t>(text.size()));
    flush();
    bytes_ += text;
  }
  template <class Tag>
  void number(Number<Tag> n) {
    integer(n.value);
  }
  void number(LogIndex index) { integer(index.value); }

 private:
  void flush() {
    bytes_.append(gathered_.data(), size_);
    size_ = 0;
  }
  std::string& bytes_;
  std::array<char, 128> gathered_;
  std::size_t size_ = 0;
};

// Once it has failed it answers zeros; the first failure is the one told.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : all_(bytes.size()), left_(bytes) {}

  template <class T>
  T integer() {
    if (!has(sizeof(T), "an integer")) return 0;
    const T value = load_little<T>(left_.data());
    left_.remove_prefix(sizeof(T));
    return value;
  }
  bool flag() {
    const auto value = integer<std::uint8_t>();
    if (value > 1) fail("a flag is 0 or 1");
    return value == 1;
  }
  std::string bytes() {
    const auto size = integer<std::uint32_t>();
    if (!has(size, "bytes")) return {};
    std::string text(left_.substr(0, size));
    left_.remove_prefix(size);
    return text;
  }
  template <class N>
  N number() {
    return N{integer<std::uint64_t>()};
  }
  // How many elements follow, each of at least `least` bytes: never more than can be there.
  std::size_t count(std::size_t least) {
    const auto n = integer<std::uint32_t>();
    if (n > left_.size() / least) fail("more elements announced than bytes are left");
    return failed() ? 0 : n;
  }

  void fail(std::string_view why) {
    if (!failed()) error_ = "byte " + std::to_string(all_ - left_.size()) + ": " + std::string(why);
    left_ = {};
  }
  [[nodiscard]] bool failed() const { return !error_.empty(); }
  void end() {
    if (!left_.empty()) fail("nothing more was expected");
  }
  [[nodiscard]] Error error(std::string_view what) const {
    return Error::bad_input(std::string(what) + ", " + error_, "Do all nodes run the same version?");
  }

 private:
  // Nothing is left behind a failure.
  bool has(std::size_t n, const char* what) {
    if (left_.size() >= n) return true;
    fail("ends inside " + std::string(what));
    return false;
  }
  std::size_t all_;
  std::string_view left_;
  std::string error_;
};

void write(Writer& w, const Entry& e) {
  w.number(e.term);
  w.number(e.index);
  w.integer(static_cast<std::uint8_t>(e.kind));
  w.bytes(e.data);
}

void read(Reader& r, Entry& e) {
  e.term = r.number<Term>();
  e.index = r.number<LogIndex>();
  const auto kind = r.integer<std::uint8_t>();
  if (kind > static_cast<std::uint8_t>(EntryKind::config)) r.fail("no such kind of entry");
  e.kind = static_cast<EntryKind>(kind);
  e.data = r.bytes();
}

void write(Writer& w, const Config& c) {
  for (const auto* part : {&c.voters, &c.outgoing, &c.learners}) {
    w.integer(static_cast<std::uint32_t>(part->size()));
    for (const Member& m : *part) {
      w.number(m.id);
      w.number(m.stay);
      w.bytes(m.address);
    }
  }
}

void read(Reader& r, Config& c) {
  for (auto* part : {&c.voters, &c.outgoing, &c.learners}) {
    const std::size_t n = r.count(20);
    part->reserve(n);
    for (std::size_t i = 0; i < n && !r.failed(); ++i) {
      const auto id = r.number<NodeId>();
      const auto stay = r.number<StayId>();
      part->push_back({id, stay, r.bytes()});
    }
  }
  if (!r.failed() && !well_formed(c)) r.fail("no configuration can be so");
}

void write(Writer& w, const Snapshot& s) {
  w.number(s.index);
  w.number(s.term);
  write(w, s.config);
  w.integer(s.size);
  w.integer(s.checksum);
}

void read(Reader& r, Snapshot& s) {
  s.index = r.number<LogIndex>();
  s.term = r.number<Term>();
  read(r, s.config);
  s.size = r.integer<std::uint64_t>();
  s.checksum = r.integer<std::uint32_t>();
}

void write(Writer& w, const HardState& h) {
  w.number(h.term);
  w.number(h.vote);
  w.number(h.commit);
}

void read(Reader& r, HardState& h) {
  h.term = r.number<Term>();
  h.vote = r.number<NodeId>();
  h.commit = r.number<LogIndex>();
}

void write(Writer& w, const ReadId& id) {
  w.number(id.node);
  w.integer(id.boot);
  w.integer(id.sequence);
}

void read(Reader& r, ReadId& id) {
  id.node = r.number<NodeId>();
  id.boot = r.integer<std::uint64_t>();
  id.sequence = r.integer<std::uint64_t>();
}

void write(Writer& w, const Hello& m) {
  w.integer(static_cast<std::uint8_t>(m.founding));
  w.flag(m.reply);
  w.integer(m.boot);
}

void read(Reader& r, Hello& m) {
  const auto founding = r.integer<std::uint8_t>();
  if (founding > static_cast<std::uint8_t>(Founding::seasoned)) r.fail("no such state of founding");
  m.founding = static_cast<Founding>(founding);
  m.reply = r.flag();
  m.boot = r.integer<std::uint64_t>();
}

void write(Writer& w, const VoteRequest& m) {
  w.flag(m.pre);
  w.flag(m.transfer);
  w.number(m.last_index);
  w.number(m.last_term);
  w.integer(m.boot);
}

void read(Reader& r, VoteRequest& m) {
  m.pre = r.flag();
  m.transfer = r.flag();
  m.last_index = r.number<LogIndex>();
  m.last_term = r.number<Term>();
  m.boot = r.integer<std::uint64_t>();
}

void write(Writer& w, const VoteReply& m) {
  w.flag(m.pre);
  w.flag(m.granted);
  w.integer(m.boot);
}

void read(Reader& r, VoteReply& m) {
  m.pre = r.flag();
  m.granted = r.flag();
  m.boot = r.integer<std::uint64_t>();
}

void write(Writer& w, const Append& m) {
  w.number(m.prev_index);
  w.number(m.prev_term);
  w.number(m.commit);
  w.integer(m.round);
  w.integer(static_cast<std::uint32_t>(m.entries.size()));
  for (const Entry& e : m.entries) write(w, e);
}

void read(Reader& r, Append& m) {
  m.prev_index = r.number<LogIndex>();
  m.prev_term = r.number<Term>();
  m.commit = r.number<LogIndex>();
  m.round = r.integer<std::uint64_t>();
  const std::size_t n = r.count(21);
  m.entries.reserve(n);
  for (std::size_t i = 0; i < n && !r.failed(); ++i) read(r, m.entries.emplace_back());
}

void write(Writer& w, const AppendReply& m) {
  w.flag(m.accepted);
  w.number(m.prev_index);
  w.number(m.match);
  w.number(m.hint_index);
  w.number(m.hint_term);
  w.integer(m.round);
}

void read(Reader& r, AppendReply& m) {
  m.accepted = r.flag();
  m.prev_index = r.number<LogIndex>();
  m.match = r.number<LogIndex>();
  m.hint_index = r.number<LogIndex>();
  m.hint_term = r.number<Term>();
  m.round = r.integer<std::uint64_t>();
}

void write(Writer& w, const SnapshotChunk& m) {
  write(w, m.snapshot);
  w.integer(m.offset);
  w.integer(m.length);
  w.bytes(m.bytes);
  w.integer(m.crc);
  w.integer(m.round);
}

void read(Reader& r, SnapshotChunk& m) {
  read(r, m.snapshot);
  m.offset = r.integer<std::uint64_t>();
  m.length = r.integer<std::uint64_t>();
  m.bytes = r.bytes();
  m.crc = r.integer<std::uint32_t>();
  m.round = r.integer<std::uint64_t>();
}

void write(Writer& w, const SnapshotReply& m) {
  w.number(m.index);
  w.number(m.snapshot_term);
  w.integer(m.checksum);
  w.integer(m.wanted);
  w.flag(m.installed);
  w.integer(m.round);
}

void read(Reader& r, SnapshotReply& m) {
  m.index = r.number<LogIndex>();
  m.snapshot_term = r.number<Term>();
  m.checksum = r.integer<std::uint32_t>();
  m.wanted = r.integer<std::uint64_t>();
  m.installed = r.flag();
  m.round = r.integer<std::uint64_t>();
}

void write(Writer& w, const ReadRequest& m) { write(w, m.id); }
void read(Reader& r, ReadRequest& m) { read(r, m.id); }

void write(Writer& w, const ReadReply& m) {
  write(w, m.id);
  w.number(m.index);
}

void read(Reader& r, ReadReply& m) {
  read(r, m.id);
  m.index = r.number<LogIndex>();
}

void write(Writer&, const TimeoutNow&) {}
void read(Reader&, TimeoutNow&) {}

void write(Writer& w, const JoinRequest& m) { w.integer(m.boot); }
void read(Reader& r, JoinRequest& m) { m.boot = r.integer<std::uint64_t>(); }

void write(Writer& w, const JoinReply& m) {
  w.integer(m.boot);
  w.flag(m.has_had_a_vote);
}

void read(Reader& r, JoinReply& m) {
  m.boot = r.integer<std::uint64_t>();
  m.has_had_a_vote = r.flag();
}

// The alternative's position is its number on the wire.
template <std::size_t I = 0>
void read_body(Reader& r, Body& body, std::uint8_t kind) {
  if constexpr (I == std::variant_size_v<Body>) {
    r.fail("no such kind of message");
  } else if (kind == I) {
    read(r, body.emplace<I>());
  } else {
    read_body<I + 1>(r, body, kind);
  }
}

// Whole once the writer is gone.
template <class Write>
void encode_with(std::string& bytes, const Write& write_all) {
  Writer w(bytes);
  write_all(w);
}

template <class T>
std::string encode_alone(const T& value) {
  std::string bytes;
  encode_with(bytes, [&](Writer& w) { write(w, value); });
  return bytes;
}

template <class T>
Result<T> finish(Reader& r, T value, std::string_view what) {
  r.end();
  if (r.failed()) return r.error(what);
  return value;
}

template <class T>
Result<T> decode_alone(std::string_view bytes, std::string_view what) {
  Reader r(bytes);
  T value;
  read(r, value);
  return finish(r, std::move(value), what);
}

void read_version(Reader& r) {
  if (r.integer<std::uint8_t>() != wire_version) r.fail("not version " + std::to_string(wire_version));
}

}  // namespace

void encode_onto(std::string& bytes, const Message& message) {
  Writer w(bytes);
  w.integer(wire_version);
  w.integer(static_cast<std::uint8_t>(message.body.index()));
  w.number(message.from);
  w.number(message.to);
  w.number(message.term);
  w.number(message.stay);
  std::visit([&](const auto& body) { write(w, body); }, message.body);
}

std::string encode(const Message& message) {
  std::string bytes;
  encode_onto(bytes, message);
  return bytes;
}

Result<void> decode_message(std::string_view bytes, Message& message) {
  Reader r(bytes);
  read_version(r);
  const auto kind = r.integer<std::uint8_t>();
  message.from = r.number<NodeId>();
  message.to = r.number<NodeId>();
  message.term = r.number<Term>();
  message.stay = r.number<StayId>();
  if (!r.failed()) read_body(r, message.body, kind);
  r.end();
  if (r.failed()) return r.error("message");
  return {};
}

Result<Message> decode_message(std::string_view bytes) {
  Message message;
  if (auto decoded = decode_message(bytes, message); !decoded) return decoded.error();
  return message;
}

std::string encode(const Entry& entry) { return encode_alone(entry); }
Result<Entry> decode_entry(std::string_view bytes) { return decode_alone<Entry>(bytes, "entry"); }

std::string encode(const Config& config) { return encode_alone(config); }
Result<Config> decode_config(std::string_view bytes) { return decode_alone<Config>(bytes, "configuration"); }

std::string encode(const HardState& hard_state) { return encode_alone(hard_state); }
Result<HardState> decode_hard_state(std::string_view bytes) { return decode_alone<HardState>(bytes, "hard state"); }

std::string encode(const Snapshot& snapshot) {
  std::string bytes;
  encode_with(bytes, [&](Writer& w) {
    w.integer(wire_version);
    write(w, snapshot);
  });
  return bytes;
}

Result<Snapshot> decode_snapshot(std::string_view bytes) {
  Reader r(bytes);
  read_version(r);
  Snapshot snapshot;
  read(r, snapshot);
  return finish(r, std::move(snapshot), "snapshot");
}

}  // namespace faultline::raft
