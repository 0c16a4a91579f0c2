#include "tools/ebb/trained/start_model.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iterator>
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
#include "common/mapped_file.h"
#include "common/status_macros.h"
#include "job/specification.h"
#include "tools/ebb/checkpoint/checkpoint_source.h"
#include "tools/ebb/checkpoint/model_doubts.h"
#include "tools/ebb/checkpoint/read_model.h"
#include "tools/ebb/cluster/jobs.h"
#include "tools/ebb/model/row_runs.h"
#include "tools/ebb/model/row_tensors.h"
#include "tools/process/temporary_folder.h"
#include "tools/tensors/tensor_files.h"
#include "tools/text/when.h"
#include "worker/base/exported_model.h"

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

// The rows of a job's sparse tables, in a file for each table.
class RowFiles final : public RowReceiver {
 public:
  RowFiles(const JobPlan& plan, std::string folder)
      : plan_(plan), folder_(std::move(folder)) {}

  const RowRuns& Of(size_t table) const { return runs_[table]; }

  absl::Status Restart() override {
    runs_.clear();
    for (const SparseTablePlan& table : plan_.sparse_tables) {
      EBB_ASSIGN_OR_RETURN(RowRuns runs,
                           RowRuns::Create(folder_, {table.row_words()}));
      runs_.push_back(std::move(runs));
    }
    return absl::OkStatus();
  }
  absl::Status Add(int32_t table, std::span<const uint64_t> keys,
                   const std::vector<std::span<const float>>& arrays) override {
    return runs_[static_cast<size_t>(table)].Add(keys, arrays);
  }

 private:
  const JobPlan& plan_;
  const std::string folder_;
  std::vector<RowRuns> runs_;
};

// One file with the rows of all trained tables, as an export has them. It has
// no name any more, and its memory is the file's.
absl::StatusOr<MappedFile> MapRows(const RowFiles& files,
                                   const std::vector<job::SparseTable>& tables,
                                   const std::string& folder) {
  // Keys first: what is read in words of 8 bytes lies at multiples of them.
  std::vector<TensorStream> tensors;
  std::vector<TensorStream> rows;
  for (size_t t = 0; t < tables.size(); ++t) {
    const job::SparseTable& table = tables[t];
    if (table.kind != RowKind::kTrained) continue;
    tensors.push_back(KeyTensor(worker::KeysName(table.name), files.Of(t)));
    rows.push_back(RowTensor(worker::RowsName(table.name), table.width,
                             files.Of(t), /*array=*/0));
  }
  std::ranges::move(rows, std::back_inserter(tensors));
  EBB_ASSIGN_OR_RETURN(
      const TemporaryFolder own,
      TemporaryFolder::Make(absl::StrCat(folder, "/ebb-start")));
  const std::string path = own / "rows.safetensors";
  EBB_RETURN_IF_ERROR(WriteSafetensors(path, tensors, {}));
  return MappedFile::Open(path);  // Stays mapped without its name.
}

// " (stored at TIME)", of the newest version; empty: the time is not known.
std::string WhenStored(const std::vector<VersionInfo>& versions) {
  int64_t newest_ms = 0;
  for (const VersionInfo& one : versions) {
    newest_ms = std::max(newest_ms, one.written_unix_ms);
  }
  if (newest_ms == 0) return "";
  return absl::StrCat(
      " (stored at ",
      absl::FormatTime("%Y-%m-%d %H:%M:%S", absl::FromUnixMillis(newest_ms),
                       absl::LocalTimeZone()),
      ")");
}

