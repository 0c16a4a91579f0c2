// How long a worker waits for data or a bucket that is out of reach.
#ifndef EBB_WORKER_OUTAGE_H_
#define EBB_WORKER_OUTAGE_H_

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace ebb::worker {

// Judges a series of failed tries. Thread-compatible.
class Outage {
 public:
  enum class Next { kBegins, kGoesOn, kGivenUp };

  // It is given up once it was out of reach for `patience`.
  explicit Outage(absl::Duration patience) : patience_(patience) {}

  // A try from `tried` until `now` failed. The first one begins the outage; so
  // does one so long after the last that others had the work meanwhile.
  // kGivenUp: it lasted for `patience`, and the next try begins another.
  Next Failed(absl::Time tried, absl::Time now) {
    const bool begins =
        last_ == absl::InfinitePast() || tried - last_ > patience_;
    if (begins) since_ = tried;
    last_ = now;
    if (now - since_ >= patience_) {
      End();
      return Next::kGivenUp;
    }
    return begins ? Next::kBegins : Next::kGoesOn;
  }
  // It answers.
  void End() { last_ = absl::InfinitePast(); }

  absl::Duration patience() const { return patience_; }
  // `failed`, and how long it was tried.
  absl::Status GivenUp(const absl::Status& failed) const {
    return absl::Status(failed.code(),
                        absl::StrCat(failed.message(), "; it was tried for ",
                                     absl::FormatDuration(patience_)));
  }

 private:
  const absl::Duration patience_;
  absl::Time since_;
  // When it was tried last; InfinitePast: there is no outage.
  absl::Time last_ = absl::InfinitePast();
};

}  // namespace ebb::worker

#endif  // EBB_WORKER_OUTAGE_H_
