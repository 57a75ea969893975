// HtmlWriter: builds HTML and inline SVG that is well-formed by construction, whatever the texts in it are.
//
// Everything that is not a tag goes through an escape; tags and attribute names are literals of ours. Output is
// XML-like: every element is closed, every attribute quoted, so that a small parser can check a page. There is no way
// to write a style attribute or a handler.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace faultline::reports {

struct Attribute {
  std::string_view name;
  std::string value;
};
using Attributes = std::initializer_list<Attribute>;

// & < > " ' escaped; controls and bidirectional controls spelled out.
std::string html_escaped(std::string_view text);
// A coordinate with at most one decimal.
std::string coordinate(double value);

class HtmlWriter {
 public:
  HtmlWriter& open(std::string_view tag, Attributes attributes = {});
  // REQUIRES: `tag` is the innermost open element.
  HtmlWriter& close(std::string_view tag);
  // An element without content: <meta …/>, <rect …/>.
  HtmlWriter& empty(std::string_view tag, Attributes attributes = {});
  // Words of ours, or a sentence.
  HtmlWriter& text(std::string_view text);
  // A value from the system under test, isolated from the direction of the text around it.
  HtmlWriter& value(std::string_view text);
  HtmlWriter& element(std::string_view tag, Attributes attributes, std::string_view text);
  HtmlWriter& value_element(std::string_view tag, Attributes attributes, std::string_view text);
  // The one style sheet. REQUIRES: holds no "</".
  HtmlWriter& style(std::string_view css);
  // The one script. REQUIRES: holds neither "</script" nor "<!--".
  HtmlWriter& script(std::string_view javascript);
  HtmlWriter& doctype();
  HtmlWriter& line_break();
  // What was written so far, for a page that goes out in pieces. Elements may still be open.
  std::string take_piece();

  // REQUIRES: everything opened is closed.
  std::string take();

 private:
  void tag(std::string_view name, Attributes attributes, std::string_view end);

  std::string out_;
  std::vector<std::string> open_;
};

}  // namespace faultline::reports
