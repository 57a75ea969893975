#include "markup.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace faultline::markup {

namespace {

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Document run() {
    if (text_.starts_with("<!DOCTYPE html>\n")) at_ = 16;
    if (text_.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n")) at_ = 39;
    while (document_.error.empty() && at_ < text_.size()) {
      if (!open_.empty() && document_.elements[open_.back()].tag == "script" &&
          !text_.substr(at_).starts_with("</script>")) {
        // Raw text: only its own end tag ends it.
        const std::size_t end = std::min(text_.find("</script", at_), text_.size());
        add_text(std::string(text_.substr(at_, end - at_)));
        at_ = end;
      } else if (text_[at_] == '<') {
        markup();
      } else {
        const std::size_t end = std::min(text_.find('<', at_), text_.size());
        add_text(resolve(text_.substr(at_, end - at_)));
        at_ = end;
      }
    }
    if (document_.error.empty() && !open_.empty()) fail("never closed: " + document_.elements[open_.back()].tag);
    return std::move(document_);
  }

 private:
  void fail(const std::string& what) {
    if (document_.error.empty())
      document_.error = what + " at byte " + std::to_string(at_) + ": " + std::string(text_.substr(at_, 60));
  }

  static bool name_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == ':';
  }

  std::string name() {
    const std::size_t from = at_;
    while (at_ < text_.size() && name_character(text_[at_])) ++at_;
    if (at_ == from) fail("a name was expected");
    return std::string(text_.substr(from, at_ - from));
  }

  bool take(std::string_view expected) {
    if (!text_.substr(at_).starts_with(expected)) return false;
    at_ += expected.size();
    return true;
  }

  void markup() {
    if (take("</")) {
      const std::string tag = name();
      if (!take(">")) fail("> was expected");
      if (open_.empty() || document_.elements[open_.back()].tag != tag) return fail("closes what is not open: " + tag);
      open_.pop_back();
      return;
    }
    take("<");
    Element element{.tag = name()};
    for (const std::size_t ancestor : open_) element.path.push_back(document_.elements[ancestor].tag);
    while (document_.error.empty() && take(" ")) {
      const std::string attribute = name();
      if (!take("=\"")) return fail("a quoted value was expected");
      const std::size_t end = text_.find('"', at_);
      if (end == std::string_view::npos) return fail("an unfinished attribute");
      const std::string_view raw = text_.substr(at_, end - at_);
      if (raw.find('<') != std::string_view::npos) return fail("< in an attribute");
      if (!element.attributes.emplace(attribute, resolve(raw)).second)
        return fail("an attribute given twice: " + attribute);
      at_ = end + 1;
    }
    const bool empty = take("/>");
    if (!empty && !take(">")) return fail("> was expected");
    document_.elements.push_back(std::move(element));
    if (!empty) open_.push_back(document_.elements.size() - 1);
  }

  std::string resolve(std::string_view raw) {
    constexpr std::array<std::pair<std::string_view, char>, 6> entities{
        {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&#39;", '\''}, {"&apos;", '\''}}};
    // The style sheet is raw text in HTML.
    const bool style = !open_.empty() && document_.elements[open_.back()].tag == "style";
    std::string out;
    while (!raw.empty()) {
      if (raw.front() == '&') {
        const auto* const found = std::find_if(entities.begin(), entities.end(),
                                               [&](const auto& entity) { return raw.starts_with(entity.first); });
        if (found == entities.end()) {
          fail("an unknown entity");
          return out;
        }
        out += found->second;
        raw.remove_prefix(found->first.size());
        continue;
      }
      const auto c = static_cast<unsigned char>(raw.front());
      if (c < 0x20 && c != '\n') fail("a control character");
      if (c == '>' && !style) fail("a bare >");
      out += raw.front();
      raw.remove_prefix(1);
    }
    return out;
  }

  void add_text(const std::string& text) {
    for (const std::size_t element : open_) document_.elements[element].text += text;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  Document document_;
  std::vector<std::size_t> open_;
};

}  // namespace

std::vector<const Element*> Document::all(std::string_view tag) const {
  std::vector<const Element*> found;
  for (const Element& element : elements) {
    if (element.tag == tag) found.push_back(&element);
  }
  return found;
}

const Element* Document::by_id(std::string_view id) const {
  for (const Element& element : elements) {
    const auto found = element.attributes.find("id");
    if (found != element.attributes.end() && found->second == id) return &element;
  }
  return nullptr;
}

std::map<std::string, std::size_t> Document::counts(bool inside_svg) const {
  std::map<std::string, std::size_t> counted;
  for (const Element& element : elements) {
    const bool inside = std::find(element.path.begin(), element.path.end(), "svg") != element.path.end();
    if (inside_svg || !inside) ++counted[element.tag];
  }
  return counted;
}

Document parse(std::string_view text) { return Parser(text).run(); }

}  // namespace faultline::markup
