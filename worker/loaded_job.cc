#include "worker/loaded_job.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "data/away.h"
#include "data/order.h"
#include "job/base/traits.h"
#include "job/specification.h"
#include "models/backends.h"
#include "worker/job_scores.h"
#include "workloads/seam/rules/rules.h"

namespace ebb::worker {

namespace {

// A worker with other data, another order or another grid than the job was
// submitted with must not take part.
absl::Status CheckExamples(const JobRecord& record, const v1::Job& job,
                           const data::Dataset& train) {
  const JobPlan& plan = record.plan;
  const uint64_t layout =
      job::LayoutHash(train.index().Hash(), train.order_version(), plan);
  const bool tasks = workloads::FactsOf(job).tasks > 0;
  if ((!tasks && train.examples() != plan.examples) ||
      layout != plan.layout_hash) {
    return absl::FailedPreconditionError(absl::StrCat(
        "job ", record.name, " was submitted with ", plan.examples,
        tasks ? " tasks" : " examples",
        " in another order than this worker knows; run the ebb that "
        "submitted it, or submit it anew"));
  }
  return absl::OkStatus();
}

absl::Status CheckLayout(const JobRecord& record, const v1::Job& job,
                         const data::Dataset& train,
                         const models::Model& model) {
  const JobPlan& plan = record.plan;
  EBB_RETURN_IF_ERROR(CheckExamples(record, job, train));
  const int64_t parameters = model.description().ParameterCount();
  if (parameters != plan.parameters) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the model of job ", record.name, " has ", parameters,
        " parameters here, but it was submitted with ", plan.parameters,
        "; give this worker the plugin that it was submitted with"));
  }
  const auto& sparse = model.description().sparse_tables;
  const bool same = std::equal(
      sparse.begin(), sparse.end(), plan.sparse_tables.begin(),
      plan.sparse_tables.end(),
      [](const models::SparseTableShape& here, const SparseTablePlan& planned) {
        return here.width == planned.width && here.kind == planned.kind;
      });
  if (!same) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the model of job ", record.name, " has ", sparse.size(),
        " sparse tables here, but it was submitted with others; run the ebb "
        "that submitted it"));
  }
  return absl::OkStatus();
}

// What a task makes lies in the worker's memory, beside all of the data.
absl::Status CheckRoomForTasks(const JobRecord& record, const v1::Job& job,
                               const data::Dataset& train, int64_t most) {
  const int64_t bytes =
      train.memory_bytes() +
      workloads::WorkerSideOf(job.model()).TaskBytes(job, train.index());
  if (most == 0 || bytes <= most) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "job ", record.name, " needs all of its data at once, which takes ",
      bytes, " bytes; this worker has room for ", most,
      " (--memory): give it more, or take a sample of the data"));
}

// A module reads by itself what it read at submission.
absl::Status CheckSubmitted(const v1::DataSource& source,
                            const data::FileFingerprint& found,
                            const data::Index& submitted) {
  if (submitted.files.size() != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("the job names ", submitted.files.size(),
                     " data sets of Python where it has one"));
  }
  return CheckSameExamples(source.python().factory(), found,
                           submitted.files.front());
}

// Finds what stays the same from pull to pull.
absl::Status UseFrozen(const v1::Specification& specification, LoadedJob* job) {
  const JobPlan& plan = job->record->plan;
  const v1::Filter::Kind form = specification.job().filters().pull().kind();
  if (form == v1::Filter::KIND_INT8) {
    // Values that are rounded at random are others with each pull.
    job->keeps = false;
    job->model->KeepAtMost(0);
  }
  // Evaluations get values in full, and in the same memory.
  if (form != v1::Filter::KIND_UNSPECIFIED && form != v1::Filter::KIND_NONE) {
    return absl::OkStatus();
  }
  EBB_ASSIGN_OR_RETURN(const TrainedRangesPtr trained,
                       job::TrainedRangesOf(specification, plan));
  if (trained == nullptr) return absl::OkStatus();
  for (int32_t p = 0; p < plan.partitions; ++p) {
    job->frozen.push_back(trained->RunOf(PartitionId(p)).size() == 0);
  }
  return absl::OkStatus();
}

// Data that was there when the job was submitted.
absl::StatusOr<data::Dataset> LoadThere(const data::SourceSpec& source,
                                        const data::Index& index,
                                        const data::OpenBytes& open) {
  auto loaded = data::Dataset::LoadIndexed(source, index, open);
  if (!loaded.ok()) return data::MarkAway(loaded.status());
  return loaded;
}

