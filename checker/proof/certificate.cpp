// Certificates as data and as JSON text.
//
//   {"format":"faultline-certificate","version":1,"verdict":"valid","model":"register","initial":null,"failed_cas":"drop",
//    "nil_read":"value","events":4,"operations":2,"history_digest":"…","claim_digest":"…","keys":[
//    {"key":"x","verdict":"valid","order":[0,1]},
//    {"key":"y","verdict":"invalid","core":[2,5,7],"context":[6],"order":[2,5],"since":5},
//    {"key":"z","verdict":"unknown"}]}
//
// Operations are numbered from 0 in the order of their invocations. Values beyond JSON's own kinds are written as an
// object with one field: {"keyword":"a"}, {"map":[[key,value],…]}, {"tagged":[tag,value]}, {"real":"##NaN"}.
#include <faultline/certificate.hpp>
#include <faultline/text.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "digest.hpp"

namespace faultline {

namespace {

using Json = nlohmann::json;

constexpr std::string_view format_name = "faultline-certificate";
constexpr std::uint64_t format_version = 1;
constexpr int max_depth = 512;  // of a value, as in histories

}  // namespace

std::string claim_digest_of(const Certificate& certificate) {
  Digest digest;
  digest.add_text(certificate.history_digest);
  digest.add_number(static_cast<std::uint64_t>(certificate.kind));
  digest.add_text(certificate.model);
  digest.add_value(certificate.initial);
  digest.add_number(static_cast<std::uint64_t>(certificate.failed_cas));
  digest.add_number(static_cast<std::uint64_t>(certificate.nil_read));
  return digest.hex();
}

Certificate make_certificate(const History& history, std::string_view model, const CheckOptions& options,
                             VerdictKind kind, std::vector<KeyProof> keys) {
  Certificate certificate{.kind = kind,
                          .model = std::string(model),
                          .initial = options.initial,
                          .failed_cas = options.failed_cas,
                          .nil_read = options.nil_read,
                          .events = history.size() - history.notes().size(),
                          .operations = history.operation_count(),
                          .history_digest = digest_of(history),
                          .claim_digest = {},
                          .keys = std::move(keys)};
  certificate.claim_digest = claim_digest_of(certificate);
  return certificate;
}

KeyProof proof_of(const Anomaly& anomaly) {
  KeyProof proof{.key = anomaly.key,
                 .kind = VerdictKind::invalid,
                 .order = {},
                 .core = anomaly.core,
                 .context = anomaly.context,
                 .since = anomaly.since};
  for (const PrefixStep& step : anomaly.prefix) proof.order.push_back(step.operation);
  return proof;
}

Certificate make_certificate(const History& history, const Verdict& verdict, const CheckOptions& options) {
  std::vector<KeyProof> proofs;
  for (const KeyVerdict& key : verdict.by_key) {
    if (key.kind != VerdictKind::valid || key.order.empty()) continue;
    proofs.push_back({.key = key.key, .kind = VerdictKind::valid, .order = key.order, .core = {}, .context = {}});
  }
  for (const Anomaly& anomaly : verdict.anomalies) proofs.push_back(proof_of(anomaly));
  return make_certificate(history, verdict.model, options, verdict.kind, std::move(proofs));
}

// --- writing
// -----------------------------------------------------------------------------------------------------------------

namespace {

// JSON text must be UTF-8; a value from a broken system may not be. Bytes that are no UTF-8 are written as U+FFFD,
// which the digest then tells apart from the original: such a certificate is refused rather than believed.
std::string json_text(std::string_view text) {
  return Json(std::string(text)).dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string value_json(const Value& value) {
  const auto joined = [](std::span<const Value> items) {
    std::string text;
    for (const Value& item : items) text += (text.empty() ? "" : ",") + value_json(item);
    return text;
  };
  switch (value.kind()) {
    case Value::Kind::null: return "null";
    case Value::Kind::boolean: return value.as_boolean() ? "true" : "false";
    case Value::Kind::integer: return fmt::format("{}", value.as_integer());
    case Value::Kind::real:
      if (std::isfinite(value.as_real())) return Json(value.as_real()).dump();
      return fmt::format("{{\"real\":\"{}\"}}", value.to_string());
    case Value::Kind::string: return json_text(value.as_text());
    case Value::Kind::keyword: return fmt::format("{{\"keyword\":{}}}", json_text(value.as_text()));
    case Value::Kind::list: return "[" + joined(value.as_list()) + "]";
    case Value::Kind::map: {
      std::string text;
      for (const Value::Entry& entry : value.as_map()) {
        text += fmt::format("{}[{},{}]", text.empty() ? "" : ",", value_json(entry.first), value_json(entry.second));
      }
      return "{\"map\":[" + text + "]}";
    }
    case Value::Kind::tagged:
      return fmt::format("{{\"tagged\":[{},{}]}}", json_text(value.tag()), value_json(value.tagged_value()));
  }
  FL_ASSERT(false && "unknown kind");
}

void append_numbers(std::string& out, std::string_view field, const std::vector<OperationIndex>& operations) {
  fmt::format_to(std::back_inserter(out), ",\"{}\":[", field);
  for (std::size_t i = 0; i < operations.size(); ++i) {
    fmt::format_to(std::back_inserter(out), "{}{}", i == 0 ? "" : ",", operations[i]);
  }
  out += ']';
}

void append_key(std::string& out, const KeyProof& proof) {
  fmt::format_to(std::back_inserter(out), "{{\"key\":{},\"verdict\":\"{}\"", value_json(proof.key),
                 to_string(proof.kind));
  if (proof.kind == VerdictKind::invalid) {
    append_numbers(out, "core", proof.core);
    append_numbers(out, "context", proof.context);
  }
  if (proof.kind != VerdictKind::unknown) append_numbers(out, "order", proof.order);
  if (proof.since != none) fmt::format_to(std::back_inserter(out), ",\"since\":{}", proof.since);
  out += '}';
}

}  // namespace

std::string to_json(const Certificate& certificate) {
  std::string out = fmt::format(
      "{{\"format\":\"{}\",\"version\":{},\"verdict\":\"{}\",\"model\":{},\"initial\":{},\"failed_cas\":\"{}\",\n"
      "\"nil_read\":\"{}\",\"events\":{},\"operations\":{},\"history_digest\":{},\"claim_digest\":{},\"keys\":[",
      format_name, format_version, to_string(certificate.kind), json_text(certificate.model),
      value_json(certificate.initial), certificate.failed_cas == FailedCas::drop ? "drop" : "observe",
      certificate.nil_read == NilRead::value ? "value" : "unknown", certificate.events, certificate.operations,
      json_text(certificate.history_digest), json_text(certificate.claim_digest));
  for (std::size_t i = 0; i < certificate.keys.size(); ++i) {
    out += i == 0 ? "\n" : ",\n";
    append_key(out, certificate.keys[i]);
  }
  return out + "]}\n";
}

// --- reading
// -----------------------------------------------------------------------------------------------------------------

namespace {

// What is wrong with the text; caught at the boundary below.
struct Malformed {
  std::string what;
};

// An object whose fields must all be taken, each once.
class Fields {
 public:
  Fields(const Json& object, std::string place) : place_(std::move(place)) {
    if (!object.is_object())
      throw Malformed{fmt::format("{}: expected an object, found {}", place_, object.type_name())};
    for (const auto& [name, field] : object.items()) left_.emplace(name, &field);
  }

