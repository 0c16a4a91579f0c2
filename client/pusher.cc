#include "client/pusher.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "client/push_size.h"
#include "common/plant.h"
#include "common/row_kind.h"
#include "protocol/trained_ranges.h"

namespace ebb::client {

namespace {

PushRequest RequestFor(const Pusher::Order& order,
                       std::vector<PushSegment> segments) {
  PushRequest request;
  request.job = order.record.id;
  request.generation = order.generation;
  request.stamp = order.stamp;
  request.layout_hash = order.record.plan.layout_hash;
  request.item = order.run.item;
  request.begin = order.run.begin;
  request.end = order.run.end;
  request.ledger = order.result.ledger;
  request.loss_sum = order.result.loss_sum;
  request.skip = order.skip;
  request.segments = std::move(segments);
  return request;
}

// A row of bytes as a worker makes it whose results depend on which one it is.
// Only a planted bug asks for it.
PushRows SpoiltRows(const JobPlan& plan, const WorkerStamp& stamp,
                    PushRows rows) {
  const SparseTablePlan& table = plan.sparse_tables[rows.table];
  if (table.kind != RowKind::kWriteOnce || stamp.worker.value() % 2 == 0) {
    return rows;
  }
  std::vector<std::byte> bytes(static_cast<size_t>(rows.gradient.size()));
  rows.gradient.CopyTo(bytes);
  // Behind the word that says how long the row is.
  if (bytes.size() > sizeof(uint32_t)) bytes[sizeof(uint32_t)] ^= std::byte{1};
  rows.gradient = Payload::Of(std::move(bytes));
  return rows;
}

}  // namespace

void Pusher::Queue(const BatchPtr& batch, ServerId id, PushRequest request,
                   absl::Duration timeout, Routes* routes) {
  Routes::Server& server = routes->server(id);
  request.incarnation = server.incarnation;
  request.sequence = server.next_sequence++;
  request.server_session = server.session;
  SendPush push{{request.job, id, request.incarnation, request.sequence},
                server.address,
                std::move(request),
                timeout};
  Push& under_way = under_way_[push.id];
  under_way.batch = batch;
  for (const PushSegment& segment : push.request.segments) {
    under_way.segments.emplace_back(segment.partition, segment.term);
    under_way.bytes += ValueBytes(segment);
  }
  push.timeout = TimeFor(under_way.bytes, timeout);
  if (server.short_of_room) under_way.kept = push;
  windows_[id].waiting.push_back(std::move(push));
}

PushSegment Pusher::SegmentFor(const Order& order, PartitionId partition) {
  const JobPlan& plan = order.record.plan;
  const int32_t p = partition.value();
  PushSegment segment;
  segment.partition = partition;
  if (order.values != nullptr)
    segment.pulled_updates = order.values->updates[p];
  if (!order.result.gradient.empty()) {
    const FloatRange run =
        PushedRun(plan, order.result.trained.get(), partition);
    segment.gradient = order.result.gradient.Sub(run.first * 4, run.size() * 4);
  }
  if (!order.result.rows.empty()) segment.rows = order.result.rows[p];
  if (EBB_PLANTED(task_result_of_its_worker)) {
    for (PushRows& rows : segment.rows) {
      rows = SpoiltRows(plan, order.stamp, std::move(rows));
    }
  }
  if (!order.skip && plan.oracle_width > 0) {
    const int64_t bytes = plan.oracle_width * int64_t{8};
    segment.oracle = order.result.oracle.Sub(p * bytes, bytes);
  }
  return segment;
}

bool Pusher::Send(const Order& order, LeasedItem* held, Routes* routes) {
  std::vector<PushSegment> segments;
  for (int32_t i = 0; i < order.record.plan.partitions; ++i) {
    const PartitionId p(i);
    if (held->Next(p) != order.run.begin || held->SharePending(p)) continue;
    if (routes->at(p).term == Term()) continue;
    const auto& filtered = order.result.filtered;
    // Computed when the partition was elsewhere in the item: it is computed
    // again, with what was left over there.
    if (!filtered.empty() && !filtered[i].has_value()) continue;
    PushSegment& segment = segments.emplace_back(SegmentFor(order, p));
    if (filtered.empty()) continue;
    segment.gradient = filtered[i]->bytes;
    segment.encoding = filtered[i]->encoding;
  }
  if (segments.empty()) return false;
  SendTo(order, std::move(segments), false, held, routes);
  return true;
}

void Pusher::SendShares(const Order& order, std::vector<PushSegment> shares,
                        LeasedItem* held, Routes* routes) {
  SendTo(order, std::move(shares), true, held, routes);
}

void Pusher::SendTo(const Order& order, std::vector<PushSegment> segments,
                    bool share, LeasedItem* held, Routes* routes) {
  auto batch = std::make_shared<Batch>(Batch{order.run});
  batch->share = share;
  std::map<ServerId, std::vector<PushSegment>> pushes;
  std::map<ServerId, int64_t> bytes, all;
  for (const PushSegment& segment : segments) {
    all[routes->at(segment.partition).server] += ValueBytes(segment);
  }
  for (PushSegment& segment : segments) {
    const Routes::Route& route = routes->at(segment.partition);
    segment.term = route.term;
    auto& push = pushes[route.server];
    int64_t& sum = bytes[route.server];
    const int64_t most = PushBytesFor(all[route.server], push_bytes_);
    if (!push.empty() && sum + ValueBytes(segment) > most) {
      Queue(batch, route.server, RequestFor(order, std::exchange(push, {})),
            order.timeout, routes);
      sum = 0;
    }
    sum += ValueBytes(segment);
    held->progress.Sent(segment.partition, order.run.end);
    ++batch->unanswered;
    push.push_back(std::move(segment));
  }
  batches_.push_back(batch);
  for (auto& [id, push] : pushes) {
    Queue(batch, id, RequestFor(order, std::move(push)), order.timeout, routes);
  }
}

void Pusher::Pump(const Routes& routes, absl::Time now, ClientActions* out) {
  for (auto& [id, window] : windows_) {
    if (window.waiting.empty()) continue;
    const Routes::Server& server = routes.server(id);
    if (server.retry_at > now) continue;
    // One, to find out, where the last had no room.
    const int64_t most = server.refusals > 0 ? 0 : window_bytes_;
    while (!window.waiting.empty()) {
      SendPush& next = window.waiting.front();
      const int64_t bytes = under_way_.at(next.id).bytes;
      if (window.bytes > 0 && window.bytes + bytes > most) break;
      window.bytes += bytes;
      out->push_back(std::move(next));
      window.waiting.pop_front();
    }
  }
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

void Pusher::SendAgain(const PushId& id, Push refused, const WorkerStamp& stamp,
                       Wanted wanted, Routes* routes) {
  if (!refused.kept->request.segments.empty()) {
    under_way_[id] = std::move(refused);
  }
  std::vector<Push> pushes;  // In the order of their numbers.
  for (auto it = under_way_.begin(); it != under_way_.end();) {
    if (it->first.server != id.server) {
      ++it;
      continue;
    }
    pushes.push_back(std::move(it->second));
    it = under_way_.erase(it);
  }
  windows_.erase(id.server);
  routes->NewIncarnation(id.server);
  for (Push& push : pushes) {
    PushRequest& request = push.kept->request;
    std::erase_if(request.segments, [&](const PushSegment& segment) {
      if (wanted(request, segment)) return false;
      Settle(push.batch, true);
      return true;
    });
    if (request.segments.empty()) continue;
    request.stamp = stamp;
    Queue(push.batch, id.server, std::move(request), push.kept->timeout,
          routes);
  }
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
