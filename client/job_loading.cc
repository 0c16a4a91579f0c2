#include "client/job_loading.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/job_limits.h"

namespace ebb::client {

namespace {

// The source of the data has tried for a minute already, each time.
constexpr absl::Duration kLoadPause = absl::Seconds(5);
constexpr int kMostLoads = 10;

}  // namespace

void JobLoading::Begin(ClientActions* out) {
  if (ready_ || preparing_) return;
  Prepare(out);
}

void JobLoading::Prepare(ClientActions* out) {
  again_ = absl::InfiniteFuture();
  preparing_ = true;
  prepared_ = job_.record;
  ++job_.worker.preparing;
  out->push_back(PrepareJob{job_.record});
}

absl::Status JobLoading::OnReady(absl::Status status, absl::Time now,
                                 ClientActions* out) {
  preparing_ = false;
  --job_.worker.preparing;
  // The job was changed meanwhile: nothing is known of what it is now.
  if (prepared_ != job_.record) {
    if (job_.wanted()) Prepare(out);
    return absl::OkStatus();
  }
  const ClientOptions& options = job_.worker.options;
  const int64_t held_bytes = job_.worker.held_bytes;
  const bool fits = LimitsFor(options, job_.plan(), held_bytes).has_value();
  if (status.ok() && !fits) {
    status = absl::ResourceExhaustedError(
        absl::StrCat(WhyItDoesNotFit(options, job_.plan(), held_bytes),
                     job_.worker.room_advice));
  }
  ready_ = status.ok();
  // The source of the data is away, or has too much to do. Neither is for ever,
  // and a worker that fails an item here is not asked again.
  const bool may_pass = absl::IsUnavailable(status);
  failures_ = may_pass ? failures_ + 1 : 0;
  if (ready_) return absl::OkStatus();
  if (may_pass && failures_ < kMostLoads) {
    again_ = now + kLoadPause;
    out->push_back(LogEvent{
        absl::StrCat("job ", job_.record->name,
                     " is loaded again in a while: ", status.message())});
    return absl::OkStatus();
  }
  failures_ = 0;
  out->push_back(
      LogEvent{absl::StrCat("job ", job_.record->name,
                            " cannot be computed here: ", status.message())});
  return status;
}

void JobLoading::OnTick(absl::Time now, ClientActions* out) {
  if (again_ <= now && job_.wanted()) Prepare(out);
}

absl::Time JobLoading::NextTick() const {
  return job_.wanted() ? again_ : absl::InfiniteFuture();
}

}  // namespace ebb::client
