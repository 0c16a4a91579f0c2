#include "feed/object_builder.h"

#include <xxhash.h>

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/plant.h"
#include "common/status_macros.h"
#include "data/growing/codec.h"

namespace ebb::feed {

using data::growing::ChainTail;
using data::growing::CoveredRange;
using data::growing::DecodedMessage;
using data::growing::LostRange;
using data::growing::ObjectHeader;
using data::growing::OnBad;
using data::growing::OnLost;

namespace {

// More than half of so many last messages may not be bad.
constexpr size_t kJudged = 10000;
// Fewer say nothing yet.
constexpr size_t kLeastJudged = 1000;

uint64_t HashOf(absl::string_view bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

// The name of a partition as a part of a key.
std::string KeyOf(const std::string& partition) {
  const bool plain = std::ranges::all_of(partition, [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.' ||
           c == '[' || c == ']';
  });
  if (plain && partition[0] != '.') return partition;
  return absl::StrFormat("partition-%016x", HashOf(partition));
}

AsideMessage AsideOf(const std::string& partition, int64_t offset,
                     const std::string& value, const std::string& reason) {
  AsideMessage aside;
  aside.key = absl::StrFormat("aside/%s/%020d-%016x", KeyOf(partition), offset,
                              HashOf(value));
  aside.text = absl::StrCat(partition, "@", offset, ": ", reason);
  aside.bytes = absl::StrCat("partition: ", partition, "\noffset: ", offset,
                             "\nreason: ", reason, "\n\n", value);
  return aside;
}

}  // namespace

ObjectHeader ObjectBuilder::Begin(const ChainTail& tail,
                                  int64_t now_unix_ms) const {
  ObjectHeader header;
  header.identity = about_->identity;
  header.writer = writer_;
  header.place = tail.place;
  header.first = tail.number;
  header.ends = tail.ends;
  header.totals = tail.totals;
  header.before = tail.before;
  header.created_unix_ms = std::max(now_unix_ms, tail.created_unix_ms);
  return header;
}

void ObjectBuilder::Count(bool bad) {
  last_.push_back(bad);
  if (bad) ++bad_;
  if (last_.size() <= kJudged) return;
  if (last_.front()) --bad_;
  last_.pop_front();
}

absl::Status ObjectBuilder::AddPart(const TakenPart& part, BuiltObject* built,
                                    data::pack::Window* window) {
  if (!part.lost.empty() && about_->on_lost == OnLost::kPause) {
    const LostRange& lost = part.lost.front();
    return absl::FailedPreconditionError(absl::StrCat(
        lost.partition, ": the offsets [", lost.begin, ", ", lost.end,
        ") are lost: ", lost.reason,
        ". The set says that a feeder pauses then (on_lost); begin a new set "
        "that skips them, or bring the messages back"));
  }
  std::vector<absl::string_view> values;
  for (const Message* message : part.messages) {
    if (!message->absent) values.push_back(message->value);
  }
  EBB_ASSIGN_OR_RETURN(const std::vector<DecodedMessage> outcomes,
                       decoder_->Decode(values, window));
  CoveredRange range = {part.partition, part.begin, part.end};
  size_t next = 0;
  for (const Message* message : part.messages) {
    if (message->absent) {
      ++range.absent;
      continue;
    }
    const DecodedMessage& outcome = outcomes[next++];
    const bool bad = outcome.outcome == DecodedMessage::Outcome::kBad;
    Count(bad);
    if (outcome.outcome == DecodedMessage::Outcome::kExample) {
      ++range.examples;
      continue;
    }
    ++range.left_out;
    if (!bad) continue;
    AsideMessage aside = AsideOf(part.partition, message->offset + part.shift,
                                 message->value, outcome.reason);
    if (about_->on_bad == OnBad::kStop) {
      return absl::InvalidArgumentError(
          absl::StrCat(aside.text,
                       "\nhint: mend what writes the messages; or begin a set "
                       "with --on-bad aside, which keeps bad ones apart"));
    }
    if (last_.size() >= kLeastJudged && 2 * bad_ > std::ssize(last_)) {
      return absl::InvalidArgumentError(absl::StrCat(
          bad_, " of the last ", last_.size(),
          " messages are bad, more than could be left out; are they of the "
          "format of the set? The last: ",
          aside.text));
    }
    built->aside.push_back(std::move(aside));
  }
  ObjectHeader& header = built->object.header;
  data::growing::PartitionEnd& end = header.ends[part.partition];
  end.end = part.end;
  if (!part.messages.empty()) {
    const Message& last = *part.messages.back();
    end.anchor = {last.offset + part.shift, HashOf(last.value)};
  }
  header.count += range.examples;
  header.totals.left_out += range.left_out;
  header.totals.absent += range.absent;
  for (const LostRange& lost : part.lost) {
    header.totals.lost += lost.end - lost.begin;
    header.lost.push_back(lost);
  }
  header.ranges.push_back(std::move(range));
  return absl::OkStatus();
}

absl::StatusOr<BuiltObject> ObjectBuilder::Build(
    const ChainTail& tail, const std::vector<TakenPart>& parts,
    int64_t now_unix_ms) {
  BuiltObject built;
  built.object.header = Begin(tail, now_unix_ms);
  data::pack::Window window;
  for (const TakenPart& part : parts) {
    EBB_RETURN_IF_ERROR(AddPart(part, &built, &window));
  }
  if (EBB_PLANTED(object_has_its_own_ends_only)) {
    data::growing::Ends own;
    for (const CoveredRange& range : built.object.header.ranges) {
      own[range.partition] = built.object.header.ends[range.partition];
    }
    built.object.header.ends = own;
  }
  EBB_ASSIGN_OR_RETURN(built.object.bytes,
                       data::growing::EncodeObject(about_->schema, window,
                                                   &built.object.header));
  return built;
}

absl::StatusOr<ProposedObject> ObjectBuilder::BuildEnd(
    const ChainTail& tail, int64_t now_unix_ms) const {
  ProposedObject end;
  end.header = Begin(tail, now_unix_ms);
  end.header.end = true;
  EBB_ASSIGN_OR_RETURN(
      end.bytes, data::growing::EncodeObject(about_->schema, {}, &end.header));
  return end;
}

}  // namespace ebb::feed
