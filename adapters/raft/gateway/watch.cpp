#include <faultline/assert.hpp>
#include <faultline/raft/gateway/watch.hpp>

#include "messages_out.hpp"
#include "writer.hpp"

#include <optional>

namespace faultline::raft::gateway {
namespace {

constexpr std::int64_t no_watch = -1;
constexpr std::size_t page_records = 1'000;  // as many as etcd looks at before it sends what a lagging watcher missed
constexpr std::string_view duplicate_id = "mvcc: duplicate watch ID provided on the WatchStream";
constexpr std::string_view empty_range = "mvcc: watcher range is empty";

// {"result":{"header":…,…}} and the end of the line; `write(object)` adds what follows the header.
template <class Write>
void append_line(std::string& lines, const Header& header, kv::Revision revision, std::int64_t id, Write write) {
  {
    Object object(lines);
    Object result(object.name("result"));
    append_header(result, header, revision);
    result.quoted("watch_id", id);
    write(result);
  }
  lines += '\n';
}

void append_event(std::string& out, const kv::WatchEvent& event) {
  Object object(out);
  if (event.deleted) object.text("type", "DELETE");
  append_key_value(object.name("kv"), event.kv);
  if (event.prev_kv) append_key_value(object.name("prev_kv"), *event.prev_kv);
}

using Events = std::vector<const kv::WatchEvent*>;

void append_events(std::string& lines, const Header& header, kv::Revision revision, std::int64_t id,
                   const Events& events) {
  append_line(lines, header, revision, id, [&](Object& result) {
    result.list("events", events, [&lines](const kv::WatchEvent* event) { append_event(lines, *event); });
  });
}

void append_to(Events& events, const kv::WatchPage::Batch& batch) {
  for (const kv::WatchEvent& event : batch.events) events.push_back(&event);
}

bool is_empty_range(const WatchCreate& request) {
  const bool open_ended = request.range_end.size() == 1 && request.range_end[0] == '\0';
  return !request.range_end.empty() && !open_ended && request.key >= request.range_end;
}

}  // namespace

void WatchSession::create(const Header& header, const kv::Store& store, const WatchCreate& request,
                          std::string& lines) {
  const auto refuse = [&](std::string_view reason) {
    append_line(lines, header, store.revision(), no_watch, [&](Object& result) {
      result.yes("created", true);
      result.yes("canceled", true);
      result.text("cancel_reason", reason);
    });
  };
  if (is_empty_range(request)) return refuse(empty_range);
  std::int64_t id = request.watch_id;
  if (id == 0) {
    while (watchers_.contains(next_id_)) ++next_id_;
    id = next_id_++;
  } else if (watchers_.contains(id)) {
    return refuse(duplicate_id);
  }
  Watcher watcher;
  watcher.synced = request.start_revision <= 0 || request.start_revision > store.revision();
  watcher.watch.key = request.key.empty() ? std::string(1, '\0') : request.key;
  watcher.watch.range_end = request.range_end;
  watcher.watch.start_revision = request.start_revision <= 0 ? store.revision() + 1 : request.start_revision;
  watcher.watch.no_put = request.no_put;
  watcher.watch.no_delete = request.no_delete;
  watcher.watch.prev_kv = request.prev_kv;
  watcher.watch.records_max = page_records;
  watchers_.emplace(id, std::move(watcher));
  append_line(lines, header, store.revision(), id, [](Object& result) { result.yes("created", true); });
}

std::string WatchSession::start(const Header& header, const kv::Store& store,
                                const std::vector<WatchRequest>& requests) {
  std::string lines;
  for (const WatchRequest& request : requests) {
    if (const auto* wanted = std::get_if<WatchCreate>(&request)) create(header, store, *wanted, lines);
    if (const auto* unwanted = std::get_if<WatchCancel>(&request)) {
      if (watchers_.erase(unwanted->watch_id) == 0) continue;
      append_line(lines, header, store.revision(), unwanted->watch_id,
                  [](Object& result) { result.yes("canceled", true); });
    }
    if (std::holds_alternative<WatchProgress>(request)) {
      append_line(lines, header, store.revision(), no_watch, [](Object&) {});
    }
  }
  return lines;
}

// Looks once; false if the watcher ended, because what it asks for is compacted.
bool WatchSession::advance(const Header& header, const kv::Store& store, std::int64_t id, Watcher& watcher,
                           std::string& lines) {
  const kv::WatchPage page = store.watch(watcher.watch);
  if (page.compacted) {
    append_line(lines, header, 0, id, [&](Object& result) {
      result.yes("canceled", true);
      result.quoted("compact_revision", *page.compacted);
    });
    return false;
  }
  Events missed;
  for (const kv::WatchPage::Batch& batch : page.batches) {
    if (!watcher.synced) {
      append_to(missed, batch);
      continue;
    }
    Events events;
    append_to(events, batch);
    append_events(lines, header, batch.revision, id, events);
  }
  if (!missed.empty()) append_events(lines, header, store.revision(), id, missed);
  FL_ASSERT(page.next > watcher.watch.start_revision);
  watcher.watch.start_revision = page.next;
  watcher.synced = page.next > store.revision();
  return true;
}

std::string WatchSession::poll(const Header& header, const kv::Store& store, std::size_t bytes_max) {
  std::string lines;
  for (auto entry = watchers_.begin(); entry != watchers_.end();) {
    auto& [id, watcher] = *entry;
    bool alive = true;
    while (alive && watcher.watch.start_revision <= store.revision() && lines.size() < bytes_max) {
      alive = advance(header, store, id, watcher, lines);
    }
    entry = alive ? std::next(entry) : watchers_.erase(entry);
  }
  return lines;
}

}  // namespace faultline::raft::gateway
