#include "feed/feeder.h"

#include <sys/random.h>

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "common/steady_time.h"
#include "glog/logging.h"

namespace ebb::feed {

namespace {

constexpr size_t kWriterBytes = 16;

FeederCoreOptions CoreOptions(const data::growing::About& about,
                              const MessageSource& source,
                              const FeederOptions& options) {
  FeederCoreOptions core;
  core.identity = about.identity;
  core.appends = source.appends();
  core.interval = options.interval;
  return core;
}

// The create of an object counts as done if the same bytes are there. So
// objects of two feeders must differ where equal messages are not the same
// ones.
std::string WriterOf(const MessageSource& source) {
  if (!source.appends()) return "";
  std::string writer(kWriterBytes, '\0');
  const ssize_t n = getrandom(writer.data(), writer.size(), 0);
  // It cannot fail for so few bytes.
  CHECK_EQ(n, static_cast<ssize_t>(writer.size()));
  return writer;
}

// The longest wait before Stop() is looked at again, should a source not wake.
constexpr absl::Duration kLongestPoll = absl::Seconds(1);

}  // namespace

Feeder::Feeder(ObjectStore* store, MessageSource* source,
               const data::growing::About* about,
               const data::growing::MessageDecoder* decoder,
               FeederOptions options)
    : store_(store),
      source_(source),
      options_(std::move(options)),
      core_(CoreOptions(*about, *source, options_)),
      queues_(source->appends(), options_.memory_bytes),
      builder_(about, decoder, WriterOf(*source)) {}

void Feeder::Stop() {
  {
    MutexLock lock(&mu_);
    stop_ = true;
    changed_.SignalAll();
  }
  source_->Wake();
}

bool Feeder::stopped() const {
  MutexLock lock(&mu_);
  return stop_;
}

void Feeder::WaitUntil(absl::Time until) {
  MutexLock lock(&mu_);
  while (!stop_ && SteadyNow() < until) {
    changed_.WaitFor(&mu_, until - SteadyNow());
  }
}

absl::Status Feeder::Run() {
  using Kind = FeederCore::Action::Kind;
  for (;;) {
    const absl::Time now = SteadyNow();
    const FeederCore::Action action = core_.Next(now);
    NoteStored();
    TellTrouble();
    switch (action.kind) {
      case Kind::kGet:
        // A watcher has put nothing, so it may just leave.
        if (core_.watching() && stopped()) return absl::OkStatus();
        core_.TakeGet(store_->Get(action.key, {.bytes = action.bytes}),
                      SteadyNow());
        break;
      case Kind::kPut: {
        const absl::Status put = Put(action.key);
        last_put_ = SteadyNow();
        core_.TakePut(put, last_put_);
        break;
      }
      case Kind::kRead: {
        const absl::Status read = Read();
        if (!read.ok()) core_.Stop(read);
        break;
      }
      case Kind::kWait:
        if (stopped() && (core_.watching() || queues_.empty())) {
          return absl::OkStatus();
        }
        if (stopped()) {
          return absl::UnavailableError(
              absl::StrCat("stopped before all that was read is stored: ",
                           core_.trouble().message()));
        }
        WaitUntil(action.until);
        break;
      case Kind::kStop:
        progress_.number = core_.tail().number;
        if (core_.status().ok() && core_.tail().ended && !ended_set_) {
          return absl::FailedPreconditionError(
              absl::StrCat(store_->place(),
                           " has ended, so no message can follow; a new "
                           "set needs another place"));
        }
        return core_.status();
    }
  }
}

void Feeder::NoteStored() {
  const auto stored = core_.TakeStored();
  progress_.losses = core_.losses();
  progress_.watching = core_.watching();
  if (stored) {
    queues_.Drop(stored->ranges);
    aside_.clear();
    ++progress_.objects;
    ended_set_ = stored->end;
    progress_.examples += stored->count;
    for (const auto& range : stored->ranges) {
      progress_.left_out += range.left_out;
    }
    progress_.number = stored->first + stored->count;
  }
  if (options_.progress &&
      (stored || progress_.watching !=
                     std::exchange(told_watching_, progress_.watching))) {
    options_.progress(progress_);
  }
}

void Feeder::TellTrouble() {
  std::string trouble(core_.trouble().message());
  if (trouble == told_trouble_) return;
  told_trouble_ = std::move(trouble);
  if (options_.note && !told_trouble_.empty()) {
    options_.note(absl::StrCat(told_trouble_, "; trying again"));
  }
}

absl::Status Feeder::Put(const std::string& key) {
  for (const AsideMessage& aside : aside_) {
    absl::Status put = CreateObject(store_, aside.key, aside.bytes).status();
    // Another feeder kept it aside, perhaps with another reason.
    if (!put.ok() && !absl::IsAlreadyExists(put)) return put;
  }
  return CreateObject(store_, key, core_.proposed().bytes).status();
}

absl::Status Feeder::Poll(absl::Time until) {
  auto polled = source_->Poll(queues_.Full(), until);
  if (absl::IsUnavailable(polled.status())) {
    if (options_.note) options_.note(std::string(polled.status().message()));
    WaitUntil(until);
    return absl::OkStatus();
  }
  EBB_RETURN_IF_ERROR(polled.status());
  for (Slice& slice : polled->slices) {
    EBB_RETURN_IF_ERROR(queues_.Add(std::move(slice)));
  }
  if (options_.note) {
    for (const std::string& note : polled->notes) options_.note(note);
  }
  source_ended_ = source_ended_ || polled->ended;
  return absl::OkStatus();
}

absl::Status Feeder::Read() {
  if (core_.TakeBeginning()) {
    progress_.number = core_.tail().number;
    const bool fits = queues_.Reset(core_.tail().ends);
    if (!fits || !begun_) {
      EBB_RETURN_IF_ERROR(source_->Begin(core_.tail().ends));
      begun_ = true;
      source_ended_ = false;
    }
  }
  const absl::Time due = last_put_ + options_.interval;
  for (;;) {
    const absl::Time now = SteadyNow();
    const bool over = source_ended_ || stopped();
    if (queues_.empty() && over) {
      if (!options_.end_set || !source_ended_ || stopped()) {
        core_.Stop(absl::OkStatus());
        return absl::OkStatus();
      }
      EBB_ASSIGN_OR_RETURN(
          ProposedObject end,
          builder_.BuildEnd(core_.tail(), absl::ToUnixMillis(options_.now())));
      core_.Propose(std::move(end));
      return absl::OkStatus();
    }
    const bool full = queues_.bytes() >= options_.object_bytes;
    if (!queues_.empty() && (over || full || now >= due)) return Propose();
    EBB_RETURN_IF_ERROR(Poll(std::min(
        now + kLongestPoll, queues_.empty() ? now + kLongestPoll : due)));
  }
}

// Decoded examples may be larger than their messages: fewer are taken then.
absl::Status Feeder::Propose() {
  MessageQueues::Limits limits = {.bytes = options_.object_bytes};
  for (;;) {
    const auto parts = queues_.Take(core_.tail().ends, limits);
    auto built =
        builder_.Build(core_.tail(), parts, absl::ToUnixMillis(options_.now()));
    int64_t messages = 0;
    for (const TakenPart& part : parts) messages += std::ssize(part.messages);
    if (absl::IsResourceExhausted(built.status()) && messages > 1) {
      limits.messages = messages / 2;
      continue;
    }
    EBB_RETURN_IF_ERROR(built.status());
    if (options_.note) {
      for (const AsideMessage& aside : built->aside) {
        options_.note(absl::StrCat(aside.text, "; kept aside"));
      }
    }
    aside_ = std::move(built->aside);
    core_.Propose(std::move(built->object));
    return absl::OkStatus();
  }
}

}  // namespace ebb::feed
