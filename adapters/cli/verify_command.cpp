// faultline verify: reads a history and a certificate and lets the independent verifier compare them.
#include <faultline/certificate.hpp>
#include <faultline/formats.hpp>
#include <faultline/text.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "commands.hpp"
#include "files.hpp"

namespace faultline::cli {

namespace {

// 0: the certificate proves its verdict; 1: it does not; 2: nothing is wrong, but it could not be confirmed.
int exit_code_of(Verification::Outcome outcome) {
  switch (outcome) {
    case Verification::Outcome::confirmed: return 0;
    case Verification::Outcome::rejected: return 1;
    case Verification::Outcome::not_confirmed: return 2;
  }
  FL_ASSERT(false && "unknown outcome");
}

}  // namespace

int verify_command(const Settings& settings, Console& console) {
  const std::string& history_path = settings.arguments()[0];
  const std::string& certificate_path = settings.arguments()[1];
  auto read = read_history_file(history_path, read_options(settings));
  if (!read) return fail(read.error(), console);
  const auto text = read_file(certificate_path);
  if (!text) return fail(text.error(), console);
  const auto certificate = parse_certificate(text.value(), certificate_path);
  if (!certificate) return fail(certificate.error(), console);
  const auto verification = verify(read.value().history, certificate.value());
  if (!verification) return fail(verification.error(), console);
  const Verification& found = verification.value();
  if (console.json()) {
    const nlohmann::ordered_json object{{"schema", 1},
                                        {"outcome", to_string(found.outcome)},
                                        {"verdict", to_string(found.kind)},
                                        {"reason", found.reason},
                                        {"steps", found.steps}};
    console.result(object.dump(2) + "\n");
  } else {
    console.result(fmt::format("{}: {} ({})\n", to_string(found.outcome), found.reason, to_string(found.kind)));
  }
  return exit_code_of(found.outcome);
}

}  // namespace faultline::cli
