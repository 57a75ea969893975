#include "support.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <sstream>

namespace faultline {

SearchResult plain_engine(const ModelView& model, const Items& items) {
  const BruteForceResult whole = model.search(items, UINT64_MAX);
  SearchResult result{.kind = whole.kind, .order = whole.order, .engine = "brute-force", .reason = {}, .cost = {}};
  if (whole.kind != VerdictKind::invalid) return result;
  std::vector<EventIndex> returns;
  for (const Item& item : items) {
    if (item.completed != none) returns.push_back(item.completed);
  }
  std::sort(returns.begin(), returns.end());
  for (const EventIndex last : returns) {
    Items prefix;
    for (Item item : items) {
      if (item.invoked > last || (item.completed > last && item.call.failed)) continue;
      if (item.completed > last) {
        item.completed = none;
        item.call.result_known = false;
      }
      prefix.push_back(std::move(item));
    }
    if (model.search(prefix, UINT64_MAX).kind != VerdictKind::invalid) continue;
    result.died_at = last;
    return result;
  }
  FL_ASSERT(false && "invalid, but every prefix is valid");
}

ModelView view_by_name(std::string_view model, const Value& initial) {
  auto view = with_model(model, ModelOptions{.initial = initial},
                         [&](const auto& concrete) { return view_of(concrete, std::string(model), initial); });
  FL_ASSERT(view.ok());
  return std::move(view).value();
}

Judged judge(const History& history, std::string_view model, const CheckOptions& options, const Budget& budget) {
  const ModelView view = view_by_name(model, options.initial);
  ModelRules rules{.model = model, .catalogued = true, .functions = {}, .accepts = {}, .observer = view.observer};
  FL_ASSERT(with_model(model, ModelOptions{.initial = options.initial}, [&](const auto& concrete) {
              rules.functions = concrete.functions();
              return true;
            }).ok());
  auto prepared = prepare(history, rules, options);
  FL_ASSERT(prepared.ok());
  Judged judged{
      .prepared = std::move(prepared).value(), .kind = VerdictKind::valid, .anomalies = {}, .certificate = {}};
  const Engine engine = [&](const Items& items, const Budget&) { return plain_engine(view, items); };
  std::vector<KeyProof> proofs;
  for (const KeyProblem& key : judged.prepared.keys) {
    const SearchResult found = plain_engine(view, key.items);
    judged.kind = std::max(judged.kind, found.kind);
    if (found.kind == VerdictKind::invalid) {
      judged.anomalies.push_back(explain(history, view, key.items, found, engine, budget));
      proofs.push_back(proof_of(judged.anomalies.back()));
    } else if (!found.order.empty()) {
      KeyProof proof{.key = key.key, .kind = VerdictKind::valid, .order = {}, .core = {}, .context = {}};
      for (const std::uint32_t i : found.order) proof.order.push_back(key.items[i].operation);
      proofs.push_back(std::move(proof));
    }
  }
  judged.certificate = make_certificate(history, model, options, judged.kind, std::move(proofs));
  return judged;
}

// --- scripts
// -----------------------------------------------------------------------------------------------------------------

namespace {

// Splits at blanks outside brackets and quotes.
std::vector<std::string> tokens_of(std::string_view line) {
  std::vector<std::string> tokens(1);
  int depth = 0;
  bool quoted = false;
  for (const char c : line) {
    if (c == '"') quoted = !quoted;
    if (!quoted) depth += (c == '[' ? 1 : 0) - (c == ']' ? 1 : 0);
    if (c == ' ' && depth == 0 && !quoted) {
      if (!tokens.back().empty()) tokens.emplace_back();
    } else {
      tokens.back() += c;
    }
  }
  if (tokens.back().empty()) tokens.pop_back();
  return tokens;
}

EventType type_of(std::string_view text) {
  for (const EventType type : {EventType::invoke, EventType::ok, EventType::fail, EventType::info}) {
    if (to_string(type) == text) return type;
  }
  FL_ASSERT(false && "unknown event type in a script");
}

}  // namespace

Value parse_value(std::string_view text) {
  if (text == "nil") return {};
  if (text == "true" || text == "false") return text == "true";
  if (text.starts_with('"')) return Value::string(text.substr(1, text.size() - 2));
  if (text.starts_with(':')) return Value::keyword(text.substr(1));
  if (text.starts_with('[')) {
    std::vector<Value> items;
    for (const std::string& token : tokens_of(text.substr(1, text.size() - 2))) items.push_back(parse_value(token));
    return Value::list(std::move(items));
  }
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  FL_ASSERT(error == std::errc{} && end == text.data() + text.size());
  return number;
}

History parse_history(std::string_view script) {
  History history;
  std::istringstream lines{std::string(script)};
  for (std::string line; std::getline(lines, line);) {
    std::vector<std::string> tokens = tokens_of(line);
    if (tokens.empty()) continue;
    Event event;
    if (tokens[0].ends_with("ms")) {
      event.time = Instant(std::chrono::milliseconds(std::stoll(tokens[0])));
      tokens.erase(tokens.begin());
    }
    FL_ASSERT(tokens.size() >= 3);
    event.process = std::stoll(tokens[0]);
    event.type = type_of(tokens[1]);
    event.f = tokens[2];
    for (std::size_t i = 3; i < tokens.size(); ++i) {
      const std::size_t equals = tokens[i].find('=');
      const std::string name = equals == std::string::npos || tokens[i][0] == '"' ? "" : tokens[i].substr(0, equals);
      if (name.empty()) {
        event.value = parse_value(tokens[i]);
      } else if (name == "key") {
        event.key = Value::string(tokens[i].substr(equals + 1));
      } else if (name == "line") {
        event.line = static_cast<std::uint32_t>(std::stoul(tokens[i].substr(equals + 1)));
      } else if (name == "version") {
        event = event.with(name, parse_value(tokens[i].substr(equals + 1)));
      } else {
        event = event.with(name, Value::string(tokens[i].substr(equals + 1)));
      }
    }
    const auto appended = history.append(std::move(event));
    FL_ASSERT(appended.ok());
  }
  return history;
}

std::string to_script(const History& history, const Anomaly& anomaly) {
  const auto named = [&](OperationIndex o) {
    const Operation op = history.operation(o);
    const Value& value = op.f == "read" || op.f == "get" || op.f == "dequeue" || op.f == "pop" ? op.output : op.input;
    return fmt::format("p{} {} {}", op.process, op.f, value.to_string());
  };
  std::string out = fmt::format("{}: {}\n", anomaly.name, anomaly.sentence);
  const auto list = [&](std::string_view title, const std::vector<OperationIndex>& operations) {
    out += fmt::format("{}:", title);
    for (const OperationIndex o : operations) out += fmt::format("{} {}", &o == operations.data() ? "" : ",", named(o));
    out += '\n';
  };
  list(anomaly.one_minimal ? "core, 1-minimal" : "core, reduced", anomaly.core);
  if (!anomaly.context.empty()) list("context", anomaly.context);
  if (anomaly.since != none) out += fmt::format("since: {}\n", named(anomaly.since));
  out += fmt::format("culprit: {}\n", named(anomaly.culprit));
  if (anomaly.contradicted != none) out += fmt::format("contradicted: {}\n", named(anomaly.contradicted));
  if (anomaly.gap) out += fmt::format("gap: {}\n", to_text(*anomaly.gap));
  for (const PrefixStep& step : anomaly.prefix)
    out += fmt::format("prefix: {} -> {}\n", named(step.operation), step.state);
  for (const Candidate& candidate : anomaly.candidates) {
    out += fmt::format("{}: {} | needs {} | has {} | {}\n", candidate.legal ? "useless" : "illegal",
                       named(candidate.operation), candidate.needs, candidate.has, candidate.why);
  }
  return out;
}

}  // namespace faultline