// The data and the model of a job, by what it says of its data.
absl::StatusOr<LoadedJobPtr> LoadRead(const JobRecordPtr& record,
                                      const v1::Specification& specification,
                                      const TrainingComputerOptions& options) {
  const v1::Job& job = specification.job();
  EBB_ASSIGN_OR_RETURN(const data::Index train_index,
                       data::Index::Decode(specification.train_index()));
  const data::LabelKind labels = LabelKindOf(train_index);

  data::SourceSpec source = TrainingSource(job, labels);
  EBB_ASSIGN_OR_RETURN(data::Dataset train,
                       LoadThere(source, train_index, options.open));
  auto loaded = std::make_shared<LoadedJob>(
      LoadedJob{record, std::move(source), std::move(train), std::nullopt,
                models::Registry(), nullptr, nullptr, nullptr});
  EBB_RETURN_IF_ERROR(models::RegisterBuiltinModels(&loaded->registry));
  EBB_ASSIGN_OR_RETURN(loaded->backend, BackendOf(job, options.devices));
  EBB_ASSIGN_OR_RETURN(loaded->model,
                       CreateModel(job, train_index, options.code,
                                   &loaded->registry, loaded->backend.get()));
  if (workloads::FactsOf(job).tasks > 0) {
    EBB_RETURN_IF_ERROR(
        CheckRoomForTasks(*record, job, loaded->train, options.data_bytes));
  }
  EBB_ASSIGN_OR_RETURN(
      loaded->work,
      workloads::WorkerSideOf(job.model())
          .Prepare({job, record->plan, loaded->train, loaded->backend.get()}));
  if (loaded->work.tasks != nullptr) return loaded;
  const auto test = TestSource(job, labels, ColumnsOf(specification));
  if (test && !specification.test_index().empty()) {
    EBB_ASSIGN_OR_RETURN(const data::Index test_index,
                         data::Index::Decode(specification.test_index()));
    EBB_ASSIGN_OR_RETURN(data::Dataset examples,
                         LoadThere(*test, test_index, options.open));
    loaded->test.emplace(std::move(examples));
  }
  return loaded;
}

absl::StatusOr<LoadedJobPtr> LoadPredicting(
    const JobRecordPtr& record, const v1::Specification& specification,
    const TrainingComputerOptions& options) {
  const v1::Job& job = specification.job();
  EBB_ASSIGN_OR_RETURN(const data::Index index,
                       data::Index::Decode(specification.train_index()));
  EBB_ASSIGN_OR_RETURN(auto parts,
                       PredictionParts::Load(job, record->plan.layout_hash,
                                             options.code, options.open));
  auto loaded_input = parts->LoadInput(index);
  if (!loaded_input.ok()) return data::MarkAway(loaded_input.status());
  data::Dataset input = *std::move(loaded_input);
  EBB_RETURN_IF_ERROR(CheckExamples(*record, job, input));
  EBB_ASSIGN_OR_RETURN(auto backend, models::CreateBackend({}));
  auto loaded = std::make_shared<LoadedJob>(
      LoadedJob{record, data::SourceSpec(), std::move(input), std::nullopt,
                models::Registry(), std::move(backend), nullptr, nullptr});
  loaded->parts = std::move(parts);
  return loaded;
}

absl::StatusOr<LoadedJobPtr> LoadNumbered(
    const JobRecordPtr& record, const v1::Specification& specification,
    const TrainingComputerOptions& options) {
  const v1::Job& job = specification.job();
  EBB_ASSIGN_OR_RETURN(data::Index train_index,
                       data::Index::Decode(specification.train_index()));
  EBB_ASSIGN_OR_RETURN(ModuleText module, ReadModule(job, options.code));
  EBB_ASSIGN_OR_RETURN(auto backend, BackendOf(job, options.devices));
  EBB_ASSIGN_OR_RETURN(auto model,
                       CreatePythonModel(job, train_index, options.code.python,
                                         std::move(module)));
  const auto& found = model->data_sets();
  EBB_RETURN_IF_ERROR(
      CheckSubmitted(job.data().train(), found.front(), train_index));
  const bool has_test = job.data().has_test();
  std::optional<data::Dataset> test;
  if (has_test || TestSplit(job)) {
    EBB_ASSIGN_OR_RETURN(data::Index index,
                         data::Index::Decode(specification.test_index()));
    EBB_RETURN_IF_ERROR(
        CheckSubmitted(has_test ? job.data().test() : job.data().train(),
                       found.back(), index));
    test = data::Dataset::OfNumbers(std::move(index),
                                    has_test ? std::nullopt : TestSplit(job));
  }
  return std::make_shared<LoadedJob>(LoadedJob{
      record, data::SourceSpec(),
      data::Dataset::OfNumbers(std::move(train_index), TrainingSplit(job)),
      std::move(test), models::Registry(), std::move(backend), std::move(model),
      nullptr});
}

