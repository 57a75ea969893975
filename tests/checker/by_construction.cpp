#include "by_construction.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <faultline/assert.hpp>
#include <faultline/rng.hpp>

namespace faultline::test {

namespace {

constexpr std::int64_t marker = 777'777;   // written first, gone (or, where things only grow, there) ever after
constexpr std::int64_t unheard = 888'888;  // never written

// One object of each kind, simulated with the standard library: nothing shared with the models.
struct Object {
  Value cell;
  std::int64_t version = 1;  // of the cell
  std::string text;
  bool held = false;
  std::set<Value> set;
  std::int64_t count = 0;
  std::deque<Value> queue;  // or list
  std::int64_t token = 0;   // the last one given out
};

struct Running {
  enum class Stage { idle, asked, done } stage = Stage::idle;
  OperationIndex operation = none;
  std::size_t key = 0;
  std::string f;
  Value input;
  Value output;
  std::int64_t version = 0;
  bool refused = false;  // it had no effect and the object says so
  bool vanishes = false;
};

class Simulation {
 public:
  explicit Simulation(const Recipe& recipe)
      : recipe_(recipe), rng_(Rng(recipe.seed).fork(recipe.model)), objects_(recipe.keys), clients_(recipe.clients) {
    for (std::size_t c = 0; c < recipe.clients; ++c) processes_.push_back(static_cast<Process>(c));
  }

  History run() {
    begin_with_marker();
    while (asked_ < recipe_.operations || std::any_of(clients_.begin(), clients_.end(), busy)) {
      const std::size_t c = rng_.below(clients_.size());
      Running& client = clients_[c];
      switch (client.stage) {
        case Running::Stage::idle:
          if (asked_ < recipe_.operations) ask(c);
          break;
        case Running::Stage::asked:
          if (!client.vanishes || rng_.chance(0.5)) act(client);
          client.stage = Running::Stage::done;
          break;
        case Running::Stage::done: answer(c); break;
      }
    }
    return std::move(history_);
  }

 private:
  static bool busy(const Running& client) { return client.stage != Running::Stage::idle; }

  [[nodiscard]] bool is(std::string_view model) const { return recipe_.model == model; }
  Value fresh() {
    return recipe_.values == 0 ? Value(next_++) : Value(static_cast<std::int64_t>(rng_.below(recipe_.values)));
  }
  // Texts of kv are letters or numbers in brackets, so that appended ones can be told apart.
  Value fresh_text() {
    if (recipe_.values == 0) return Value("(" + std::to_string(next_++) + ")");
    return Value(std::string(1, static_cast<char>('a' + rng_.below(recipe_.values))));
  }
  // Elements of sets and queues always are new: that is how these objects are tested.
  Value fresh_element() { return Value(next_++); }
  // New as well, but in no particular order; negative, as the lies are not.
  Value fresh_priority() {
    const std::int64_t number = next_++;
    return Value(-1 - number / 65'536 * 65'536 - number * 40'503 % 65'536);
  }

  // What a stale lie will report: it is established, alone, before anything else begins.
  void begin_with_marker() {
    if (is("mutex") || is("counter")) return;
    if (is("unique-ids")) return alone("generate", {}, Value(next_));
    if (is("fenced-mutex")) {
      alone("acquire", {}, Value(1));
      return alone("release", {}, {});
    }
    const bool queue = is("fifo-queue") || is("unordered-queue") || is("priority-queue");
    const std::string f = is("kv")            ? "put"
                          : is("set")         ? "add"
                          : is("append-list") ? "append"
                          : is("stack")       ? "push"
                          : queue             ? "enqueue"
                                              : "write";
    const Value input = is("kv") ? Value(std::to_string(marker)) : Value(marker);
    alone(f, input, {});
    if (queue) alone("dequeue", {}, Value(marker));
    if (is("stack")) alone("pop", {}, Value(marker));
    if (is("kv")) alone("put", Value("z"), {});
    if (is("register") || is("cas-register")) alone("write", fresh(), {});
  }
  void alone(const std::string& f, const Value& input, const Value& output) {
    Running client{.f = f, .input = input};
    client.operation = history_.invoke(processes_[0], f, input, key(0));
    act(client);
    FL_ASSERT(client.output == output);
    acknowledge(client);
  }
  [[nodiscard]] Value key(std::size_t k) const {
    return recipe_.keys > 1 ? Value(static_cast<std::int64_t>(k)) : Value();
  }

