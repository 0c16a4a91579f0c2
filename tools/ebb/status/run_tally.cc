#include "tools/ebb/status/run_tally.h"

#include <algorithm>
#include <numeric>

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

}  // namespace

void RunTally::Add(const v1::JobStatus& status) {
  std::vector<int64_t> staleness(status.staleness().begin(),
                                 status.staleness().end());
  if (Sum(staleness) < Sum(staleness_)) AddTo(staleness_, &past_staleness_);
  staleness_ = std::move(staleness);

  clock_lead_ = std::max(clock_lead_, status.clock_lead());

  if (status.traffic().pulled_as_floats() < traffic_.pulled_as_floats()) {
    AddTo(traffic_, &past_traffic_);
  }
  traffic_ = status.traffic();

  const uint64_t generation = status.summary().generation();
  // The job may have made more than one by itself since.
  if (generation_ != 0 && generation != generation_) {
    rollbacks_ += std::max<int64_t>(
        1, status.nonfinite_rollbacks() - nonfinite_rollbacks_);
  }
  generation_ = generation;
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

  // What an earlier life saw end did so then, whatever came back with less.
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
  v1::Traffic traffic = past_traffic_;
  AddTo(traffic_, &traffic);
  *status->mutable_traffic() = traffic;

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
