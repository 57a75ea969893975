#include "html_writer.hpp"

#include <faultline/assert.hpp>

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "words.hpp"

namespace faultline::reports {

std::string html_escaped(std::string_view text) {
  std::string out;
  for (const char c : harmless(text)) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string coordinate(double value) {
  FL_ASSERT(std::isfinite(value));
  std::string text = fmt::format("{:.1f}", value);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text == "-0" ? "0" : text;
}

void HtmlWriter::tag(std::string_view name, Attributes attributes, std::string_view end) {
  out_ += '<';
  out_ += name;
  for (const Attribute& attribute : attributes) {
    FL_ASSERT(attribute.name != "style" && !attribute.name.starts_with("on"));
    if (attribute.value.empty() && attribute.name == "class") continue;
    out_ += ' ';
    out_ += attribute.name;
    out_ += "=\"";
    out_ += html_escaped(attribute.value);
    out_ += '"';
  }
  out_ += end;
}

HtmlWriter& HtmlWriter::open(std::string_view name, Attributes attributes) {
  tag(name, attributes, ">");
  open_.emplace_back(name);
  return *this;
}

HtmlWriter& HtmlWriter::close(std::string_view name) {
  FL_ASSERT(!open_.empty());
  FL_ASSERT(open_.back() == name);
  open_.pop_back();
  out_ += "</";
  out_ += name;
  out_ += '>';
  return *this;
}

HtmlWriter& HtmlWriter::empty(std::string_view name, Attributes attributes) {
  tag(name, attributes, "/>");
  return *this;
}

HtmlWriter& HtmlWriter::text(std::string_view text) {
  out_ += html_escaped(text);
  return *this;
}

HtmlWriter& HtmlWriter::value(std::string_view text) { return element("bdi", {}, text); }

HtmlWriter& HtmlWriter::element(std::string_view tag, Attributes attributes, std::string_view text) {
  return open(tag, attributes).text(text).close(tag);
}

HtmlWriter& HtmlWriter::value_element(std::string_view tag, Attributes attributes, std::string_view text) {
  return open(tag, attributes).value(text).close(tag);
}

HtmlWriter& HtmlWriter::style(std::string_view css) {
  FL_ASSERT(css.find("</") == std::string_view::npos);
  out_ += "<style>";
  out_ += css;
  out_ += "</style>";
  return *this;
}

HtmlWriter& HtmlWriter::script(std::string_view javascript) {
  FL_ASSERT(javascript.find("</script") == std::string_view::npos);
  FL_ASSERT(javascript.find("<!--") == std::string_view::npos);
  out_ += "<script>";
  out_ += javascript;
  out_ += "</script>";
  return *this;
}

HtmlWriter& HtmlWriter::doctype() {
  out_ += "<!DOCTYPE html>\n";
  return *this;
}

HtmlWriter& HtmlWriter::line_break() {
  out_ += '\n';
  return *this;
}

std::string HtmlWriter::take_piece() { return std::exchange(out_, {}); }

std::string HtmlWriter::take() {
  FL_ASSERT(open_.empty());
  return std::move(out_);
}

}  // namespace faultline::reports
