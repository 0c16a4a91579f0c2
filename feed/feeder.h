// Feeds a growing set from a source: the shell around FeederCore.
//
//   Feeder feeder(&store, &source, &about, &decoder, options);
//   const absl::Status fed = feeder.Run();  // Blocks until the source ends.
#ifndef EBB_FEED_FEEDER_H_
#define EBB_FEED_FEEDER_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/mutex.h"
#include "common/objects/object_store.h"
#include "data/growing/headers.h"
#include "data/growing/message_decoder.h"
#include "feed/feeder_core.h"
#include "feed/message_queues.h"
#include "feed/message_source.h"
#include "feed/object_builder.h"

namespace ebb::feed {

// The work of a feeder so far.
struct FeedProgress {
  int64_t objects = 0;   // It stored so many.
  int64_t examples = 0;  // In these.
  int64_t left_out = 0;
  int64_t number = 0;  // The first number that is not in the set yet.
  int64_t losses = 0;  // Another feeder was faster so often.
  bool watching = false;
};

struct FeederOptions {
  // The time between two objects. Default 0.5 s: more makes fewer and larger
  // objects, less lets messages wait for a shorter time.
  absl::Duration interval = absl::Milliseconds(500);
  // The memory for messages that wait. Default 128 MiB.
  int64_t memory_bytes = int64_t{128} << 20;
  // An object has at most so many bytes of messages. Default 32 MiB: decoded
  // ones may be larger, and an object has at most 64 MiB.
  int64_t object_bytes = int64_t{32} << 20;
  // Ends the set when the source has ended.
  bool end_set = false;
  // The time of day, which objects say.
  std::function<absl::Time()> now = absl::Now;
  // Called by the thread of Run() after each object, and when the feeder begins
  // to watch.
  std::function<void(const FeedProgress&)> progress;
  // The same: a sentence for the operator.
  std::function<void(const std::string&)> note;
};

class Feeder {
 public:
  // All of them outlive it.
  Feeder(ObjectStore* store, MessageSource* source,
         const data::growing::About* about,
         const data::growing::MessageDecoder* decoder, FeederOptions options);

  // Feeds until the source has ended, or Stop(), and stores all that
  // was read. Blocks; called once. InvalidArgument: a bad message.
  // FailedPrecondition: lost offsets, the source cannot be fed, or the set has
  // ended, so that no message can follow. DataLoss:
  // the set is damaged, or the source is not the one that was fed.
  absl::Status Run();

  // Run() returns when it has stored what it has read. Thread-safe.
  void Stop() ABSL_LOCKS_EXCLUDED(mu_);

  const FeedProgress& progress() const { return progress_; }

 private:
  bool stopped() const ABSL_LOCKS_EXCLUDED(mu_);
  void WaitUntil(absl::Time until) ABSL_LOCKS_EXCLUDED(mu_);
  // Polls until there is an object, and proposes it.
  absl::Status Read();
  absl::Status Poll(absl::Time until);
  absl::Status Propose();
  // Puts the bad messages, and then the object.
  absl::Status Put(const std::string& key);
  void NoteStored();
  void TellTrouble();

  ObjectStore* const store_;     // Not owned.
  MessageSource* const source_;  // Not owned.
  const FeederOptions options_;
  FeederCore core_;
  MessageQueues queues_;
  ObjectBuilder builder_;
  std::vector<AsideMessage> aside_;  // Go with the proposed object.
  bool begun_ = false;               // The source has begun.
  bool source_ended_ = false;
  bool ended_set_ = false;  // This feeder stored END.
  bool told_watching_ = false;
  absl::Time last_put_ = absl::InfinitePast();
  std::string told_trouble_;
  FeedProgress progress_;
  mutable Mutex mu_;
  CondVar changed_;
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace ebb::feed

#endif  // EBB_FEED_FEEDER_H_
