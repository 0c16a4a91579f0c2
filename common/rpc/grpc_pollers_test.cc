#include "common/rpc/grpc_pollers.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/byte_buffer.h>

#include <algorithm>
#include <deque>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/mutex.h"
#include "gtest/gtest.h"

namespace ebb::rpc {
namespace {

// Starts `calls` calls whose callbacks wait for each other until all run at
// once, or none began for a while; returns how many ran at once.
int AtOnce(int calls) {
  constexpr absl::Duration kQuiet = absl::Milliseconds(500);
  struct Call {
    grpc::ClientContext context;
    grpc::ByteBuffer request{nullptr, 0};
    grpc::ByteBuffer response;
  };
  Mutex mu;
  CondVar changed;
  int running = 0;
  int most = 0;
  int over = 0;
  bool go_on = false;
  grpc::TemplatedGenericStub<grpc::ByteBuffer, grpc::ByteBuffer> stub(
      grpc::CreateChannel("", nullptr));
  std::deque<Call> all(calls);
  for (Call& call : all) {
    stub.UnaryCall(&call.context, "/none/none", grpc::StubOptions(),
                   &call.request, &call.response, [&](const grpc::Status&) {
                     MutexLock lock(&mu);
                     most = std::max(most, ++running);
                     changed.SignalAll();
                     while (!go_on) changed.Wait(&mu);
                     --running;
                     ++over;
                     changed.SignalAll();
                   });
  }
  MutexLock lock(&mu);
  absl::Time quiet = absl::Now() + kQuiet;
  for (int seen = 0; most < calls && absl::Now() < quiet;) {
    changed.WaitFor(&mu, quiet - absl::Now());
    if (most > seen) quiet = absl::Now() + kQuiet;
    seen = most;
  }
  go_on = true;
  changed.SignalAll();
  while (over < calls) changed.Wait(&mu);
  return most;
}

TEST(GrpcPollersTest, LeavesOneThreadAndGivesTheOtherBack) {
  const int before = AtOnce(3);
  int meanwhile = 0;
  {
    const GrpcPollers pollers(GrpcPollers::kMostCores);
    ASSERT_TRUE(pollers.holds_one());
    meanwhile = AtOnce(3);
  }

  EXPECT_EQ(meanwhile, before - 1);
  EXPECT_EQ(AtOnce(3), before);
}

TEST(GrpcPollersTest, ManyCoresKeepTheirThreads) {
  const GrpcPollers pollers(GrpcPollers::kMostCores + 1);

  EXPECT_FALSE(pollers.holds_one());
}

// gRPC has two threads on machines of up to five cores.
TEST(GrpcPollersTest, TheLastThreadIsNotTaken) {
  if (std::thread::hardware_concurrency() > 5) {
    GTEST_SKIP() << "gRPC has more than two threads here";
  }
  const GrpcPollers first(1);
  const GrpcPollers second(1);

  EXPECT_TRUE(first.holds_one());
  EXPECT_FALSE(second.holds_one());
  EXPECT_EQ(AtOnce(1), 1);
}

}  // namespace
}  // namespace ebb::rpc
