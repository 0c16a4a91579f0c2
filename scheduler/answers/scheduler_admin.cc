#include "scheduler/answers/scheduler_admin.h"

#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "common/tls/job_token.h"
#include "job/job_change.h"
#include "job/specification.h"
#include "rpc/convert.h"
#include "scheduler/answers/explain.h"
#include "scheduler/answers/job_progress.h"
#include "scheduler/answers/status.h"
#include "scheduler/answers/stored_where.h"

namespace ebb::scheduler {

namespace {

// How long a change may take to become durable.
constexpr absl::Duration kChangeLimit = absl::Seconds(10);
// One cluster can be given no more; the last leaves room for those that servers
// bring along (convert.h).
constexpr size_t kMostNameBytes = 200;
constexpr int64_t kMostSpecificationBytes = int64_t{256} << 20;
constexpr int kMostUnfinished = 1000;
constexpr size_t kMostJobs = 60'000;

absl::Status NoSuchJob(uint64_t job) {
  return absl::NotFoundError(absl::StrCat("there is no job with id ", job));
}

absl::Status ServersMayKnow(uint64_t job) {
  return absl::UnavailableError(
      absl::StrCat("the scheduler has just started and does not know job ", job,
                   ", but servers may; try again"));
}

const TrainingJob* FindJob(const SchedulerCore& core, uint64_t id) {
  const auto it = core.jobs().find(JobId(id));
  return it == core.jobs().end() ? nullptr : it->second.get();
}

// Number 0 means the newest job of this name.
const TrainingJob* FindJob(const SchedulerCore& core, uint64_t id,
                           const std::string& name) {
  if (id != 0) return FindJob(core, id);
  const TrainingJob* found = nullptr;
  for (const auto& [number, job] : core.jobs()) {
    if (job->record()->name == name) found = job.get();
  }
  return found;
}

bool Unfinished(const TrainingJob& job) {
  return job.state().phase == JobPhase::kRunning ||
         job.state().phase == JobPhase::kPaused;
}

// It goes into logs, file names of tools, and metrics.
absl::Status CheckName(absl::string_view name) {
  if (name.size() > kMostNameBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the job's name has ", name.size(), " bytes; at most ",
                     kMostNameBytes, " are taken"));
  }
  for (const char c : name) {
    if (!absl::ascii_isprint(c) || c == '/') {
      return absl::InvalidArgumentError(
          "the job's name has a character that is not printable, or a /");
    }
  }
  return absl::OkStatus();
}

// Makes the record of a specification before it is stored for good.
absl::StatusOr<JobRecord> RecordOf(const v1::SubmitJobRequest& request) {
  if (request.request_id().empty()) {
    return absl::InvalidArgumentError(
        "request_id is empty; choose one per submission");
  }
  JobRecord record;
  record.name = request.name();
  if (record.name.empty()) {
    return absl::InvalidArgumentError("the job has no name");
  }
  EBB_RETURN_IF_ERROR(CheckName(record.name));
  if (static_cast<int64_t>(request.specification().size()) >
      kMostSpecificationBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the specification has ", request.specification().size(),
        " bytes; at most ", kMostSpecificationBytes, " are taken"));
  }
  record.specification = request.specification();
  EBB_ASSIGN_OR_RETURN(record.plan, rpc::FromProto(request.plan()));
  // With blocks of another size a server would take as many bytes once more.
  const int64_t known = JobPlan().block_floats;
  if (record.plan.block_floats != known) {
    return absl::InvalidArgumentError(
        absl::StrCat("the plan has blocks of ", record.plan.block_floats,
                     " floats; those of servers have ", known));
  }
  // Nor does --memory count what is of a table without rows.
  EBB_RETURN_IF_ERROR(job::CheckRowTables(record.plan));
  auto specification = job::ReadSpecification(record);
  if (!specification.ok()) {
    return absl::InvalidArgumentError(specification.status().message());
  }
  EBB_RETURN_IF_ERROR(job::TablesOf(*specification, record.plan).status());
  EBB_RETURN_IF_ERROR(
      job::InitialValuesOf(*specification, record.plan).status());
  if (!specification->token_hash().empty() &&
      specification->token_hash().size() != kTokenBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("token_hash has ", specification->token_hash().size(),
                     " bytes; it is a SHA-256, or empty"));
  }
  specification->set_request_id(request.request_id());
  specification->set_submitted_unix_ms(absl::ToUnixMillis(absl::Now()));
  if (!request.source().empty()) specification->set_source(request.source());
  record.specification = specification->SerializeAsString();
  return record;
}