// Without what the model keeps of it.
int64_t DataBytesOf(const LoadedJob& job,
                    const TrainingComputerOptions& options) {
  // The one that is computed, the one that is gathered, and those between.
  const auto batches = static_cast<int64_t>(options.read_ahead_batches + 2);
  const JobPlan& plan = job.record->plan;
  const int64_t rows = std::min(
      *std::max_element(plan.batch_by_epoch.begin(), plan.batch_by_epoch.end()),
      plan.shard_size);
  // A sparse batch takes the same share of memory as of the data.
  const int64_t window = job.train.window();
  const int64_t held =
      window == 0 ? plan.examples : std::min(plan.examples, 2 * window);
  const int64_t row =
      job.train.sparse()
          ? job.train.memory_bytes() / std::max<int64_t>(held, 1)
          : job.train.features() * static_cast<int64_t>(sizeof(float));
  if (job.work.tasks != nullptr) {
    return job.train.memory_bytes() + job.work.tasks->memory_bytes();
  }
  return job.train.memory_bytes() + (job.test ? job.test->memory_bytes() : 0) +
         batches * rows * row;
}

}  // namespace

int64_t LoadedJob::Bytes(const TrainingComputerOptions& options) const {
  if (parts != nullptr) {
    return train.memory_bytes() + parts->memory_bytes();
  }
  return DataBytesOf(*this, options) + model->KeptBytes(train.sparse());
}

bool LoadedJob::MayKeepLess() const {
  return keeps && parts == nullptr && work.tasks == nullptr &&
         model->GivesUpKept();
}

int64_t LoadedJob::SpareBytes() const {
  return MayKeepLess() ? model->KeptBytes(train.sparse()) : 0;
}

std::string LoadedJob::PlaceOf(int64_t number, const data::OpenBytes& open,
                               absl::FunctionRef<bool()> stop) const {
  if (train.by_number()) {
    return absl::StrCat("number ", train.NumberOf(number), " of the data set");
  }
  const auto place =
      data::PlaceOf(train_source, train.index(), number, open, stop);
  return place.ok() ? *place
                    : absl::StrCat("number ", number, " of the training data");
}

absl::StatusOr<LoadedJobPtr> LoadJob(const JobRecordPtr& record,
                                     const TrainingComputerOptions& options) {
  EBB_ASSIGN_OR_RETURN(const v1::Specification specification,
                       job::ReadSpecification(*record));
  const v1::Job& job = specification.job();
  if (job.has_predict()) return LoadPredicting(record, specification, options);
  if (job::TraitsOf(job.model()).program()) {
    return absl::FailedPreconditionError(
        absl::StrCat("job ", record->name,
                     " is computed by programs that join it, not by workers "
                     "like this one"));
  }
  EBB_ASSIGN_OR_RETURN(const LoadedJobPtr loaded,
                       HasPythonData(job)
                           ? LoadNumbered(record, specification, options)
                           : LoadRead(record, specification, options));
  EBB_RETURN_IF_ERROR(CheckLayout(*record, job, loaded->train, *loaded->model));
  if (loaded->work.tasks != nullptr) return loaded;
  if (options.data_bytes > 0) {
    int64_t room = options.data_bytes;
    if (options.room_beside_values) {
      room = std::min(room, options.room_beside_values(record->plan));
    }
    loaded->room_bytes = std::max<int64_t>(1, room);
    loaded->model->KeepAtMost(
        std::max<int64_t>(0, room - DataBytesOf(*loaded, options)));
  }
  if (!job.freeze().empty()) {
    EBB_RETURN_IF_ERROR(UseFrozen(specification, loaded.get()));
  }
  BatchReader::Pin pin;
  if (!loaded->backend->uses_host_memory()) {
    pin = [backend = loaded->backend.get()](void* memory, int64_t bytes) {
      return backend->PinHost(memory, bytes);
    };
  }
  loaded->reader = std::make_unique<BatchReader>(
      &loaded->train, record->plan, options.read_ahead_batches, pin);
  loaded->l2 = job.model().l2();
  loaded->labels = LabelScaleOf(job, loaded->train.index());
  loaded->positive = PlaceOfPositive(job, loaded->train.index());
  return loaded;
}

}  // namespace ebb::worker
