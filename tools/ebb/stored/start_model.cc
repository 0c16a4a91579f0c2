#include "tools/ebb/stored/start_model.h"

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/status_macros.h"
#include "job/specification.h"
#include "tools/ebb/stored/checkpoint_source.h"
#include "tools/ebb/stored/read_model.h"
#include "tools/text/when.h"

namespace ebb::tools {

namespace {

// The versions of another source that were stored by a time.
class VersionsUntil final : public CheckpointSource {
 public:
  VersionsUntil(std::unique_ptr<CheckpointSource> all, absl::Time until)
      : all_(std::move(all)), until_(until) {}

  const JobRecord& job() const override { return all_->job(); }
  JobLine line() const override { return all_->line(); }
  std::vector<std::string> problems() const override {
    return all_->problems();
  }
  absl::StatusOr<std::vector<VersionInfo>> List() override {
    EBB_ASSIGN_OR_RETURN(std::vector<VersionInfo> versions, all_->List());
    const int64_t until_ms = absl::ToUnixMillis(until_);
    std::erase_if(versions, [&](const VersionInfo& version) {
      return version.written_unix_ms > until_ms;
    });
    return versions;
  }
  absl::StatusOr<VerifiedVersions> Verify() override { return all_->Verify(); }
  std::vector<SilentServer> silent() const override { return all_->silent(); }
  std::string WhyNoVersion() const override {
    return absl::StrCat("none of those that are kept is as old as ",
                        absl::FormatTime(until_, absl::LocalTimeZone()),
                        "; `ebb checkpoint list` shows their times");
  }
  absl::StatusOr<VersionArrays> Read(
      const VersionInfo& version,
      const std::vector<std::string>& names) override {
    return all_->Read(version, names);
  }

 private:
  const std::unique_ptr<CheckpointSource> all_;
  const absl::Time until_;
};

absl::StatusOr<std::vector<Tensor>> ReadTables(CheckpointSource* source) {
  WarnOfDamage(*source);
  const JobRecord& record = source->job();
  EBB_ASSIGN_OR_RETURN(const v1::Specification specification,
                       job::ReadSpecification(record));
  EBB_ASSIGN_OR_RETURN(const std::vector<job::DenseTable> tables,
                       job::TablesOf(specification, record.plan));
  EBB_ASSIGN_OR_RETURN(const NamedArrays arrays,
                       ReadModel(source, SlotsRead::kNone, nullptr));
  std::span<const float> rest = arrays.at("values");
  std::vector<Tensor> tensors;
  for (const job::DenseTable& table : tables) {
    const auto values = rest.first(table.size);
    rest = rest.subspan(values.size());
    tensors.push_back(
        {table.name,
         table.dims.empty() ? std::vector<int64_t>{table.size} : table.dims,
         {values.begin(), values.end()}});
  }
  return tensors;
}

absl::StatusOr<std::vector<Tensor>> OpenModel(
    const std::optional<ClusterAccess>& access, const std::string& name,
    const std::string& version) {
  std::optional<absl::Time> until;
  if (!version.empty()) {
    until = ParseWhen(version, absl::Now(), absl::LocalTimeZone());
    if (!until) {
      return absl::InvalidArgumentError(absl::StrCat(
          "start.from: ", version, " is not a time\nhint: job:", name,
          "@10m, the versions stored until then; or @\"2026-01-31 14:03\""));
    }
  }
  std::error_code error;
  if (!access && !IsBucket(name) && !std::filesystem::exists(name, error)) {
    return absl::NotFoundError(absl::StrCat(
        "start.from: there is no folder ", name,
        ", and this command knows no cluster\nhint: the folder of a run, such "
        "as job:runs/NAME-1; or `ebb submit`"));
  }
  CheckpointPlace place;
  place.name = name;
  if (access) place.access = *access;
  if (access && place.access.security == nullptr) {
    EBB_RETURN_IF_ERROR(place.access.Open());
  }
  EBB_ASSIGN_OR_RETURN(std::unique_ptr<CheckpointSource> source,
                       OpenCheckpoints(place));
  if (until) {
    source = std::make_unique<VersionsUntil>(std::move(source), *until);
  }
  return ReadTables(source.get());
}

ModelOpener Opener(std::optional<ClusterAccess> access) {
  return [access = std::move(access)](const std::string& name,
                                      const std::string& version) {
    return OpenModel(access, name, version);
  };
}

}  // namespace

ModelOpener OpenStoredModels(const ClusterAccess& access) {
  return Opener(access);
}

ModelOpener OpenModelsInFolders() { return Opener(std::nullopt); }

}  // namespace ebb::tools