// Returns `stored` after the change. The request's id, time and token stay.
absl::StatusOr<JobRecordPtr> ChangedRecord(
    const v1::RollbackJobRequest::Change& change, const JobRecord& stored) {
  EBB_ASSIGN_OR_RETURN(const v1::Specification before,
                       job::ReadSpecification(stored));
  v1::SubmitJobRequest request;
  request.set_request_id(before.request_id());
  request.set_name(stored.name);
  *request.mutable_plan() = change.plan();
  request.set_specification(change.specification());
  request.set_source(change.source());
  EBB_ASSIGN_OR_RETURN(JobRecord record, RecordOf(request));
  EBB_ASSIGN_OR_RETURN(v1::Specification after, job::ReadSpecification(record));
  EBB_RETURN_IF_ERROR(job::CheckChange(before, after));
  after.set_submitted_unix_ms(before.submitted_unix_ms());
  after.set_token_hash(before.token_hash());
  record.specification = after.SerializeAsString();
  record.id = stored.id;
  return std::make_shared<const JobRecord>(std::move(record));
}

// The job of this submission, made now or by an earlier try.
absl::StatusOr<JobId> SubmitOnce(const JobRecord& record,
                                 const std::string& request_id, RequestIds* ids,
                                 SchedulerCore* core, absl::Time now,
                                 SchedulerActions* out) {
  EBB_ASSIGN_OR_RETURN(const auto known,
                       ids->Find(request_id, record, core->jobs()));
  if (known) return *known;
  const TrainingJob* unfinished = nullptr;
  int all_unfinished = 0;
  for (const auto& [id, job] : core->jobs()) {
    if (Unfinished(*job)) ++all_unfinished;
    if (job->record()->name == record.name && Unfinished(*job)) {
      unfinished = job.get();
    }
  }
  if (unfinished != nullptr) {
    return absl::AlreadyExistsError(absl::StrCat(
        "job ", record.name, " is there already (id ", unfinished->id().value(),
        ") and not finished; wait for it, or choose another name"));
  }
  if (all_unfinished >= kMostUnfinished || core->jobs().size() >= kMostJobs) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the cluster has ", core->jobs().size(),
                     " jobs, of which ", all_unfinished,
                     " are not finished, and takes no more; cancel some, or "
                     "use another cluster"));
  }
  return core->Submit(record, now, out);
}

}  // namespace

absl::StatusOr<JobRecordPtr> SchedulerAdmin::FindRecord(
    uint64_t job, const std::string& name) {
  JobRecordPtr record;
  bool gathering = false;
  shell_.Inspect([&](const SchedulerShell::Picture& picture) {
    gathering = picture.core.gathering();
    const TrainingJob* found = FindJob(picture.core, job, name);
    if (found != nullptr) record = found->record();
  });
  if (record == nullptr && job != 0 && gathering) return ServersMayKnow(job);
  return record;
}

absl::Status SchedulerAdmin::SubmitJob(const v1::SubmitJobRequest& request,
                                       v1::SubmitJobResponse* response) {
  EBB_ASSIGN_OR_RETURN(const JobRecord record, RecordOf(request));
  EBB_RETURN_IF_ERROR(CheckInitialValues(record));
  // Shared: the change may outlive this call.
  const auto job = std::make_shared<JobId>();
  EBB_RETURN_IF_ERROR(shell_.Change(
      [record, job, request_id = request.request_id(), ids = request_ids_](
          SchedulerCore* core, absl::Time now,
          SchedulerActions* out) -> absl::Status {
        EBB_ASSIGN_OR_RETURN(
            *job, SubmitOnce(record, request_id, ids.get(), core, now, out));
        return absl::OkStatus();
      },
      kChangeLimit));
  shell_.kill_points().Reached("job-stored-not-answered");
  response->set_job(job->value());
  return absl::OkStatus();
}

