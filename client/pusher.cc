#include "client/pusher.h"

namespace ebb::client {

namespace {

// The part of the batch's sums that one partition is due.
PushSegment SegmentFor(const Pusher::Order& order, PartitionId partition,
                       Term term) {
  const JobPlan& plan = order.record.plan;
  const int32_t p = partition.value();
  PushSegment segment;
  segment.partition = partition;
  segment.term = term;
  if (order.values != nullptr)
    segment.pulled_updates = order.values->updates[p];
  if (!order.result.gradient.empty()) {
    const auto [first, last] = plan.ParameterRange(partition);
    segment.gradient = order.result.gradient.Sub(first * 4, (last - first) * 4);
  }
  if (!order.skip && plan.oracle_width > 0) {
    const int64_t bytes = plan.oracle_width * int64_t{8};
    segment.oracle = order.result.oracle.Sub(p * bytes, bytes);
  }
  return segment;
}

// All of the request but its segments; takes the next number in its sequence.
void FillIn(const Pusher::Order& order, Routes::Server* server,
            PushRequest* request) {
  request->job = order.record.id;
  request->generation = order.generation;
  request->stamp = order.stamp;
  request->incarnation = server->incarnation;
  request->sequence = server->next_sequence++;
  request->server_session = server->session;
  request->layout_hash = order.record.plan.layout_hash;
  request->item = order.run.item;
  request->begin = order.run.begin;
  request->end = order.run.end;
  request->ledger = order.result.ledger;
  request->loss_sum = order.result.loss_sum;
  request->skip = order.skip;
}

}  // namespace

bool Pusher::Send(const Order& order, ItemProgress* progress, Routes* routes,
                  ClientActions* out) {
  auto batch = std::make_shared<Batch>(Batch{order.run});
  std::map<ServerId, PushRequest> requests;
  for (int32_t i = 0; i < order.record.plan.partitions; ++i) {
    const PartitionId p(i);
    const Routes::Route& route = routes->at(p);
    if (progress->sent(p) != order.run.begin || route.term == Term()) continue;
    requests[route.server].segments.push_back(SegmentFor(order, p, route.term));
    progress->Sent(p, order.run.end);
    ++batch->unanswered;
  }
  if (requests.empty()) return false;
  batches_.push_back(batch);
  for (auto& [id, request] : requests) {
    Routes::Server& server = routes->server(id);
    FillIn(order, &server, &request);
    const PushId push{order.record.id, id, request.incarnation,
                      request.sequence};
    Push& under_way = under_way_[push];
    under_way.batch = batch;
    for (const PushSegment& segment : request.segments) {
      under_way.segments.emplace_back(segment.partition, segment.term);
    }
    out->push_back(
        SendPush{push, server.address, std::move(request), order.timeout});
  }
  return true;
}

std::optional<Pusher::Push> Pusher::Take(const PushId& id) {
  const auto it = under_way_.find(id);
  if (it == under_way_.end()) return std::nullopt;
  std::optional<Push> push = std::move(it->second);
  under_way_.erase(it);
  return push;
}

void Pusher::Settle(const BatchPtr& batch, bool refused) {
  batch->refused = batch->refused || refused;
  if (--batch->unanswered > 0) return;
  batches_.remove(batch);
  if (!batch->refused) ++clock_;
}

void Pusher::GiveUp(ServerId server) {
  for (auto it = under_way_.begin(); it != under_way_.end();) {
    if (it->first.server != server) {
      ++it;
      continue;
    }
    for (size_t i = 0; i < it->second.segments.size(); ++i) {
      Settle(it->second.batch, true);
    }
    it = under_way_.erase(it);
  }
}

void Pusher::Clear() {
  under_way_.clear();
  batches_.clear();
}

}  // namespace ebb::client
