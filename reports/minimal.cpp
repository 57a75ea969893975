// minimal.jsonl: the checker's minimal history in the native format, numbered anew. `faultline check` judges it like the whole one.
#include <string>

#include <faultline/explain.hpp>
#include <faultline/formats.hpp>
#include <faultline/report.hpp>

namespace faultline {

std::string render_minimal_jsonl(const History& history, const Anomaly& anomaly) {
  const History minimal = minimal_history(history, anomaly);
  std::string text;
  for (EventIndex i = 0; i < minimal.size(); ++i) text += native_line(i, minimal.event(i));
  return text;
}

}  // namespace faultline