  const Json& take(const std::string& name) {
    const Json* field = take_if_present(name);
    if (field == nullptr) throw Malformed{fmt::format("{}: the field \"{}\" is missing", place_, name)};
    return *field;
  }
  const Json* take_if_present(const std::string& name) {
    const auto it = left_.find(name);
    if (it == left_.end()) return nullptr;
    const Json* field = it->second;
    left_.erase(it);
    return field;
  }
  std::string take_text(const std::string& name) {
    const Json& field = take(name);
    if (!field.is_string())
      throw Malformed{fmt::format("{}: \"{}\": expected a string, found {}", place_, name, field.type_name())};
    return field.get<std::string>();
  }
  std::uint64_t take_number(const std::string& name, std::uint64_t limit = UINT64_MAX) {
    return number(take(name), name, limit);
  }
  std::vector<OperationIndex> take_operations(const std::string& name) {
    const Json& field = take(name);
    if (!field.is_array())
      throw Malformed{fmt::format("{}: \"{}\": expected a list, found {}", place_, name, field.type_name())};
    std::vector<OperationIndex> operations;
    operations.reserve(field.size());
    for (const Json& item : field) operations.push_back(static_cast<OperationIndex>(number(item, name, none - 1)));
    return operations;
  }
  // One of the named alternatives, by position.
  std::size_t take_choice(const std::string& name, std::initializer_list<std::string_view> choices) {
    const std::string text = take_text(name);
    const auto it = std::find(choices.begin(), choices.end(), text);
    if (it == choices.end()) {
      throw Malformed{fmt::format("{}: \"{}\": expected {}, found \"{}\"", place_, name, fmt::join(choices, " or "),
                                  clip(escape_controls(text), 40))};
    }
    return static_cast<std::size_t>(it - choices.begin());
  }
  void finish() const {
    if (!left_.empty())
      throw Malformed{fmt::format("{}: unknown field \"{}\"", place_, clip(escape_controls(left_.begin()->first), 40))};
  }

