#include "client/puller.h"

#include <utility>

#include "common/plant.h"

namespace ebb::client {

Puller::Puller(const JobPlan& plan)
    : partitions_(plan.partitions),
      partition_bytes_(std::max<int64_t>(
          1, plan.MostPartitionFloats() * static_cast<int64_t>(sizeof(float)))),
      tables_(plan.sparse_tables),
      cache_(plan) {
  for (int32_t p = 0; p < partitions_; ++p) {
    const auto [first, last] = plan.ParameterRange(PartitionId(p));
    dense_.push_back(first < last);
  }
}

void Puller::Start(const PullSpec& spec) {
  spec_ = spec;
  state_ = State::kPulling;
  values_ = std::make_shared<PulledValues>();
  values_->job = spec.job;
  values_->generation = spec.generation;
  values_->round = spec.round;
  values_->during_batch = spec.during_batch;
  values_->partitions.resize(partitions_);
  values_->encodings.resize(partitions_);
  values_->terms.resize(partitions_);
  values_->updates.resize(partitions_);
  values_->rows = spec.rows;
  if (spec.rows != nullptr) values_->row_values.resize(partitions_);
  found_.clear();
  if (UsesCache()) {
    cache_.Begin(spec.target_clock);
    found_.resize(partitions_);
  }
  have_.assign(partitions_, false);
  missing_ = partitions_;
  under_way_.clear();
  ask_ = true;
}

void Puller::Have(PartitionId p, Payload values, Encoding encoding, Term term,
                  int64_t updates) {
  have_[p.value()] = true;
  --missing_;
  values_->partitions[p.value()] = std::move(values);
  values_->encodings[p.value()] = encoding;
  values_->terms[p.value()] = term;
  values_->updates[p.value()] = updates;
}

bool Puller::HaveRows(PartitionId p, std::vector<Payload> rows) {
  if (spec_.rows == nullptr) return rows.empty();
  const std::vector<PullRows>& wanted = spec_.rows->partitions[p.value()];
  if (rows.size() != wanted.size()) return false;
  for (size_t i = 0; i < wanted.size(); ++i) {
    const int64_t keys =
        wanted[i].keys.size() / static_cast<int64_t>(sizeof(uint64_t));
    if (rows[i].size() != keys * tables_[wanted[i].table].row_bytes()) {
      return false;
    }
  }
  values_->row_values[p.value()] = std::move(rows);
  return true;
}

bool Puller::FindRows(PartitionId p, Term term) {
  Found& found = found_[p.value()];
  found.request = -1;
  found.rows = cache_.Find(p, term, spec_.rows->partitions[p.value()]);
  if (found.rows.tables.empty() || !found.rows.ask.empty() ||
      dense_[p.value()]) {
    return false;
  }
  PullSegment nothing;
  nothing.partition = p;
  nothing.term = term;
  nothing.updates = found.rows.updates;
  return CompleteRows(nothing, 0, {});
}

bool Puller::CompleteRows(const PullSegment& segment, int64_t clock,
                          std::vector<Payload> rows) {
  CachedRows& found = found_[segment.partition.value()].rows;
  const int64_t oldest = EBB_PLANTED(cached_rows_count_as_new)
                             ? segment.updates
                             : std::min(segment.updates, found.updates);
  auto all = cache_.Complete(std::move(found), segment.partition, segment.term,
                             segment.updates, clock, std::move(rows));
  if (!all) return false;
  values_->row_values[segment.partition.value()] = *std::move(all);
  // What is pushed with it was computed from the oldest of them.
  Have(segment.partition, segment.values, segment.encoding, segment.term,
       oldest);
  return true;
}

int64_t Puller::BytesOf(PartitionId p) const {
  int64_t bytes = partition_bytes_;
  if (spec_.rows == nullptr) return bytes;
  for (const PullRows& rows : spec_.rows->partitions[p.value()]) {
    bytes += rows.keys.size() + rows.keys.size() /
                                    static_cast<int64_t>(sizeof(uint64_t)) *
                                    tables_[rows.table].row_bytes();
  }
  return bytes;
}

void Puller::HaveLast(PartitionId p) {
  const int32_t i = p.value();
  Have(p, last_->partitions[i], last_->encodings[i], last_->terms[i],
       last_->updates[i]);
}

std::optional<int64_t> Puller::KnownUpdates(PartitionId p, Term term) const {
  const bool live = spec_.snapshot == 0 && spec_.round < 0;
  if (!live || !HasLast()) return std::nullopt;
  if (last_->terms[p.value()] != term) return std::nullopt;
  return last_->updates[p.value()];
}

bool Puller::GoOn(PartitionId p) {
  if (!spec_.go_on || !HasLast()) return false;
  HaveLast(p);
  return true;
}

void Puller::Pump(Routes* routes, const WorkerStamp& stamp,
                  const ClientOptions& options, absl::Time now,
                  int64_t* next_request, ClientActions* out) {
  if (!active() || (!ask_ && routes->version() == routes_version_)) return;
  routes_version_ = routes->version();
  std::map<ServerId, PullRequest> requests;
  std::map<ServerId, int64_t> asked;  // Bytes, by server.
  bool unknown = false, later = false;
  for (int32_t p = 0; p < partitions_; ++p) {
    if (have_[p]) continue;
    const Routes::Route& route = routes->at(PartitionId(p));
    if (!route.known) {
      unknown = !GoOn(PartitionId(p)) || unknown;
    } else if (under_way_.contains(route.server)) {
      continue;
    } else if (const Routes::Server& server = routes->server(route.server);
               server.retry_at > now) {
      later = server.answers || !GoOn(PartitionId(p)) || later;
    } else {
      // The others are asked for when these are there.
      int64_t& bytes = asked[route.server];
      const int64_t more = BytesOf(PartitionId(p));
      if (bytes == 0 || bytes + more <= options.pull_bytes) {
        if (UsesCache() && FindRows(PartitionId(p), route.term)) continue;
        bytes += more;
        requests[route.server].expected_bytes = bytes;
        std::vector<PullSegmentRequest>& segments =
            requests[route.server].segments;
        PullSegmentRequest& segment = segments.emplace_back();
        segment.partition = PartitionId(p);
        segment.term = route.term;
        segment.known_updates = KnownUpdates(PartitionId(p), route.term);
        if (UsesCache()) {
          segment.rows = found_[p].rows.ask;
        } else if (spec_.rows != nullptr) {
          segment.rows = spec_.rows->partitions[p];
        }
      }
    }
  }
  ask_ = unknown || later;
  state_ = unknown ? State::kNeedsPlacement : State::kPulling;
  for (auto& [id, request] : requests) {
    const Routes::Server& server = routes->server(id);
    request.job = spec_.job;
    request.generation = spec_.generation;
    request.stamp = stamp;
    request.request = (*next_request)++;
    request.target_clock = spec_.target_clock;
    request.round = spec_.round;
    request.snapshot = spec_.snapshot;
    request.encoding = spec_.encoding;
    under_way_[id] = request.request;
    if (UsesCache()) {
      for (const PullSegmentRequest& segment : request.segments) {
        found_[segment.partition.value()].request = request.request;
      }
    }
    const absl::Duration timeout =
        TimeFor(request.expected_bytes, options.pull_timeout);
    out->push_back(SendPull{{spec_.job, id, request.request},
                            server.address,
                            std::move(request),
                            timeout});
  }
  if (missing_ == 0) state_ = State::kDone;
}

bool Puller::Reply(const PullId& id, PullReply reply, Routes* routes) {
  const auto it = under_way_.find(id.server);
  if (!active() || it == under_way_.end() || it->second != id.request) {
    return false;
  }
  under_way_.erase(it);
  routes->Answered(id.server);
  for (PullSegment& segment : reply.segments) {
    const int32_t p = segment.partition.value();
    if (p < 0 || p >= partitions_ || have_[p]) continue;
    switch (segment.result) {
      case PullResult::kValues:
        if (UsesCache()) {
          // Else it was asked for elsewhere since.
          if (found_[p].request != id.request) break;
          if (!CompleteRows(segment, reply.view_clock,
                            std::move(segment.rows))) {
            state_ = State::kInvalid;
            return true;
          }
          break;
        }
        if (!HaveRows(segment.partition, std::move(segment.rows))) {
          state_ = State::kInvalid;
          return true;
        }
        Have(segment.partition, std::move(segment.values), segment.encoding,
             segment.term, segment.updates);
        break;
      case PullResult::kUnchanged: {
        const auto known = KnownUpdates(segment.partition, segment.term);
        // Else the answer does not fit the request. Frozen values are the same
        // after more updates.
        if (known && *known <= segment.updates) {
          HaveLast(segment.partition);
          values_->updates[p] = segment.updates;
        }
        break;
      }
      case PullResult::kWait:
        break;  // Asked again by the next Pump.
      case PullResult::kWrongPlacement:
        if (routes->at(PartitionId(p)).server == id.server) {
          routes->Forget(PartitionId(p));
        }
        break;
      case PullResult::kClosed:
        state_ = State::kClosed;
        return true;
      case PullResult::kNotInView:
        view_clock_ = reply.view_clock;
        state_ = State::kNotInView;
        return true;
      case PullResult::kWrongGeneration:
        generation_ = reply.generation;
        state_ = State::kOtherGeneration;
        return true;
      case PullResult::kNoSnapshot:
        state_ = State::kNoSnapshot;
        return true;
      case PullResult::kInvalid:
        state_ = State::kInvalid;
        return true;
    }
  }
  // Also what moved to this server while it was busy with the request.
  ask_ = missing_ > 0;
  if (missing_ == 0) state_ = State::kDone;
  return true;
}

bool Puller::Failed(const PullId& id) {
  const auto it = under_way_.find(id.server);
  if (!active() || it == under_way_.end() || it->second != id.request) {
    return false;
  }
  under_way_.erase(it);
  ask_ = true;
  return true;
}

PulledValuesPtr Puller::TakeValues() {
  state_ = State::kIdle;
  values_->target_clock = spec_.target_clock;  // It was lowered.
  if (spec_.go_on) last_ = values_;
  return std::move(values_);
}

}  // namespace ebb::client