absl::StatusOr<OtherModel> ReadTables(CheckpointSource* source, bool rows) {
  WarnOfDamage(*source);
  const JobRecord& record = source->job();
  EBB_ASSIGN_OR_RETURN(const v1::Specification specification,
                       job::ReadSpecification(record));
  EBB_ASSIGN_OR_RETURN(const std::vector<job::DenseTable> tables,
                       job::TablesOf(specification, record.plan));
  EBB_ASSIGN_OR_RETURN(const std::vector<job::SparseTable> sparse,
                       job::SparseTablesOf(specification, record.plan));
  const bool has_rows = rows && !sparse.empty();
  std::error_code error;
  const std::string folder =
      std::filesystem::temp_directory_path(error).string();
  if (has_rows && error) {
    return absl::NotFoundError(absl::StrCat(
        "there is no folder for temporary files ($TMPDIR): ", error.message()));
  }
  RowFiles files(record.plan, folder);
  std::vector<VersionInfo> versions;
  EBB_ASSIGN_OR_RETURN(const NamedArrays arrays,
                       ReadModel(source, SlotsRead::kNone,
                                 has_rows ? &files : nullptr, &versions));
  std::span<const float> rest = arrays.at("values");
  OtherModel model;
  model.doubts = DoubtsOf(IncompleteText(record.plan, versions), rest);
  for (std::string& doubt : model.doubts) {
    absl::StrAppend(&doubt, WhenStored(versions));
  }
  for (const job::DenseTable& table : tables) {
    const auto values = rest.first(table.size);
    rest = rest.subspan(values.size());
    model.tables.push_back(
        {table.name,
         table.dims.empty() ? std::vector<int64_t>{table.size} : table.dims,
         {values.begin(), values.end()}});
  }
  if (has_rows) {
    EBB_ASSIGN_OR_RETURN(model.rows, MapRows(files, sparse, folder));
  }
  return model;
}

// How the user names the folder or file that is called like a job that is not
// there. Empty: there is none.
std::string FolderHint(const StartJob& job) {
  std::error_code error;
  const bool folder = std::filesystem::is_directory(job.name, error);
  if (!folder && !std::filesystem::exists(job.name, error)) return "";
  return absl::StrCat(
      "\nhint: from: ",
      job.version.empty()
          ? job.name
          : absl::StrCat("\"job:./", job.name, "@", job.version, "\""),
      " takes the ", folder ? "folder" : "file", " of this name");
}

// A job of the cluster, whatever folders there are.
absl::StatusOr<std::unique_ptr<CheckpointSource>> OpenJob(
    const std::optional<ClusterAccess>& cluster, const StartJob& job) {
  if (!cluster) {
    const std::string hint = FolderHint(job);
    return absl::NotFoundError(absl::StrCat(
        "start.from: job:", job.name,
        " names a job of a cluster, and this command knows no cluster",
        hint.empty() ? "\nhint: `ebb submit`; or the folder of a run, such as "
                       "from: runs/NAME-1"
                     : hint));
  }
  ClusterAccess access = *cluster;
  if (access.security == nullptr) EBB_RETURN_IF_ERROR(access.Open());
  const auto found = FindJob(access, job.name);
  if (!found.ok()) {
    return absl::Status(found.status().code(),
                        absl::StrCat("start.from: ", found.status().message(),
                                     FolderHint(job)));
  }
  return VersionsOf(*found, access);
}

absl::StatusOr<std::unique_ptr<CheckpointSource>> OpenSource(
    const std::optional<ClusterAccess>& cluster, const StartJob& job) {
  if (!job.stored) return OpenJob(cluster, job);
  std::error_code error;
  if (!IsBucket(job.name) && !std::filesystem::exists(job.name, error)) {
    return absl::NotFoundError(absl::StrCat(
        "start.from: there is no folder ", job.name,
        "\nhint: the folder of a run, such as from: runs/NAME-1; or from: "
        "job:NAME, a job of the cluster of `ebb submit`"));
  }
  CheckpointPlace place;  // It knows no cluster.
  place.name = job.name;
  return OpenCheckpoints(place);
}

absl::StatusOr<OtherModel> OpenModel(const std::optional<ClusterAccess>& access,
                                     const StartJob& job, bool rows) {
  std::optional<absl::Time> until;
  if (!job.version.empty()) {
    until = ParseWhen(job.version, absl::Now(), absl::LocalTimeZone());
    if (!until) {
      return absl::InvalidArgumentError(absl::StrCat(
          "start.from: ", job.version, " is not a time\nhint: job:", job.name,
          "@10m, the versions stored until then; or @\"2026-01-31 14:03\""));
    }
  }
  EBB_ASSIGN_OR_RETURN(std::unique_ptr<CheckpointSource> source,
                       OpenSource(access, job));
  if (until) {
    source = std::make_unique<VersionsUntil>(std::move(source), *until);
  }
  return ReadTables(source.get(), rows);
}

ModelOpener Opener(std::optional<ClusterAccess> access) {
  return [access = std::move(access)](const StartJob& job, bool rows) {
    return OpenModel(access, job, rows);
  };
}

}  // namespace

ModelOpener OpenStoredModels(const ClusterAccess& access) {
  return Opener(access);
}

ModelOpener OpenModelsInFolders() { return Opener(std::nullopt); }

}  // namespace ebb::tools
