#include "rpc/internal/grpc_time.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "common/fd.h"
#include "common/steady_time.h"
#include "common/testing/wall_clock.h"
#include "gtest/gtest.h"
#include "rpc/health.h"

namespace ebb::rpc {
namespace {

// A port that no process accepts connections at.
class SilentPort {
 public:
  SilentPort() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(bind(fd_.get(), any, size), 0);
    EXPECT_EQ(listen(fd_.get(), 1), 0);
    EXPECT_EQ(getsockname(fd_.get(), any, &size), 0);
    address_ = absl::StrCat("127.0.0.1:", ntohs(address.sin_port));
  }

  const std::string& address() const { return address_; }

 private:
  const Fd fd_;
  std::string address_;
};

// Deadlines of gRPC came only after the time by which the clock was set back.
TEST(GrpcTimeTest, ADeadlineComesAlthoughTheWallClockIsSetBack) {
  const SilentPort port;
  // Until then the test would wait.
  constexpr absl::Duration kStep = absl::Minutes(10);
  // To the kernel, the clock is then set back while gRPC waits.
  SetWallClock(kStep);
  const absl::Time begun = SteadyNow();

  const auto asked = AskHealth(port.address(), nullptr, Role::kScheduler,
                               absl::Milliseconds(300));

  EXPECT_TRUE(absl::IsDeadlineExceeded(asked.status())) << asked.status();
  EXPECT_LT(SteadyNow() - begun, kStep / 2);
}

TEST(GrpcTimeTest, TheLongestDeadlineNeverComes) {
  EXPECT_EQ(gpr_time_cmp(internal::DeadlineIn(absl::InfiniteDuration()),
                         gpr_inf_future(GPR_CLOCK_MONOTONIC)),
            0);
}

}  // namespace
}  // namespace ebb::rpc
