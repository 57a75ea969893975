// faultline serve: the runs of a folder as a site, until Ctrl-C.
#include <faultline/serve/server.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "commands.hpp"
#include "judge.hpp"

namespace faultline::cli {

namespace {

constexpr std::uint16_t usual_port = 7117;

Result<std::unique_ptr<serve::Server>> listen(const Settings& settings, const std::filesystem::path& directory) {
  serve::ServerOptions options{.directory = directory, .address = settings.text("bind"), .port = usual_port};
  if (settings.given("port")) {
    if (settings.number("port") > UINT16_MAX)
      return Error::bad_input(fmt::format("--port {}: a port is at most 65535", settings.number("port")));
    options.port = static_cast<std::uint16_t>(settings.number("port"));
    return serve::Server::listen(std::move(options));
  }
  if (auto usual = serve::Server::listen(options); usual) return usual;
  options.port = 0;  // another site is there already
  return serve::Server::listen(std::move(options));
}

}  // namespace

int serve_command(const Settings& settings, Console& console) {
  const std::filesystem::path directory = settings.arguments().empty() ? "runs" : settings.arguments()[0];
  std::error_code error;
  if (!std::filesystem::is_directory(directory, error)) {
    return fail(Error::bad_input(fmt::format("{}: no such folder", directory.string()),
                                 "give the folder that `faultline run` writes to, e.g. runs"),
                console);
  }
  auto server = listen(settings, directory);
  if (!server) return fail(server.error(), console);
  const std::string bind = settings.text("bind");
  const std::string url = fmt::format("http://{}:{}/", bind.find(':') == std::string::npos ? bind : "[" + bind + "]",
                                      server.value()->port());
  if (console.json()) {
    const nlohmann::ordered_json object{{"schema", 1}, {"url", url}, {"dir", directory.string()}};
    console.result(object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  } else {
    console.result(fmt::format("{}  {}\n", url, directory.string()));
  }
  if (bind != "127.0.0.1" && bind != "::1")
    console.note("whoever reaches " + bind + " can read every run: there is no password");
  console.note("Ctrl-C ends it");
  if (settings.flag("open")) open_in_browser(url, console);
  server.value()->run([] { return interrupts() > 0; });
  return 0;
}

}  // namespace faultline::cli
