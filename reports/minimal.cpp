// minimal.jsonl: the core and its context as a history of its own, in the native format. Indices are those of the whole history, so that
// a line can be found there again.
#include <algorithm>
#include <string>
#include <vector>

#include <faultline/formats.hpp>
#include <faultline/report.hpp>

namespace faultline {

namespace {

// The completion of an operation that was relaxed: what came back is forgotten, and when.
Event relaxed(const Event& completion, const Event& invocation) {
  Event event = completion;
  event.type = EventType::info;
  event.value = invocation.value;
  const Value node = completion.node();
  event.extra = Value();
  if (!node.is_null()) event = event.with("node", node);
  return event.with("error", "relaxed: it may have happened at any time after it began, or never");
}

}  // namespace

std::string render_minimal_jsonl(const History& history, const Anomaly& anomaly) {
  struct Line {
    EventIndex index;
    Event event;
  };
  std::vector<Line> lines;
  const auto add = [&](OperationIndex o, bool in_core) {
    if (o >= history.operation_count()) return;
    const Event invocation = history.event(history.invoked(o));
    lines.push_back({history.invoked(o), invocation});
    const EventIndex completed = history.completed(o);
    if (completed == none) return;
    const Event completion = history.event(completed);
    lines.push_back({completed, in_core ? completion : relaxed(completion, invocation)});
  };
  for (const OperationIndex o : anomaly.core) add(o, true);
  for (const OperationIndex o : anomaly.context) add(o, false);
  std::sort(lines.begin(), lines.end(), [](const Line& a, const Line& b) { return a.index < b.index; });
  std::string text;
  for (const Line& line : lines) text += native_line(line.index, line.event);
  return text;
}

}  // namespace faultline
