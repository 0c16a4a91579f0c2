#include "tools/process/reserved_port.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"
#include "common/fd.h"

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51  // Linux 6.3; not in Debian 12's headers.
#endif

namespace ebb::tools {
namespace {

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

uint16_t PortOf(const ReservedPort& reserved) {
  const std::string& text = reserved.address();
  int port = 0;
  EXPECT_TRUE(absl::SimpleAtoi(
      absl::string_view(text).substr(text.rfind(':') + 1), &port));
  return static_cast<uint16_t>(port);
}

Fd Socket() { return Fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)); }

int Bind(const Fd& fd, uint16_t port) {
  const sockaddr_in address = Loopback(port);
  return bind(fd.get(), reinterpret_cast<const sockaddr*>(&address),
              sizeof(address));
}

void Allow(const Fd& fd, int option) {
  const int on = 1;
  EXPECT_EQ(setsockopt(fd.get(), SOL_SOCKET, option, &on, sizeof(on)), 0);
}

TEST(ReservedPortTest, ADaemonMayListenAgainAndAgain) {
  const auto reserved = ReservedPort::Reserve();
  ASSERT_TRUE(reserved.ok()) << reserved.status();
  for (int life = 0; life < 2; ++life) {
    const Fd daemon = Socket();
    Allow(daemon, SO_REUSEADDR);
    ASSERT_EQ(Bind(daemon, PortOf(*reserved)), 0);
    EXPECT_EQ(listen(daemon.get(), 1), 0);
  }
}

// Bug: tests chose a port and let go of it; another process got it meanwhile.
TEST(ReservedPortTest, NobodyElseIsGivenIt) {
  const auto reserved = ReservedPort::Reserve();
  ASSERT_TRUE(reserved.ok()) << reserved.status();
  const uint32_t port = PortOf(*reserved);
  EXPECT_EQ(Bind(Socket(), PortOf(*reserved)), -1);
  EXPECT_EQ(errno, EADDRINUSE);

  // Both ends of the range of ports that these sockets may be given.
  const uint32_t only_that = port << 16 | port;
  for (const bool shares : {false, true}) {
    const Fd other = Socket();
    if (shares) Allow(other, SO_REUSEADDR);
    if (setsockopt(other.get(), IPPROTO_IP, IP_LOCAL_PORT_RANGE, &only_that,
                   sizeof(only_that)) != 0) {
      return;  // A Linux before 6.3: what is above is all there is to ask.
    }
    EXPECT_EQ(Bind(other, 0), -1);
    EXPECT_EQ(errno, EADDRINUSE);
  }

  // Not for its own end of a connection, either.
  const Fd daemon = Socket();
  ASSERT_EQ(Bind(daemon, 0), 0);
  ASSERT_EQ(listen(daemon.get(), 1), 0);
  sockaddr_in there = {};
  socklen_t size = sizeof(there);
  auto* const address = reinterpret_cast<sockaddr*>(&there);
  ASSERT_EQ(getsockname(daemon.get(), address, &size), 0);
  const Fd client = Socket();
  ASSERT_EQ(setsockopt(client.get(), IPPROTO_IP, IP_LOCAL_PORT_RANGE,
                       &only_that, sizeof(only_that)),
            0);
  EXPECT_EQ(connect(client.get(), address, size), -1);
  EXPECT_EQ(errno, EADDRNOTAVAIL);
}

}  // namespace
}  // namespace ebb::tools
