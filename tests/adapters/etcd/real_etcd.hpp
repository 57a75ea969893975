// What the tests with real daemons share: a folder of their own, a target that is torn down, operations one by one.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <stdlib.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <optional>
#include <thread>

#include <faultline/etcd/target.hpp>

#include <gtest/gtest.h>

namespace faultline::etcd {

inline bool etcd_is_present() {
  if (::access("/usr/bin/etcd", X_OK) == 0) return true;
  std::puts("etcd not present");
  return false;
}

// A fresh folder, also the harness's state directory, so that parallel tests do not see each other's journals.
class Folder {
 public:
  Folder() {
    std::string pattern = std::filesystem::temp_directory_path() / "faultline-etcd-XXXXXX";
    EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
    path_ = pattern;
    ::setenv("FAULTLINE_STATE", (path_ / "state").c_str(), 1);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::filesystem::path run() const { return path_ / "run"; }

 private:
  std::filesystem::path path_;
};

// A client and the loop it lives on, for one thread.
class Session {
 public:
  Session(live::Target& target, const NodeName& node) : client_(target.open_client(loop_.get_executor(), 0, node)) {}

  Event perform(std::string f, Value value = {}, Value key = "x") {
    std::optional<Event> completion;
    boost::asio::co_spawn(
        loop_,
        client_->perform(
            {.type = EventType::invoke, .f = std::move(f), .key = std::move(key), .value = std::move(value)}),
        [&](const std::exception_ptr&, Event event) { completion = std::move(event); });
    loop_.restart();
    loop_.run();
    EXPECT_TRUE(completion.has_value());
    return completion.value_or(Event{});
  }

 private:
  boost::asio::io_context loop_{1};
  std::unique_ptr<live::Client> client_;
};

// Runs in a thread of its own that has entered the client network, so that the test's thread stays where it is.
inline void as_client_of(live::Target& target, const std::function<void()>& work) {
  std::thread([&] {
    const auto entered = target.enter_client_network();
    ASSERT_TRUE(entered.ok()) << entered.error().to_string();
    work();
  }).join();
}

// Polls until it holds, at most that long.
inline bool eventually(const std::function<bool()>& holds, std::chrono::seconds limit = std::chrono::seconds(20)) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

}  // namespace faultline::etcd
