#include "server/initial_reader.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "common/steady_time.h"

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
  const absl::Time until = SteadyNow() + pause;
  MutexLock lock(&mu_);
  for (;;) {
    const absl::Duration left = until - SteadyNow();
    if (stopping_ || left <= absl::ZeroDuration()) return !stopping_;
    stops_.WaitFor(&mu_, left);
  }
}

void InitialReader::Add(FetchInitialValues task) {
  auto shared = std::make_shared<const FetchInitialValues>(std::move(task));
  thread_.Add([this, shared] {
    absl::StatusOr<InitialPartition> values = Read(*shared);
    if (!values.ok()) values = Waits(values.status());
    done_(*shared, std::move(values));
  });
}

absl::Status InitialReader::Open(const InitialFile& file) {
  if (source_ == nullptr) {
    return absl::FailedPreconditionError("this server cannot fetch any");
  }
  if (set_ == file.set && manifest_.id() == file.id &&
      manifest_.total_bytes() == file.bytes) {
    return absl::OkStatus();
  }
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
  if (!Pause(absl::ZeroDuration())) {
    return absl::CancelledError("this server stops");
  }
  absl::Duration pause = first_pause_;
  absl::Status read = TryChunk(array, chunk);
  for (int tries = 1; tries < kTries && MayComeLater(read); ++tries) {
    if (!Pause(pause)) break;
    pause *= 2;
    read = TryChunk(array, chunk);
  }
  // Only the memory of this server is that to the caller.
  if (absl::IsResourceExhausted(read)) {
    return absl::UnavailableError(
        absl::StrCat("the scheduler is busy: ", read.message()));
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

absl::StatusOr<InitialPartition> InitialReader::Read(
    const FetchInitialValues& task) {
  EBB_RETURN_IF_ERROR(Open(task.file));
  held_.resize(2 + task.file.slots);  // The last is of the rows.
  InitialPartition values;
  EBB_ASSIGN_OR_RETURN(values.dense.weights, ReadArray(task, 0));
  for (int32_t slot = 0; slot < task.file.slots; ++slot) {
    EBB_ASSIGN_OR_RETURN(Blocks read, ReadArray(task, 1 + slot));
    values.dense.slots.push_back(std::move(read));
  }
  if (task.file.row_bytes > 0) {
    EBB_ASSIGN_OR_RETURN(values.rows, ReadRows(task));
  }
  return values;
}

absl::StatusOr<std::vector<std::unique_ptr<RowTable>>> InitialReader::ReadRows(
    const FetchInitialValues& task) {
  const JobPlan& plan = task.record->plan;
  const int64_t begin = task.file.bytes - task.file.row_bytes;
  std::vector<int64_t> words(InitialRowsDirectory::Words(plan));
  if (static_cast<int64_t>(words.size() * sizeof(words[0])) >
      task.file.row_bytes) {
    return absl::DataLossError("their rows are too short");
  }
  const int32_t last = 1 + task.file.slots;
  EBB_RETURN_IF_ERROR(
      ReadBytes(last, begin, std::as_writable_bytes(std::span(words))));
  EBB_ASSIGN_OR_RETURN(
      const InitialRowsDirectory directory,
      InitialRowsDirectory::Decode(plan, words, task.file.row_bytes));
  int64_t at = begin + directory.BeginOf(task.partition);
  std::vector<std::unique_ptr<RowTable>> tables;
  for (size_t i = 0; i < plan.sparse_tables.size(); ++i) {
    const auto t = static_cast<int32_t>(i);
    EBB_ASSIGN_OR_RETURN(
        tables.emplace_back(),
        RowTable::Create(task.rule->RowOptions(t), task.rule->RowOptimizer(t),
                         task.pool));
    EBB_RETURN_IF_ERROR(ReadTable(task, directory.Of(task.partition, t), &at,
                                  tables.back().get()));
  }
  return tables;
}

absl::Status InitialReader::ReadTable(const FetchInitialValues& task,
                                      const InitialRowRun& run, int64_t* at,
                                      RowTable* table) {
  constexpr int64_t kTogether = int64_t{1} << 18;  // Bytes, or one row.
  const int64_t most = std::max<int64_t>(1, kTogether / run.row_bytes());
  const int32_t last = 1 + task.file.slots;
  std::vector<std::byte> bytes;
  std::vector<uint64_t> keys;
  std::vector<float> words;
  for (int64_t rest = run.rows; rest > 0;) {
    const int64_t count = std::min(rest, most);
    bytes.resize(static_cast<size_t>(count * run.row_bytes()));
    EBB_RETURN_IF_ERROR(ReadBytes(last, *at, bytes));
    keys.resize(static_cast<size_t>(count));
    words.resize(static_cast<size_t>(count * run.row_floats()));
    for (int64_t i = 0; i < count; ++i) {
      const std::byte* const row = bytes.data() + i * run.row_bytes();
      std::memcpy(&keys[i], row, sizeof(uint64_t));
      std::memcpy(&words[i * run.row_floats()], row + sizeof(uint64_t),
                  static_cast<size_t>(run.row_floats()) * kFloat);
      if (task.record->plan.PartitionOfKey(keys[i]) != task.partition) {
        return absl::DataLossError(absl::StrCat("they have key ", keys[i],
                                                " among those of partition ",
                                                task.partition.value()));
      }
    }
    EBB_RETURN_IF_ERROR(table->Begin(keys, words, run.slots));
    *at += static_cast<int64_t>(bytes.size());
    rest -= count;
  }
  return absl::OkStatus();
}

absl::Status InitialReader::ReadBytes(int32_t array, int64_t at,
                                      std::span<std::byte> out) {
  while (!out.empty()) {
    EBB_ASSIGN_OR_RETURN(const absl::string_view bytes,
                         ReadChunk(array, at / datasets::kChunkBytes));
    const auto within = static_cast<size_t>(at % datasets::kChunkBytes);
    const size_t size = std::min(out.size(), bytes.size() - within);
    std::memcpy(out.data(), bytes.data() + within, size);
    out = out.subspan(size);
    at += static_cast<int64_t>(size);
  }
  return absl::OkStatus();
}

absl::StatusOr<Blocks> InitialReader::ReadArray(const FetchInitialValues& task,
                                                int32_t array) {
  const DenseShape& shape = *task.shape;
  const int64_t array_bytes =
      (task.file.bytes - task.file.row_bytes) / (1 + task.file.slots);
  EBB_ASSIGN_OR_RETURN(Blocks values, shape.Allocate());
  for (int64_t b = 0; b < shape.blocks(); ++b) {
    std::span<std::byte> out =
        std::as_writable_bytes(shape.Mutable(&values, b));
    const int64_t first = shape.First(b) * kFloat;
    if (first + static_cast<int64_t>(out.size()) > array_bytes) {
      return absl::DataLossError("they are too short");
    }
    EBB_RETURN_IF_ERROR(ReadBytes(array, array * array_bytes + first, out));
  }
  return values;
}

}  // namespace ebb::server
