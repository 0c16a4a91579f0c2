// The commands about a cluster that runs: submit, status, events, explain,
// pause, resume, scale, cancel, forget. For audit see audit_command.cc.
#include <iostream>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "job/values.h"
#include "tools/ebb/cluster/data_flags.h"
#include "tools/ebb/cluster/jobs.h"
#include "tools/ebb/cluster/token_files.h"
#include "tools/ebb/command.h"
#include "tools/ebb/run/local_run.h"
#include "tools/ebb/status/event_text.h"
#include "tools/ebb/status/no_answer.h"
#include "tools/ebb/status/status_text.h"
#include "tools/text/console.h"
#include "tools/text/daemon_names.h"

namespace ebb::tools {

namespace {

struct Flags {
  ClusterAccess access;
  std::string job;
  JobFlags file;
  bool json = false;
  DataFlags data;
  std::string request_id;
  bool skip = false;
  bool all = false;
  bool versions = false;
  std::optional<int32_t> workers;
  std::optional<int32_t> servers;
};

int Submit(const Flags& flags) {
  if (!job::IsUtf8(flags.request_id)) {
    return Report(absl::InvalidArgumentError("--request-id is not UTF-8 text"));
  }
  JobChoice choice = flags.file.Choice();
  choice.open = OpenFromCluster(flags.access, flags.data);
  auto prepared = PrepareJob(choice);
  if (!prepared.ok()) return Report(prepared.status());
  rpc::SchedulerAdminClient client = flags.access.Scheduler();
  const std::string request_id =
      flags.request_id.empty() ? NewRequestId() : flags.request_id;
  std::optional<TokenToSubmit> token;
  if (flags.access.security->tls() || !flags.access.token_file.empty()) {
    const auto taken =
        TokenToSubmit::Take(flags.access.token_file, TokenFolder(), request_id);
    if (!taken.ok()) return Report(taken.status());
    token = *taken;
    rpc::SetTokenHash(token->token(), &prepared->record);
  }
  const v1::SubmitJobRequest request = SubmitRequestOf(*prepared, request_id);
  auto answer = client.SubmitJob(request, kAdminDeadline);
  // The same request again is the same job, however the first one ended.
  if (absl::IsUnavailable(answer.status())) {
    answer = client.SubmitJob(request, kAdminDeadline);
  }
  if (!answer.ok()) {
    // A scheduler that did not answer may have taken the job.
    const bool refused = absl::IsInvalidArgument(answer.status()) ||
                         absl::IsAlreadyExists(answer.status()) ||
                         absl::IsPermissionDenied(answer.status());
    if (token && refused) token->Drop();
    const absl::Status why =
        WithAddress(answer.status(), flags.access.scheduler, Asked::kToChange);
    if (!token || refused) return Report(why);
    return Report(absl::Status(
        why.code(), absl::StrCat(why.message(),
                                 "\nhint: if the job is there, its token is "
                                 "in ",
                                 token->file(),
                                 " (--token-file); the same request again is "
                                 "--request-id ",
                                 request_id)));
  }
  std::string token_file;
  if (token) {
    const auto kept = token->Keep(JobId(answer->job()));
    if (!kept.ok()) return Report(kept.status());
    token_file = *kept;
  }
  if (flags.json) {
    Json json = Json::Object();
    json["job"] = answer->job();
    json["name"] = prepared->record.name;
    if (token) json["token_file"] = token_file;
    std::cout << json.ToString();
  } else {
    std::cout << prepared->record.name << " is job " << answer->job() << "\n";
    if (token) {
      std::cout << "its token, which you need to read or change it, is in "
                << token_file << "\n";
    }
    if (!prepared->choices.empty()) {
      std::cout << ChoicesText(prepared->choices) << "\n";
    }
    if (!prepared->note.empty()) std::cout << prepared->note << "\n";
  }
  return kExitGood;
}

// The status of the job that the flags name, or of all.
absl::StatusOr<v1::GetStatusResponse> AskStatus(const Flags& flags) {
  v1::GetStatusRequest request;
  if (!flags.job.empty()) {
    EBB_ASSIGN_OR_RETURN(const v1::JobSummary job,
                         FindSummary(flags.access, flags.job));
    request.set_job(job.job());
  }
  rpc::SchedulerAdminClient client = flags.access.Scheduler();
  auto status = client.GetStatus(request, kAdminDeadline);
  if (status.ok()) return status;
  return WithAddress(status.status(), flags.access.scheduler, Asked::kToLook);
}

int Status(const Flags& flags) {
  const auto status = AskStatus(flags);
  if (!status.ok()) return Report(status.status());
  std::cout << (flags.json
                    ? StatusJson(*status, flags.access.scheduler).ToString()
                : flags.job.empty()
                    ? StatusText(*status, flags.access.scheduler,
                                 DetectConsole(), flags.all)
                    : JobsText(*status, DetectConsole()));
  return kExitGood;
}

int Events(const Flags& flags) {
  const auto status = AskStatus(flags);
  if (!status.ok()) return Report(status.status());
  if (flags.json) {
    std::cout << EventsJson(*status).ToString();
  } else if (status->events().empty()) {
    std::cout << "nothing happened since this scheduler started\n";
  } else {
    std::cout << EventsText(*status, status->events_size());
  }
  return kExitGood;
}

int Explain(const Flags& flags) {
  const auto job = FindSummary(flags.access, flags.job);
  if (!job.ok()) return Report(job.status());
  rpc::SchedulerAdminClient client = flags.access.Scheduler();
  v1::ExplainRequest request;
  request.set_job(job->job());
  const auto explanation = client.Explain(request, kAdminDeadline);
  if (!explanation.ok()) {
    return Report(WithAddress(explanation.status(), flags.access.scheduler,
                              Asked::kToLook));
  }
  const v1::JobState state = job->state();
  std::cout << (flags.json ? ExplainJson(*explanation, state).ToString()
                           : ExplainText(*explanation, state, DetectConsole()));
  return kExitGood;
}

int Resume(const Flags& flags) {
  const auto job = FindJob(flags.access, flags.job);
  if (!job.ok()) return Report(job.status());
  if (job->summary().state() == v1::JOB_STATE_CANCELLED) {
    return Report(absl::FailedPreconditionError(
        absl::StrCat(job->record().name(), " (job ", job->record().id(),
                     ") is cancelled, and cannot be resumed; submit it anew")));
  }
  rpc::SchedulerAdminClient client = flags.access.Scheduler();
  v1::GetStatusRequest ask;
  ask.set_job(job->record().id());
  const auto status = client.GetStatus(ask, kAdminDeadline);
  if (!status.ok()) {
    return Report(
        WithAddress(status.status(), flags.access.scheduler, Asked::kToLook));
  }
  const bool quarantined =
      !status->jobs().empty() && !status->jobs(0).quarantined().empty();
  if (!status->jobs().empty() && status->jobs(0).paused_by_operator()) {
    v1::ResumeJobRequest request;
    request.set_job(job->record().id());
    const auto resumed = client.ResumeJob(request, kAdminDeadline);
    if (!resumed.ok()) {
      return Report(WithAddress(resumed.status(), flags.access.scheduler,
                                Asked::kToChange));
    }
    std::cout << job->record().name() << " (job " << job->record().id()
              << (quarantined ? ") is paused by no operator any more\n"
                              : ") goes on\n");
  } else if (!quarantined) {
    std::cout << flags.job << " is not paused, and nothing of " << flags.job
              << " is quarantined\n";
  }
  if (!quarantined) return kExitGood;
  for (const auto& bad : status->jobs(0).quarantined()) {
    v1::ResolveItemRequest request;
    request.set_job(job->record().id());
    *request.mutable_item() = bad.item();
    request.set_decision(flags.skip ? v1::ResolveItemRequest::DECISION_SKIP
                                    : v1::ResolveItemRequest::DECISION_RETRY);
    const auto resolved = client.ResolveItem(request, kAdminDeadline);
    if (!resolved.ok()) {
      return Report(WithAddress(resolved.status(), flags.access.scheduler,
                                Asked::kToChange));
    }
    std::cout
        << "item " << ItemName(bad.item().epoch(), bad.item().shard())
        << (flags.skip
                ? ": its failing batch is skipped, unless a server has it\n"
                : ": tried again\n");
  }
  return kExitGood;
}

int Pause(const Flags& flags) {
  const auto job = FindJob(flags.access, flags.job);
  if (!job.ok()) return Report(job.status());
  rpc::SchedulerAdminClient client = flags.access.Scheduler();
  v1::GetStatusRequest ask;
  ask.set_job(job->record().id());
  const auto status = client.GetStatus(ask, kAdminDeadline);
  if (!status.ok()) {
    return Report(
        WithAddress(status.status(), flags.access.scheduler, Asked::kToLook));
  }
  const bool already =
      !status->jobs().empty() && status->jobs(0).paused_by_operator();
  v1::PauseJobRequest request;
  request.set_job(job->record().id());
  const auto paused = client.PauseJob(request, kAdminDeadline);
  if (!paused.ok()) {
    return Report(
        WithAddress(paused.status(), flags.access.scheduler, Asked::kToChange));
  }
  std::cout << job->record().name() << " (job " << job->record().id()
            << (already ? ") is paused already" : ") is paused")
            << ": its workers are free for other jobs, and the "
               "servers keep it. `ebb resume "
            << job->record().id() << "` lets it go on.\n";
  return kExitGood;
}

std::string WorkersText(int32_t workers) {
  return workers == 0 ? "as many workers as there are"
                      : Count(workers, "worker");
}

std::string ServersText(int32_t servers) {
  return servers == 0 ? "all servers" : Count(servers, "server");
}

std::string LocalLimit(int32_t wished, int most, absl::string_view more) {
  return wished <= most
             ? ""
             : absl::StrCat("; `ebb run` on a machine as this one starts ",
                            most, " of them at most", more);
}

// What is connected of the workers that a job may take from now on.
std::string MissingText(int32_t wished, const v1::GetStatusResponse& status) {
  const int missing = wished - status.workers_size();
  if (missing <= 0) return "";
  return absl::StrCat("; ", status.workers_size(),
                      status.workers_size() == 1 ? " is" : " are",
                      " connected, so ", missing, missing == 1 ? " is" : " are",
                      " missing: `ebb run` starts its own, elsewhere start ",
                      missing == 1 ? "an ebb-worker" : "ebb-workers");
}

int Scale(const Flags& flags) {
  const auto job = FindJob(flags.access, flags.job);
  if (!job.ok()) return Report(job.status());
  if (!flags.workers && !flags.servers) {
    return Report(absl::InvalidArgumentError(
        "nothing to change: name --workers N or --servers N, 0 for no limit"));
  }
  rpc::SchedulerAdminClient client = flags.access.Scheduler();
  v1::ScaleJobRequest request;
  request.set_job(job->record().id());
  if (flags.workers) request.set_workers(*flags.workers);
  if (flags.servers) request.set_servers(*flags.servers);
  const auto scaled = client.ScaleJob(request, kAdminDeadline);
  if (!scaled.ok()) {
    return Report(
        WithAddress(scaled.status(), flags.access.scheduler, Asked::kToChange));
  }
  const std::string name =
      absl::StrCat(job->record().name(), " (job ", job->record().id(), ")");
  if (flags.workers) {
    const auto status = client.GetStatus({}, kAdminDeadline);
    std::cout << name << " takes " << WorkersText(*flags.workers)
              << " at most, before " << WorkersText(scaled->workers_before())
              << (status.ok() ? MissingText(*flags.workers, *status) : "")
              << LocalLimit(*flags.workers, MostWorkersOfScale(0),
                            ", or its --workers")
              << "\n";
  }
  if (flags.servers) {
    std::cout << name << " lies on " << ServersText(*flags.servers)
              << " at most, before " << ServersText(scaled->servers_before())
              << "; its partitions move one after another"
              << LocalLimit(*flags.servers, kMostServers, "") << "\n";
  }
  return kExitGood;
}

int Cancel(const Flags& flags) {
  const auto job = FindJob(flags.access, flags.job);
  if (!job.ok()) return Report(job.status());
  rpc::SchedulerAdminClient client = flags.access.Scheduler();
  v1::CancelJobRequest request;
  request.set_job(job->record().id());
  const auto cancelled = client.CancelJob(request, kAdminDeadline);
  if (!cancelled.ok()) {
    return Report(WithAddress(cancelled.status(), flags.access.scheduler,
                              Asked::kToChange));
  }
  const std::string& name = job->record().name();
  std::cout << name << " (job " << job->record().id()
            << ") is cancelled: nothing more of it is trained, and it cannot "
               "be resumed.\n"
               "Its checkpoints stay with the servers: `ebb checkpoint list "
            << job->record().id()
            << "` shows them, `ebb checkpoint export` writes the newest model. "
               "What was applied after them may be lost.\n";
  return kExitGood;
}

int Forget(const Flags& flags) {
  const auto job = FindJob(flags.access, flags.job);
  if (!job.ok()) return Report(job.status());
  rpc::SchedulerAdminClient client = flags.access.Scheduler();
  v1::ForgetJobRequest request;
  request.set_job(job->record().id());
  request.set_versions(flags.versions);
  const auto forgotten = client.ForgetJob(request, kAdminDeadline);
  if (!forgotten.ok()) {
    return Report(WithAddress(forgotten.status(), flags.access.scheduler,
                              Asked::kToChange));
  }
  std::cout << job->record().name() << " (job " << job->record().id()
            << ") is forgotten"
            << (flags.versions
                    ? ": its versions are deleted, and those of servers that "
                      "are away when they come back\n"
                    : "; what servers stored of it stays in their folders, "
                      "where `ebb checkpoint` and `ebb predict` find it\n");
  return kExitGood;
}

// A command that asks a scheduler; `job`: about one job.
CLI::App* AddAsking(CLI::App* app, const char* name, const char* help, bool job,
                    int (*run)(const Flags&), int* exit_code,
                    const std::shared_ptr<Flags>& flags) {
  CLI::App* command = app->add_subcommand(name, help);
  AddAccessFlags(command, &flags->access);
  if (job) {
    command->add_option("JOB", flags->job, "Name or number of the job")
        ->required();
  }
  command->callback([=] {
    const absl::Status open = flags->access.Open(/*submits=*/run == &Submit);
    *exit_code = open.ok() ? run(*flags) : Report(open);
  });
  return command;
}

void AddJsonFlag(CLI::App* command, const std::shared_ptr<Flags>& flags) {
  command->add_flag("--json", flags->json, "Print JSON, for programs");
}

}  // namespace

void AddSubmitCommand(CLI::App* app, int* exit_code) {
  const auto flags = std::make_shared<Flags>();
  CLI::App* command =
      AddAsking(app, "submit", "Submits a job to a running cluster", false,
                &Submit, exit_code, flags);
  AddJobFlags(command, &flags->file);
  command
      ->add_option("--request-id", flags->request_id,
                   "Name of this submission: with the same name again, ebb "
                   "finds the first job and submits no second one")
      ->envname("EBB_REQUEST_ID");
  AddDataFlags(command, &flags->data);
  AddJsonFlag(command, flags);
  command->footer(R"(
Reads the job and its data, and reports all mistakes before anything starts.
Example:
  ebb submit --scheduler localhost:7000 examples/jobs/fashion_mlp.yaml)");
}

void AddStatusCommand(CLI::App* app, int* exit_code) {
  const auto flags = std::make_shared<Flags>();
  CLI::App* command =
      AddAsking(app, "status", "Prints the daemons and jobs, and what they do",
                false, &Status, exit_code, flags);
  command->add_option(
      "JOB", flags->job,
      "Name or number of a job: print only this job, without daemons");
  command->add_flag("--all", flags->all, "Also print older jobs that are over");
  AddJsonFlag(command, flags);
  command->footer(R"(
Work is EPOCH/SHARD@EXAMPLE for each item that a worker holds.
Examples:
  ebb status fashion-mlp
  EBB_SCHEDULER=localhost:7000 ebb status --json)");
}

void AddEventsCommand(CLI::App* app, int* exit_code) {
  const auto flags = std::make_shared<Flags>();
  CLI::App* command = AddAsking(app, "events", "Prints recent events", false,
                                &Events, exit_code, flags);
  command->add_option(
      "JOB", flags->job,
      "Name or number of a job: print only its events and those of daemons");
  AddJsonFlag(command, flags);
  command->footer(R"(
Events are workers and servers that came, went or fell silent; jobs that were
submitted, paused, scaled, rolled back or ended; quarantines; and evaluations.
Prints the latest 256 since the scheduler started, oldest first.
Example:
  ebb events --scheduler localhost:7000 --json)");
}

void AddExplainCommand(CLI::App* app, int* exit_code) {
  const auto flags = std::make_shared<Flags>();
  CLI::App* command = AddAsking(app, "explain",
                                "Explains why a job does not advance: what "
                                "waits for what, and what to do",
                                true, &Explain, exit_code, flags);
  AddJsonFlag(command, flags);
  command->footer(R"(
Example:
  ebb explain --scheduler localhost:7000 fashion-mlp)");
}

void AddPauseCommand(CLI::App* app, int* exit_code) {
  const auto flags = std::make_shared<Flags>();
  CLI::App* command =
      AddAsking(app, "pause", "Stops the training of a job for a while", true,
                &Pause, exit_code, flags);
  command->footer(R"(
Its workers drop it at once and are free for other jobs; their work is kept and
made durable. The pause lasts until ebb resume, also over restarts.
Example:
  ebb pause --scheduler localhost:7000 fashion-mlp)");
}

void AddScaleCommand(CLI::App* app, int* exit_code) {
  const auto flags = std::make_shared<Flags>();
  CLI::App* command = AddAsking(
      app, "scale", "Changes how many workers and servers a job takes", true,
      &Scale, exit_code, flags);
  command->add_option("--workers", flags->workers, "Most workers; 0: no limit")
      ->check(CLI::NonNegativeNumber);
  command
      ->add_option("--servers", flags->servers,
                   "Most servers for its partitions; 0: all")
      ->check(CLI::NonNegativeNumber);
  command->footer(R"(
Holds from now on, overrides workers.max of the job's file, and outlives
restarts. With a lower number, surplus workers drop the job at once: their work
counts, and other workers get their items. With a higher number, workers without
work of a higher priority join at once. Partitions move while training goes on;
servers that join get their share by themselves.
The command starts and ends no processes of daemons; `ebb run` does that for its
own.
Example:
  ebb scale --scheduler localhost:7000 fashion-mlp --workers 16)");
}

void AddResumeCommand(CLI::App* app, int* exit_code) {
  const auto flags = std::make_shared<Flags>();
  CLI::App* command = AddAsking(
      app, "resume", "Resumes a job that is paused or waits for a decision",
      true, &Resume, exit_code, flags);
  command->add_flag("--skip", flags->skip,
                    "Skip the failing batches instead of trying them again");
  command->footer(R"(
For jobs paused by ebb pause, or because an item kept failing (see ebb status).
Example:
  ebb resume --scheduler localhost:7000 fashion-mlp --skip)");
}

void AddCancelCommand(CLI::App* app, int* exit_code) {
  const auto flags = std::make_shared<Flags>();
  CLI::App* command = AddAsking(app, "cancel", "Ends a job for good", true,
                                &Cancel, exit_code, flags);
  command->footer(R"(
Workers drop it. Its checkpoints stay with the servers; you can list and export
them, and predict with them. A cancelled job cannot be resumed: submit it anew.
Example:
  ebb cancel --scheduler localhost:7000 fashion-mlp)");
}

void AddForgetCommand(CLI::App* app, int* exit_code) {
  const auto flags = std::make_shared<Flags>();
  CLI::App* command =
      AddAsking(app, "forget", "Forgets a job that is complete or cancelled",
                true, &Forget, exit_code, flags);
  command->add_flag("--versions", flags->versions,
                    "Also delete its stored versions");
  command->footer(R"(
The scheduler no longer lists the job, and servers free its memory. Without
--versions its model stays in the servers' folders. This cannot be undone.
Example:
  ebb forget --scheduler localhost:7000 fashion-mlp --versions)");
}

}  // namespace ebb::tools
