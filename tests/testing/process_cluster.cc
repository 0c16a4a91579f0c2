#include "tests/testing/process_cluster.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/tls/issue.h"
#include "rpc/convert.h"

namespace ebb::testing {

namespace fs = std::filesystem;
using tools::ChildProcess;
using tools::ProcessEnd;
using tools::ReservedPort;

namespace {

constexpr absl::Duration kLook = absl::Milliseconds(5);

std::string Contents(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

// --- Daemon ------------------------------------------------------------------

Daemon::Daemon(const TestFolder& folder, const std::string& name,
               std::vector<std::string> arguments)
    : log_(folder / (name + ".log")),
      address_file_(folder / (name + ".address")),
      arguments_(std::move(arguments)) {
  arguments_[0] = absl::StrCat(EBB_BIN_DIR, "/", arguments_[0]);
}

void Daemon::Start(const std::vector<std::string>& more) {
  fs::remove(address_file_);
  tools::ProcessSpec spec{.argv = arguments_, .log = log_};
  spec.argv.insert(spec.argv.end(), more.begin(), more.end());
  spec.argv.insert(spec.argv.end(),
                   {"--address-file", address_file_, "--die-with-parent",
                    absl::StrCat(getpid())});
  auto child = ChildProcess::Start(spec);
  ASSERT_TRUE(child.ok()) << child.status();
  child_.emplace(*std::move(child));
}

std::string Daemon::address() {
  const absl::Time deadline = absl::Now() + kLimit;
  while (!fs::exists(address_file_) && !child_->Poll() &&
         absl::Now() < deadline) {
    absl::SleepFor(kLook);
  }
  const std::string text = Contents(address_file_);
  return text.substr(0, text.find('\n'));
}

ProcessEnd Daemon::WaitEnd() {
  const absl::Time deadline = absl::Now() + kLimit;
  while (!child_->Poll() && absl::Now() < deadline) absl::SleepFor(kLook);
  const auto end = child_->Poll();
  EXPECT_TRUE(end.has_value()) << log();
  return end.value_or(ProcessEnd{});
}

ProcessEnd Daemon::EndBy(int signal) {
  child_->Signal(signal);
  return WaitEnd();
}

std::string Daemon::log() const { return Contents(log_); }

bool Daemon::Says(absl::string_view text) const {
  const absl::Time deadline = absl::Now() + kLimit;
  while (!absl::StrContains(log(), text)) {
    if (absl::Now() >= deadline) return false;
    absl::SleepFor(kLook);
  }
  return true;
}

// --- ProcessCluster ----------------------------------------------------------

ProcessCluster::ProcessCluster(bool tls, absl::Duration lease)
    : tls_(tls),
      port_(ReservedPort::Reserve().value()),
      client_(As(Role::kClient)),
      transport_({}, /*received_bytes=*/0, As(Role::kWorker)) {
  const auto daemon = [&](const std::string& name,
                          std::vector<std::string> arguments) {
    if (tls) {
      const TlsFiles files =
          FilesIn(tls_folder(), name == "scheduler" ? "scheduler" : "ps");
      arguments.insert(arguments.end(),
                       {"--tls-cert", files.certificate, "--tls-key", files.key,
                        "--tls-ca", files.authority});
    }
    return std::make_unique<Daemon>(folder_, name, std::move(arguments));
  };
  scheduler_ = daemon(
      "scheduler", {"ebb-scheduler", "--state-dir", folder_ / "scheduler",
                    "--listen", address(), "--min-servers", "2", "--lease-ttl",
                    absl::FormatDuration(lease)});
  for (int i = 0; i < 2; ++i) {
    servers_.push_back(daemon(absl::StrCat("ps", i),
                              {"ebb-ps", "--id", absl::StrCat(i), "--state-dir",
                               state_folder(i), "--scheduler", address()}));
  }
  computer_.pace_us = 500;
}

rpc::SecurityPtr ProcessCluster::As(Role role) const {
  if (!tls_) return nullptr;
  if (!fs::exists(tls_folder())) {
    fs::create_directory(tls_folder());
    const absl::Status written = WriteAllRoles(tls_folder(), {});
    EXPECT_TRUE(written.ok()) << written;
  }
  auto security = rpc::Security::Create(
      {.files = FilesIn(tls_folder(), std::string(RoleName(role)))}, {role});
  EXPECT_TRUE(security.ok()) << security.status();
  return security.ok() ? *std::move(security) : nullptr;
}

void ProcessCluster::ShowToken(const std::string& token) {
  client_->tokens()->SetFind([token](JobId) { return token; });
}

std::string ProcessCluster::state_folder(int i) const {
  return folder_ / absl::StrCat("ps-", i);
}

void ProcessCluster::StartWorker() {
  client::ClientShellOptions options;
  options.core.session = SessionId(++worker_sessions_);
  options.core.name = "0";
  options.scheduler = address();
  options.longest_pause = absl::Milliseconds(50);
  worker_ =
      std::make_unique<client::ClientShell>(options, &transport_, &computer_);
}

void ProcessCluster::StartAll() {
  scheduler_->Start();
  for (auto& server : servers_) server->Start();
  StartWorker();
}

v1::SubmitJobRequest ProcessCluster::Request(const JobRecord& record,
                                             const std::string& request_id) {
  v1::SubmitJobRequest request;
  request.set_request_id(request_id);
  request.set_name(record.name);
  *request.mutable_plan() = rpc::ToProto(record.plan);
  request.set_specification(record.specification);
  request.set_source("the text");
  return request;
}

JobId ProcessCluster::Submit(const JobRecord& record) {
  const absl::Time deadline = absl::Now() + kLimit;
  absl::Status last;
  while (absl::Now() < deadline) {
    auto submitted = Admin().SubmitJob(Request(record), kCall);
    if (submitted.ok()) return JobId(submitted->job());
    last = submitted.status();
    absl::SleepFor(kLook);
  }
  ADD_FAILURE() << last << scheduler_->log();
  return JobId();
}

std::optional<v1::JobStatus> ProcessCluster::Status(JobId job) {
  v1::GetStatusRequest request;
  request.set_job(job.value());
  auto status = Admin().GetStatus(request, kCall);
  if (!status.ok() || status->jobs().empty()) return std::nullopt;
  return status->jobs(0);
}

bool ProcessCluster::WaitFor(
    JobId job, const std::function<bool(const v1::JobStatus&)>& so) {
  const absl::Time deadline = absl::Now() + kLimit;
  while (absl::Now() < deadline) {
    const auto status = Status(job);
    if (status && so(*status)) return true;
    absl::SleepFor(kLook);
  }
  const auto status = Admin().GetStatus({}, kCall);
  ADD_FAILURE() << (status.ok() ? status->DebugString()
                                : status.status().ToString());
  return false;
}

bool ProcessCluster::WaitComplete(JobId job) {
  return WaitFor(job, [](const v1::JobStatus& status) {
    return status.summary().state() == v1::JOB_STATE_COMPLETE;
  });
}

AuditResult ProcessCluster::Audit(const JobRecord& record, JobId job) {
  AuditResult sum;
  for (auto& server : servers_) {
    rpc::PsAdminClient admin(server->address(), client_);
    v1::GetLedgersRequest request;
    request.set_job(job.value());
    const auto ledgers = admin.GetLedgers(request, kCall);
    if (absl::IsNotFound(ledgers.status())) continue;  // It serves none.
    EXPECT_TRUE(ledgers.ok()) << ledgers.status();
    if (!ledgers.ok()) continue;
    for (const v1::PartitionLedger& one : ledgers->partitions()) {
      const auto ledger = Ledger::Decode(record.plan, one.ledger());
      EXPECT_TRUE(ledger.ok()) << ledger.status();
      AuditResult audit = AuditLedger(record.plan, *ledger);
      audit.partitions = 1;
      sum += audit;
    }
  }
  return sum;
}

void ProcessCluster::ExpectExact(const JobRecord& record, JobId job) {
  // A partition that is moving is served by nobody, for a moment.
  const absl::Time deadline = absl::Now() + kLimit;
  AuditResult audit = Audit(record, job);
  while (audit.partitions != record.plan.partitions &&
         !::testing::Test::HasFailure() && absl::Now() < deadline) {
    absl::SleepFor(kLook);
    audit = Audit(record, job);
  }
  EXPECT_EQ(audit.partitions, record.plan.partitions);
  EXPECT_TRUE(audit.exact());
  EXPECT_EQ(audit.applied,
            record.plan.examples * record.plan.epochs * record.plan.partitions);
}

JobRecord SmallJob(const std::string& more_keys) {
  return CountingJob(
      "small", 400,
      absl::StrCat("train: {epochs: 2, batch: 4, item_examples: 20}\n",
                   more_keys));
}

}  // namespace ebb::testing
