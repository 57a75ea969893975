// Keeper: keeps the leases of a process's locks alive. Private to adapters/etcd; see client.hpp.
//
// Thread rules: everything on the executor's one thread. What it has started takes shares of it and ends soon after abandon().
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <memory>
#include <vector>

#include <faultline/etcd/client.hpp>
#include <faultline/etcd/holding.hpp>

#include "http.hpp"

namespace faultline::etcd {

class Keeper {
 public:
  // `from`, `outside`: see ClientOptions.
  Keeper(boost::asio::any_io_executor executor, live::Endpoint endpoint, LocalEnd from,
         std::shared_ptr<Outside> outside)
      : executor_(std::move(executor)),
        endpoint_(std::move(endpoint)),
        from_(std::move(from)),
        outside_(std::move(outside)) {}

  [[nodiscard]] Holdings& holdings() { return holdings_; }
  // As long as holdings().locks has it. REQUIRES: it has it.
  static void keep(const std::shared_ptr<Keeper>& self, const Value& lock);
  void abandon();

 private:
  static boost::asio::awaitable<void> go(std::shared_ptr<Keeper> self, std::shared_ptr<Connection> connection,
                                         Value lock, Holdings::Lock held);
  [[nodiscard]] bool still(const Value& lock, const Holdings::Lock& held) const;

  boost::asio::any_io_executor executor_;
  live::Endpoint endpoint_;
  LocalEnd from_;
  std::shared_ptr<Outside> outside_;
  Holdings holdings_;
  std::vector<std::weak_ptr<Connection>> connections_;
  bool abandoned_ = false;
};

}  // namespace faultline::etcd
