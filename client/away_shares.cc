#include "client/away_shares.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/plant.h"

namespace ebb::client {

bool AwayShares::CanKeep(const LeasedItem& held, PartitionId p,
                         int64_t begin) const {
  const int64_t most = job_.plan().consistency.local_steps;
  if (!job_.routes.Away(p) || !job_.GoesOn()) return false;
  // A share that is on its way, or waits for what comes before it, cannot be
  // continued; nor can what is passed over be in one.
  const LocalShare* share = held.shares.Find(p);
  if (share != nullptr && !held.SharePending(p)) return false;
  return !held.Skips(begin) && job_.items.KeptBatches(job_.plan()) < most;
}

void AwayShares::Keep(LeasedItem* held, const Pusher::Order& batch,
                      ClientActions* out) {
  std::vector<PartitionId> partitions;
  for (int32_t i = 0; i < job_.plan().partitions; ++i) {
    const PartitionId p(i);
    if (held->Next(p) == batch.run.begin && CanKeep(*held, p, batch.run.begin))
      partitions.push_back(p);
  }
  if (partitions.empty()) return;
  if (job_.items.KeptBatches(job_.plan()) == 0) {
    out->push_back(LogEvent{absl::StrCat(
        "job=", job_.record->id.value(), " item=", ToString(batch.run.item),
        " partitions=", partitions.size(),
        " are served by no server: going on without them for up to ",
        job_.plan().consistency.local_steps, " batches")});
  }
  for (const PartitionId p : partitions) {
    held->shares.Add({batch.run.begin, batch.run.end,
                      Pusher::SegmentFor(batch, p), batch.result.ledger,
                      batch.result.loss_sum});
  }
  ++job_.worker.local_steps.batches;
}

void AwayShares::Send(bool try_all, absl::Time now) {
  for (const ItemId item : job_.items.Ids()) {
    Send(job_.items.Find(item), try_all, now);
  }
}

void AwayShares::Send(LeasedItem* held, bool try_all, absl::Time now) {
  if (held->shares.empty()) return;
  // The shares of one server are one push if they are of the same run.
  std::map<std::pair<int64_t, int64_t>, std::vector<PushSegment>> by_run;
  for (const auto& [p, share] : held->shares.all()) {
    const bool whole = held->SharePending(p) ||
                       (EBB_PLANTED(share_begins_where_the_partition_is) &&
                        held->progress.sent(p) < share.begin);
    if (!whole || !job_.routes.at(p).known) continue;
    const Routes::Server& server = job_.routes.server(job_.routes.at(p).server);
    if (server.retry_at > now || !(server.answers || try_all)) continue;
    by_run[{held->progress.sent(p), share.end}].push_back(share.segment);
  }
  for (auto& [run, segments] : by_run) {
    // The same examples have the same ledger; one partition counts the losses.
    const LocalShare& share = *held->shares.Find(segments.front().partition);
    ComputeResult sums;
    sums.ledger = share.ledger;
    sums.loss_sum = share.loss_sum;
    const LeasedItems::Run of{held->progress.item(), run.first, run.second};
    job_.pusher.SendShares(job_.OrderFor(of, sums, nullptr, false),
                           std::move(segments), held, &job_.routes);
  }
}

void AwayShares::Judged(const Pusher::Push& push, const PushReply& reply,
                        ClientActions* out) {
  size_t applied = 0;
  for (const PushSegmentReply& segment : reply.segments) {
    if (segment.verdict == Verdict::kApplied) ++applied;
  }
  const bool all = applied == push.segments.size();
  LocalSteps& counts = job_.worker.local_steps;
  ++(all ? counts.applied : counts.refused);
  const LeasedItems::Run& run = push.batch->run;
  std::string text = absl::StrCat(
      "job=", job_.record->id.value(), " item=", ToString(run.item),
      " server=", reply.server.value(), " share of ", run.end - run.begin,
      " examples, computed without it: applied by ", applied, " of ",
      push.segments.size(), " partitions");
  for (const PushSegmentReply& segment : reply.segments) {
    if (segment.verdict == Verdict::kApplied) continue;
    absl::StrAppend(&text, "; ", VerdictName(segment.verdict));
    break;
  }
  out->push_back(LogEvent{std::move(text)});
}

}  // namespace ebb::client
