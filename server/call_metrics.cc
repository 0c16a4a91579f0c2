#include "server/call_metrics.h"

#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "common/steady_time.h"

namespace ebb::server {

namespace {

double SecondsSince(absl::Time begun) {
  return absl::ToDoubleSeconds(SteadyNow() - begun);
}

// "not open": not_open.
std::string Label(absl::string_view name) {
  return absl::StrReplaceAll(absl::AsciiStrToLower(name), {{" ", "_"}});
}

}  // namespace

rpc::PsHandler::PushDone CallMetrics::Watch(int64_t bytes,
                                            rpc::PsHandler::PushDone done) {
  push_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  return [this, begun = SteadyNow(), done = std::move(done)](PushReply reply) {
    push_seconds_.Record(SecondsSince(begun));
    for (const auto& segment : reply.segments) {
      verdicts_[static_cast<size_t>(segment.verdict)].fetch_add(
          1, std::memory_order_relaxed);
    }
    done(std::move(reply));
  };
}

rpc::PsHandler::PullDone CallMetrics::Watch(rpc::PsHandler::PullDone done) {
  return [this, begun = SteadyNow(), done = std::move(done)](PullReply reply) {
    pull_seconds_.Record(SecondsSince(begun));
    for (const PullSegment& segment : reply.segments) {
      pull_bytes_.fetch_add(ValueBytes(segment), std::memory_order_relaxed);
      pull_results_[static_cast<size_t>(segment.result)].fetch_add(
          1, std::memory_order_relaxed);
    }
    done(std::move(reply));
  };
}

void CallMetrics::AddTo(metrics::OpenMetrics* text) const {
  auto pushes = text->Counter(
      "ebb_server_push_segments",
      "Parts of pushes, one for each partition, by what was decided");
  for (size_t i = 0; i < kVerdicts; ++i) {
    pushes.Add(
        static_cast<double>(verdicts_[i].load(std::memory_order_relaxed)),
        {{"verdict", Label(VerdictName(static_cast<Verdict>(i)))}});
  }
  auto pulls =
      text->Counter("ebb_server_pull_segments",
                    "Parts of pulls, one for each partition, by the answer");
  for (size_t i = 0; i < kPullResults; ++i) {
    pulls.Add(
        static_cast<double>(pull_results_[i].load(std::memory_order_relaxed)),
        {{"result", Label(PullResultName(static_cast<PullResult>(i)))}});
  }
  const auto bytes = [](const std::atomic<int64_t>& count) {
    return static_cast<double>(count.load(std::memory_order_relaxed));
  };
  text->Counter("ebb_server_push_bytes", "Bytes of gradients that came")
      .Add(bytes(push_bytes_));
  text->Counter("ebb_server_pull_bytes",
                "Bytes of values that went, before pulls are encoded")
      .Add(bytes(pull_bytes_));
  text->Histogram("ebb_server_push_seconds",
                  "From when a push came to its answer")
      .Add(push_seconds_.Snapshot());
  text->Histogram("ebb_server_pull_seconds",
                  "From when a pull came to its answer; those that wait for "
                  "others are in it")
      .Add(pull_seconds_.Snapshot());
}

}  // namespace ebb::server
