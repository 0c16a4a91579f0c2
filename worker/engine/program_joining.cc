#include "worker/engine/program_joining.h"

#include <cstdint>
#include <string>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/status_macros.h"
#include "protocol/algorithm_plan.h"
#include "protocol/plan.h"
#include "worker/engine/job_tables.h"
#include "worker/engine/program_rows.h"

namespace ebb::worker {

namespace {

struct RequestWithFile {
  Request request;
  Fd file;
};

// The next request of the program. Blocks. Cancelled: it is gone, or this
// process is to end.
absl::StatusOr<RequestWithFile> NextRequest(ProgramSocket* socket,
                                            const Fd& signals) {
  for (;;) {
    switch (socket->Wait(signals.get(), absl::InfiniteDuration())) {
      case ProgramSocket::Event::kNothing:
        continue;
      case ProgramSocket::Event::kMessage:
        break;
      default:
        return absl::CancelledError("nobody wants an engine any more");
    }
    auto received = socket->Receive();
    if (absl::IsUnavailable(received.status())) continue;
    EBB_RETURN_IF_ERROR(received.status());
    EBB_ASSIGN_OR_RETURN(Request request, ReadRequest(received->bytes));
    return RequestWithFile{std::move(request), std::move(received->file)};
  }
}

absl::Status CheckHello(const EngineOptions& options, const Request& request) {
  const auto* const hello = std::get_if<Hello>(&request.body);
  if (hello == nullptr) {
    return absl::InvalidArgumentError("a program begins with its version");
  }
  if (request.code == kEngineFormat && hello->version == options.version) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "the package is of ebb ", hello->version, ", and ebb-worker of ",
      options.version, ": install the same version of both"));
}

// True if a push is a batch, and the servers divide its sums by the examples of
// a whole batch, also if it has fewer. In rounds they divide by those that
// there are. If batches grow, the program does not know a whole one's size.
bool DividesByBatch(const JobPlan& plan) {
  return !plan.rounds() && plan.algorithm == AlgorithmPlan{} &&
         plan.batch_by_epoch.size() == 1;
}

std::string JobMessage(uint64_t sequence, const JobRecord& record,
                       const JobTables& tables) {
  const JobPlan& plan = record.plan;
  const JobBody body = {
      .number = static_cast<int64_t>(record.id.value()),
      .seed = plan.seed,
      .parameters = plan.parameters,
      .examples = plan.examples,
      .batch = plan.BatchSize({0, 0}),
      .epochs = plan.epochs,
      .shard_size = plan.shard_size,
      .tables = tables.size(),
      .row_tables = tables.row_tables(),
  };
  std::string names = record.name.substr(0, kMostText);
  names.push_back('\0');
  names += tables.fingerprint().substr(0, kMostText);
  const uint32_t code = (DividesByBatch(plan) ? kDividesByBatch : 0) |
                        (tables.ProgramsStep() ? kProgramSteps : 0);
  return Encode({Kind::kJob, code, sequence}, body, names);
}

}  // namespace

absl::StatusOr<std::optional<JoinedProgram>> LetJoin(
    const EngineOptions& options, const Fd& signals, ProgramSocket* socket) {
  const auto first = NextRequest(socket, signals);
  if (absl::IsCancelled(first.status())) return std::nullopt;
  EBB_RETURN_IF_ERROR(first.status());
  const uint64_t joins = first->request.sequence;
  const auto refuse = [&](const absl::Status& status) {
    socket->Send(EncodeStatus(joins, status));
    return std::nullopt;
  };
  absl::Status status = CheckHello(options, first->request);
  if (!status.ok()) return refuse(status);
  // It does not wait until the notice is gone: only here does it notice that
  // its program ends.
  if (const auto why = options.notice ? options.notice() : std::nullopt) {
    return refuse(absl::UnavailableError(
        absl::StrCat("no engine joins while there is ", *why)));
  }
  status = client::ShowToken(*options.security, options.token_file);
  if (!status.ok()) return refuse(status);
  // Its lines would go to stderr, where they are read only after a failure.
  rpc::SilenceGrpc();
  auto admin = std::make_unique<rpc::SchedulerAdminClient>(
      options.shell.scheduler, options.security);
  const HelloBody hello = std::get<Hello>(first->request.body).body;
  absl::StatusOr<client::FoundJob> found =
      client::FindJob(admin.get(), options.job, JobId(hello.job));
  if (!found.ok()) return refuse(found.status());
  status = CheckRowsOf(found->record);
  if (!status.ok()) return refuse(status);

  const JobTables tables(found->record);
  socket->Send(JobMessage(joins, found->record, tables));
  for (const std::string& message : tables.Messages()) socket->Send(message);
  const auto second = NextRequest(socket, signals);
  if (absl::IsCancelled(second.status())) return std::nullopt;
  EBB_RETURN_IF_ERROR(second.status());
  auto memory = ProgramMemory::MapHalves(second->file.get(),
                                         found->record.plan.parameters);
  socket->Send(EncodeStatus(second->request.sequence, memory.status()));
  if (!memory.ok()) return std::nullopt;
  return JoinedProgram{hello, *std::move(found), *std::move(memory),
                       std::move(admin)};
}

}  // namespace ebb::worker
