#include "ebb/client.h"

#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/found_job.h"
#include "client/hand_in.h"
#include "client/internal/job_loop.h"
#include "common/program/daemon.h"
#include "common/status_macros.h"
#include "job/specification.h"
#include "rpc/admin.h"
#include "rpc/grpc_transport.h"

namespace ebb {

namespace {

constexpr absl::Duration kAskTimeout = absl::Seconds(10);

std::vector<Table> TablesOf(const v1::Specification& specification) {
  std::vector<Table> tables;
  int64_t offset = 0;
  for (const v1::DenseTable& table : specification.tables()) {
    tables.push_back({table.name(),
                      offset,
                      table.size(),
                      {table.dims().begin(), table.dims().end()}});
    offset += table.size();
  }
  return tables;
}

}  // namespace

// --- Batch -------------------------------------------------------------------

std::span<const int64_t> Batch::examples() const { return examples_; }

const Place& Batch::place() const { return place_; }

absl::Status Batch::Pull(std::span<float> model) const {
  return loop_->Pull(ticket_, model);
}

absl::Status Batch::Push(std::span<const float> gradient, double loss_sum) {
  return loop_->Hand(ticket_, gradient, loss_sum);
}

void Batch::Fail(absl::string_view why) { loop_->Abandon(ticket_, why); }

// --- JoinedJob ---------------------------------------------------------------

JoinedJob::JoinedJob(std::unique_ptr<client::JobLoop> loop,
                     std::vector<Table> tables, std::string fingerprint)
    : loop_(std::move(loop)),
      batch_(new Batch()),
      tables_(std::move(tables)),
      fingerprint_(std::move(fingerprint)) {
  batch_->loop_ = loop_.get();
}

JoinedJob::~JoinedJob() = default;
JoinedJob::JoinedJob(JoinedJob&&) noexcept = default;
JoinedJob& JoinedJob::operator=(JoinedJob&&) noexcept = default;

const std::string& JoinedJob::name() const { return loop_->record().name; }
int64_t JoinedJob::parameters() const {
  return loop_->record().plan.parameters;
}
int64_t JoinedJob::examples() const { return loop_->record().plan.examples; }
int32_t JoinedJob::epochs() const { return loop_->record().plan.epochs; }

absl::StatusOr<Batch*> JoinedJob::Next() {
  EBB_ASSIGN_OR_RETURN(const auto work, loop_->Take());
  if (!work) return nullptr;
  batch_->ticket_ = work->ticket;
  batch_->place_ = work->place;
  batch_->examples_ = work->examples;
  return batch_.get();
}

JoinedJob::BatchRange JoinedJob::Batches() {
  status_ = absl::OkStatus();
  return BatchRange(this);
}

JoinedJob::BatchRange::Iterator& JoinedJob::BatchRange::Iterator::operator++() {
  absl::StatusOr<Batch*> next = job_->Next();
  job_->status_ = next.status();
  batch_ = next.ok() ? *next : nullptr;
  return *this;
}

std::vector<Place> JoinedJob::Ahead(size_t most) const {
  return loop_->Ahead(most);
}

absl::StatusOr<std::vector<int64_t>> JoinedJob::ExamplesAt(
    const Place& place) const {
  return loop_->ExamplesAt(place);
}

absl::Status JoinedJob::Leave() { return loop_->Leave(); }

// --- Client ------------------------------------------------------------------

Client::Client(ClientOptions options) : options_(std::move(options)) {}

absl::StatusOr<JoinedJob> Client::Join(absl::string_view job) const {
  EBB_ASSIGN_OR_RETURN(const rpc::SecurityPtr security,
                       rpc::Security::Create(
                           {.files = {options_.tls_certificate,
                                      options_.tls_key, options_.tls_authority},
                            .insecure = options_.insecure},
                           {Role::kWorker}));
  EBB_RETURN_IF_ERROR(client::ShowToken(*security, options_.token_file));
  auto admin =
      std::make_shared<rpc::SchedulerAdminClient>(options_.scheduler, security);
  EBB_ASSIGN_OR_RETURN(client::FoundJob found,
                       client::FindJob(admin.get(), job));
  if (found.end != client::JobEnd::kNotYet) {
    return absl::FailedPreconditionError(absl::StrCat(
        "job ", job, " is ",
        found.end == client::JobEnd::kComplete ? "complete" : "cancelled",
        "; submit it anew to train again"));
  }
  JobRecord& record = found.record;
  EBB_RETURN_IF_ERROR(client::CheckHandIn(record));
  EBB_ASSIGN_OR_RETURN(const v1::Specification specification,
                       job::ReadSpecification(record));

  client::JobLoopOptions loop;
  loop.shell.scheduler = options_.scheduler;
  loop.shell.log = options_.log;
  loop.shell.core.session = NewSession();
  loop.shell.core.name =
      options_.name.empty() ? absl::StrCat("client-", getpid()) : options_.name;
  loop.shell.core.process_id = getpid();
  loop.shell.core.only_job = record.id;
  loop.shell.core.no_evaluations = !options_.evaluate;
  const std::string left_out = client::EvaluationsLeftToOthers(record);
  if (!options_.evaluate && !left_out.empty() && options_.log) {
    options_.log(left_out);
  }
  loop.shell.core.prefetch = options_.prefetch;
  loop.shell.core.batch_patience = options_.patience;
  loop.grace = options_.grace;
  loop.evaluate = options_.evaluate;
  loop.finished = [admin, id = record.id]() -> absl::StatusOr<bool> {
    EBB_ASSIGN_OR_RETURN(const client::JobEnd end,
                         client::AskForEnd(admin.get(), id, kAskTimeout));
    return end != client::JobEnd::kNotYet;
  };
  loop.window = specification.window();
  loop.record = std::make_shared<const JobRecord>(std::move(record));
  return JoinedJob(
      std::make_unique<client::JobLoop>(
          std::move(loop),
          std::make_shared<rpc::GrpcTransport>(rpc::TransportOptions(),
                                               /*received_bytes=*/0, security)),
      TablesOf(specification),
      specification.job().data().train().positions().fingerprint());
}

}  // namespace ebb