absl::Status SchedulerAdmin::CheckInitialValues(const JobRecord& record) const {
  EBB_ASSIGN_OR_RETURN(const v1::Specification specification,
                       job::ReadSpecification(record));
  if (!specification.has_initial()) return absl::OkStatus();
  if (initial_ == nullptr) {
    return absl::UnimplementedError(
        "model.initial: this scheduler keeps no initial values");
  }
  return initial_->Check(specification.initial());
}

std::optional<std::set<std::string>> SchedulerAdmin::InitialValuesOfJobs() {
  std::vector<JobRecordPtr> records;
  bool all = false;
  shell_.Inspect([&](const SchedulerShell::Picture& picture) {
    all = !picture.core.gathering();
    for (const auto& [id, job] : picture.core.jobs()) {
      records.push_back(job->record());
    }
  });
  if (!all) return std::nullopt;
  std::set<std::string> ids;
  for (const JobRecordPtr& record : records) {
    const auto specification = job::ReadSpecification(*record);
    // A newer ebb may have written it.
    if (!specification.ok()) return std::nullopt;
    if (specification->has_initial()) ids.insert(specification->initial().id());
  }
  return ids;
}

absl::Status SchedulerAdmin::ListJobs(const v1::ListJobsRequest& request,
                                      v1::ListJobsResponse* response) {
  shell_.Inspect([&](const SchedulerShell::Picture& picture) {
    const auto& jobs = picture.core.jobs();
    for (auto it = jobs.rbegin(); it != jobs.rend(); ++it) {
      *response->add_jobs() = SummaryOf(picture, *it->second);
    }
  });
  return absl::OkStatus();
}

absl::Status SchedulerAdmin::GetStatus(const v1::GetStatusRequest& request,
                                       v1::GetStatusResponse* response) {
  response->set_process_id(getpid());
  absl::Status found;
  shell_.Inspect([&](const SchedulerShell::Picture& picture) {
    response->set_now_unix_ms(absl::ToUnixMillis(picture.now));
    response->set_up_since_unix_ms(absl::ToUnixMillis(picture.watch.since()));
    for (const auto& [id, server] : picture.core.cluster().servers) {
      *response->add_servers() = StatusOf(picture, server);
    }
    for (const auto& [session, worker] : picture.core.cluster().workers) {
      *response->add_workers() = StatusOf(picture, worker);
    }
    if (request.job() != 0 && FindJob(picture.core, request.job()) == nullptr) {
      found = NoSuchJob(request.job());
      return;
    }
    for (const auto& [id, job] : picture.core.jobs()) {
      if (request.job() != 0 && id != JobId(request.job())) continue;
      *response->add_jobs() = StatusOf(picture, *job);
    }
    AddEvents(picture, JobId(request.job()), response);
  });
  return found;
}

absl::Status SchedulerAdmin::Explain(const v1::ExplainRequest& request,
                                     v1::ExplainResponse* response) {
  absl::Status found;
  shell_.Inspect([&](const SchedulerShell::Picture& picture) {
    const TrainingJob* job = FindJob(picture.core, request.job());
    if (job == nullptr) {
      found = NoSuchJob(request.job());
      return;
    }
    for (v1::WaitReason& reason : ExplainJob(picture, *job)) {
      *response->add_reasons() = std::move(reason);
    }
    response->set_not_advancing_ms(
        absl::ToInt64Milliseconds(NotAdvancing(picture, *job)));
    response->set_divergence(job->parts().losses.DivergenceText());
    response->set_workers_to_spare(WorkersToSpare(picture, *job));
    response->set_stored_where(StoredWhere(*job));
  });
  return found;
}

