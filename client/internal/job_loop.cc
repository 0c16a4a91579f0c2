#include "client/internal/job_loop.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/hand_in.h"
#include "client/pulled_values.h"
#include "common/status_macros.h"
#include "common/steady_time.h"

namespace ebb::client {

namespace {

ComputeResult Cancelled() {
  ComputeResult result;
  result.cancelled = true;
  return result;
}

ComputeResult Failed(absl::string_view why, bool non_finite = false) {
  ComputeResult result;
  result.error = std::string(why);
  result.non_finite = non_finite;
  return result;
}

}  // namespace

JobLoop::JobLoop(JobLoopOptions options,
                 std::shared_ptr<rpc::Transport> transport)
    : options_(std::move(options)),
      transport_(std::move(transport)),
      orders_(options_.record->plan, options_.window) {
  JobComputer* const computer = this;
  shell_ =
      std::make_unique<ClientShell>(options_.shell, transport_.get(), computer);
}

JobLoop::~JobLoop() {
  // Nothing is lost when it takes too long.
  Leave().IgnoreError();
  shell_.reset();
}

absl::Status JobLoop::Leave() {
  // First the core, so that it begins nothing new when it gets back what it
  // waits for.
  shell_->BeginDrain();
  {
    MutexLock lock(&mu_);
    leaving_ = true;
    changed_.SignalAll();
  }
  if (shell_->Drain(options_.grace)) return absl::OkStatus();
  return absl::DeadlineExceededError(absl::StrCat(
      "job ", record().name, " was left after ",
      absl::FormatDuration(options_.grace),
      " without the servers' answers; others will see what is missing"));
}

// --- The user's side ---------------------------------------------------------

absl::StatusOr<std::optional<JobLoop::Work>> JobLoop::Take() {
  ComputeTask task;
  Work work;
  for (;;) {
    {
      MutexLock lock(&mu_);
      if (leaving_) return std::nullopt;
      if (out_ && !result_) {
        constexpr char kWhy[] = "a batch was neither pushed nor failed";
        FinishLocked(Failed(kWhy));
        return absl::FailedPreconditionError(kWhy);
      }
      const absl::Time ask_at = SteadyNow() + options_.ask_every;
      while (!leaving_ && (!offered_ || out_) && SteadyNow() < ask_at) {
        changed_.WaitFor(&mu_, ask_at - SteadyNow());
      }
      if (leaving_) return std::nullopt;
      if (offered_ && !out_) {
        out_ = true;
        task = *offered_;
        work.ticket = ++ticket_;
        break;
      }
    }
    const absl::StatusOr<bool> finished = options_.finished();
    if (absl::IsNotFound(finished.status())) return finished.status();
    // A scheduler that is away will be back.
    if (finished.ok() && *finished) return std::nullopt;
  }
  work.place = {task.item.epoch, task.item.shard, task.begin, task.end};
  auto examples = ExamplesAt(work.place);
  if (!examples.ok()) {
    Abandon(work.ticket, examples.status().message());
    return examples.status();
  }
  examples_ = *std::move(examples);
  work.examples = examples_;
  return work;
}

std::vector<Place> JobLoop::Ahead(size_t most) const {
  std::vector<Place> places;
  {
    MutexLock lock(&mu_);
    if (leaving_ || most == 0) return places;
    if (offered_ && !out_) {
      places.push_back({offered_->item.epoch, offered_->item.shard,
                        offered_->begin, offered_->end});
    }
  }
  for (const LeasedItems::Run& run :
       shell_->Ahead(record().id, most - places.size())) {
    places.push_back({run.item.epoch, run.item.shard, run.begin, run.end});
  }
  return places;
}

absl::Status JobLoop::CheckOutLocked(uint64_t ticket) const {
  if (leaving_) {
    return absl::FailedPreconditionError(
        absl::StrCat("job ", record().name, " was left"));
  }
  if (ticket != ticket_ || !out_ || result_) {
    return absl::FailedPreconditionError(
        "this batch was pushed or failed before");
  }
  return absl::OkStatus();
}

void JobLoop::FinishLocked(ComputeResult result) {
  result_ = std::move(result);
  changed_.SignalAll();
}

absl::Status JobLoop::Pull(uint64_t ticket, std::span<float> model) {
  PulledValuesPtr values;
  {
    MutexLock lock(&mu_);
    EBB_RETURN_IF_ERROR(CheckOutLocked(ticket));
    values = offered_->values;
  }
  const int64_t parameters = record().plan.parameters;
  if (static_cast<int64_t>(model.size()) != parameters) {
    return absl::InvalidArgumentError(
        absl::StrCat("the model has ", parameters, " parameters, but ",
                     model.size(), " were to be pulled"));
  }
  return Assemble(record().plan, *values, model);
}

absl::Status JobLoop::Hand(uint64_t ticket, std::span<const float> gradient,
                           double loss_sum) {
  ComputeTask task;
  {
    MutexLock lock(&mu_);
    EBB_RETURN_IF_ERROR(CheckOutLocked(ticket));
    task = *offered_;
  }
  const JobPlan& plan = record().plan;
  if (static_cast<int64_t>(gradient.size()) != plan.parameters) {
    return absl::InvalidArgumentError(
        absl::StrCat("the model has ", plan.parameters,
                     " parameters, but the gradient ", gradient.size()));
  }
  const auto odd = std::find_if_not(gradient.begin(), gradient.end(),
                                    [](float g) { return std::isfinite(g); });
  if (odd != gradient.end() || !std::isfinite(loss_sum)) {
    const std::string why =
        odd == gradient.end() ? absl::StrCat("the loss is ", loss_sum)
                              : absl::StrCat("element ", odd - gradient.begin(),
                                             " of the gradient is ", *odd);
    MutexLock lock(&mu_);
    EBB_RETURN_IF_ERROR(CheckOutLocked(ticket));
    FinishLocked(Failed(why, true));
    return absl::OutOfRangeError(why);
  }
  FloatBufferPtr buffer = pool_.Take(plan.parameters);
  std::copy(gradient.begin(), gradient.end(), buffer->span().begin());
  ComputeResult result = HandIn(plan, task.item, task.begin, task.end,
                                std::move(buffer), loss_sum);
  MutexLock lock(&mu_);
  EBB_RETURN_IF_ERROR(CheckOutLocked(ticket));
  FinishLocked(std::move(result));
  return absl::OkStatus();
}

void JobLoop::Abandon(uint64_t ticket, absl::string_view why) {
  MutexLock lock(&mu_);
  if (!CheckOutLocked(ticket).ok()) return;
  FinishLocked(Failed(why.empty() ? "the program failed it" : why));
}

// --- The library's side ------------------------------------------------------

absl::Status JobLoop::Prepare(const JobRecordPtr& record) {
  if (record->id == options_.record->id) return CheckHandIn(*record);
  return absl::FailedPreconditionError(
      absl::StrCat("this program computes job ", options_.record->name,
                   ", not job ", record->name));
}

ComputeResult JobLoop::Compute(const ComputeTask& task) {
  MutexLock lock(&mu_);
  offered_ = task;
  out_ = false;
  result_.reset();
  changed_.SignalAll();
  while (!leaving_ && !result_) changed_.Wait(&mu_);
  // What was handed in counts, even if the job is left in the same moment.
  ComputeResult result = result_ ? *std::move(result_) : Cancelled();
  offered_.reset();
  out_ = false;
  result_.reset();
  return result;
}

std::optional<EvaluationResult> JobLoop::Evaluate(const EvaluateTask& task) {
  EvaluationResult result;
  if (!options_.evaluate) {
    result.error = "this program does not evaluate";
    return result;
  }
  const JobPlan& plan = record().plan;
  const FloatBufferPtr model = pool_.Take(plan.parameters);
  absl::Status status = Assemble(plan, *task.values, model->span());
  if (status.ok()) {
    const auto evaluation = options_.evaluate(model->span());
    status = evaluation.status();
    if (status.ok()) {
      result.examples = evaluation->examples;
      result.loss_sum = evaluation->loss_sum;
      result.correct = evaluation->correct;
    }
  }
  result.error = std::string(status.message());
  return result;
}

}  // namespace ebb::client
