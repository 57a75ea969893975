// Reading a gateway reply leniently: either spelling of a field, numbers as strings or numbers, zero as absent, both
// error shapes. Pure. Everything here answers nullopt for what the gateway would never say; nothing throws.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <faultline/etcd/codec.hpp>

namespace faultline::etcd {

using Json = simdjson::dom::element;  // a view into its Document

// A body that is a JSON object. Moving it leaves the views into it as they are.
class Document {
 public:
  using Parser = std::unique_ptr<simdjson::dom::parser>;
  Document(Parser parser, Json root) : parser_(std::move(parser)), root_(root) {}
  Document(Document&&) = default;
  Document& operator=(Document&&) = default;
  ~Document();
  [[nodiscard]] Json root() const { return root_; }
  // The same document, seen from one of its objects.
  [[nodiscard]] Document from(Json object) && { return {std::move(parser_), object}; }

 private:
  Parser parser_;
  Json root_;
};

std::optional<Document> parse_object(std::string_view body);
// The field under its snake_case name or that name in lowerCamel; nullopt if it is absent or null.
std::optional<Json> field(Json object, std::string_view snake_case);
// Nothing: it is no string.
std::optional<std::string_view> as_text(Json json);

// Absent means zero (false, empty); nullopt: present, but no such thing.
std::optional<std::int64_t> integer_field(Json object, std::string_view name);
std::optional<std::uint64_t> id_field(Json object, std::string_view name);
std::optional<bool> bool_field(Json object, std::string_view name);
std::optional<std::string> bytes_field(Json object, std::string_view name);  // base64 decoded
std::optional<std::vector<Json>> list_field(Json object, std::string_view name);

// What a transaction of one operation answered: the object that is all of `responses`.
std::optional<Json> only_response(Json object);

// What every success of the key-value, lease and lock calls begins with.
struct Header {
  std::optional<std::uint64_t> member_id;
  std::optional<std::int64_t> raft_term;
  std::optional<std::int64_t> revision;
};
// nullopt: there is none, so it comes from something else than etcd.
std::optional<Header> parse_header(Json object);
// With what the header says.
Completion with_header(Completion completion, const Header& header);

// An error as the gateway reports one: {"error","message","code"} (3.4, 3.5), {"code","message","details"} (3.6), or
// either inside "error" (streams).
struct ServerError {
  std::int64_t code = 0;
  std::string message;

  [[nodiscard]] std::string to_string() const;  // "<code> <message>"
};
std::optional<ServerError> parse_error(Json object);

// What an error proves about the request that it answers.
enum class Fate : std::uint8_t {
  unknown,      // it may have happened or may still happen
  not_done,     // it never will
  not_this_api  // nor would any other request: the endpoint serves something else
};
Fate fate_of(const ServerError& error);
// The text-only replies of a server without the gateway: 404, 405.
bool is_foreign(const Reply& reply);

// For messages: "HTTP 502 text/html '<html>…'", clipped and escaped.
std::string describe(const Reply& reply);

}  // namespace faultline::etcd
