// Pushes and pulls over loopback, several in flight, to a server that does
// nothing with them: the transport's own share. Bytes are those of values.
#include <benchmark/benchmark.h>

#include <memory>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "common/mutex.h"
#include "common/program/daemon.h"
#include "rpc/grpc_transport.h"

namespace ebb::rpc {
namespace {

class IdlePs : public PsHandler {
 public:
  explicit IdlePs(size_t floats)
      : values_(Payload::Of(std::vector<float>(floats, 1))) {}

  void Push(PushRequest request, PushDone done) override {
    PushReply reply;
    reply.job = request.job;
    done(std::move(reply));
  }
  void Pull(PullRequest request, PullDone done) override {
    PullReply reply;
    reply.job = request.job;
    reply.segments.resize(1);
    reply.segments[0].values = values_;
    done(std::move(reply));
  }
  void Clock(ClockUpdate) override {}
  void Fetch(FetchRequest, FetchDone done) override { done({}); }

 private:
  const Payload values_;
};

// At most `limit` calls at once.
class Window {
 public:
  explicit Window(int limit) : limit_(limit) {}
  void Enter() {
    MutexLock lock(&mu_);
    while (open_ == limit_) changed_.Wait(&mu_);
    ++open_;
  }
  void Leave() {
    MutexLock lock(&mu_);
    --open_;
    changed_.SignalAll();
  }
  void WaitUntilEmpty() {
    MutexLock lock(&mu_);
    while (open_ > 0) changed_.Wait(&mu_);
  }

 private:
  const int limit_;
  Mutex mu_;
  CondVar changed_;
  int open_ ABSL_GUARDED_BY(mu_) = 0;
};

struct Cluster {
  explicit Cluster(int64_t bytes) : ps(bytes / sizeof(float)) {
    listener = *transport.ListenPs("127.0.0.1:0", {.data = &ps});
    channel = transport.ConnectPs(listener->address());
  }
  GrpcTransport transport;
  IdlePs ps;
  std::unique_ptr<Listener> listener;
  std::unique_ptr<PsChannel> channel;
};

// Arguments: bytes of a message, messages in flight.
void BM_Push(benchmark::State& state) {
  Cluster cluster(4);
  PushRequest request;
  request.job = JobId(1);
  request.stamp.worker = SessionId(1);
  request.segments.resize(1);
  request.segments[0].gradient =
      Payload::Of(std::vector<float>(state.range(0) / sizeof(float), 1));
  Window window(static_cast<int>(state.range(1)));
  for (auto _ : state) {
    window.Enter();
    cluster.channel->Push(request, absl::Seconds(60),
                          [&](const absl::StatusOr<PushReply>& reply) {
                            if (!reply.ok()) {
                              state.SkipWithError("a push failed");
                            }
                            window.Leave();
                          });
  }
  window.WaitUntilEmpty();
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

void BM_Pull(benchmark::State& state) {
  Cluster cluster(state.range(0));
  PullRequest request;
  request.job = JobId(1);
  request.stamp.worker = SessionId(1);
  request.segments.resize(1);
  Window window(static_cast<int>(state.range(1)));
  for (auto _ : state) {
    window.Enter();
    cluster.channel->Pull(
        request, absl::Seconds(60),
        [&, bytes = state.range(0)](const absl::StatusOr<PullReply>& reply) {
          if (!reply.ok() || reply->segments[0].values.size() != bytes) {
            state.SkipWithError("a pull failed");
          }
          window.Leave();
        });
  }
  window.WaitUntilEmpty();
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

void Cells(benchmark::internal::Benchmark* benchmark) {
  benchmark->UseRealTime()->ArgNames({"bytes", "in_flight"});
  benchmark->Args({4 << 10, 1})->Args({64 << 10, 1})->Args({1 << 20, 4});
  benchmark->Args({4 << 20, 4})->Args({64 << 20, 1});
}
BENCHMARK(BM_Push)->Apply(Cells);
BENCHMARK(BM_Pull)->Apply(Cells);

}  // namespace
}  // namespace ebb::rpc

// Sets up malloc as daemons do: otherwise large messages are half as fast.
int main(int argc, char** argv) {
  ebb::ConfigureMalloc();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
