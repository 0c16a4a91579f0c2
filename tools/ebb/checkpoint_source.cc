#include "tools/ebb/checkpoint_source.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>
#include <span>
#include <tuple>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/protocol/marks.h"
#include "common/rpc/admin.h"
#include "common/rpc/convert.h"
#include "common/status_macros.h"
#include "server/memory/block_pool.h"
#include "server/store/rocksdb_store.h"
#include "tools/ebb/daemon_names.h"
#include "tools/ebb/jobs.h"

namespace ebb::tools {

namespace {

namespace fs = std::filesystem;

// Reading a store may take a while.
constexpr absl::Duration kReadDeadline = absl::Minutes(10);

bool Before(const VersionInfo& a, const VersionInfo& b) {
  return std::tie(a.key.partition, a.key.generation, a.key.term,
                  a.key.sequence) < std::tie(b.key.partition, b.key.generation,
                                             b.key.term, b.key.sequence);
}

absl::Status WrongSize(const VersionInfo& version, int64_t found,
                       int64_t wanted) {
  return absl::DataLossError(absl::StrCat(
      "the version of partition ", version.key.partition.value(), " at ",
      version.server, " has ", found, " weights instead of ", wanted));
}

int64_t WeightsOf(const JobPlan& plan, PartitionId partition) {
  const auto [first, last] = plan.ParameterRange(partition);
  return last - first;
}

// --- A job that runs ---------------------------------------------------------

class LiveSource final : public CheckpointSource {
 public:
  LiveSource(JobRecord record, std::map<std::string, std::string> addresses)
      : record_(std::move(record)), addresses_(std::move(addresses)) {}

  const JobRecord& job() const override { return record_; }

  absl::StatusOr<std::vector<VersionInfo>> List() override {
    std::vector<VersionInfo> versions;
    for (const auto& [name, address] : addresses_) {
      v1::ListVersionsRequest request;
      request.set_job(record_.id.value());
      const auto answer =
          rpc::PsAdminClient(address).ListVersions(request, kReadDeadline);
      if (absl::IsNotFound(answer.status())) continue;  // Nothing stored yet.
      if (!answer.ok()) return Explain(answer.status(), name);
      for (const v1::StoredVersion& stored : answer->versions()) {
        EBB_ASSIGN_OR_RETURN(const VersionKey key,
                             rpc::FromProto(stored.key()));
        versions.push_back(
            {key, name, stored.updates(), stored.examples(), stored.bytes()});
      }
    }
    std::ranges::sort(versions, Before);
    return versions;
  }

  absl::StatusOr<VerifiedVersions> Verify() override {
    VerifiedVersions verified;
    for (const auto& [name, address] : addresses_) {
      v1::VerifyVersionsRequest request;
      request.set_job(record_.id.value());
      const auto answer =
          rpc::PsAdminClient(address).VerifyVersions(request, kReadDeadline);
      if (absl::IsNotFound(answer.status())) continue;
      if (!answer.ok()) return Explain(answer.status(), name);
      verified.versions += answer->versions();
      for (const v1::DamagedVersion& damaged : answer->damaged()) {
        VersionInfo version;
        EBB_ASSIGN_OR_RETURN(version.key, rpc::FromProto(damaged.key()));
        version.server = name;
        verified.damaged.emplace_back(version, damaged.problem());
      }
    }
    return verified;
  }

  absl::StatusOr<std::vector<float>> ReadWeights(
      const VersionInfo& version) override {
    std::string bytes;
    v1::ReadVersionRequest request;
    *request.mutable_key() = rpc::ToProto(version.key);
    request.add_names("values");
    const absl::Status read =
        rpc::PsAdminClient(addresses_.at(version.server))
            .ReadVersion(request, kReadDeadline,
                         [&](const v1::ReadVersionResponse& piece) {
                           bytes.append(piece.values());
                           return absl::OkStatus();
                         });
    if (!read.ok()) return Explain(read, version.server);
    std::vector<float> weights(bytes.size() / sizeof(float));
    std::memcpy(weights.data(), bytes.data(), weights.size() * sizeof(float));
    return weights;
  }

 private:
  absl::Status Explain(const absl::Status& status,
                       const std::string& server) const {
    return absl::Status(status.code(),
                        absl::StrCat(server, ": ", status.message()));
  }

  const JobRecord record_;
  const std::map<std::string, std::string> addresses_;  // By server's name.
};

// --- A run's folder ----------------------------------------------------------

class FolderSource final : public CheckpointSource {
 public:
  // The newest job in the stores of `folder`.
  static absl::StatusOr<std::unique_ptr<CheckpointSource>> Open(
      const std::string& folder) {
    auto source = std::make_unique<FolderSource>();
    std::error_code error;
    for (const auto& entry :
         fs::directory_iterator(fs::path(folder) / "state", error)) {
      const std::string name = entry.path().filename().string();
      if (!absl::StartsWith(name, "ps-")) continue;
      EBB_ASSIGN_OR_RETURN(auto store, server::RocksDbStore::OpenReadOnly(
                                           {.folder = entry.path().string()}));
      EBB_ASSIGN_OR_RETURN(const server::Inventory inventory, store->List());
      for (const server::StoredJob& job : inventory.jobs) {
        if (source->record_ == nullptr ||
            source->record_->id < job.record->id) {
          source->record_ = job.record;
        }
      }
      source->stores_[name] = std::move(store);
    }
    if (source->record_ == nullptr) {
      return absl::NotFoundError(
          absl::StrCat(folder, " holds no checkpoint of a run"));
    }
    return source;
  }

