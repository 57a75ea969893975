#include "tiny.hpp"

#include <array>
#include <vector>

namespace faultline::test {

namespace {

struct Asked {
  std::string_view f;
  Value input;
};

Value few(Rng& rng) { return Value(static_cast<std::int64_t>(rng.below(3))); }
Value token(Rng& rng) { return Value(rng.between(1, 5)); }
Value letter(Rng& rng) { return Value(rng.chance(0.5) ? "a" : "b"); }

Asked ask(std::string_view model, Rng& rng) {
  const std::uint64_t dice = rng.below(3);
  if (model == "register") return dice == 0 ? Asked{"write", few(rng)} : Asked{"read", {}};
  if (model == "cas-register") {
    if (dice == 0) return {"write", few(rng)};
    return dice == 1 ? Asked{"read", {}} : Asked{"cas", Value::list({few(rng), few(rng)})};
  }
  if (model == "kv")
    return dice == 0 ? Asked{"get", {}} : Asked{dice == 1 && rng.chance(0.5) ? "put" : "append", letter(rng)};
  if (model == "mutex") return {rng.chance(0.5) ? "acquire" : "release", {}};
  if (model == "set") return dice == 0 ? Asked{"read", {}} : Asked{dice == 1 ? "add" : "contains", few(rng)};
  if (model == "counter") {
    if (dice == 0) return {"read", {}};
    return dice == 1 ? Asked{"add", few(rng)} : Asked{rng.chance(0.5) ? "inc" : "dec", {}};
  }
  if (model == "stack") return rng.chance(0.5) ? Asked{"push", few(rng)} : Asked{"pop", {}};
  if (model == "unique-ids") return {"generate", {}};
  if (model == "append-list") return dice == 0 ? Asked{"read", {}} : Asked{"append", few(rng)};
  if (model == "fenced-mutex") {
    if (rng.chance(0.25)) return {"write", Value::list({token(rng), few(rng)})};
    return rng.chance(0.5) ? Asked{"acquire", {}} : Asked{"release", rng.chance(0.25) ? token(rng) : Value()};
  }
  if (model == "fencing") {
    if (rng.chance(0.1)) return {"release", {}};
    return dice == 0 ? Asked{"write", Value::list({token(rng), few(rng)})} : Asked{"acquire", {}};
  }
  if (model == "lease") return {rng.chance(0.7) ? "read" : dice == 0 ? "keep" : "grant", {}};
  return rng.chance(0.5) ? Asked{"enqueue", few(rng)} : Asked{"dequeue", {}};
}

// Seconds of a short life.
Value sighting(std::string_view f, Rng& rng) {
  constexpr std::int64_t second = 1000;
  const bool alive = f == "grant" || rng.chance(0.6);
  const std::int64_t from = rng.between(0, 12) * second;
  std::vector<Value::Entry> entries{{"alive", alive}, {"from", from}, {"to", from + rng.between(0, 2) * second}};
  if (f != "read" && alive) entries.emplace_back("ttl", rng.between(1, 6) * second);
  if (f == "read" && rng.chance(0.5)) entries.emplace_back("steady", rng.between(0, 3) * second);
  return Value::map(std::move(entries));
}

// Mostly a beginning of one list, so that reads often agree.
Value short_list(Rng& rng) {
  std::vector<Value> list;
  const std::uint64_t size = rng.below(4);
  const bool right = rng.chance(0.85);
  for (std::uint64_t at = 0; at < size; ++at) list.push_back(right ? Value(static_cast<std::int64_t>(at)) : few(rng));
  return list.empty() && rng.chance(0.5) ? Value() : Value::list(std::move(list));
}

Value answer(std::string_view model, std::string_view f, Rng& rng) {
  if (f == "get") {
    std::string text;
    for (std::uint64_t n = rng.below(4); n > 0; --n) text += rng.chance(0.5) ? 'a' : 'b';
    return Value(text);
  }
  if (f == "contains") return Value(rng.chance(0.5));
  if (f == "dequeue" || f == "pop") return rng.chance(0.25) ? Value() : few(rng);
  if (f == "generate") return Value(static_cast<std::int64_t>(rng.below(12)));
  if (model == "lease") return sighting(f, rng);
  if (f == "acquire") return model == "fenced-mutex" || model == "fencing" ? token(rng) : Value();
  if (f != "read") return {};
  if (model == "append-list") return short_list(rng);
  if (model == "counter") return Value(rng.between(-1, 3));
  if (model != "set") return rng.chance(0.1) ? Value() : few(rng);
  std::vector<Value> elements;
  for (std::int64_t e = 0; e < 3; ++e) {
    if (rng.chance(0.4)) elements.emplace_back(e);
  }
  return Value::list(std::move(elements));
}

void complete(History& h, OperationIndex o, std::string_view model, Rng& rng) {
  const Operation operation = h.operation(o);
  if (rng.chance(0.15)) return h.info(o, "timeout");
  if (operation.f == "cas" && rng.chance(0.4))
    return h.fail(o, rng.chance(0.5) ? Value("precondition-failed") : Value());
  if (rng.chance(0.08)) return h.fail(o, "unavailable");
  h.ok(o, answer(model, operation.f, rng));
}

}  // namespace

History tiny_history(std::string_view model, Rng& rng, std::size_t max_operations) {
  History h;
  std::array<OperationIndex, 3> open{none, none, none};
  std::array<Process, 3> process{0, 1, 2};
  const std::size_t operations = 1 + rng.below(max_operations);
  while (h.operation_count() < operations || rng.chance(0.8)) {
    const std::size_t who = rng.below(open.size());
    if (open[who] == none) {
      if (h.operation_count() == operations) continue;
      const Asked asked = ask(model, rng);
      open[who] = h.invoke(process[who], asked.f, asked.input);
    } else {
      complete(h, open[who], model, rng);
      if (h.outcome(open[who]) == Outcome::info) process[who] += 3;
      open[who] = none;
    }
  }
  return h;
}

std::string to_text(const History& history) {
  std::string text;
  for (EventIndex i = 0; i < history.size(); ++i) {
    const Event event = history.event(i);
    text += std::to_string(event.process) + " " + std::string(to_string(event.type)) + " " + event.f + " " +
            event.value.to_string() + " " + event.extra.to_string() + "\n";
  }
  return text;
}

}  // namespace faultline::test
