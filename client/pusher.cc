#include "client/pusher.h"

#include <utility>

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

int64_t BytesOf(const PushSegment& segment) {
  return segment.gradient.size() + segment.oracle.size();
}

}  // namespace

void Pusher::Queue(const Order& order, const BatchPtr& batch,
                   Routes::Server* server, ServerId id,
                   std::vector<PushSegment> segments) {
  PushRequest request;
  FillIn(order, server, &request);
  request.segments = std::move(segments);
  const PushId push{order.record.id, id, request.incarnation, request.sequence};
  Push& under_way = under_way_[push];
  under_way.batch = batch;
  for (const PushSegment& segment : request.segments) {
    under_way.segments.emplace_back(segment.partition, segment.term);
    under_way.bytes += BytesOf(segment);
  }
  windows_[id].waiting.push_back(
      {push, server->address, std::move(request), order.timeout});
}

bool Pusher::Send(const Order& order, ItemProgress* progress, Routes* routes,
                  ClientActions* out) {
  auto batch = std::make_shared<Batch>(Batch{order.run});
  std::map<ServerId, std::vector<PushSegment>> pushes;
  std::map<ServerId, int64_t> bytes;
  for (int32_t i = 0; i < order.record.plan.partitions; ++i) {
    const PartitionId p(i);
    const Routes::Route& route = routes->at(p);
    if (progress->sent(p) != order.run.begin || route.term == Term()) continue;
    PushSegment segment = SegmentFor(order, p, route.term);
    auto& segments = pushes[route.server];
    int64_t& sum = bytes[route.server];
    if (!segments.empty() && sum + BytesOf(segment) > push_bytes_) {
      Queue(order, batch, &routes->server(route.server), route.server,
            std::exchange(segments, {}));
      sum = 0;
    }
    sum += BytesOf(segment);
    segments.push_back(std::move(segment));
    progress->Sent(p, order.run.end);
    ++batch->unanswered;
  }
  if (pushes.empty()) return false;
  batches_.push_back(batch);
  for (auto& [id, segments] : pushes) {
    Queue(order, batch, &routes->server(id), id, std::move(segments));
    Fill(&windows_[id], out);
  }
  return true;
}

void Pusher::Fill(Window* window, ClientActions* out) const {
  while (!window->waiting.empty()) {
    SendPush& next = window->waiting.front();
    const int64_t bytes = under_way_.at(next.id).bytes;
    if (window->bytes > 0 && window->bytes + bytes > window_bytes_) return;
    window->bytes += bytes;
    out->push_back(std::move(next));
    window->waiting.pop_front();
  }
}

void Pusher::Pump(ClientActions* out) {
  for (auto& [id, window] : windows_) Fill(&window, out);
}

std::optional<Pusher::Push> Pusher::Take(const PushId& id) {
  const auto it = under_way_.find(id);
  if (it == under_way_.end()) return std::nullopt;
  std::optional<Push> push = std::move(it->second);
  under_way_.erase(it);
  windows_[id.server].bytes -= push->bytes;
  return push;
}

void Pusher::Settle(const BatchPtr& batch, bool refused) {
  batch->refused = batch->refused || refused;
  if (--batch->unanswered > 0) return;
  batches_.remove(batch);
  if (!batch->refused) ++clock_;
}

void Pusher::GiveUp(ServerId server) {
  windows_.erase(server);
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
  windows_.clear();
  batches_.clear();
}

}  // namespace ebb::client
