#include "tools/ebb/status/run_tally.h"

#include <algorithm>
#include <numeric>

#include "tools/text/lateness.h"
#include "tools/text/traffic.h"

namespace ebb::tools {

namespace {

int64_t Sum(const std::vector<int64_t>& values) {
  return std::accumulate(values.begin(), values.end(), int64_t{0});
}

void AddTo(const std::vector<int64_t>& values, std::vector<int64_t>* sums) {
  sums->resize(std::max(sums->size(), values.size()));
  for (size_t i = 0; i < values.size(); ++i) (*sums)[i] += values[i];
}

void AddTo(const v1::JobStatus::Backups& some, v1::JobStatus::Backups* sum) {
  sum->set_leased(sum->leased() + some.leased());
  sum->set_won(sum->won() + some.won());
  sum->set_lost(sum->lost() + some.lost());
  sum->set_moved(sum->moved() + some.moved());
  sum->set_computed_twice(sum->computed_twice() + some.computed_twice());
}

// A figure that grew up to `last` is `now`: if that is less, it began anew.
void Follow(std::optional<int64_t> now, std::optional<int64_t>* last,
            std::optional<int64_t>* past) {
  if (*last && now.value_or(0) < **last) *past = past->value_or(0) + **last;
  *last = now;
}

std::optional<int64_t> SumOf(std::optional<int64_t> some,
                             std::optional<int64_t> others) {
  if (!some && !others) return std::nullopt;
  return some.value_or(0) + others.value_or(0);
}

}  // namespace

void RunTally::Add(const v1::JobStatus& status) {
  std::vector<int64_t> staleness(status.staleness().begin(),
                                 status.staleness().end());
  if (Sum(staleness) < Sum(staleness_)) AddTo(staleness_, &past_staleness_);
  staleness_ = std::move(staleness);

  clock_lead_ = std::max(clock_lead_, status.clock_lead());
  if (!status.late_updates().empty()) late_updates_ = status.late_updates();

  if (status.traffic().pulled_as_floats() < traffic_.pulled_as_floats()) {
    AddTo(traffic_, &past_traffic_);
  }
  traffic_ = status.traffic();

  if (status.scaled().updates() < scaled_.updates()) {
    AddTo(scaled_, &past_scaled_);
  }
  scaled_ = status.scaled();
  Follow(status.has_bound_wait_us() ? std::optional(status.bound_wait_us())
                                    : std::nullopt,
         &bound_wait_us_, &past_bound_wait_us_);
  Follow(
      status.has_worker_us() ? std::optional(status.worker_us()) : std::nullopt,
      &worker_us_, &past_worker_us_);

  const uint64_t generation = status.summary().generation();
  // The job may have made more than one by itself since. If it has fewer
  // epochs, it ended; if it keeps another version, that is why.
  const int32_t best = status.has_best() ? status.best().epoch() : -1;
  if (generation_ != 0 && generation != generation_) {
    const bool ended = status.summary().epochs() < epochs_;
    const bool keeps = best >= 0 && best != best_;
    rollbacks_ +=
        std::max<int64_t>(ended || keeps ? 0 : 1,
                          status.nonfinite_rollbacks() - nonfinite_rollbacks_);
  }
  generation_ = generation;
  epochs_ = status.summary().epochs();
  best_ = best;
  nonfinite_rollbacks_ = status.nonfinite_rollbacks();

  std::map<std::string, int64_t> shares;
  for (const auto& share : status.shares()) {
    shares[share.name()] += share.examples();
  }
  for (const auto& [name, examples] : shares_) {
    if (shares[name] < examples) past_shares_[name] += examples;
  }
  shares_ = std::move(shares);

  if (status.leases_repeated() < leases_repeated_) {
    past_leases_repeated_ += leases_repeated_;
  }
  leases_repeated_ = status.leases_repeated();

  if (status.backups().leased() + status.backups().moved() <
      backups_.leased() + backups_.moved()) {
    AddTo(backups_, &past_backups_);
  }
  backups_ = status.backups();

  // An epoch that an earlier life saw end did so then, whatever came back.
  for (const auto& end : status.epoch_tails().ends()) {
    tails_.emplace(end.epoch(), end.us());
  }
  slowest_batch_us_ =
      std::max(slowest_batch_us_, status.epoch_tails().slowest_batch_us());
}

void RunTally::Complete(v1::JobStatus* status) const {
  std::vector<int64_t> staleness = past_staleness_;
  AddTo(staleness_, &staleness);
  status->mutable_staleness()->Assign(staleness.begin(), staleness.end());
  status->set_clock_lead(clock_lead_);
  status->set_late_updates(late_updates_);
  v1::Traffic traffic = past_traffic_;
  AddTo(traffic_, &traffic);
  *status->mutable_traffic() = traffic;
  v1::ScaledUpdates scaled = past_scaled_;
  AddTo(scaled_, &scaled);
  if (scaled.updates() > 0) *status->mutable_scaled() = scaled;
  if (const auto us = SumOf(bound_wait_us_, past_bound_wait_us_)) {
    status->set_bound_wait_us(*us);
  }
  if (const auto us = SumOf(worker_us_, past_worker_us_)) {
    status->set_worker_us(*us);
  }

  std::map<std::string, int64_t> shares = past_shares_;
  for (const auto& [name, examples] : shares_) shares[name] += examples;
  status->clear_shares();
  for (const auto& [name, examples] : shares) {
    if (examples == 0) continue;
    auto* share = status->add_shares();
    share->set_name(name);
    share->set_examples(examples);
  }
  status->set_leases_repeated(past_leases_repeated_ + leases_repeated_);
  v1::JobStatus::Backups backups = past_backups_;
  AddTo(backups_, &backups);
  *status->mutable_backups() = backups;
  status->clear_epoch_tails();
  if (tails_.empty()) return;
  v1::JobStatus::EpochTails* tails = status->mutable_epoch_tails();
  tails->set_epochs(static_cast<int64_t>(tails_.size()));
  for (const auto& [epoch, us] : tails_) {
    tails->set_sum_us(tails->sum_us() + us);
    tails->set_longest_us(std::max(tails->longest_us(), us));
    v1::JobStatus::EpochTails::End* end = tails->add_ends();
    end->set_epoch(epoch);
    end->set_us(us);
  }
  tails->set_slowest_batch_us(slowest_batch_us_);
}

}  // namespace ebb::tools
