// What a Reactor is made of; only connectors/net's own .cpp files include it.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "connectors/net/reactor.hpp"

namespace oneclick::net {

struct Reactor::Impl {
  Impl();
  void arm_wake();

  boost::asio::io_context io{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work;
  // An eventfd: writing to it ends a wait from any thread and from signal handlers.
  boost::asio::posix::stream_descriptor waker;
};

}  // namespace oneclick::net