 private:
  std::uint64_t number(const Json& field, const std::string& name, std::uint64_t limit) const {
    if (!field.is_number_unsigned() || field.get<std::uint64_t>() > limit) {
      throw Malformed{fmt::format("{}: \"{}\": expected a whole number from 0 to {}, found {}", place_, name, limit,
                                  clip(field.dump(-1, ' ', true, Json::error_handler_t::replace), 40))};
    }
    return field.get<std::uint64_t>();
  }

  std::string place_;
  std::map<std::string, const Json*> left_;
};

Value real_from(const Json& json, const std::string& place) {
  if (json == "##NaN") return std::numeric_limits<double>::quiet_NaN();
  if (json == "##Inf") return std::numeric_limits<double>::infinity();
  if (json == "##-Inf") return -std::numeric_limits<double>::infinity();
  throw Malformed{place + ": \"real\": expected ##NaN, ##Inf or ##-Inf"};
}

Value value_from(const Json& json, const std::string& place, int depth = 0) {
  if (depth > max_depth) throw Malformed{fmt::format("{}: a value nested deeper than {}", place, max_depth)};
  const auto list_from = [&](const Json& array, std::size_t size) {
    if (!array.is_array() || (size != 0 && array.size() != size))
      throw Malformed{place + ": a value of the wrong shape"};
    std::vector<Value> items;
    for (const Json& item : array) items.push_back(value_from(item, place, depth + 1));
    return items;
  };
  switch (json.type()) {
    case Json::value_t::null: return {};
    case Json::value_t::boolean: return json.get<bool>();
    case Json::value_t::number_integer: return json.get<std::int64_t>();
    case Json::value_t::number_unsigned:
      if (json.get<std::uint64_t>() > std::uint64_t{INT64_MAX}) throw Malformed{place + ": an integer beyond 64 bits"};
      return json.get<std::int64_t>();
    case Json::value_t::number_float: return json.get<double>();
    case Json::value_t::string: return Value::string(json.get<std::string>());
    case Json::value_t::array: return Value::list(list_from(json, 0));
    default: break;
  }
  Fields fields(json, place);
  Value value;
  if (fields.take_if_present("keyword") != nullptr) {
    value = Value::keyword(Fields(json, place).take_text("keyword"));
  } else if (const Json* real = fields.take_if_present("real")) {
    value = real_from(*real, place);
  } else if (const Json* tagged = fields.take_if_present("tagged")) {
    const std::vector<Value> parts = list_from(*tagged, 2);
    if (!parts[0].is_string()) throw Malformed{place + ": \"tagged\": expected a tag and a value"};
    value = Value::tagged(parts[0].as_text(), parts[1]);
  } else {
    std::vector<Value::Entry> entries;
    for (const Value& entry : list_from(fields.take("map"), 0)) {
      if (!entry.is_pair()) throw Malformed{place + ": \"map\": expected pairs"};
      entries.emplace_back(entry.as_list()[0], entry.as_list()[1]);
    }
    value = Value::map(std::move(entries));
  }
  fields.finish();
  return value;
}

constexpr std::array<VerdictKind, 3> kinds{VerdictKind::valid, VerdictKind::unknown, VerdictKind::invalid};

VerdictKind take_kind(Fields& fields) { return kinds[fields.take_choice("verdict", {"valid", "unknown", "invalid"})]; }

KeyProof key_from(const Json& json, std::size_t index) {
  const std::string place = fmt::format("keys[{}]", index);
  Fields fields(json, place);
  KeyProof proof{
      .key = value_from(fields.take("key"), place), .kind = take_kind(fields), .order = {}, .core = {}, .context = {}};
  if (proof.kind == VerdictKind::invalid) {
    proof.core = fields.take_operations("core");
    proof.context = fields.take_operations("context");
    if (fields.take_if_present("since") != nullptr) {
      proof.since = static_cast<OperationIndex>(Fields(json, place).take_number("since", none - 1));
    }
  }
  if (proof.kind != VerdictKind::unknown) proof.order = fields.take_operations("order");
  fields.finish();
  return proof;
}

Certificate certificate_from(const Json& json) {
  Fields fields(json, "certificate");
  if (fields.take_text("format") != format_name) throw Malformed{"certificate: this is no certificate of Faultline"};
  if (const std::uint64_t version = fields.take_number("version"); version != format_version) {
    throw Malformed{fmt::format("certificate: expected version {}, found {}", format_version, version)};
  }
  Certificate certificate;
  certificate.kind = take_kind(fields);
  certificate.model = fields.take_text("model");
  certificate.initial = value_from(fields.take("initial"), "initial");
  certificate.failed_cas =
      fields.take_choice("failed_cas", {"drop", "observe"}) == 0 ? FailedCas::drop : FailedCas::observe;
  certificate.nil_read = fields.take_choice("nil_read", {"value", "unknown"}) == 0 ? NilRead::value : NilRead::unknown;
  certificate.events = fields.take_number("events");
  certificate.operations = fields.take_number("operations");
  certificate.history_digest = fields.take_text("history_digest");
  certificate.claim_digest = fields.take_text("claim_digest");
  const Json& keys = fields.take("keys");
  if (!keys.is_array()) throw Malformed{"certificate: \"keys\": expected a list"};
  for (std::size_t i = 0; i < keys.size(); ++i) certificate.keys.push_back(key_from(keys[i], i));
  fields.finish();
  return certificate;
}

// Throws Malformed on a repeated field: the library would silently keep the last.
Json parse_strictly(std::string_view text) {
  std::vector<std::set<std::string>> names;
  const auto watch = [&names](int, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start) names.emplace_back();
    if (event == Json::parse_event_t::object_end) names.pop_back();
    if (event == Json::parse_event_t::key && !names.back().insert(parsed.get<std::string>()).second) {
      throw Malformed{
          fmt::format("the field \"{}\" is repeated", clip(escape_controls(parsed.get<std::string>()), 40))};
    }
    return true;
  };
  return Json::parse(text.begin(), text.end(), watch);
}

}  // namespace

Result<Certificate> parse_certificate(std::string_view text, std::string_view name) {
  const auto bad = [&](std::string_view what) {
    return Error::bad_input(fmt::format("{}: error: {}", name, what),
                            "write it again with: faultline check HISTORY --certificate FILE");
  };
  try {
    return certificate_from(parse_strictly(text));
  } catch (const Malformed& malformed) {
    return bad(malformed.what);
  } catch (const Json::parse_error& error) {
    return bad(fmt::format("no JSON at byte {} of {}: the file is damaged or cut short", error.byte, text.size()));
  } catch (const Json::exception& error) {
    return bad(escape_controls(error.what()));
  }
}

}  // namespace faultline
