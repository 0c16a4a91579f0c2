#include "server/checkpointer.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/plant.h"

namespace ebb::server {

namespace {

constexpr absl::Duration kCutRetry = absl::Seconds(1);
// More versions than these are not written between a server's registration and
// the grant of a rollback.
constexpr size_t kKeptForRollback = 8;
// What was written in this time the scheduler may not have heard of.
constexpr absl::Duration kUnheard = absl::Seconds(5);
// A version that was late says so for so many intervals: the next does not wait
// at once.
constexpr int kLateIntervals = 3;

}  // namespace

void Checkpointer::Begin(absl::Time now) {
  if (next_checkpoint_ != absl::InfiniteFuture()) return;
  next_checkpoint_ = now + Interval();
}

void Checkpointer::Want(absl::Time now, bool asked) {
  // What it has is what is waited for, should it fail.
  if (asked && writing_) writing_->asked = true;
  for (auto& [id, hosted] : job_.partitions) {
    if (hosted.values == nullptr || hosted.unsaved.empty()) continue;
    if (!hosted.cut_wanted) hosted.cut_wanted_since = now;
    hosted.cut_wanted = true;
    hosted.cut_asked = hosted.cut_asked || asked;
  }
}

std::vector<RoundVersion> Checkpointer::KeepVersions(absl::Time until) {
  keep_until_ = std::max(keep_until_, until);
  std::vector<RoundVersion> kept;
  for (const auto& [id, hosted] : job_.partitions) {
    const auto usable =
        hosted.versions.OfTheLine(job_.stored.generation, job_.stored.rollback);
    kept.insert(kept.end(), usable.begin(), usable.end());
  }
  return kept;
}

std::optional<Checkpointer::Turn> Checkpointer::NextTurn(absl::Time now,
                                                         bool hold_back) {
  holds_back_ = false;
  if (std::exchange(no_cut_, false)) retry_at_ = now + kCutRetry;
  if (writing() || now < retry_at_) return std::nullopt;
  std::optional<Turn> best;
  for (const auto& [id, hosted] : job_.partitions) {
    if (!hosted.cut_wanted || hosted.values == nullptr) continue;
    if (hold_back && hosted.base_durable && !hosted.cut_asked) {
      holds_back_ = held_back_ = true;
      continue;
    }
    const Turn turn = {hosted.base_durable, hosted.cut_wanted_since, id};
    if (!best || turn < *best) best = turn;
  }
  return best;
}

void Checkpointer::Start(const Turn& turn, ServerActions* out) {
  writing_ = Writing{.partition = turn.partition};
  if (!job_.partitions[turn.partition].busy) OnIdle(turn.partition, out);
}

void Checkpointer::AddWaiting(WritePace::Waiting* waiting) const {
  for (const auto& [id, hosted] : job_.partitions) {
    if (hosted.cut_wanted && hosted.values != nullptr) ++waiting->partitions;
  }
  waiting->due = std::min(waiting->due, next_checkpoint_);
}

void Checkpointer::OnIdle(PartitionId id, ServerActions* out) {
  if (!writing_ || writing_->partition != id || writing_->cut_taken) return;
  TakeCut(&job_.partitions[id], out);
}

void Checkpointer::OnDropped(PartitionId id) {
  if (!writing_ || writing_->partition != id || writing_->cut_taken) return;
  writing_.reset();  // This cut is not needed any more.
}

void Checkpointer::TakeCut(HostedPartition* hosted, ServerActions* out) {
  absl::StatusOr<Cut> cut = hosted->values->TakeCut();
  if (!cut.ok()) {
    writing_.reset();
    no_cut_ = true;
    if (job_.problem == cut.status().message()) return;
    job_.Complain(std::string(cut.status().message()), ServerProblem::kMemory);
    return;
  }
  Writing& writing = *writing_;
  writing.cut_taken = true;
  writing.values = hosted->values;
  writing.key = {job_.stored.record->id, job_.stored.generation,
                 writing.partition, hosted->term, hosted->next_sequence++};
  writing.marks = hosted->values->marks();
  if (job_.plan().rounds()) writing.rounds = hosted->values->rounds().held();
  writing.items = std::exchange(hosted->unsaved, {});
  hosted->cut_wanted = false;
  writing.asked = std::exchange(hosted->cut_asked, false);
  if (EBB_PLANTED(retention_by_count)) {
    hosted->versions.Add(writing.key, {});  // Not stored yet, and counts.
    Prune(hosted, absl::InfiniteFuture(), out);
  }
  if (EBB_PLANTED(values_copied_after_the_marks) && hosted->durable) {
    cut->marks = hosted->durable->Encode();
  }
  out->push_back(WriteVersion{writing.key, *std::move(cut)});
}

void Checkpointer::VersionWritten(const VersionKey& key,
                                  const absl::Status& status, absl::Time now,
                                  ServerActions* out) {
  if (!writing_ || !writing_->cut_taken || writing_->key != key) {
    // The copy of a move that was given up while it was stored.
    if (status.ok()) out->push_back(DeleteVersions{{key}});
    return;
  }
  Writing written = *std::exchange(writing_, std::nullopt);
  TellValues(written, status);
  if (!status.ok()) return Failed(std::move(written), status, now, out);
  job_.problem.clear();
  HostedPartition& hosted = job_.partitions[key.partition];
  if (hosted.OwnedElsewhere()) {
    out->push_back(ForgetPartition{key.job, key.partition, key.term});
    return;
  }
  hosted.versions.Add(key, written.rounds);
  hosted.changed_versions = true;
  hosted.written.push_back(now);
  while (hosted.written.size() > kKeptForRollback ||
         hosted.written.front() <= now - kUnheard) {
    hosted.written.pop_front();
  }
  const bool current = hosted.values != nullptr && hosted.term == key.term &&
                       job_.stored.generation == key.generation;
  if (!current) {
    if (hosted.values != nullptr) hosted.unsaved.merge(written.items);
    return;
  }
  hosted.durable = std::move(written.marks);
  Prune(&hosted, now, out);
  if (!hosted.base_durable) {
    hosted.base_durable = true;
    job_.Register({key.partition}, out);
  } else {
    hosted.changed_durable.merge(written.items);
    job_.report_at_once = job_.report_at_once || job_.plan().rounds() ||
                          hosted.durable->Complete();
  }
}

void Checkpointer::TellValues(const Writing& writing,
                              const absl::Status& status) {
  const std::shared_ptr<Partition> values = writing.values.lock();
  if (values == nullptr) return;
  if (status.ok() || EBB_PLANTED(lost_rows_count_as_stored)) {
    values->CutWritten();
  } else if (absl::IsAborted(status)) {
    values->ForgetStored();
  } else {
    values->CutLost();
  }
}

void Checkpointer::Failed(Writing failed, const absl::Status& why,
                          absl::Time now, ServerActions* out) {
  if (absl::IsFailedPrecondition(why) || absl::IsAborted(why)) {
    // The next has all of it; or as each move does to what its source was still
    // writing.
    out->push_back(LogEvent{absl::StrCat("checkpoint of partition ",
                                         failed.partition.value(),
                                         " was not stored: ", why.message())});
  } else if (job_.problem != why.message()) {
    job_.Complain(std::string(why.message()), ServerProblem::kDisk);
    out->push_back(LogEvent{absl::StrCat(
        "checkpoint of partition ", failed.partition.value(), " failed: ",
        job_.problem, "; the version before is intact, trying again")});
  }
  HostedPartition& hosted = job_.partitions[failed.partition];
  if (hosted.values != nullptr) {
    hosted.unsaved.merge(failed.items);
    if (!hosted.cut_wanted) hosted.cut_wanted_since = now;
    hosted.cut_wanted = true;
    hosted.cut_asked = hosted.cut_asked || failed.asked;
  }
  if (!absl::IsAborted(why)) retry_at_ = now + kCutRetry;
}

void Checkpointer::Prune(HostedPartition* hosted, absl::Time now,
                         ServerActions* out) {
  if (now < keep_until_) return;  // The next does it.
  auto keep = static_cast<size_t>(std::max(1, job_.plan().checkpoint_keep));
  // Others are behind what is kept here: a rollback may be decided just now,
  // and may name any of these.
  if (job_.plan().rounds() && hosted->values != nullptr &&
      hosted->values->rounds().held().oldest > job_.rounds.closed_everywhere) {
    keep += kKeptForRollback;
  }
  // Nor is the scheduler's word on it here at once: it may name the oldest
  // version that it heard of.
  if (job_.plan().on_nonfinite == PoisonPolicy::kRollBack) {
    keep += static_cast<size_t>(job_.plan().nonfinite_rollback.versions);
    hosted->most_told = keep;
    keep += hosted->written.size();
  }
  auto dropped = hosted->versions.Prune(keep, job_.stored.generation,
                                        job_.stored.rollback);
  if (!dropped.empty()) out->push_back(DeleteVersions{std::move(dropped)});
}

void Checkpointer::Tick(absl::Time now, ServerActions* out) {
  if (retry_at_ <= now) retry_at_ = absl::InfinitePast();
  if (next_checkpoint_ > now) return;
  // Some always wait their turn. Late are those that still wait when the next
  // is due.
  const absl::Time due = now - Interval();
  if (held_back_ && job_.options.checkpoint_rate > 0 &&
      std::ranges::any_of(job_.partitions, [due](const auto& one) {
        return one.second.cut_wanted && one.second.cut_wanted_since <= due;
      })) {
    late_intervals_ = kLateIntervals;
    if (!said_so_) out->push_back(LogEvent{Late()});
    said_so_ = true;
  } else if (late_intervals_ > 0) {
    --late_intervals_;
  }
  held_back_ = false;
  next_checkpoint_ = now + Interval();
  Want(now, /*asked=*/false);
}

std::string Checkpointer::Late() const {
  if (late_intervals_ == 0) return "";
  return absl::StrCat("job ", job_.stored.record->name,
                      " changes faster than --checkpoint-rate ",
                      job_.options.checkpoint_rate,
                      " lets it store: its versions come less often than each ",
                      absl::FormatDuration(Interval()));
}

absl::Duration Checkpointer::Interval() const {
  return absl::Milliseconds(job_.plan().checkpoint_interval_ms);
}

absl::Time Checkpointer::NextTick() const {
  if (retry_at_ == absl::InfinitePast()) return next_checkpoint_;
  return std::min(next_checkpoint_, retry_at_);
}

}  // namespace ebb::server
