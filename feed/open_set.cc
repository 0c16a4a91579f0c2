#include "feed/open_set.h"

#include <sys/random.h>

#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "common/steady_time.h"
#include "data/growing/codec.h"
#include "data/growing/growing_set.h"
#include "data/growing/sample_schema.h"

namespace ebb::feed {

using data::growing::About;
using data::growing::kIdentityBytes;
using data::growing::OnBad;
using data::growing::OnLost;

namespace {

// The most bytes of the first messages.
constexpr int64_t kMostSampledBytes = int64_t{64} << 20;
constexpr absl::Duration kPoll = absl::Seconds(1);

template <typename... Args>
absl::Status OtherSettings(const ObjectStore& store, const Args&... args) {
  return absl::FailedPreconditionError(
      absl::StrCat(store.place(), " was begun ", args...,
                   ". A set never changes: leave the setting out, or name "
                   "another place for a new set"));
}

std::string WordOf(OnBad on_bad) {
  return on_bad == OnBad::kStop ? "stop" : "aside";
}

std::string WordOf(OnLost on_lost) {
  return on_lost == OnLost::kPause ? "pause" : "skip";
}

// The meaning of the format, with labels of either kind: which it is, the first
// messages said.
bool IsFormatOf(const About& about, data::SourceSpec spec) {
  for (const auto kind : {data::LabelKind::kClass, data::LabelKind::kReal}) {
    spec.label_kind = kind;
    if (spec.Meaning() == about.index.meaning) return true;
  }
  return false;
}

absl::Status CheckSettings(const ObjectStore& store, const About& about,
                           const data::growing::SourceIdentity& source,
                           const SetSettings& settings) {
  if (source != about.source) {
    return OtherSettings(store, "for ", about.source.ToString(),
                         ", and not for ", source.ToString());
  }
  if (settings.spec && !IsFormatOf(about, *settings.spec)) {
    return OtherSettings(store, "for messages read as \"", about.index.meaning,
                         "\", and not as \"", settings.spec->Meaning(), "\"");
  }
  if (settings.on_bad && *settings.on_bad != about.on_bad) {
    return OtherSettings(store, "with --on-bad ", WordOf(about.on_bad));
  }
  if (settings.on_lost && *settings.on_lost != about.on_lost) {
    return OtherSettings(store, "with --on-lost ", WordOf(about.on_lost));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> RandomIdentity() {
  std::string identity(kIdentityBytes, '\0');
  if (getrandom(identity.data(), identity.size(), 0) !=
      static_cast<ssize_t>(identity.size())) {
    return absl::UnavailableError("the system has no random numbers");
  }
  return identity;
}

// The first messages.
absl::StatusOr<std::vector<std::string>> TakeSample(
    MessageSource* source, const SetSettings& settings) {
  std::vector<std::string> sample;
  int64_t bytes = 0;
  while (std::ssize(sample) < settings.sample && bytes < kMostSampledBytes) {
    if (settings.stop != nullptr && settings.stop->load()) {
      return absl::CancelledError(
          "stopped before the first messages came; no set was begun");
    }
    EBB_ASSIGN_OR_RETURN(PollResult polled,
                         source->Poll({}, SteadyNow() + kPoll));
    for (Slice& slice : polled.slices) {
      for (Message& message : slice.messages) {
        if (message.absent || std::ssize(sample) == settings.sample) continue;
        bytes += static_cast<int64_t>(message.value.size());
        sample.push_back(std::move(message.value));
      }
    }
    if (polled.ended) break;
    if (polled.slices.empty() && settings.waiting) {
      settings.waiting(std::ssize(sample));
    }
  }
  if (sample.empty()) {
    return absl::NotFoundError(
        "there is no message, so no schema can be found; the set was not "
        "begun");
  }
  return sample;
}

absl::StatusOr<About> MakeAbout(const ObjectStore& store, MessageSource* source,
                                const SetSettings& settings) {
  if (!settings.spec) {
    return absl::InvalidArgumentError(
        absl::StrCat(store.place(),
                     " has no growing set yet; --format says how to read the "
                     "messages of a new one, for example --format csv"));
  }
  About about;
  EBB_ASSIGN_OR_RETURN(about.identity, RandomIdentity());
  about.place = store.place();
  EBB_ASSIGN_OR_RETURN(about.source, source->Identity());
  about.data_source = settings.data_source;
  about.on_bad = settings.on_bad.value_or(OnBad::kStop);
  about.on_lost = settings.on_lost.value_or(OnLost::kPause);
  EBB_ASSIGN_OR_RETURN(const std::vector<std::string> sample,
                       TakeSample(source, settings));
  const std::vector<absl::string_view> messages(sample.begin(), sample.end());
  EBB_RETURN_IF_ERROR(
      data::growing::FindSchema(*settings.spec, messages, &about));
  about.created_unix_ms = absl::ToUnixMillis(settings.now());
  return about;
}

}  // namespace

absl::StatusOr<About> OpenOrCreateSet(ObjectStore* store, MessageSource* source,
                                      const SetSettings& settings) {
  EBB_ASSIGN_OR_RETURN(const auto identity, source->Identity());
  auto about = data::growing::ReadAbout(store);
  if (absl::IsNotFound(about.status())) {
    EBB_ASSIGN_OR_RETURN(About made, MakeAbout(*store, source, settings));
    EBB_RETURN_IF_ERROR(ProbeObjectStore(
        store,
        absl::StrCat("probe/", absl::BytesToHexString(made.identity), "/")));
    const absl::Status created = CreateObject(store, data::growing::kAboutKey,
                                              data::growing::EncodeAbout(made))
                                     .status();
    if (created.ok()) return made;
    if (!absl::IsAlreadyExists(created)) return created;
    about = data::growing::ReadAbout(store);  // Another feeder was faster.
  }
  EBB_RETURN_IF_ERROR(about.status());
  EBB_RETURN_IF_ERROR(CheckSettings(*store, *about, identity, settings));
  return about;
}

}  // namespace ebb::feed
