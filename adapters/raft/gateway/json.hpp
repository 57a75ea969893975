// JSON as Go's encoding/json reads it: its grammar, its depth limit, its error texts. Pure.
//
// scan() checks one value and lays it out as a tape of nodes, depth first; nothing is copied and nothing is converted before somebody
// asks. It does not recurse. Libraries read JSON faster or more conveniently, but none answers with the words that etcd's clients know,
// takes the first of several values and leaves the rest, or accepts bytes that are no UTF-8, as Go does.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace faultline::raft::gateway {

enum class Kind : std::uint8_t { null, boolean, number, string, array, object };

struct Node {
  std::uint32_t begin = 0;  // of its text, quotes and brackets included
  std::uint32_t end = 0;
  std::uint32_t next = 0;  // the node after this one and all within it
  Kind kind = Kind::null;
  bool escaped = false;  // a string with a backslash in it
};

// An object's children alternate: key, value, key, value.
class Tape {
 public:
  struct Scanned {
    enum class End : std::uint8_t { value, nothing, error };
    End end = End::nothing;  // nothing: only white space was left
    std::size_t stop = 0;    // where the next value may begin
    std::string error;
  };
  // Reads the next value of `text` at or after `from`. REQUIRES: text is shorter than 4 GiB and outlives the use of the tape.
  Scanned scan(std::string_view text, std::size_t from);

  [[nodiscard]] const Node& operator[](std::uint32_t index) const { return nodes_[index]; }
  [[nodiscard]] std::string_view text(const Node& node) const {
    return text_.substr(node.begin, node.end - node.begin);
  }
  // A string without its quotes, escapes replaced as Go does.
  [[nodiscard]] std::string unescaped(const Node& string) const;
  // Whether a string, escapes replaced, is this one.
  [[nodiscard]] bool is(const Node& string, std::string_view plain) const;

 private:
  friend class Scanner;
  std::string_view text_;
  std::vector<Node> nodes_;
  std::vector<std::uint32_t> open_;  // arrays and objects that are not closed yet
};

// `'x'` as Go names a character in its messages.
std::string quoted_character(unsigned char c);

}  // namespace faultline::raft::gateway
