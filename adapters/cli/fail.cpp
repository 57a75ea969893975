#include <faultline/text.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "commands.hpp"

namespace faultline::cli {

std::string error_json(const Error& error, const std::string& source) {
  nlohmann::ordered_json object{{"schema", 1}, {"error", error.message}};
  if (!error.remedy.empty()) object["remedy"] = error.remedy;
  if (!source.empty()) object["source"] = source;
  return object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

int fail(const Error& error, Console& console) {
  if (console.json()) {
    console.result(error_json(error, "") + "\n");
  } else {
    console.error(error.to_string());
  }
  return error.exit_code();
}

}  // namespace faultline::cli
