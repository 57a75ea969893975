// The site without its socket: from a request to an answer. Read-only, no state but what Runs remembers.
//
// Every answer forbids what it does not need: nothing is sniffed, framed or loaded from elsewhere, and what a run wrote is plain text. Its
// report.html alone is a page, in a sandbox of its own origin, besides the policy that the page itself carries.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "files.hpp"
#include "runs.hpp"

namespace faultline::serve {

struct Question {
  std::string_view method;
  std::string_view target;
  std::string_view host;  // empty: the request had none
};

struct Answer {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string policy = "default-src 'none'; frame-ancestors 'none'";
  std::string download;          // not empty: a name to save it under
  std::string body;              // unless there is a file
  std::optional<OpenFile> file;  // sent from the disk
  bool events = false;           // a stream of server-sent events follows, from Site::live()
};

class Site {
 public:
  // `bound` is the address that was asked for; a Host of that name is welcome.
  Site(std::filesystem::path directory, std::string bound);

  Answer answer(const Question& question);
  // The next events, nothing if nothing changed. `sent` is the subscriber's own memory, empty at first.
  struct Sent {
    std::string runs, progress;
    unsigned looks = 0;
  };
  std::string live(Sent& sent);

 private:
  [[nodiscard]] bool is_welcome(std::string_view host) const;
  [[nodiscard]] Answer artefact(const std::vector<std::string>& parts) const;
  [[nodiscard]] Answer archive(std::vector<std::string> parts) const;
  std::string list();

  std::filesystem::path directory_;
  std::string bound_;
  Runs runs_;
};

}  // namespace faultline::serve
