#include <faultline/raft/codec.hpp>
#include <faultline/raft/crc32c.hpp>
#include <faultline/raft/frame.hpp>
#include <faultline/raft/little_endian.hpp>

#include <fmt/format.h>

#include <array>

namespace faultline::raft {
namespace {

constexpr std::uint8_t frame_version = 2;
constexpr std::size_t checksum_bytes = 4;
enum class Kind : std::uint8_t { message = 1, forward, refused, lease_question, lease_report };

// The head is laid down at once; what follows it depends on the kind.
class Writer {
 public:
  Writer(Kind kind, const Frame& frame, std::size_t about, std::string room) : bytes_(std::move(room)) {
    bytes_.clear();
    bytes_.reserve(about);
    std::array<char, 18> head;
    head[0] = static_cast<char>(frame_version);
    head[1] = static_cast<char>(kind);
    store_little(head.data() + 2, frame.from.value);
    store_little(head.data() + 10, frame.to.value);
    bytes_.append(head.data(), head.size());
  }
  Writer& u8(std::uint8_t number) {
    bytes_.push_back(static_cast<char>(number));
    return *this;
  }
  Writer& u64(std::uint64_t number) {
    append_little(bytes_, number);
    return *this;
  }
  Writer& message(const Message& message) {
    encode_onto(bytes_, message);
    return *this;
  }
  Writer& rest(std::string_view bytes) {
    bytes_.append(bytes);
    return *this;
  }
  std::string take() {
    append_little(bytes_, crc32c(bytes_));
    return std::move(bytes_);
  }

 private:
  std::string bytes_;
};

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  template <class T>
  T number() {
    if (bytes_.size() - at_ < sizeof(T)) {
      bad_ = true;
      at_ = bytes_.size();
      return 0;
    }
    at_ += sizeof(T);
    return load_little<T>(bytes_.data() + at_ - sizeof(T));
  }
  std::uint64_t u64() { return number<std::uint64_t>(); }
  // Of an enumeration or a flag whose greatest value is `most`.
  std::uint8_t u8(std::uint8_t most) {
    const auto value = number<std::uint8_t>();
    if (value > most) bad_ = true;
    return value;
  }
  std::string_view rest() { return bytes_.substr(std::exchange(at_, bytes_.size())); }
  [[nodiscard]] bool done() const { return !bad_ && at_ == bytes_.size(); }
  [[nodiscard]] std::size_t at() const { return at_; }

 private:
  std::string_view bytes_;
  std::size_t at_ = 0;
  bool bad_ = false;
};

// So that the bytes of a frame are allocated once.
std::size_t about_bytes(const Frame& frame) {
  constexpr std::size_t head = 128;
  if (const auto* forward = std::get_if<Forward>(&frame.word)) return head + forward->entry.size();
  const auto* message = std::get_if<Message>(&frame.word);
  if (message == nullptr) return head;
  if (const auto* chunk = std::get_if<SnapshotChunk>(&message->body)) return 4 * head + chunk->bytes.size();
  const auto* append = std::get_if<Append>(&message->body);
  std::size_t bytes = head;
  for (std::size_t i = 0; append != nullptr && i < append->entries.size(); ++i) bytes += append->entries[i].bytes();
  return bytes;
}

}  // namespace

std::string encode(const Frame& frame, std::string room) {
  const auto begin = [&](Kind kind) { return Writer(kind, frame, about_bytes(frame), std::move(room)); };
  if (const auto* message = std::get_if<Message>(&frame.word)) {
    return begin(Kind::message).message(*message).take();
  }
  if (const auto* forward = std::get_if<Forward>(&frame.word)) {
    return begin(Kind::forward)
        .u64(forward->term.value)
        .u64(forward->boot)
        .u64(forward->sequence)
        .rest(forward->entry)
        .take();
  }
  if (const auto* refused = std::get_if<Refused>(&frame.word)) {
    return begin(Kind::refused)
        .u64(refused->boot)
        .u64(refused->sequence)
        .u8(static_cast<std::uint8_t>(refused->outcome))
        .take();
  }
  if (const auto* question = std::get_if<LeaseQuestion>(&frame.word)) {
    return begin(Kind::lease_question)
        .u64(question->boot)
        .u64(question->request)
        .u64(static_cast<std::uint64_t>(question->id))
        .take();
  }
  const auto& report = std::get<LeaseReport>(frame.word);
  return begin(Kind::lease_report)
      .u64(report.boot)
      .u64(report.request)
      .u8(report.leads ? 1 : 0)
      .u64(static_cast<std::uint64_t>(report.remaining))
      .u64(report.applied.value)
      .take();
}

Result<void> decode_frame(std::string_view bytes, Frame& frame) {
  if (bytes.size() < 1 + checksum_bytes) return Error::bad_input("the frame is cut");
  Reader reader(bytes.substr(0, bytes.size() - checksum_bytes));
  const auto version = reader.number<std::uint8_t>();
  if (version != frame_version)
    return Error::bad_input(fmt::format("frame version {}, expected {}", version, frame_version));
  const auto checksum = load_little<std::uint32_t>(bytes.data() + bytes.size() - checksum_bytes);
  if (checksum != crc32c(bytes.substr(0, bytes.size() - checksum_bytes))) {
    return Error::bad_input("the frame was damaged on its way: its checksum is wrong");
  }
  const auto kind = reader.number<std::uint8_t>();
  frame.from = {reader.u64()};
  frame.to = {reader.u64()};
  switch (static_cast<Kind>(kind)) {
    case Kind::message: {
      auto decoded = decode_message(reader.rest(), frame.word.emplace<Message>());
      if (!decoded) return decoded.error();
      break;
    }
    case Kind::forward: {
      Forward forward;
      forward.term = {reader.u64()};
      forward.boot = reader.u64();
      forward.sequence = reader.u64();
      forward.entry = reader.rest();
      frame.word = std::move(forward);
      break;
    }
    case Kind::refused: {
      Refused refused{.boot = reader.u64(), .sequence = reader.u64()};
      refused.outcome = static_cast<Outcome>(reader.u8(static_cast<std::uint8_t>(Outcome::unchanged)));
      frame.word = refused;
      break;
    }
    case Kind::lease_question: {
      LeaseQuestion question{.boot = reader.u64(), .request = reader.u64()};
      question.id = static_cast<kv::LeaseId>(reader.u64());
      frame.word = question;
      break;
    }
    case Kind::lease_report: {
      LeaseReport report{.boot = reader.u64(), .request = reader.u64()};
      report.leads = reader.u8(1) != 0;
      report.remaining = static_cast<std::int64_t>(reader.u64());
      report.applied = {reader.u64()};
      frame.word = report;
      break;
    }
    default: return Error::bad_input(fmt::format("unknown kind of frame {}", kind));
  }
  if (!reader.done()) return Error::bad_input(fmt::format("the frame is cut or too long, at byte {}", reader.at()));
  return {};
}

Result<Frame> decode_frame(std::string_view bytes) {
  Frame frame;
  if (auto decoded = decode_frame(bytes, frame); !decoded) return decoded.error();
  return frame;
}

}  // namespace faultline::raft