// A name may be wrong, and a fresh scheduler without servers gathers for long.
absl::Status WhyNoJob(const v1::GetJobRequest& request, bool gathering) {
  if (request.job() == 0) {
    return absl::NotFoundError(
        absl::StrCat("there is no job ", request.name()));
  }
  if (!gathering) return NoSuchJob(request.job());
  return ServersMayKnow(request.job());
}

absl::Status SchedulerAdmin::GetJob(const v1::GetJobRequest& request,
                                    v1::GetJobResponse* response) {
  JobRecordPtr record;
  bool gathering = false;
  shell_.Inspect([&](const SchedulerShell::Picture& picture) {
    const TrainingJob* job =
        FindJob(picture.core, request.job(), request.name());
    gathering = picture.core.gathering();
    if (job == nullptr) return;
    record = job->record();
    *response->mutable_summary() = SummaryOf(picture, *job);
    *response->mutable_rollback() = rpc::ToProto(job->state().rollback);
    response->set_rolled_back(job->state().rolled_back);
    *response->mutable_placement() = rpc::ToProto(PlacementOf(picture, *job));
    for (int32_t p = 0; p < job->plan().partitions; ++p) {
      const Ownership& one = job->placement().at(PartitionId(p));
      if (one.registered || one.owner == Ownership::kNobody) continue;
      v1::PartitionPlace* awaited = response->add_awaited();
      awaited->set_partition(p);
      awaited->set_server(one.owner.value());
    }
    for (const SkippedRange& range : job->state().skipped) {
      *response->add_skipped() = rpc::ToProto(range);
    }
  });
  if (record == nullptr) return WhyNoJob(request, gathering);
  *response->mutable_record() = rpc::ToProto(*record);
  // A job of another program may have a specification of its own.
  if (auto specification = job::ReadSpecification(*record);
      specification.ok()) {
    response->set_source(specification->source());
  }
  return absl::OkStatus();
}

absl::Status SchedulerAdmin::CheckpointNow(
    const v1::CheckpointNowRequest& request,
    v1::CheckpointNowResponse* response) {
  return shell_.Change(
      [job = JobId(request.job())](SchedulerCore* core, absl::Time now,
                                   SchedulerActions* out) {
        return core->Checkpoint(job, now, out);
      },
      kChangeLimit);
}

absl::Status SchedulerAdmin::CancelJob(const v1::CancelJobRequest& request,
                                       v1::CancelJobResponse* response) {
  return shell_.Change(
      [id = request.job()](SchedulerCore* core, absl::Time now,
                           SchedulerActions* out) {
        const TrainingJob* job = FindJob(*core, id);
        if (job != nullptr && job->state().phase == JobPhase::kCompleted) {
          return absl::FailedPreconditionError(absl::StrCat(
              "job ", job->record()->name, " is complete already"));
        }
        return core->Cancel(JobId(id), now, out);
      },
      kChangeLimit);
}

absl::Status SchedulerAdmin::ForgetJob(const v1::ForgetJobRequest& request,
                                       v1::ForgetJobResponse* /*response*/) {
  return shell_.Change(
      [id = JobId(request.job()), versions = request.versions()](
          SchedulerCore* core, absl::Time now, SchedulerActions* out) {
        return core->Forget(id, versions, now, out);
      },
      kChangeLimit);
}

absl::Status SchedulerAdmin::PauseJob(const v1::PauseJobRequest& request,
                                      v1::PauseJobResponse* /*response*/) {
  return shell_.Change(
      [id = JobId(request.job())](SchedulerCore* core, absl::Time now,
                                  SchedulerActions* out) {
        return core->Pause(id, now, out);
      },
      kChangeLimit);
}

absl::Status SchedulerAdmin::ResumeJob(const v1::ResumeJobRequest& request,
                                       v1::ResumeJobResponse* /*response*/) {
  return shell_.Change(
      [id = JobId(request.job())](SchedulerCore* core, absl::Time now,
                                  SchedulerActions* out) {
        return core->EndPause(id, now, out);
      },
      kChangeLimit);
}

