#include "server/initial_reader.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/status_macros.h"

namespace ebb::server {

namespace {

constexpr int64_t kFloat = sizeof(float);

// The same for all partitions, as it is logged when it changes.
absl::Status Waits(const absl::Status& why) {
  return {why.code(),
          absl::StrCat("it waits for initial values: ", why.message())};
}

// The scheduler is away or busy, or the answer came damaged.
bool MayComeLater(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsResourceExhausted(status) || absl::IsDataLoss(status);
}

}  // namespace

InitialReader::InitialReader(datasets::Source* source, Done done,
                             absl::Duration first_pause)
    : source_(source),
      done_(std::move(done)),
      first_pause_(first_pause),
      thread_(1) {}

void InitialReader::Stop() {
  {
    MutexLock lock(&mu_);
    stopping_ = true;
    stops_.SignalAll();
  }
  thread_.Stop();
}

bool InitialReader::Pause(absl::Duration pause) {
  const absl::Time until = absl::Now() + pause;
  MutexLock lock(&mu_);
  for (;;) {
    const absl::Duration left = until - absl::Now();
    if (stopping_ || left <= absl::ZeroDuration()) return !stopping_;
    stops_.WaitFor(&mu_, left);
  }
}

void InitialReader::Add(FetchInitialValues task) {
  auto shared = std::make_shared<const FetchInitialValues>(std::move(task));
  thread_.Add([this, shared] {
    absl::StatusOr<InitialDense> values = Read(*shared);
    if (!values.ok()) values = Waits(values.status());
    done_(*shared, std::move(values));
  });
}

absl::Status InitialReader::Open(const InitialFile& file) {
  if (source_ == nullptr) {
    return absl::FailedPreconditionError("this server cannot fetch any");
  }
  if (set_ == file.set && manifest_.id() == file.id) return absl::OkStatus();
  set_.clear();
  const auto bytes = source_->GetManifest(file.set);
  if (absl::IsNotFound(bytes.status())) {
    return absl::NotFoundError("the scheduler does not have them");
  }
  EBB_RETURN_IF_ERROR(bytes.status());
  EBB_ASSIGN_OR_RETURN(manifest_, datasets::Manifest::Decode(*bytes));
  if (manifest_.id() != file.id || manifest_.files().size() != 1 ||
      manifest_.total_bytes() != file.bytes) {
    return absl::DataLossError(
        absl::StrCat("the scheduler has others under their name, ", file.set));
  }
  set_ = file.set;
  held_.clear();
  return absl::OkStatus();
}

absl::StatusOr<absl::string_view> InitialReader::ReadChunk(int32_t array,
                                                           int64_t chunk) {
  for (const Held& held : held_) {
    if (held.chunk == chunk) return absl::string_view(held.bytes);
  }
  absl::Duration pause = first_pause_;
  absl::Status read = TryChunk(array, chunk);
  for (int tries = 1; tries < kTries && MayComeLater(read); ++tries) {
    if (!Pause(pause)) break;
    pause *= 2;
    read = TryChunk(array, chunk);
  }
  EBB_RETURN_IF_ERROR(read);
  return absl::string_view(held_[array].bytes);
}

absl::Status InitialReader::TryChunk(int32_t array, int64_t chunk) {
  Held& held = held_[array];
  held.chunk = -1;
  EBB_ASSIGN_OR_RETURN(held.bytes,
                       source_->GetChunk(set_, manifest_.id(), chunk));
  if (!(datasets::ChecksumOf(held.bytes) == manifest_.ChecksumOfChunk(chunk))) {
    return absl::DataLossError(
        absl::StrCat("chunk ", chunk, " of them came damaged"));
  }
  held.chunk = chunk;
  return absl::OkStatus();
}

absl::StatusOr<InitialDense> InitialReader::Read(
    const FetchInitialValues& task) {
  EBB_RETURN_IF_ERROR(Open(task.file));
  held_.resize(1 + task.file.slots);
  InitialDense values;
  EBB_ASSIGN_OR_RETURN(values.weights, ReadArray(task, 0));
  for (int32_t slot = 0; slot < task.file.slots; ++slot) {
    EBB_ASSIGN_OR_RETURN(Blocks read, ReadArray(task, 1 + slot));
    values.slots.push_back(std::move(read));
  }
  return values;
}

absl::StatusOr<Blocks> InitialReader::ReadArray(const FetchInitialValues& task,
                                                int32_t array) {
  const DenseShape& shape = *task.shape;
  const int64_t array_bytes = task.file.bytes / (1 + task.file.slots);
  EBB_ASSIGN_OR_RETURN(Blocks values, shape.Allocate());
  for (int64_t b = 0; b < shape.blocks(); ++b) {
    std::span<std::byte> out =
        std::as_writable_bytes(shape.Mutable(&values, b));
    const int64_t first = shape.First(b) * kFloat;
    if (first + static_cast<int64_t>(out.size()) > array_bytes) {
      return absl::DataLossError("they are too short");
    }
    int64_t at = array * array_bytes + first;
    while (!out.empty()) {
      EBB_ASSIGN_OR_RETURN(const absl::string_view bytes,
                           ReadChunk(array, at / datasets::kChunkBytes));
      const auto within = static_cast<size_t>(at % datasets::kChunkBytes);
      const size_t size = std::min(out.size(), bytes.size() - within);
      std::memcpy(out.data(), bytes.data() + within, size);
      out = out.subspan(size);
      at += static_cast<int64_t>(size);
    }
  }
  return values;
}

}  // namespace ebb::server
