#include "scheduler/initial_values.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/status_macros.h"
#include "common/steady_time.h"
#include "datasets/manifest.h"
#include "glog/logging.h"

namespace ebb::scheduler {

namespace {

constexpr absl::Duration kSweepEvery = absl::Hours(1);

}  // namespace

absl::StatusOr<std::unique_ptr<InitialValues>> InitialValues::Open(
    InitialValuesOptions options) {
  EBB_ASSIGN_OR_RETURN(
      auto store,
      datasets::SetStore::Open(
          {.folder = options.folder,
           .max_bytes = options.max_bytes,
           // Few threads serve all; a client that pushes asks again.
           .lock_patience = absl::ZeroDuration(),
           .kill_points = options.kill_points}));
  return std::unique_ptr<InitialValues>(
      new InitialValues(std::move(options), std::move(store)));
}

InitialValues::InitialValues(InitialValuesOptions options,
                             std::unique_ptr<datasets::SetStore> store)
    : options_(std::move(options)), store_(std::move(store)) {}

absl::Status InitialValues::Check(const v1::InitialValues& wanted) {
  const std::string set = datasets::InitialSetOf(wanted.id());
  // Nothing is removed meanwhile.
  MutexLock lock(&mu_);
  const auto bytes = store_->GetManifest(set);
  if (absl::IsNotFound(bytes.status()) ||
      absl::IsInvalidArgument(bytes.status())) {
    return absl::FailedPreconditionError(
        "model.initial: the scheduler does not have these values; submit the "
        "job again");
  }
  EBB_RETURN_IF_ERROR(bytes.status());
  EBB_ASSIGN_OR_RETURN(const auto manifest, datasets::Manifest::Decode(*bytes));
  if (manifest.id() != wanted.id() || manifest.files().size() != 1 ||
      manifest.total_bytes() != wanted.bytes()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "model.initial: ", set, " is ", manifest.files().size(), " files of ",
        manifest.total_bytes(), " bytes, and not one of ", wanted.bytes()));
  }
  submitted_[set] = SteadyNow();
  return absl::OkStatus();
}

void InitialValues::Sweep(const std::set<std::string>& named) {
  // When a set was published stands in the folder, by the wall clock.
  const absl::Time published_by = absl::Now() - options_.unnamed_for;
  const absl::Time submitted_by = SteadyNow() - options_.unnamed_for;
  MutexLock lock(&mu_);
  std::erase_if(submitted_,
                [&](const auto& one) { return one.second < submitted_by; });
  const auto sets = store_->List();
  if (!sets.ok()) {
    LOG(WARNING) << "initial values cannot be listed: "
                 << sets.status().message();
    return;
  }
  for (const datasets::SetSummary& set : *sets) {
    if (set.published > published_by || named.contains(set.id) ||
        submitted_.contains(set.name)) {
      continue;
    }
    const absl::Status removed = store_->Remove(set.name);
    LOG_IF(INFO, removed.ok())
        << "data_set=" << set.name << " removed: no job begins with it";
    LOG_IF(WARNING, !removed.ok() && !absl::IsNotFound(removed))
        << "data_set=" << set.name
        << " cannot be removed: " << removed.message();
  }
}

InitialValuesSweeper::InitialValuesSweeper(
    InitialValues* values,
    std::function<std::optional<std::set<std::string>>()> named)
    : values_(*values), named_(std::move(named)), thread_([this] { Run(); }) {}

InitialValuesSweeper::~InitialValuesSweeper() {
  {
    MutexLock lock(&mu_);
    stopping_ = true;
    stopped_.SignalAll();
  }
  thread_.join();
}

bool InitialValuesSweeper::WaitUntil(absl::Time time) {
  MutexLock lock(&mu_);
  for (;;) {
    const absl::Duration left = time - SteadyNow();
    if (stopping_ || left <= absl::ZeroDuration()) return !stopping_;
    stopped_.WaitFor(&mu_, left);
  }
}

void InitialValuesSweeper::Run() {
  // First after a while: a scheduler that has just started may not know its
  // jobs yet.
  while (WaitUntil(SteadyNow() + kSweepEvery)) {
    if (const auto named = named_(); named) values_.Sweep(*named);
  }
}

}  // namespace ebb::scheduler