absl::Status SchedulerAdmin::FinishJob(const v1::FinishJobRequest& request,
                                       v1::FinishJobResponse* /*response*/) {
  std::optional<int64_t> examples;
  if (request.has_examples()) examples = request.examples();
  if (examples && *examples < 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "examples is ", *examples, "; a job ends after 1 or more"));
  }
  return shell_.Change(
      [id = JobId(request.job()), examples](SchedulerCore* core, absl::Time now,
                                            SchedulerActions* out) {
        return core->FinishJob(id, examples, now, out);
      },
      kChangeLimit);
}

absl::Status SchedulerAdmin::ScaleJob(const v1::ScaleJobRequest& request,
                                      v1::ScaleJobResponse* response) {
  SchedulerCore::Scale scale;
  if (request.has_workers()) scale.workers = request.workers();
  if (request.has_servers()) scale.servers = request.servers();
  if (!scale.workers && !scale.servers) {
    return absl::InvalidArgumentError(
        "nothing to change: name workers or servers");
  }
  // Shared: the change may outlive this call.
  const auto before = std::make_shared<v1::ScaleJobResponse>();
  EBB_RETURN_IF_ERROR(shell_.Change(
      [id = request.job(), scale, before](SchedulerCore* core, absl::Time now,
                                          SchedulerActions* out) {
        if (const TrainingJob* job = FindJob(*core, id)) {
          before->set_workers_before(job->parts().demand.max_workers());
          before->set_servers_before(job->state().servers);
        }
        return core->ScaleJob(JobId(id), scale, now, out);
      },
      kChangeLimit));
  *response = *before;
  return absl::OkStatus();
}

absl::Status SchedulerAdmin::RollbackJob(const v1::RollbackJobRequest& request,
                                         v1::RollbackJobResponse* response) {
  RollbackOrder order;
  order.generation = Generation(request.generation());
  EBB_ASSIGN_OR_RETURN(order.record, rpc::FromProto(request.record()));
  order.what = request.what();
  if (request.has_rate_factor()) order.rate_factor = request.rate_factor();
  if (request.has_change()) {
    EBB_ASSIGN_OR_RETURN(const JobRecordPtr stored,
                         FindRecord(request.job(), ""));
    if (stored == nullptr) return NoSuchJob(request.job());
    EBB_ASSIGN_OR_RETURN(order.change,
                         ChangedRecord(request.change(), *stored));
  }
  // Shared: the change may outlive this call.
  const auto done = std::make_shared<v1::RollbackJobResponse>();
  EBB_RETURN_IF_ERROR(shell_.Change(
      [id = request.job(), order, done](SchedulerCore* core, absl::Time now,
                                        SchedulerActions* out) {
        absl::Status status = core->Rollback(JobId(id), order, now, out);
        if (const TrainingJob* job = FindJob(*core, id)) {
          done->set_generation(job->state().generation.value());
          done->set_rolled_back(job->state().rolled_back);
        }
        return status;
      },
      kChangeLimit));
  *response = *done;
  return absl::OkStatus();
}

absl::Status SchedulerAdmin::ResolveItem(const v1::ResolveItemRequest& request,
                                         v1::ResolveItemResponse* response) {
  EBB_ASSIGN_OR_RETURN(const ItemId item, rpc::FromProto(request.item()));
  if (request.decision() != v1::ResolveItemRequest::DECISION_SKIP &&
      request.decision() != v1::ResolveItemRequest::DECISION_RETRY) {
    return absl::InvalidArgumentError(
        absl::StrCat("unknown decision ", request.decision()));
  }
  const bool skip = request.decision() == v1::ResolveItemRequest::DECISION_SKIP;
  return shell_.Change(
      [id = request.job(), item, skip](SchedulerCore* core, absl::Time now,
                                       SchedulerActions* out) {
        return core->Resolve(JobId(id), item, skip, now, out);
      },
      kChangeLimit);
}

}  // namespace ebb::scheduler