  void ask(std::size_t c) {
    Running& client = clients_[c];
    client = {.stage = Running::Stage::asked, .key = rng_.below(recipe_.keys)};
    choose(client);
    client.vanishes = rng_.chance(recipe_.info);
    client.operation = history_.invoke(processes_[c], client.f, client.input, key(client.key));
    ++asked_;
  }

  void choose(Running& client) {
    const std::uint64_t dice = rng_.below(3);
    const Object& object = objects_[client.key];
    if (is("register") || is("cas-register")) {
      client.f = dice == 0 ? "read" : dice == 1 || is("register") ? "write" : "cas";
      if (client.f == "write") client.input = fresh();
      if (client.f == "cas") client.input = Value::list({recipe_.values == 0 ? object.cell : fresh(), fresh()});
    } else if (is("kv")) {
      client.f = dice == 0 ? "get" : object.text.size() > 200 || rng_.chance(0.02) ? "put" : "append";
      if (client.f != "get") client.input = fresh_text();
    } else if (is("mutex")) {
      client.f = rng_.chance(0.5) ? "acquire" : "release";
    } else if (is("unique-ids")) {
      client.f = "generate";
    } else if (is("fenced-mutex")) {
      client.f = dice == 0 ? "write" : rng_.chance(0.5) ? "acquire" : "release";
      if (dice == 0) client.input = Value::list({object.token, fresh()});
    } else if (is("append-list")) {
      const bool grow = object.queue.size() < recipe_.depth ? dice != 0 : rng_.chance(0.01);
      client.f = grow ? "append" : "read";
      if (grow) client.input = fresh_element();
    } else if (is("set")) {
      const bool grow = object.set.size() < recipe_.depth || rng_.chance(0.01);
      client.f = grow && dice != 0 ? "add" : dice == 1 ? "contains" : "read";
      if (client.f == "add") client.input = fresh_element();
      if (client.f == "contains") client.input = Value(static_cast<std::int64_t>(rng_.below(next_ + 3)));
    } else if (is("counter")) {
      client.f = dice == 0 ? "read" : dice == 1 ? "add" : "inc";
      if (client.f == "add") client.input = Value(recipe_.values == 1 ? 1 : static_cast<std::int64_t>(rng_.below(5)));
    } else {
      const bool grow = object.queue.size() < recipe_.depth ? rng_.chance(0.55) : rng_.chance(0.4);
      client.f = is("stack") ? (grow ? "push" : "pop") : grow ? "enqueue" : "dequeue";
      if (grow) client.input = is("priority-queue") ? fresh_priority() : fresh_element();
    }
  }

  void act(Running& client) {
    Object& object = objects_[client.key];
    if (is("register") || is("cas-register")) return act_on_register(client, object);
    if (is("kv")) {
      if (client.f == "get") client.output = Value(object.text);
      if (client.f == "put") object.text.clear();
      if (client.f != "get") object.text += client.input.as_text();
    } else if (is("mutex") || is("fenced-mutex")) {
      act_on_lock(client, object);
    } else if (is("unique-ids")) {
      client.output = fresh_element();
    } else if (is("append-list")) {
      if (client.f == "append") object.queue.push_back(client.input);
      if (client.f == "read") client.output = Value::list({object.queue.begin(), object.queue.end()});
    } else if (is("set")) {
      if (client.f == "add") object.set.insert(client.input);
      if (client.f == "read") client.output = Value::list({object.set.begin(), object.set.end()});
      if (client.f == "contains") client.output = Value(object.set.contains(client.input));
    } else if (is("counter")) {
      if (client.f == "read") client.output = Value(object.count);
      if (client.f == "add") object.count += client.input.as_integer();
      if (client.f == "inc") ++object.count;
    } else {
      act_on_queue(client, object);
    }
  }
  void act_on_lock(Running& client, Object& object) const {
    if (client.f == "write") {
      client.refused = client.input.as_list()[0] != Value(object.token);
      return;
    }
    client.refused = (client.f == "acquire") == object.held;
    if (client.refused) return;
    object.held = !object.held;
    if (is("fenced-mutex") && object.held) client.output = Value(++object.token);
  }
  static void act_on_register(Running& client, Object& object) {
    if (client.f == "read") client.output = object.cell;
    if (client.f == "write") object.cell = client.input;
    if (client.f == "cas") {
      client.refused = object.cell != client.input.as_list()[0];
      if (!client.refused) object.cell = client.input.as_list()[1];
    }
    if (client.f != "read" && !client.refused) ++object.version;
    client.version = object.version;
  }
  void act_on_queue(Running& client, Object& object) {
    if (client.f == "enqueue" || client.f == "push") return object.queue.push_back(client.input);
    if (object.queue.empty()) return;
    std::size_t at = is("fifo-queue") ? 0 : is("stack") ? object.queue.size() - 1 : rng_.below(object.queue.size());
    if (is("priority-queue")) {
      at = static_cast<std::size_t>(std::max_element(object.queue.begin(), object.queue.end()) - object.queue.begin());
    }
    client.output = object.queue[at];
    object.queue.erase(object.queue.begin() + static_cast<std::ptrdiff_t>(at));
  }