  const JobRecord& job() const override { return *record_; }

  absl::StatusOr<std::vector<VersionInfo>> List() override {
    std::vector<VersionInfo> versions;
    for (const auto& [name, store] : stores_) {
      EBB_ASSIGN_OR_RETURN(const auto summaries, store->Summaries(record_->id));
      for (const server::VersionSummary& summary : summaries) {
        EBB_ASSIGN_OR_RETURN(const MarkSet marks,
                             MarkSet::Decode(record_->plan, summary.marks));
        versions.push_back({summary.key, name, summary.updates,
                            marks.examples(), summary.value_bytes});
      }
    }
    std::ranges::sort(versions, Before);
    return versions;
  }

  absl::StatusOr<VerifiedVersions> Verify() override {
    VerifiedVersions verified;
    EBB_ASSIGN_OR_RETURN(const auto versions, List());
    for (const VersionInfo& version : versions) {
      const absl::Status sound =
          stores_.at(version.server)->Verify(version.key);
      ++verified.versions;
      if (!sound.ok()) {
        verified.damaged.emplace_back(version, std::string(sound.message()));
      }
    }
    return verified;
  }

  absl::StatusOr<std::vector<float>> ReadWeights(
      const VersionInfo& version) override {
    server::BlockPoolOptions memory;
    memory.name = "memory to read a version";
    memory.block_bytes =
        record_->plan.block_floats * static_cast<int64_t>(sizeof(float));
    // Each array may end within a block; there are few arrays.
    memory.max_bytes = 2 * version.bytes + 1024 * memory.block_bytes;
    memory.shared = false;
    EBB_ASSIGN_OR_RETURN(const auto pool, server::BlockPool::Create(memory));
    EBB_ASSIGN_OR_RETURN(
        const server::Cut cut,
        stores_.at(version.server)->Load(version.key, pool.get()));
    std::vector<float> weights;
    const auto array = cut.arrays.find("weights");
    if (array == cut.arrays.end()) return weights;
    for (const server::BlockRef& block : array->second.blocks) {
      const std::span<const float> floats = block.floats();
      const int64_t left =
          array->second.floats - static_cast<int64_t>(weights.size());
      const auto n =
          std::min<int64_t>(left, static_cast<int64_t>(floats.size()));
      weights.insert(weights.end(), floats.begin(), floats.begin() + n);
    }
    return weights;
  }

 private:
  JobRecordPtr record_;
  std::map<std::string, std::unique_ptr<server::RocksDbStore>> stores_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<CheckpointSource>> OpenCheckpoints(
    const std::string& name, const std::string& scheduler) {
  std::error_code error;
  if (fs::is_directory(name, error)) return FolderSource::Open(name);
  EBB_ASSIGN_OR_RETURN(const v1::GetJobResponse job, FindJob(scheduler, name));
  EBB_ASSIGN_OR_RETURN(JobRecord record, rpc::FromProto(job.record()));
  std::map<std::string, std::string> addresses;
  for (const v1::ServerAddress& server : job.placement().servers()) {
    addresses[ServerName(server.server())] = server.address();
  }
  return std::make_unique<LiveSource>(std::move(record), std::move(addresses));
}

absl::StatusOr<std::vector<VersionInfo>> NewestVersions(
    const JobPlan& plan, const std::vector<VersionInfo>& versions) {
  std::vector<const VersionInfo*> newest(plan.partitions);
  Generation generation;
  for (const VersionInfo& version : versions) {
    generation = std::max(generation, version.key.generation);
  }
  for (const VersionInfo& version : versions) {
    const int32_t p = version.key.partition.value();
    if (p < 0 || p >= plan.partitions || version.key.generation != generation) {
      continue;
    }
    if (newest[p] == nullptr || Before(*newest[p], version)) {
      newest[p] = &version;
    }
  }
  std::vector<VersionInfo> found;
  for (int32_t p = 0; p < plan.partitions; ++p) {
    if (newest[p] == nullptr) {
      return absl::NotFoundError(
          absl::StrCat("no version of partition ", p,
                       " is stored yet; wait for the next checkpoint"));
    }
    found.push_back(*newest[p]);
  }
  return found;
}

absl::StatusOr<std::vector<float>> ReadModel(CheckpointSource* source) {
  const JobPlan& plan = source->job().plan;
  EBB_ASSIGN_OR_RETURN(const auto versions, source->List());
  EBB_ASSIGN_OR_RETURN(const auto newest, NewestVersions(plan, versions));
  std::vector<float> model(plan.parameters);
  for (const VersionInfo& version : newest) {
    EBB_ASSIGN_OR_RETURN(const std::vector<float> weights,
                         source->ReadWeights(version));
    const int64_t wanted = WeightsOf(plan, version.key.partition);
    if (static_cast<int64_t>(weights.size()) != wanted) {
      return WrongSize(version, static_cast<int64_t>(weights.size()), wanted);
    }
    std::ranges::copy(
        weights,
        model.begin() + plan.ParameterRange(version.key.partition).first);
  }
  return model;
}

}  // namespace ebb::tools
