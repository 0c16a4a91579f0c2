#include "tools/chaos/socket_owner.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::chaos {
namespace {

using ::testing::ElementsAre;

constexpr char kTable[] =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when "
    "retrnsmt   uid  timeout inode\n"
    "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 "
    "00000000  1000        0 100 1 0000000000000000 100 0 0 10 0\n"
    "   1: 0100007F:C350 0100007F:1F90 01 00000000:00000000 00:00000000 "
    "00000000  1000        0 101 1 0000000000000000 20 4 30 10 -1\n"
    "   2: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 "
    "00000000  1000        0 102 1 0000000000000000 20 4 30 10 -1\n"
    "   3: 0200007F:C350 0100007F:1F90 06 00000000:00000000 03:000017A4 "
    "00000000     0        0 0 3 0000000000000000\n"
    "   4: 0100007F:C350 0100007F:1F9";
constexpr char kTable6[] =
    "  sl  local_address                         remote_address  ...\n"
    "   0: 0000000000000000FFFF00000100007F:C351 "
    "0000000000000000FFFF00000100007F:1F90 01 00000000:00000000 00:00000000 "
    "00000000     0        0 103 2 0000000000000000 20 0 0 10 -1\n";

SocketAddress Local(int port) { return {htonl(INADDR_LOOPBACK), port}; }

TEST(SocketOwnerTest, TheOpenersRowIsToldFromTheOther) {
  const std::vector<PeerSocket> sockets = {
      {Local(50000), Local(8080)}, {Local(8080), Local(50000)},
      {Local(50001), Local(8080)}, {{htonl(0x7F000002), 50000}, Local(8080)},
      {Local(50002), Local(8080)},
  };
  std::vector<uint64_t> inodes(sockets.size(), 7);
  FindInodes(kTable, sockets, &inodes);
  EXPECT_THAT(inodes, ElementsAre(101, 102, 7, 0, 7));
  FindInodes(kTable6, sockets, &inodes);
  EXPECT_THAT(inodes, ElementsAre(101, 102, 103, 0, 7));
}

// A connection to ourselves, of a socket as gRPC makes them (IPv6, to a mapped
// address) or a plain one.
class Pair {
 public:
  explicit Pair(int family) {
    listening_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(bind(listening_, any, size), 0);
    EXPECT_EQ(listen(listening_, 1), 0);
    EXPECT_EQ(getsockname(listening_, any, &size), 0);
    const int port = ntohs(address.sin_port);
    opener_ = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (family == AF_INET6) {
      sockaddr_in6 mapped = {};
      mapped.sin6_family = AF_INET6;
      mapped.sin6_port = address.sin_port;
      EXPECT_EQ(inet_pton(AF_INET6, "::ffff:127.0.0.1", &mapped.sin6_addr), 1);
      EXPECT_EQ(connect(opener_, reinterpret_cast<const sockaddr*>(&mapped),
                        sizeof(mapped)),
                0);
    } else {
      EXPECT_EQ(connect(opener_, any, size), 0);
    }
    accepted_ = accept(listening_, any, &size);
    socket_ = {Local(ntohs(address.sin_port)), Local(port)};
  }
  ~Pair() {
    CloseOpener();
    close(accepted_);
    close(listening_);
  }
  void CloseOpener() {
    if (opener_ >= 0) close(opener_);
    opener_ = -1;
  }
  const PeerSocket& socket_of_opener() const { return socket_; }
  uint64_t inode() const {
    struct stat facts = {};
    EXPECT_EQ(fstat(opener_, &facts), 0);
    return facts.st_ino;
  }

 private:
  int listening_ = -1;
  int opener_ = -1;
  int accepted_ = -1;
  PeerSocket socket_;
};

TEST(SocketOwnerTest, FindsTheProcessThatHasTheSocket) {
  Pair plain(AF_INET);
  Pair mapped(AF_INET6);
  const std::vector<PeerSocket> sockets = {plain.socket_of_opener(),
                                           mapped.socket_of_opener()};
  // Some other process, one that is gone, ours.
  const std::vector<DaemonProcess> daemons = {
      {1, "init"}, {999'999'999, "gone"}, {getpid(), "worker-1"}};
  EXPECT_THAT(FindOwners(sockets, daemons),
              ElementsAre("worker-1", "worker-1"));
  EXPECT_THAT(FindOwners(sockets, std::vector<DaemonProcess>{{1, "init"}}),
              ElementsAre("", ""));
}

std::string Contents(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(SocketOwnerTest, TheTablesOfThisMachineAreUnderstood) {
  Pair plain(AF_INET);
  Pair mapped(AF_INET6);
  const std::vector<PeerSocket> sockets = {plain.socket_of_opener(),
                                           mapped.socket_of_opener()};
  std::vector<uint64_t> inodes(sockets.size(), 0);
  FindInodes(Contents("/proc/net/tcp"), sockets, &inodes);
  EXPECT_THAT(inodes, ElementsAre(plain.inode(), 0));
  FindInodes(Contents("/proc/net/tcp6"), sockets, &inodes);
  EXPECT_THAT(inodes, ElementsAre(plain.inode(), mapped.inode()));
}

TEST(SocketOwnerTest, AClosedSocketHasNoOwner) {
  Pair pair(AF_INET);
  pair.CloseOpener();
  EXPECT_THAT(FindOwners(std::vector<PeerSocket>{pair.socket_of_opener()},
                         std::vector<DaemonProcess>{{getpid(), "worker-1"}}),
              ElementsAre(""));
}

}  // namespace
}  // namespace ebb::chaos
