#include "site.hpp"

#include <faultline/report.hpp>

#include <fmt/format.h>

#include <arpa/inet.h>

#include <algorithm>
#include <cctype>

#include "zip.hpp"

namespace faultline::serve {

namespace {

constexpr std::uint64_t zip_limit = std::uint64_t{256} << 20U;
constexpr std::size_t longest_target = 4096;

Answer refused(int status, std::string words) {
  Answer answer;
  answer.status = status;
  answer.body = std::move(words) + "\n";
  return answer;
}

std::string text_of(const nlohmann::json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

// "localhost:8080" and "[::1]:8080" without their port; nothing if that is none.
std::optional<std::string> name_of(std::string_view host) {
  std::string_view port;
  if (host.starts_with('[')) {
    const std::size_t end = host.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    port = host.substr(end + 1);
    host = host.substr(1, end - 1);
  } else if (const std::size_t colon = host.find(':'); colon != std::string_view::npos) {
    port = host.substr(colon);
    host = host.substr(0, colon);
  }
  const bool digits = std::all_of(port.begin() + (port.empty() ? 0 : 1), port.end(),
                                  [](unsigned char c) { return std::isdigit(c) != 0; });
  if (!port.empty() && (port.front() != ':' || !digits)) return std::nullopt;
  return lower(host);
}

bool is_address(const std::string& name) {
  in6_addr ignored{};
  return ::inet_pton(AF_INET, name.c_str(), &ignored) == 1 || ::inet_pton(AF_INET6, name.c_str(), &ignored) == 1;
}

}  // namespace

Site::Site(std::filesystem::path directory, std::string bound)
    : directory_(std::move(directory)), bound_(lower(bound)), runs_(directory_) {}

// A page of a foreign name that was rebound to this machine carries that name; an address cannot be rebound.
bool Site::is_welcome(std::string_view host) const {
  const auto name = name_of(host);
  return name && (*name == "localhost" || *name == bound_ || is_address(*name));
}

std::string Site::list() { return text_of(runs_.list()); }

Answer Site::artefact(const std::vector<std::string>& parts) const {
  auto file = open_below(directory_, parts);
  if (!file) return refused(404, "no such file of a run");
  Answer answer;
  answer.file = std::move(file);
  if (parts.back() != "report.html") return answer;
  answer.content_type = "text/html; charset=utf-8";
  answer.policy =
      "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
      "form-action 'none'; frame-ancestors 'none'; sandbox allow-scripts";
  return answer;
}

Answer Site::archive(std::vector<std::string> parts) const {
  std::string& last = parts.back();
  if (!last.ends_with(".zip")) return refused(404, "no such archive: /zip/RUN.zip is expected");
  last.resize(last.size() - 4);
  if (!open_folder_below(directory_, parts)) return refused(404, "no such run");
  auto bytes = zip_below(directory_, parts, last, zip_limit);
  if (!bytes) return refused(413, "larger than 256 MiB: copy the folder itself");
  Answer answer;
  answer.content_type = "application/zip";
  answer.download = last + ".zip";
  answer.body = std::move(*bytes);
  return answer;
}

Answer Site::answer(const Question& question) {
  if (!is_welcome(question.host))
    return refused(421, "this site answers to localhost and to addresses only, whatever leads here");
  if (question.method != "GET" && question.method != "HEAD")
    return refused(405, "this site is read-only: GET and HEAD");
  if (question.target.size() > longest_target) return refused(414, "a path this long leads nowhere here");
  const auto path = decoded_path(question.target);
  if (!path || !path->starts_with('/')) return refused(400, "a path is expected, its escapes whole");
  if (*path == "/") {
    const RunsPage page = render_runs_page();
    Answer answer;
    answer.content_type = "text/html; charset=utf-8";
    answer.policy = page.policy;
    answer.body = page.html;
    return answer;
  }
  const auto parts = parts_of(std::string_view(*path).substr(1));
  if (!parts) return refused(403, "this path leads where nothing is served");
  Answer answer;
  answer.content_type = "application/json";
  if (*path == "/api/runs") {
    answer.body = list();
    return answer;
  }
  if (*path == "/api/events") {
    answer.content_type = "text/event-stream";
    answer.events = true;
    return answer;
  }
  const std::vector<std::string> rest(parts->begin() + 1, parts->end());
  if (!rest.empty() && parts->front() == "runs") return artefact(rest);
  if (!rest.empty() && parts->front() == "zip") return archive(rest);
  return refused(404, "nothing is here; see /");
}

std::string Site::live(Sent& sent) {
  constexpr unsigned list_every = 2;  // looks: a folder of thousands takes some milliseconds to read
  std::string events;
  if (sent.looks++ % list_every == 0) {
    // What a run that goes on changes all the time is progress, not another list.
    std::string names;
    const nlohmann::json list = runs_.list();
    for (const nlohmann::json& run : list.at("runs"))
      names += text_of({run.at("path"), run.at("headline"), run.at("utc"), run.at("progress").is_null()});
    if (names != sent.runs && sent.looks > 1) events += "event: runs\ndata: {}\n\n";
    sent.runs = std::move(names);
  }
  const std::string progress = text_of(runs_.live());
  if (progress != sent.progress) {
    events += "event: progress\ndata: " + progress + "\n\n";
    sent.progress = progress;
  }
  return events;
}

}  // namespace faultline::serve
