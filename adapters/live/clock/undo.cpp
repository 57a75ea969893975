// The undo record, and undoing by it.
#include <charconv>
#include <sstream>

#include <faultline/live/clock.hpp>

#include "patch.hpp"
#include "process.hpp"

namespace faultline::live {

std::string ClockUndo::to_string() const {
  std::ostringstream out;
  out << pid << ' ' << start_time << ' ' << boot_id << std::hex;
  for (const Word& word : words) out << ' ' << word.address << ' ' << word.original << ' ' << word.patched;
  return out.str();
}

Result<ClockUndo> ClockUndo::parse(std::string_view text) {
  std::istringstream in{std::string(text)};
  ClockUndo undo;
  in >> undo.pid >> undo.start_time >> undo.boot_id >> std::hex;
  Word word;
  while (in >> word.address >> word.original >> word.patched) undo.words.push_back(word);
  if (undo.pid <= 0 || undo.boot_id.empty() || undo.words.empty() || !in.eof())
    return Error::bad_input("not an undo record of a clock patch: '" + std::string(text) + "'");
  return undo;
}

Result<bool> undo_clock_patch(const ClockUndo& undo) {
  using namespace clock;
  if (undo.boot_id != boot_identity() || start_time(undo.pid) != undo.start_time) return false;
  if (thread_state(undo.pid, undo.pid) == 'Z' && threads_of(undo.pid).size() <= 1) return false;
  const auto taken = on_tracer_thread<TakenOut>([&] { return halt_and_take_out(undo); });
  if (!taken) return taken.error();
  return taken.value().any;
}

}  // namespace faultline::live
