#include "client/item_leases.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace ebb::client {

void ItemLeases::Take(Lease lease, absl::Time now) {
  if (lease.begins) {
    if (!job_.items.Holds(lease.item)) return;
    if (asked_ && asked_->item == lease.item && asked_->batch == lease.batch) {
      asked_->answered = true;
    }
  } else {
    // The scheduler may have had no lease to answer about.
    asked_.reset();
  }
  job_.skips = lease.skips;
  if (lease.joined != job_.joined) {
    job_.joined = lease.joined;
    job_.pusher.set_clock(lease.start_clock);
    pulls_.Forget();
  }
  pulls_.Resume();
  job_.items.Take(job_.plan(), std::move(lease), now);
}

void ItemLeases::GoOver(Generation generation, ClientActions* out) {
  for (const ItemId item : job_.items.Ids()) {
    out->push_back(SendScheduler{EndOf(item, LeaseEnd::kReturned)});
  }
  job_.items.Clear();
  job_.pusher.Clear();
  pulls_.Forget();
  asked_.reset();
  job_.generation = generation;
  // What was under way is not answered in sequence any more.
  for (const auto& [id, server] : job_.routes.servers()) {
    job_.routes.NewIncarnation(id);
  }
}

// --- The end of an item ------------------------------------------------------

ItemEnd ItemLeases::EndOf(ItemId item, LeaseEnd end) const {
  ItemEnd message;
  message.session = job_.worker.options.session;
  message.job = job_.record->id;
  message.generation = job_.generation;
  message.item = item;
  message.end = end;
  message.examples = job_.worker.computation.examples();
  return message;
}

void ItemLeases::End(ItemId item, LeaseEnd end, ClientActions* out) {
  const LeasedItem* held = job_.items.Find(item);
  if (held == nullptr) return;
  ItemEnd message = EndOf(item, end);
  message.position = held->progress.LowestMark();
  out->push_back(SendScheduler{std::move(message)});
  Drop(item);
}

void ItemLeases::EndDone(ClientActions* out) {
  for (const ItemId item : job_.items.Done()) {
    // The rest of an item may come, if data grows.
    const bool whole =
        job_.items.Find(item)->progress.size() == job_.plan().ItemSize(item);
    End(item, whole ? LeaseEnd::kDone : LeaseEnd::kReturned, out);
  }
}

void ItemLeases::EndRound(int64_t round, ClientActions* out) {
  for (const ItemId item : job_.items.Ids()) {
    if (job_.plan().RoundOf(item) == round) {
      End(item, LeaseEnd::kRefused, out);
    }
  }
}

void ItemLeases::Fail(const LeasedItems::Run& run, const ComputeResult& why,
                      ClientActions* out) {
  if (!job_.items.Holds(run.item)) return;
  ItemEnd message = EndOf(run.item, LeaseEnd::kFailed);
  message.position = run.begin;
  message.failed_end = run.end;
  message.non_finite = why.non_finite;
  message.error = why.error;
  out->push_back(SendScheduler{std::move(message)});
  Drop(run.item);
}

void ItemLeases::Fail(const LeasedItems::Run& run, absl::string_view why,
                      ClientActions* out) {
  ComputeResult failed;
  failed.error = std::string(why);
  Fail(run, failed, out);
}

void ItemLeases::FailFirst(absl::string_view why, ClientActions* out) {
  if (job_.items.empty()) return;
  Fail({job_.items.front().progress.item()}, why, out);
}

void ItemLeases::FailAll(absl::string_view why, ClientActions* out) {
  for (const ItemId item : job_.items.Ids()) Fail({item}, why, out);
}

void ItemLeases::GiveUpAll(absl::string_view what, ServerId server,
                           const absl::Status& why, ClientActions* out) {
  const std::string error =
      absl::StrCat(what, " ps ", server.value(), " at ",
                   job_.routes.server(server).address, ": ", why.message());
  for (const ItemId item : job_.items.Ids()) {
    ItemEnd end = EndOf(item, LeaseEnd::kFailed);
    end.error = error;
    end.over_limit = true;
    out->push_back(SendScheduler{std::move(end)});
    Drop(item);
  }
}

void ItemLeases::ReturnAll(ClientActions* out) {
  for (const ItemId item : job_.items.Ids()) {
    End(item, LeaseEnd::kReturned, out);
  }
}

void ItemLeases::Drop(ItemId item) {
  job_.items.Remove(item);
  if (job_.items.empty()) pulls_.Forget();
}

void ItemLeases::DropAll() {
  job_.items.Clear();
  pulls_.Forget();
}

// --- Careful leases ----------------------------------------------------------

bool ItemLeases::MayBegin(const LeasedItems::Run& batch, absl::Time now,
                          ClientActions* out) {
  if (!job_.items.AnyCareful()) return true;
  if (asked_ && asked_->item == batch.item && asked_->batch == batch.begin) {
    return asked_->answered;
  }
  if (!job_.worker.connected) return false;
  asked_ = Asked{batch.item, batch.begin};
  Progress progress = ProgressOf(job_.items.Find(batch.item)->progress);
  progress.batch = batch.begin;
  progress.awaits = true;
  out->push_back(SendScheduler{std::move(progress)});
  job_.items.PlanRenewal(now);
  return false;
}

// --- Renewal -----------------------------------------------------------------

Progress ItemLeases::ProgressOf(const ItemProgress& item) const {
  Progress progress;
  progress.session = job_.worker.options.session;
  progress.job = job_.record->id;
  progress.generation = job_.generation;
  progress.item = item.item();
  progress.position = item.LowestMark();
  progress.clock = job_.clock();
  progress.examples = job_.worker.computation.examples();
  progress.parked = pulls_.parked();
  progress.skips = job_.skips;
  return progress;
}

void ItemLeases::SendProgress(std::optional<int64_t> view_clock, absl::Time now,
                              ClientActions* out) {
  job_.items.PlanRenewal(now);
  if (!job_.worker.connected || job_.items.empty()) return;
  Progress progress = ProgressOf(job_.items.front().progress);
  const Computation::Batch* const batch = job_.computing();
  if (batch != nullptr && batch->run.item == progress.item) {
    progress.batch = batch->run.begin;
  }
  progress.not_in_view = view_clock.has_value();
  progress.view_clock = view_clock.value_or(0);
  out->push_back(SendScheduler{std::move(progress)});
}

void ItemLeases::OnTick(bool loads, absl::Time now, ClientActions* out) {
  if (job_.items.empty() || job_.items.next_renewal() > now) return;
  // A lease is renewed by progress, not by being alive: a batch that takes far
  // too long, or a server only we cannot reach, lets it run out.
  const Computation& computation = job_.worker.computation;
  const Computation::Batch* batch = job_.computing();
  const bool computing_well =
      batch != nullptr &&
      computation.SinceStep(now) <
          std::max({job_.items.ttl(), computation.patience(),
                    job_.worker.options.batch_patience});
  const bool finding =
      pulls_.asks_for_rows() &&
      job_.items.AdvancedWithin(job_.worker.options.batch_patience, now);
  const bool loading =
      (job_.worker.preparing > 0 && !computation.BeforeLoads()) || loads;
  if (computing_well || finding || loading || computation.evaluating() ||
      job_.items.AdvancedLately(now)) {
    SendProgress(std::nullopt, now, out);
  } else {
    job_.items.PlanRenewal(now);
  }
}

absl::Time ItemLeases::NextTick() const {
  return job_.items.empty() ? absl::InfiniteFuture()
                            : job_.items.next_renewal();
}

}  // namespace ebb::client
