#include "worker/assembled_values.h"

#include <bit>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "common/status_macros.h"
#include "worker/base/keyed_batch.h"

namespace ebb::worker {

absl::StatusOr<models::KnownFloats> AssembledValues::Assemble(
    const LoadedJob& job, const client::PulledValuesPtr& values) {
  if (assembled_[1 - current_].Are(values)) current_ = 1 - current_;
  return AssembleIn(job, values, &assembled_[current_]);
}

models::KnownFloats AssembledValues::AssembleNext(
    const LoadedJob& job, const client::PulledValuesPtr& values) {
  if (values == nullptr || values->job != job.record->id ||
      assembled_[current_].Are(values)) {
    return {};
  }
  Assembled& next = assembled_[1 - current_];
  const auto floats = AssembleIn(job, values, &next);
  if (!floats.ok()) return {};
  PinBuffer(job, next.buffer.get());
  return *floats;
}

void AssembledValues::Pin(const LoadedJob& job) {
  PinBuffer(job, assembled_[current_].buffer.get());
}

absl::StatusOr<models::KnownFloats> AssembledValues::AssembleIn(
    const LoadedJob& job, const client::PulledValuesPtr& values,
    Assembled* assembled) {
  const JobPlan& plan = job.record->plan;
  if (values == nullptr) {
    return absl::InternalError("no values were pulled");
  }
  const KeyedBatch* keyed =
      plan.trained_tables() == 0 ? nullptr : &KeyedBatch::Of(*values->rows);
  const int64_t rows = keyed == nullptr ? 0 : keyed->order.Floats(plan);
  const auto size = static_cast<size_t>(plan.parameters + rows);
  std::unique_ptr<client::FloatBuffer>& buffer = assembled->buffer;
  if (!assembled->Are(values)) {
    assembled->of.reset();
    // Batches touch different numbers of rows.
    const bool fits = buffer != nullptr &&
                      (rows > 0 ? buffer->size() >= plan.parameters + rows
                                : buffer->size() == plan.parameters);
    if (!fits) {
      buffer = std::make_unique<client::FloatBuffer>(
          plan.parameters + (rows > 0 ? RoomForRows(rows) : 0));
      assembled->frozen_of.reset();
    }
    const std::span<float> params = buffer->span().first(size);
    const bool has_frozen = assembled->frozen_of.lock() == job.record;
    assembled->frozen_of.reset();
    EBB_RETURN_IF_ERROR(
        client::Assemble(plan, *values, params.first(plan.parameters),
                         has_frozen ? job.frozen : std::vector<bool>()));
    assembled->frozen_of = job.record;
    if (keyed != nullptr) {
      EBB_RETURN_IF_ERROR(keyed->order.Assemble(
          plan, *values, params.subspan(plan.parameters)));
    }
    assembled->of = values;
    assembled->content = models::ContentId{++contents_};
  }
  return models::KnownFloats{buffer->span().first(size), assembled->content};
}

int64_t RoomForRows(int64_t rows) {
  return static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(rows)));
}

void PinBuffer(const LoadedJob& job, client::FloatBuffer* buffer) {
  if (buffer->keeps()) return;
  const std::span<float> floats = buffer->span();
  buffer->Keep(job.backend->PinHost(floats.data(),
                                    static_cast<int64_t>(floats.size_bytes())));
}

}  // namespace ebb::worker
