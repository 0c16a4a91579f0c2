#include "worker/training_computer.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/oracle_sums.h"
#include "client/pulled_values.h"
#include "common/scores/perplexity.h"
#include "common/status_macros.h"
#include "common/steady_time.h"
#include "common/task_rows.h"
#include "data/away.h"
#include "glog/logging.h"
#include "job/specification.h"
#include "models/model_scores.h"
#include "protocol/ledger.h"
#include "worker/base/examples.h"
#include "worker/base/written_rows.h"
#include "worker/blame.h"
#include "worker/predict/stepping.h"

namespace ebb::worker {

namespace {

// Unused buffers to keep: for as many batches as are under way.
constexpr size_t kGradientsKept = 4;

// How many batches without a finite gradient are looked into, and for how long:
// no lease runs out meanwhile, and a job whose values have gone astray has
// many.
constexpr int kMostBlames = 5;
constexpr absl::Duration kBlameTime = absl::Seconds(1);

// Between two tries to read data that is out of reach.
constexpr absl::Duration kDataPause = absl::Seconds(1);

absl::Status NoTestData(const JobRecord& record) {
  return absl::FailedPreconditionError(
      absl::StrCat("job ", record.name, " has no test data"));
}

// Records what the batch writes into untrained tables, behind its gradients.
absl::Status RecordRows(const JobPlan& plan, const models::BatchView& batch,
                        models::Model* model, client::ComputeResult* result) {
  if (plan.sparse_tables.empty() || plan.sparse_tables.back().trained()) {
    return absl::OkStatus();
  }
  WrittenRows rows(plan);
  EBB_RETURN_IF_ERROR(model->Record(batch, &rows));
  return rows.AppendTo(&result->rows);
}

}  // namespace

TrainingComputer::TrainingComputer(TrainingComputerOptions options)
    : options_(std::move(options)), pool_(kGradientsKept, options_.heap) {}

TrainingComputer::~TrainingComputer() = default;

int64_t TrainingComputer::held_bytes() const {
  MutexLock lock(&jobs_mu_);
  return HeldBytesLocked();
}

std::string TrainingComputer::RoomAdvice(const JobRecord& record) const {
  return job::PackingAdvice(record);
}

int64_t TrainingComputer::HeldBytesLocked() const {
  int64_t bytes = 0;
  for (const auto& job : jobs_) bytes += job->Bytes(options_);
  return bytes;
}

LoadedJobPtr TrainingComputer::FindLocked(const JobRecordPtr& record) {
  const auto known = std::find_if(
      jobs_.begin(), jobs_.end(),
      [&](const auto& job) { return job->record->id == record->id; });
  // A change of the job comes with the same number.
  const bool changed = known != jobs_.end() && (*known)->record != record &&
                       (*known)->record->specification != record->specification;
  if (changed) {
    jobs_.erase(known);
  } else if (known != jobs_.end()) {
    jobs_.splice(jobs_.begin(), jobs_, known);
    return jobs_.front();
  }
  return nullptr;
}

absl::StatusOr<LoadedJobPtr> TrainingComputer::Get(const JobRecordPtr& record) {
  MutexLock lock(&jobs_mu_);
  if (LoadedJobPtr known = FindLocked(record)) return known;
  // Room first: two data sets at once may be more than the machine has.
  while (jobs_.size() >= std::max<size_t>(options_.jobs_in_memory, 1)) {
    jobs_.pop_back();
  }
  EBB_ASSIGN_OR_RETURN(LoadedJobPtr job, LoadJob(record, options_));
  for (const Part part : {Part::kTraining, Part::kTest}) {
    away_.erase({record->id, part});
  }
  jobs_.push_front(std::move(job));
  if (options_.data_bytes > 0) ShareRoomLocked();
  return jobs_.front();
}

absl::StatusOr<LoadedJobPtr> TrainingComputer::GetFor(
    Part part, const JobRecordPtr& record) {
  {
    MutexLock lock(&jobs_mu_);
    if (LoadedJobPtr known = FindLocked(record)) return known;
  }
  const absl::Time tried = SteadyNow();
  // The lease of the batch goes on while data is read.
  const auto step = [this] { ++steps_; };
  const Stepping stepping(step);
  absl::StatusOr<LoadedJobPtr> job = Get(record);
  if (!absl::IsUnavailable(job.status()) && !data::IsAway(job.status())) {
    return job;
  }
  EBB_RETURN_IF_ERROR(WaitForData(part, *record, tried, job.status()));
  return LoadedJobPtr();
}

absl::Status TrainingComputer::WaitForData(Part part, const JobRecord& record,
                                           absl::Time tried,
                                           const absl::Status& failed) {
  {
    MutexLock lock(&jobs_mu_);
    const auto away =
        away_.try_emplace(std::pair(record.id, part), options_.data_patience)
            .first;
    switch (away->second.Failed(tried, SteadyNow())) {
      case Outage::Next::kGivenUp:
        return away->second.GivenUp(failed);
      case Outage::Next::kBegins:
        LOG(WARNING) << "job=" << record.name << " waits up to "
                     << options_.data_patience << " for its "
                     << (part == Part::kTest ? "test data: " : "data: ")
                     << failed.message();
        break;
      case Outage::Next::kGoesOn:
        break;
    }
  }
  WaitUntil(SteadyNow() + kDataPause);
  return absl::OkStatus();
}

void TrainingComputer::DataIsThere(Part part, const JobRecord& record) {
  MutexLock lock(&jobs_mu_);
  away_.erase({record.id, part});
}

void TrainingComputer::ShareRoomLocked() {
  int64_t data = 0;
  for (const auto& job : jobs_) {
    data += job->Bytes(options_) - job->SpareBytes();
  }
  while (jobs_.size() > 1 && data > options_.data_bytes) {
    data -= jobs_.back()->Bytes(options_) - jobs_.back()->SpareBytes();
    jobs_.pop_back();
  }
  int64_t room = options_.data_bytes;
  std::vector<LoadedJob*> keeping;
  for (const auto& job : jobs_) {
    if (job->room_bytes > 0) room = std::min(room, job->room_bytes);
    if (job->MayKeepLess()) keeping.push_back(job.get());
  }
  // Jobs that need less than their share leave the rest to the others.
  int64_t left = std::max<int64_t>(0, room - data);
  for (LoadedJob* job : keeping) job->model->KeepAtMost(left);
  std::ranges::sort(keeping, {}, &LoadedJob::SpareBytes);
  for (size_t i = 0; i < keeping.size(); ++i) {
    keeping[i]->model->KeepAtMost(left /
                                  static_cast<int64_t>(keeping.size() - i));
    left -= keeping[i]->SpareBytes();
  }
}

absl::Status TrainingComputer::Prepare(const JobRecordPtr& record) {
  const absl::Time start = SteadyNow();
  EBB_ASSIGN_OR_RETURN(const LoadedJobPtr job, Get(record));
  LOG(INFO) << "job=" << record->name
            << " prepared examples=" << job->train.examples()
            << " test_examples=" << (job->test ? job->test->examples() : 0)
            << " parameters=" << record->plan.parameters
            << " partitions=" << record->plan.partitions
            << " held_bytes=" << job->Bytes(options_)
            << " backend=" << job->backend->name()
            << " seconds=" << absl::ToDoubleSeconds(SteadyNow() - start);
  return absl::OkStatus();
}

TrainingComputer::DeviceTime TrainingComputer::device_time() const {
  MutexLock lock(&mu_);
  DeviceTime time = {.busy_seconds = busy_seconds_};
  if (last_done_ > first_done_) {
    time.busy_share = (busy_seconds_ - first_busy_seconds_) /
                      absl::ToDoubleSeconds(last_done_ - first_done_);
  }
  return time;
}

absl::Status TrainingComputer::Seen(const absl::Status& status,
                                    LoadedJob* job) {
  if (const double busy = job->backend->TakeBusySeconds(); busy > 0) {
    MutexLock lock(&mu_);
    busy_seconds_ += busy;
    last_done_ = SteadyNow();
    if (first_done_ == absl::InfinitePast()) {
      first_done_ = last_done_;
      first_busy_seconds_ = busy_seconds_;
    }
  }
  if (status.ok() || options_.devices.on_device_lost == nullptr) return status;
  const absl::Status of_device = job->backend->TakeError();
  if (absl::IsUnavailable(of_device))
    options_.devices.on_device_lost(of_device);
  return status;
}

void TrainingComputer::MaybeMisbehave(const TrainingBatch& batch) const {
  if (options_.compute_delay > absl::ZeroDuration()) {
    LOG_FIRST_N(WARNING, 1)
        << "each batch is computed " << options_.compute_delay
        << " late (--compute-delay)";
    absl::SleepFor(options_.compute_delay);
  }
  if (options_.crash_at_example < 0) return;
  const auto& numbers = batch.numbers;
  if (std::find(numbers.begin(), numbers.end(), options_.crash_at_example) !=
      numbers.end()) {
    LOG(ERROR) << "example=" << options_.crash_at_example
               << " crashes this worker (--crash-at-example)";
    std::_Exit(134);  // Exits as after SIGABRT, without a core file.
  }
}

models::KnownFloats TrainingComputer::NextExamples(
    const client::ComputeTask& task, LoadedJob* job) {
  const JobPlan& plan = task.record->plan;
  // Keyed ones come with the values that are expected.
  if (plan.trained_tables() > 0 || task.end >= plan.ItemSize(task.item)) {
    return {};
  }
  const TrainingBatch* const next = job->reader->Ready(
      task.item, task.end, plan.BatchEnd(task.item, task.end));
  if (next == nullptr) return {};
  const std::span<const float> dense = ViewOf(next->examples).dense;
  if (dense.empty()) return {};
  return {dense, next->content};
}

absl::Status TrainingComputer::Gradient(
    const client::ComputeTask& task, const models::KnownFloats& params,
    const TrainingBatch& batch, const models::BatchView& view,
    client::FloatBuffer* gradient, LoadedJob* job, models::BatchStats* stats) {
  assembled_.Pin(*job);
  PinBuffer(*job, gradient);
  // A local rule makes other values of those that are pulled.
  const bool names_params = !task.record->plan.algorithm.has_local_rule();
  models::NextBatch known;
  const auto next = [&] {
    if (known.params.id == models::ContentId::kUnknown) {
      known.params = assembled_.AssembleNext(*job, TakeExpected());
    }
    if (known.dense.id == models::ContentId::kUnknown) {
      known.dense = NextExamples(task, job);
    }
    return known;
  };
  const std::span<float> grad = gradient->span().first(params.floats.size());
  absl::Status status =
      Seen(job->model->GradientWithNext(params.floats, view, grad, stats,
                                        {.params = params.id,
                                         .dense = batch.content,
                                         .next = next,
                                         .names_params = names_params}),
           job);
  // Models answer OutOfRange to values that are not finite.
  if (!absl::IsOutOfRange(status) || ++job->blames > kMostBlames) return status;
  const auto stop = [this, until = SteadyNow() + kBlameTime] {
    MutexLock lock(&mu_);
    return hurry_ || SteadyNow() > until;
  };
  const std::string blame =
      Blame(params.floats, view, batch.numbers, grad, job->model.get(), stop,
            [&](int64_t number) {
              return job->PlaceOf(number, options_.open, stop);
            });
  return Seen(absl::OutOfRangeError(absl::StrCat(status.message(), blame)),
              job);
}

absl::Status TrainingComputer::NameExample(absl::Status status,
                                           const TrainingBatch& batch,
                                           const LoadedJob& job) const {
  const auto payload = status.GetPayload(kFailedRow);
  size_t row = 0;
  if (!payload || !absl::SimpleAtoi(std::string(*payload), &row) ||
      row >= batch.numbers.size()) {
    return status;
  }
  const auto stop = [until = SteadyNow() + kBlameTime] {
    return SteadyNow() > until;
  };
  return absl::Status(
      status.code(),
      absl::StrCat(status.message(), "; the first example that alone fails is ",
                   job.PlaceOf(batch.numbers[row], options_.open, stop)));
}

absl::StatusOr<const TrainingBatch*> TrainingComputer::ReadBatch(
    LoadedJob* job, ItemId item, int64_t begin, int64_t end,
    std::span<const client::ExampleRun> ahead) {
  if (!job->train.fetches()) {
    return job->reader->Read(item, begin, end, ahead);
  }
  // A window may take longer to come than a lease lives.
  const auto step = [this] { ++steps_; };
  const Stepping stepping(step);
  return job->reader->Read(item, begin, end, ahead);
}

absl::Status TrainingComputer::ComputeBatch(const client::ComputeTask& task,
                                            client::ComputeResult* result) {
  const JobPlan& plan = task.record->plan;
  EBB_ASSIGN_OR_RETURN(const LoadedJobPtr job,
                       GetFor(Part::kTraining, task.record));
  if (job == nullptr) {
    result->cancelled = true;
    return absl::OkStatus();
  }
  if (job->parts != nullptr) return PredictPart(task, job.get(), result);
  if (job->work.contributions != nullptr) {
    return Contribute(task, job.get(), result);
  }
  if (plan.trained_tables() > 0) {
    return ComputeKeyed(task, job.get(), result);
  }
  if (job->work.tasks != nullptr) return MakeTask(task, job.get(), result);
  {
    MutexLock lock(&mu_);
    reading_ = job;
  }
  const absl::Time tried = SteadyNow();
  const auto read =
      ReadBatch(job.get(), task.item, task.begin, task.end, task.ahead);
  if (data::IsAway(read.status())) {
    result->cancelled = true;
    return WaitForData(Part::kTraining, *task.record, tried, read.status());
  }
  DataIsThere(Part::kTraining, *task.record);
  EBB_RETURN_IF_ERROR(read.status());
  const TrainingBatch* const batch = *read;
  MaybeMisbehave(*batch);
  EBB_ASSIGN_OR_RETURN(const models::KnownFloats params,
                       assembled_.Assemble(*job, task.values));
  models::BatchView view = ViewOf(batch->examples, task.item, task.begin);
  view.training_numbers = batch->numbers;
  client::FloatBufferPtr gradient = pool_.Take(plan.parameters);
  models::BatchStats stats;
  EBB_RETURN_IF_ERROR(NameExample(
      Gradient(task, params, *batch, view, gradient.get(), job.get(), &stats),
      *batch, *job));
  result->gradient = client::FloatPool::AsPayload(std::move(gradient));
  result->oracle = client::OracleSums(plan, task.item, task.begin, task.end);
  result->ledger = batch->ledger;
  result->loss_sum = stats.loss_sum * job->labels.loss;
  if (plan.algorithm.operated) {
    // What is minimised is compared from round to round: all of it.
    result->loss_sum +=
        static_cast<double>(task.end - task.begin) *
        models::Penalty(job->model->description(), job->l2, params.floats);
  }
  return RecordRows(plan, view, job->model.get(), result);
}

absl::Status TrainingComputer::MakeTask(const client::ComputeTask& task,
                                        LoadedJob* job,
                                        client::ComputeResult* result) {
  const JobPlan& plan = task.record->plan;
  const int64_t number = plan.Ordinal(task.item);
  TrainingBatch batch;
  batch.numbers = {number};
  MaybeMisbehave(batch);
  const absl::Time tried = SteadyNow();
  const auto made = job->work.tasks->Make(number, [&] { ++steps_; });
  if (data::IsAway(made.status())) {
    result->cancelled = true;
    return WaitForData(Part::kTraining, *task.record, tried, made.status());
  }
  DataIsThere(Part::kTraining, *task.record);
  EBB_RETURN_IF_ERROR(made.status());
  WrittenRows rows(plan);
  EBB_RETURN_IF_ERROR(CutTask(
      number, made->bytes, [&](uint64_t key, std::span<const std::byte> part) {
        rows.Write(0, key, part);
      }));
  result->gradient = client::FloatPool::AsPayload(pool_.Take(plan.parameters));
  result->oracle = client::OracleSums(plan, task.item, task.begin, task.end);
  result->ledger = ExpectedRow(task.item, task.begin, task.end);
  result->loss_sum = made->loss;
  return rows.AppendTo(&result->rows);
}

// The push that follows moves the item's mark. So the file is on the disk
// before.
absl::Status TrainingComputer::PredictPart(const client::ComputeTask& task,
                                           LoadedJob* job,
                                           client::ComputeResult* result) {
  const JobPlan& plan = task.record->plan;
  const int64_t first = plan.Ordinal(task.item) * plan.shard_size;
  if (task.begin != 0 || task.end != plan.ItemSize(task.item)) {
    return absl::InternalError(
        absl::StrCat("a part of ", plan.ItemSize(task.item),
                     " predictions is asked for from ", task.begin, " to ",
                     task.end, "; such a job has a batch for each item"));
  }
  TrainingBatch batch;
  batch.numbers.resize(task.end);
  std::iota(batch.numbers.begin(), batch.numbers.end(), first);
  MaybeMisbehave(batch);
  const auto wait = [this](absl::Duration time) {
    WaitUntil(SteadyNow() + time);
    MutexLock lock(&mu_);
    return !hurry_;
  };
  const absl::Time tried = SteadyNow();
  const absl::Status written =
      job->parts->Write(job->train, first, first + task.end,
                        {.step = [this] { ++steps_; }, .wait = wait});
  if (absl::IsCancelled(written)) {
    LOG_EVERY_N(INFO, 10) << "item=" << task.item
                          << " is not written yet: " << written.message();
    result->cancelled = true;
    return absl::OkStatus();
  }
  if (data::IsAway(written)) {
    result->cancelled = true;
    return WaitForData(Part::kTraining, *task.record, tried, written);
  }
  DataIsThere(Part::kTraining, *task.record);
  EBB_RETURN_IF_ERROR(written);
  // Nothing is learnt: the gradient is 0.
  client::FloatBufferPtr gradient = pool_.Take(plan.parameters);
  std::ranges::fill(gradient->span(), 0.0f);
  result->gradient = client::FloatPool::AsPayload(std::move(gradient));
  result->oracle = client::OracleSums(plan, task.item, task.begin, task.end);
  result->ledger = ExpectedRow(task.item, task.begin, task.end);
  return absl::OkStatus();
}

absl::StatusOr<client::BatchRowsPtr> TrainingComputer::FindRows(
    const client::FindRows& batch) {
  const Part part = batch.test ? Part::kTest : Part::kTraining;
  EBB_ASSIGN_OR_RETURN(const LoadedJobPtr job, GetFor(part, batch.record));
  if (job == nullptr) return client::BatchRowsPtr();
  const absl::Time tried = SteadyNow();
  absl::StatusOr<client::BatchRowsPtr> found =
      batch.test ? FindTestRows(batch.record->plan, batch.begin, *job)
                 : FindBatchRows(batch, job.get());
  if (data::IsAway(found.status())) {
    EBB_RETURN_IF_ERROR(
        WaitForData(part, *batch.record, tried, found.status()));
    return client::BatchRowsPtr();
  }
  DataIsThere(part, *batch.record);
  return found;
}

absl::StatusOr<client::BatchRowsPtr> TrainingComputer::FindBatchRows(
    const client::FindRows& batch, LoadedJob* job) {
  const JobPlan& plan = batch.record->plan;
  EBB_ASSIGN_OR_RETURN(const TrainingBatch* const read,
                       ReadBatch(job, batch.item, batch.begin, batch.end, {}));
  EBB_ASSIGN_OR_RETURN(TrainingBatch made,
                       MadeBatch(*job, *read, /*test=*/false));
  return KeyedBatch::RowsOf(plan, std::move(made));
}

absl::StatusOr<TrainingBatch> TrainingComputer::MadeBatch(
    const LoadedJob& job, const TrainingBatch& read, bool test) {
  if (job.work.batches == nullptr) return read;
  TrainingBatch made = {.item = read.item,
                        .begin = read.begin,
                        .end = read.end,
                        .numbers = read.numbers,
                        .ledger = read.ledger};
  EBB_RETURN_IF_ERROR(job.work.batches->Make(read, test, &made.examples));
  return made;
}

// The next examples of the test data.
absl::StatusOr<client::BatchRowsPtr> TrainingComputer::FindTestRows(
    const JobPlan& plan, int64_t begin, const LoadedJob& job) const {
  if (!job.test) return NoTestData(*job.record);
  if (job.work.contributions != nullptr) {  // Dense values alone are pulled.
    return KeyedBatch::TestRowsOf(
        plan, {.begin = 0, .end = job.test->examples()}, /*last=*/true);
  }
  TrainingBatch read;
  read.begin = begin;
  // An example that is made may touch more rows than one of keys.
  const int64_t most = job.work.batches != nullptr ? plan.batch_by_epoch.front()
                                                   : TestBatch(plan);
  read.end = std::min(begin + most, job.test->examples());
  read.numbers.resize(read.end - read.begin);
  std::iota(read.numbers.begin(), read.numbers.end(), begin);
  EBB_RETURN_IF_ERROR(job.test->Gather(read.numbers, &read.examples));
  const bool last = read.end == job.test->examples();
  EBB_ASSIGN_OR_RETURN(TrainingBatch made, MadeBatch(job, read, /*test=*/true));
  return KeyedBatch::TestRowsOf(plan, std::move(made), last);
}

absl::Status TrainingComputer::Contribute(const client::ComputeTask& task,
                                          LoadedJob* job,
                                          client::ComputeResult* result) {
  const JobPlan& plan = task.record->plan;
  const KeyedBatch& keyed = KeyedBatch::Of(*task.values->rows);
  MaybeMisbehave(keyed.batch);
  EBB_ASSIGN_OR_RETURN(const models::KnownFloats params,
                       assembled_.Assemble(*job, task.values));
  const int64_t rows = keyed.order.Floats(plan);
  client::FloatBufferPtr made = pool_.Take(RoomForRows(rows));
  models::BatchStats stats;
  EBB_RETURN_IF_ERROR(job->work.contributions->Make(
      keyed, params.floats, made->span().first(rows), &stats));
  const Payload all = client::FloatPool::AsPayload(std::move(made));
  result->rows = keyed.order.Pushes(
      plan, all.Sub(0, rows * static_cast<int64_t>(sizeof(float))));
  result->oracle = client::OracleSums(plan, task.item, task.begin, task.end);
  result->ledger = keyed.batch.ledger;
  result->loss_sum = stats.loss_sum;
  return absl::OkStatus();
}

absl::Status TrainingComputer::ComputeKeyed(const client::ComputeTask& task,
                                            LoadedJob* job,
                                            client::ComputeResult* result) {
  const JobPlan& plan = task.record->plan;
  const KeyedBatch& keyed = KeyedBatch::Of(*task.values->rows);
  MaybeMisbehave(keyed.batch);
  EBB_ASSIGN_OR_RETURN(const models::KnownFloats params,
                       assembled_.Assemble(*job, task.values));
  client::FloatBufferPtr gradient =
      pool_.Take(plan.parameters + RoomForRows(keyed.order.Floats(plan)));
  models::BatchStats stats;
  EBB_RETURN_IF_ERROR(Gradient(task, params, keyed.batch, keyed.View(),
                               gradient.get(), job, &stats));
  const Payload all = client::FloatPool::AsPayload(std::move(gradient));
  const int64_t dense = plan.parameters * int64_t{sizeof(float)};
  result->gradient = all.Sub(0, dense);
  result->rows = keyed.order.Pushes(plan, all.Sub(dense, all.size() - dense));
  result->oracle = client::OracleSums(plan, task.item, task.begin, task.end);
  result->ledger = keyed.batch.ledger;
  result->loss_sum = stats.loss_sum * job->labels.loss;
  return RecordRows(plan, keyed.View(), job->model.get(), result);
}

client::ComputeResult TrainingComputer::Compute(
    const client::ComputeTask& task) {
  client::ComputeResult result;
  const absl::Time start = SteadyNow();
  const absl::Status status = ComputeBatch(task, &result);
  WaitUntil(start + options_.batch_time);
  if (status.ok()) return result;
  client::ComputeResult failed;
  failed.error = std::string(status.message());
  failed.non_finite = absl::IsOutOfRange(status);
  LOG(ERROR) << "job=" << task.record->name << " item=" << task.item
             << " begin=" << task.begin << " end=" << task.end
             << " cannot be computed: " << failed.error;
  return failed;
}

void TrainingComputer::Expect(const client::PulledValuesPtr& values) {
  MutexLock lock(&mu_);
  expected_ = values;
}

client::PulledValuesPtr TrainingComputer::TakeExpected() {
  MutexLock lock(&mu_);
  return std::exchange(expected_, {}).lock();
}

void TrainingComputer::ReadAhead(JobId job,
                                 std::span<const client::ExampleRun> next) {
  LoadedJobPtr reading;
  {
    MutexLock lock(&mu_);
    reading = reading_.lock();
  }
  if (reading != nullptr && reading->record->id == job) {
    reading->reader->ReadAhead(next);
  }
}

void TrainingComputer::Hurry() {
  MutexLock lock(&mu_);
  hurry_ = true;
  hurried_.SignalAll();
}

void TrainingComputer::WaitUntil(absl::Time then) {
  MutexLock lock(&mu_);
  for (;;) {
    const absl::Duration left = then - SteadyNow();
    if (hurry_ || left <= absl::ZeroDuration()) return;
    hurried_.WaitFor(&mu_, left);
  }
}

int64_t TrainingComputer::TestBatch(const JobPlan& plan) const {
  if (options_.data_bytes == 0) return options_.evaluation_batch;
  return std::min(options_.evaluation_batch, plan.batch_by_epoch.front());
}

absl::Status TrainingComputer::EvaluatePart(const client::EvaluateTask& task,
                                            std::span<const float> params,
                                            LoadedJob* job,
                                            EvaluationResult* result) {
  const KeyedBatch& part = KeyedBatch::Of(*task.values->rows);
  const int64_t begin = part.batch.begin;
  if (begin == 0) {
    partial_.reset();
    if (auto scores = models::ScoresOf(job->model->description(),
                                       job->labels.units, job->positive)) {
      partial_.emplace(
          PartialScores{task.record->id, task.snapshot, 0, *std::move(scores)});
    }
  } else if (partial_ &&
             (partial_->job != task.record->id ||
              partial_->snapshot != task.snapshot || partial_->end != begin)) {
    partial_.reset();  // Another evaluation's.
  }
  models::BatchStats sums;
  EBB_RETURN_IF_ERROR(EvaluateOn(part.View(), params, job->model.get(), &sums,
                                 partial_ ? &partial_->scores : nullptr));
  result->examples = sums.examples;
  result->loss_sum = sums.loss_sum * job->labels.loss;
  result->correct = sums.correct;
  if (!partial_) return absl::OkStatus();
  partial_->end = part.batch.end;
  result->figures = partial_->scores.Get();
  return absl::OkStatus();
}

absl::Status TrainingComputer::EvaluateAll(const client::EvaluateTask& task,
                                           LoadedJob* job,
                                           EvaluationResult* result) {
  if (!job->test) return NoTestData(*task.record);
  const JobPlan& plan = task.record->plan;
  EBB_ASSIGN_OR_RETURN(const models::KnownFloats params,
                       assembled_.Assemble(*job, task.values));
  if (plan.trained_tables() > 0 && job->work.contributions == nullptr) {
    EBB_RETURN_IF_ERROR(
        Seen(EvaluatePart(task, params.floats, job, result), job));
  } else {
    std::optional<Scores> scores = models::ScoresOf(
        job->model->description(), job->labels.units, job->positive);
    const auto sums =
        EvaluateOn(*job->test, params.floats, TestBatch(plan), job->model.get(),
                   &test_batch_, scores ? &*scores : nullptr);
    EBB_RETURN_IF_ERROR(Seen(sums.status(), job));
    result->examples = sums->examples;
    result->loss_sum = sums->loss_sum * job->labels.loss;
    result->correct = sums->correct;
    if (scores) result->figures = scores->Get();
    if (sums->correct < 0) {  // The model counts no right answers.
      std::erase_if(result->figures.named,
                    [](const Figure& one) { return one.name == kAccuracy; });
    }
    if (sums->words > 0) {
      result->figures.named.push_back(
          {std::string(kPerplexity), std::exp(sums->loss_sum / sums->words)});
    }
  }
  // A module with a data set of its own knows by itself what is right.
  if (!job->test->by_number() &&
      (job->test->index().classes.empty() ||
       job->model->description().labels == models::LabelKind::kNone)) {
    result->correct = -1;
  }
  return absl::OkStatus();
}

std::optional<EvaluationResult> TrainingComputer::Evaluate(
    const client::EvaluateTask& task) {
  EvaluationResult result;
  const absl::StatusOr<LoadedJobPtr> job = GetFor(Part::kTest, task.record);
  if (job.ok() && *job == nullptr) return std::nullopt;
  absl::Status status = job.status();
  if (status.ok()) {
    const absl::Time tried = SteadyNow();
    status = EvaluateAll(task, job->get(), &result);
    if (data::IsAway(status)) {
      status = WaitForData(Part::kTest, *task.record, tried, status);
      if (status.ok()) return std::nullopt;
    } else {
      DataIsThere(Part::kTest, *task.record);
    }
  }
  if (status.ok()) return result;
  EvaluationResult failed;
  failed.error = std::string(status.message());
  LOG(ERROR) << "job=" << task.record->name << " snapshot=" << task.snapshot
             << " cannot be evaluated: " << failed.error;
  return failed;
}

}  // namespace ebb::worker
