// The page of `faultline serve`. Its script asks the site for the runs; the policy lets it ask nobody else.
#include <fmt/format.h>

#include <faultline/report.hpp>

#include "html_writer.hpp"
#include "sha256.hpp"
#include "shell.hpp"
#include "style_sheet.hpp"

namespace faultline {

using namespace reports;

RunsPage render_runs_page() {
  const std::string css = page_style() + std::string(runs_rules());
  RunsPage page;
  page.policy = fmt::format(
      "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; connect-src 'self'; img-src data:; base-uri "
      "'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
      base64(sha256(runs_script())), base64(sha256(css)));
  HtmlWriter html;
  html.doctype().open("html", {{"lang", "en"}}).line_break().open("head");
  html.empty("meta", {{"charset", "utf-8"}}).element("title", {}, "Runs · Faultline");
  html.empty("meta", {{"name", "viewport"}, {"content", "width=device-width, initial-scale=1"}});
  html.empty("meta", {{"name", "color-scheme"}, {"content", "light dark"}});
  html.empty("link", {{"rel", "icon"}, {"href", "data:,"}}).line_break();
  html.style(css).close("head").line_break();
  html.open("body").open("div", {{"class", "page"}}).open("header", {{"class", "site"}});
  html.element("h1", {}, "Runs").open("p").open("bdi", {{"id", "dir"}}).close("bdi").close("p").close("header");
  html.open("main", {{"id", "root"}});
  html.element(
      "p", {},
      "This list needs a script. Without one, open report.html in the folder of a run: nothing works only here.");
  html.close("main").close("div").line_break().script(runs_script()).line_break();
  page.html = html.close("body").close("html").line_break().take();
  return page;
}

}  // namespace faultline
