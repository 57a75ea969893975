// What the tests of proofs share: a plain engine, a judge that explains and certifies, and histories written as short
// scripts.
//
// A script line is "[TIMEms] PROCESS TYPE F [VALUE] [name=VALUE…]"; the names are key, node, error, version and line.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <faultline/certificate.hpp>
#include <faultline/models.hpp>

#include "checker/prepare.hpp"
#include "checker/proof/explain.hpp"

namespace faultline {

struct Judged {
  Prepared prepared;
  VerdictKind kind = VerdictKind::valid;
  std::vector<Anomaly> anomalies;
  Certificate certificate;
};

// The verdict of exhaustive search, key by key, with explanations and the certificate.
Judged judge(const History& history, std::string_view model, const CheckOptions& options = {},
             const Budget& budget = {});

// Exhaustive search, with the completion at which the history becomes invalid.
SearchResult plain_engine(const ModelView& model, const Items& items);

ModelView view_by_name(std::string_view model, const Value& initial);

// Reads "7", "nil", "true", "\"text\"", ":keyword", "[1 2]".
Value parse_value(std::string_view text);
History parse_history(std::string_view script);

// Everything an explanation says, for golden files.
std::string to_script(const History& history, const Anomaly& anomaly);

}  // namespace faultline