  void answer(std::size_t c) {
    Running& client = clients_[c];
    client.stage = Running::Stage::idle;
    if (client.vanishes) {
      history_.info(client.operation, "timeout");
      processes_[c] += static_cast<Process>(recipe_.clients);
      return;
    }
    lie(client);
    if (client.refused)
      return history_.fail(client.operation, client.f == "cas" ? Value("precondition-failed") : Value());
    acknowledge(client);
  }

  void acknowledge(const Running& client) {
    if (!recipe_.versions) return history_.ok(client.operation, client.output);
    const Event invocation = history_.event(history_.invoked(client.operation));
    const Event completion{.type = EventType::ok,
                           .process = invocation.process,
                           .f = invocation.f,
                           .key = invocation.key,
                           .value = client.output,
                           .extra = {}};
    FL_ASSERT(history_.append(completion.with("version", Value(client.version))).ok());
  }

  // One late answer is changed so that no order can explain it. REQUIRES: recipe.info == 0 for a lock held twice.
  void lie(Running& client) {
    if (recipe_.lie == Lie::none || lies_ == 0 || client.key != 0 || asked_ < recipe_.operations * 95 / 100) return;
    const bool stale = recipe_.lie == Lie::stale;
    if (is("fenced-mutex") && stale) {  // a token is given out again
      if (client.f != "acquire" || client.refused) return;
      client.output = Value(1);
      lies_ = 0;
      return;
    }
    if (is("mutex") || is("fenced-mutex")) {
      // Two more locks than releases can never be had at the end.
      if (client.f != "acquire" || !client.refused) return;
      client.refused = false;
      if (is("fenced-mutex")) client.output = Value(++objects_[0].token);
      --lies_;
      return;
    }
    const bool removes = client.f == "dequeue" || client.f == "pop";
    const bool reads =
        client.f == "read" || client.f == "generate" || client.f == "get" || (removes && !client.output.is_null());
    if (!reads) return;
    client.output = Value(stale ? marker : unheard);
    if (is("kv")) client.output = Value(std::to_string(stale ? marker : unheard));
    if (is("counter")) client.output = Value(static_cast<std::int64_t>(stale ? 0 : 1'000'000'000));
    if (is("unique-ids")) client.output = Value(0);  // given out first of all
    if (is("append-list")) {
      std::vector<Value> elements{Value(marker)};
      if (!stale) elements.assign(objects_[0].queue.begin(), objects_[0].queue.end());
      if (!stale) elements.emplace_back(unheard);
      client.output = Value::list(std::move(elements));
    }
    if (is("set")) {
      std::vector<Value> elements(objects_[0].set.begin(), objects_[0].set.end());
      if (stale) std::erase(elements, Value(marker));
      if (!stale) elements.emplace_back(unheard);
      client.output = Value::list(std::move(elements));
    }
    lies_ = 0;
  }

  const Recipe& recipe_;
  Rng rng_;
  History history_;
  std::vector<Object> objects_;
  std::vector<Running> clients_;
  std::vector<Process> processes_;
  std::size_t asked_ = 0;
  std::size_t lies_ = 2;
  std::int64_t next_ = 0;
};

}  // namespace

History by_construction(const Recipe& recipe) { return Simulation(recipe).run(); }

}  // namespace faultline::test
