#include <faultline/redis/resp.hpp>

#include <fmt/format.h>

#include <charconv>

#include <faultline/text.hpp>

namespace faultline::redis {
namespace {

constexpr std::string_view newline = "\r\n";
constexpr int most_nested = 8;
constexpr std::int64_t most_bytes = std::int64_t{64} << 20;

class Parser {
 public:
  explicit Parser(std::string_view bytes) : bytes_(bytes) {}

  // False: more bytes are needed, or problem() says what is wrong.
  bool parse(Reply& reply, int depth) {
    const auto line = next_line();
    if (!line) return false;
    if (line->empty()) return refuse("an empty line");
    const std::string_view rest = line->substr(1);
    switch (line->front()) {
      case '+': reply.kind = Reply::Kind::status; break;
      case '-': reply.kind = Reply::Kind::error; break;
      case ':': {
        reply.kind = Reply::Kind::integer;
        return number(rest, reply.number);
      }
      case '$': return parse_bytes(rest, reply);
      case '*': return parse_list(rest, reply, depth);
      default: return refuse(fmt::format("a line that begins with '{}'", escape_controls(line->substr(0, 1))));
    }
    reply.text = rest;
    return true;
  }
  [[nodiscard]] std::size_t position() const { return at_; }
  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  bool refuse(std::string problem) {
    problem_ = std::move(problem);
    return false;
  }
  std::optional<std::string_view> next_line() {
    const std::size_t end = bytes_.find(newline, at_);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view line = bytes_.substr(at_, end - at_);
    at_ = end + newline.size();
    return line;
  }
  bool number(std::string_view text, std::int64_t& value) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc{} && end == text.data() + text.size()) return true;
    return refuse(fmt::format("'{}' where a number should be", escape_controls(clip(text, 40))));
  }
  bool parse_bytes(std::string_view text, Reply& reply) {
    std::int64_t length = 0;
    if (!number(text, length)) return false;
    if (length == -1) return true;
    if (length < 0 || length > most_bytes) return refuse(fmt::format("a string of {} bytes", length));
    const auto size = static_cast<std::size_t>(length);
    if (bytes_.size() - at_ < size + newline.size()) return false;
    if (bytes_.substr(at_ + size, newline.size()) != newline) return refuse("a string longer than it says");
    reply.kind = Reply::Kind::bytes;
    reply.text = bytes_.substr(at_, size);
    at_ += size + newline.size();
    return true;
  }
  bool parse_list(std::string_view text, Reply& reply, int depth) {
    std::int64_t length = 0;
    if (!number(text, length)) return false;
    if (length == -1) return true;
    if (length < 0 || length > most_bytes) return refuse(fmt::format("a list of {} items", length));
    if (depth == most_nested) return refuse("lists within lists within lists");
    reply.kind = Reply::Kind::list;
    for (std::int64_t i = 0; i < length; ++i) {
      if (!parse(reply.items.emplace_back(), depth + 1)) return false;
    }
    return true;
  }

  std::string_view bytes_;
  std::size_t at_ = 0;
  std::string problem_;
};

}  // namespace

std::string encode_command(std::span<const std::string> words) {
  std::string bytes = fmt::format("*{}\r\n", words.size());
  for (const std::string& word : words) bytes += fmt::format("${}\r\n{}\r\n", word.size(), word);
  return bytes;
}

Result<std::optional<Parsed>> parse_reply(std::string_view bytes) {
  Parser parser(bytes);
  Parsed parsed;
  if (parser.parse(parsed.reply, 0)) {
    parsed.size = parser.position();
    return std::optional(std::move(parsed));
  }
  if (!parser.problem().empty()) return Error::environment("this is not Redis's protocol: " + parser.problem());
  if (bytes.size() > static_cast<std::size_t>(most_bytes)) return Error::environment("a reply longer than 64 MiB");
  return std::optional<Parsed>();
}

}  // namespace faultline::redis
