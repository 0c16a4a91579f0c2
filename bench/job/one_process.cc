#include "bench/job/one_process.h"

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "bench/common/limits.h"
#include "common/payload.h"
#include "common/program/daemon.h"
#include "common/status_macros.h"
#include "data/dataset.h"
#include "job/specification.h"
#include "models/backends.h"
#include "models/model.h"
#include "models/registry.h"
#include "server/job_rule.h"
#include "worker/base/batch_reader.h"
#include "worker/base/examples.h"
#include "worker/job_data.h"

namespace ebb::bench {

namespace {

// A worker has these by default.
constexpr size_t kReadAhead = 2;
constexpr int64_t kEvaluatedAtOnce = 1024;

class Loop {
 public:
  explicit Loop(const JobRecord& record)
      : plan_(record.plan),
        weights_(static_cast<size_t>(plan_.parameters)),
        gradient_(std::make_shared<AlignedFloats>(weights_.span().size())) {
    pushed_.Append(gradient_, gradient_->bytes());
  }

  absl::Status Load(const JobRecord& record) {
    EBB_ASSIGN_OR_RETURN(const v1::Specification specification,
                         job::ReadSpecification(record));
    const v1::Job& job = specification.job();
    EBB_ASSIGN_OR_RETURN(const data::Index index,
                         data::Index::Decode(specification.train_index()));
    const data::LabelKind labels = worker::LabelKindOf(index);
    EBB_ASSIGN_OR_RETURN(
        data::Dataset train,
        data::Dataset::LoadIndexed(worker::TrainingSource(job, labels), index));
    train_.emplace(std::move(train));
    const auto source =
        worker::TestSource(job, labels, worker::ColumnsOf(specification));
    if (source) {
      EBB_ASSIGN_OR_RETURN(data::Dataset test,
                           data::Dataset::LoadLike(*source, index));
      test_.emplace(std::move(test));
    }
    labels_ = worker::LabelScaleOf(job, index);
    EBB_RETURN_IF_ERROR(models::RegisterBuiltinModels(&registry_));
    EBB_ASSIGN_OR_RETURN(backend_, models::CreateBackend({}));
    EBB_ASSIGN_OR_RETURN(model_, worker::CreateModel(job, index, {}, &registry_,
                                                     backend_.get()));
    EBB_ASSIGN_OR_RETURN(rule_, server::JobRule::Create(record));
    rule_->InitialWeights(0, weights_.span());
    for (int slot = 0; slot < rule_->SlotCount(); ++slot) {
      slots_.emplace_back(weights_.span().size());
      rule_->InitialSlot(slot, 0, weights_.span(), slots_.back().span());
    }
    return absl::OkStatus();
  }

  absl::StatusOr<OneProcessRun> Train(const std::function<bool()>& stop) {
    worker::BatchReader reader(&*train_, plan_, kReadAhead);
    OneProcessRun run;
    absl::Status status;
    const double cpu = CpuSeconds(0);
    run.seconds = SecondsOf([&] { status = AllItems(stop, &reader, &run); });
    run.cpu_seconds = CpuSeconds(0) - cpu;
    EBB_RETURN_IF_ERROR(status);
    run.loss /= static_cast<double>(plan_.examples);
    if (test_) {
      EBB_ASSIGN_OR_RETURN(run.accuracy, Accuracy());
    }
    run.weights.assign(weights_.span().begin(), weights_.span().end());
    return run;
  }

 private:
  absl::Status AllItems(const std::function<bool()>& stop,
                        worker::BatchReader* reader, OneProcessRun* run) {
    for (int64_t ordinal = 0; ordinal < plan_.items(); ++ordinal) {
      if (stop != nullptr && stop()) {
        return absl::CancelledError("it was stopped");
      }
      const ItemId item = plan_.ItemAt(ordinal);
      for (int64_t begin = 0; begin < plan_.ItemSize(item);) {
        const int64_t end = plan_.BatchEnd(item, begin);
        EBB_ASSIGN_OR_RETURN(const worker::TrainingBatch* batch,
                             reader->Read(item, begin, end));
        models::BatchStats stats;
        EBB_RETURN_IF_ERROR(model_->Gradient(
            weights_.span(), worker::ViewOf(batch->examples, item, begin),
            gradient_->span(), &stats));
        Step(item, begin, end);
        if (item.epoch == plan_.epochs - 1) {
          run->loss += stats.loss_sum * labels_.loss;
        }
        run->examples += end - begin;
        begin = end;
      }
    }
    return absl::OkStatus();
  }

  // The whole vector at once: nobody else reads it meanwhile.
  void Step(ItemId item, int64_t begin, int64_t end) {
    GradientCursor cursor(pushed_);
    std::array<std::span<float>, Optimizer::kMaxSlots> slots;
    for (size_t i = 0; i < slots_.size(); ++i) slots[i] = slots_[i].span();
    rule_->Step(
        {.item = item,
         .begin = begin,
         .end = end,
         .gradient_scale = 1 / static_cast<float>(plan_.BatchSize(item)),
         .step = ++steps_},
        {.first = 0,
         .weights = weights_.span(),
         .gradient = &cursor,
         .out = weights_.span(),
         .slots = std::span(slots).first(slots_.size())});
  }

  absl::StatusOr<double> Accuracy() {
    data::ExampleBatch examples;
    EBB_ASSIGN_OR_RETURN(
        const models::BatchStats sums,
        worker::EvaluateOn(*test_, weights_.span(), kEvaluatedAtOnce,
                           model_.get(), &examples));
    return static_cast<double>(sums.correct) /
           static_cast<double>(sums.examples);
  }

  const JobPlan& plan_;
  AlignedFloats weights_;
  std::vector<AlignedFloats> slots_;
  // The rule takes gradients as messages bring them: this one stays.
  const std::shared_ptr<AlignedFloats> gradient_;
  Payload pushed_;
  int64_t steps_ = 0;
  std::optional<data::Dataset> train_, test_;
  worker::LabelScale labels_;
  models::Registry registry_;
  std::unique_ptr<models::ComputeBackend> backend_;
  std::unique_ptr<models::Model> model_;
  std::unique_ptr<server::JobRule> rule_;
};

}  // namespace

absl::StatusOr<OneProcessRun> TrainInOneProcess(
    const JobRecord& record, const std::function<bool()>& stop) {
  // Workers do so, too.
  ConfigureMalloc();
  if (record.plan.rounds()) {
    return absl::InvalidArgumentError(
        absl::StrCat("job ", record.name,
                     " has rounds; a loop in one process steps after each "
                     "batch: set consistency to asp or ssp"));
  }
  Loop loop(record);
  EBB_RETURN_IF_ERROR(loop.Load(record));
  return loop.Train(stop);
}

}  // namespace ebb::bench
