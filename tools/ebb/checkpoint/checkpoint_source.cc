#include "tools/ebb/checkpoint/checkpoint_source.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <map>
#include <optional>
#include <span>
#include <tuple>
#include <utility>
#include <variant>

#include "absl/functional/function_ref.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/nearest.h"
#include "common/objects/s3_objects.h"
#include "common/status_macros.h"
#include "common/utf8.h"
#include "protocol/marks.h"
#include "rpc/admin.h"
#include "rpc/convert.h"
#include "server/job_rule.h"
#include "server/memory/block_pool.h"
#include "server/pushed_shape.h"
#include "server/store/folder_checkpoints.h"
#include "server/store/object_checkpoints.h"
#include "server/store/rocksdb_store.h"
#include "server/version_rows.h"
#include "tools/ebb/checkpoint/damaged_log.h"
#include "tools/ebb/cluster/jobs.h"
#include "tools/ebb/status/no_answer.h"
#include "tools/text/daemon_names.h"

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

template <typename T>
void AppendBytes(absl::string_view bytes, std::vector<T>* array) {
  const size_t before = array->size();
  array->resize(before + bytes.size() / sizeof(T));
  if (bytes.empty()) return;  // Empty data has no address to copy to.
  std::memcpy(array->data() + before, bytes.data(),
              (array->size() - before) * sizeof(T));
}

// --- A job that runs ---------------------------------------------------------

class LiveSource final : public CheckpointSource {
 public:
  LiveSource(JobRecord record, JobLine line, JobServers servers,
             absl::Duration keep, rpc::SecurityPtr security)
      : record_(std::move(record)),
        line_(std::move(line)),
        servers_(std::move(servers)),
        keep_(keep),
        security_(std::move(security)) {}

  const JobRecord& job() const override { return record_; }
  JobLine line() const override { return line_; }
  std::vector<SilentServer> silent() const override { return silent_; }
  std::string WhyNoVersion() const override {
    return "wait for the next checkpoint";
  }

  absl::StatusOr<std::vector<VersionInfo>> List() override {
    v1::ListVersionsRequest request;
    request.set_job(record_.id.value());
    request.set_keep_ms(absl::ToInt64Milliseconds(keep_));
    std::vector<VersionInfo> versions;
    EBB_RETURN_IF_ERROR(AskAll([&](const std::string& name,
                                   rpc::PsAdminClient* client) -> absl::Status {
      EBB_ASSIGN_OR_RETURN(const auto answer,
                           client->ListVersions(request, kReadDeadline));
      for (const v1::StoredVersion& stored : answer.versions()) {
        EBB_ASSIGN_OR_RETURN(const VersionKey key,
                             rpc::FromProto(stored.key()));
        versions.push_back(
            {key, name, stored.updates(), stored.examples(), stored.bytes(),
             stored.written_unix_ms(),
             RoundSpan{stored.oldest_round(), stored.open_round()}});
      }
      return absl::OkStatus();
    }));
    std::ranges::sort(versions, Before);
    return versions;
  }

  absl::StatusOr<VerifiedVersions> Verify() override {
    v1::VerifyVersionsRequest request;
    request.set_job(record_.id.value());
    VerifiedVersions verified;
    EBB_RETURN_IF_ERROR(AskAll([&](const std::string& name,
                                   rpc::PsAdminClient* client) -> absl::Status {
      EBB_ASSIGN_OR_RETURN(const auto answer,
                           client->VerifyVersions(request, kReadDeadline));
      verified.versions += answer.versions();
      for (const v1::DamagedVersion& damaged : answer.damaged()) {
        VersionInfo version;
        EBB_ASSIGN_OR_RETURN(version.key, rpc::FromProto(damaged.key()));
        version.server = name;
        verified.damaged.emplace_back(version, damaged.problem());
      }
      return absl::OkStatus();
    }));
    return verified;
  }

  absl::StatusOr<VersionArrays> Read(
      const VersionInfo& version,
      const std::vector<std::string>& names) override {
    v1::ReadVersionRequest request;
    *request.mutable_key() = rpc::ToProto(version.key);
    for (const std::string& name : names) request.add_names(name);
    VersionArrays arrays;
    // The pieces of an array come in their order.
    const auto take = [&](const v1::ReadVersionResponse& piece) {
      if (piece.type() == v1::ELEMENT_TYPE_UINT64) {
        AppendBytes(piece.values(), &arrays.integers[piece.name()]);
      } else {
        AppendBytes(piece.values(), &arrays.floats[piece.name()]);
      }
      return absl::OkStatus();
    };
    const auto owner = std::ranges::find(
        servers_.there, version.server,
        [](const auto& server) { return ServerName(server.server); });
    const absl::Status read = rpc::PsAdminClient(owner->address, security_)
                                  .ReadVersion(request, kReadDeadline, take);
    if (!read.ok()) return Explain(read, version.server);
    return arrays;
  }

 private:
  // Adds a server that does not answer to silent(), without an error.
  absl::Status AskAll(
      absl::FunctionRef<absl::Status(const std::string& server,
                                     rpc::PsAdminClient* client)>
          ask) {
    silent_ = servers_.awaited;
    for (const JobServers::There& server : servers_.there) {
      const std::string name = ServerName(server.server);
      rpc::PsAdminClient client(server.address, security_);
      const absl::Status asked = ask(name, &client);
      if (absl::IsUnavailable(asked) || absl::IsDeadlineExceeded(asked)) {
        silent_.push_back(
            {server.server, server.partitions,
             absl::StrCat(server.address, ": ", NoAnswerText(asked))});
        continue;
      }
      // NotFound: it has stored nothing yet.
      if (!asked.ok() && !absl::IsNotFound(asked)) return Explain(asked, name);
      // Its store has the versions of what it still loads, too.
      std::erase_if(silent_, [&](const SilentServer& one) {
        return one.server == server.server;
      });
    }
    return absl::OkStatus();
  }

  absl::Status Explain(const absl::Status& status,
                       const std::string& server) const {
    return absl::Status(status.code(),
                        absl::StrCat(server, ": ", status.message()));
  }

  const JobRecord record_;
  const JobLine line_;
  const JobServers servers_;
  const absl::Duration keep_;
  const rpc::SecurityPtr security_;
  std::vector<SilentServer> silent_;
};

// --- A folder ----------------------------------------------------------------

constexpr char kStore[] = "db";  // In a server's state folder.

// The state folders of servers in or at `folder`.
std::vector<fs::path> StateFolders(const fs::path& folder) {
  std::error_code error;
  if (fs::is_directory(folder / kStore, error)) return {folder};
  std::vector<fs::path> found;
  for (const fs::path& parent : {folder / "state", folder}) {
    for (const auto& entry : fs::directory_iterator(parent, error)) {
      if (absl::StartsWith(entry.path().filename().string(), "ps-") &&
          entry.is_directory(error)) {
        found.push_back(entry.path());
      }
    }
    if (!found.empty()) break;
  }
  return found;
}

// The folder to which the servers of a run copied what is in `folder`; empty:
// there is none.
std::string CopiesOf(const fs::path& folder) {
  const std::string copies = (folder / "shared").lexically_normal().string();
  return server::HasFolderCheckpoints(copies) ? copies : "";
}

// "ps-1", also of "ps-1/", and of "." there.
std::string NameOf(const fs::path& folder) {
  std::error_code error;
  const fs::path whole = fs::absolute(folder, error) / "";
  return whole.lexically_normal().parent_path().filename().string();
}

// A job as one server keeps it or, of several servers, the one that knows of
// its newest generation.
using StoredJobs = std::map<JobId, server::StoredJob>;

std::string JobsText(const StoredJobs& jobs) {
  return absl::StrJoin(jobs, ", ", [](std::string* out, const auto& job) {
    absl::StrAppend(out, job.second.record->name, " (", job.first.value(), ")");
  });
}

// The job of this name or number; without one, the only job.
absl::StatusOr<const server::StoredJob*> Choose(const StoredJobs& jobs,
                                                const std::string& folder,
                                                const std::string& choice) {
  uint64_t number = 0;
  const bool numbered = absl::SimpleAtoi(choice, &number);
  std::vector<const server::StoredJob*> found;
  for (const auto& [id, job] : jobs) {
    if (choice.empty() || job.record->name == choice ||
        (numbered && id == JobId(number))) {
      found.push_back(&job);
    }
  }
  if (found.size() == 1) return found.front();
  const std::string listed =
      absl::StrCat("--job NAME or NUMBER: ", JobsText(jobs));
  if (found.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        folder, " holds no job ", choice, ". Choose with ", listed));
  }
  return absl::InvalidArgumentError(
      absl::StrCat(folder, " holds ", found.size(), " jobs",
                   choice.empty() ? "" : absl::StrCat(" called ", choice),
                   ". Choose with ", listed));
}

// Makes a pool for a version's arrays, to read it.
absl::StatusOr<std::shared_ptr<server::BlockPool>> PoolFor(
    const JobPlan& plan, const VersionInfo& version) {
  server::BlockPoolOptions memory;
  memory.name = "memory to read a version";
  memory.block_bytes = plan.block_floats * static_cast<int64_t>(sizeof(float));
  // Each array may end within a block: of a table of rows some 200 do.
  memory.max_bytes = 4 * version.bytes + 16384 * memory.block_bytes;
  memory.shared = false;
  return server::BlockPool::Create(memory);
}

// Arrays of rows, in memory.
class RowCollector final : public server::ArraySink {
 public:
  explicit RowCollector(VersionArrays* out) : out_(*out) {}

  absl::Status Begin(const std::string& name, bool integers,
                     int64_t elements) override {
    integers_ = integers ? &out_.integers[name] : nullptr;
    floats_ = integers ? nullptr : &out_.floats[name];
    if (integers) {
      integers_->reserve(elements);
    } else {
      floats_->reserve(elements);
    }
    return absl::OkStatus();
  }
  absl::Status Add(absl::string_view bytes) override {
    if (integers_ != nullptr) {
      AppendBytes(bytes, integers_);
    } else {
      AppendBytes(bytes, floats_);
    }
    return absl::OkStatus();
  }

 private:
  VersionArrays& out_;
  std::vector<uint64_t>* integers_ = nullptr;
  std::vector<float>* floats_ = nullptr;
};

absl::StatusOr<VersionArrays> ReadFrom(server::CheckpointStore* store,
                                       const JobRecord& record,
                                       const VersionInfo& version,
                                       const std::vector<std::string>& names) {
  EBB_ASSIGN_OR_RETURN(const auto pool, PoolFor(record.plan, version));
  EBB_ASSIGN_OR_RETURN(server::Cut cut, store->Load(version.key, pool.get()));
  EBB_ASSIGN_OR_RETURN(const auto rule, server::JobRule::Create(record));
  const auto wanted = [&](absl::string_view name) {
    return std::ranges::count(names, name) > 0;
  };
  VersionArrays arrays;
  for (const auto& [stored_name, array] : cut.arrays) {
    const std::string name = rule->PublicName(stored_name);
    if (!wanted(name)) continue;
    std::vector<float>& out = arrays.floats[name];
    if (rule->trained() != nullptr && server::IsPushedArray(stored_name)) {
      out = server::AtPlacesOfValues(record.plan, version.key.partition,
                                     *rule->trained(), array);
      continue;
    }
    for (size_t i = 0; i < array.blocks.size(); ++i) {
      const std::span<const float> floats = array.UsedFloats(i);
      out.insert(out.end(), floats.begin(), floats.end());
    }
  }
  if (!record.plan.sparse_tables.empty()) {
    RowCollector rows(&arrays);
    EBB_RETURN_IF_ERROR(
        server::ReadRows(record.plan, *rule, pool, &cut, wanted, &rows));
  }
  return arrays;
}

absl::StatusOr<v1::PartitionLedger> LedgerFrom(server::CheckpointStore* store,
                                               const JobRecord& record,
                                               const VersionInfo& version) {
  EBB_ASSIGN_OR_RETURN(const auto pool, PoolFor(record.plan, version));
  EBB_ASSIGN_OR_RETURN(server::Cut cut, store->Load(version.key, pool.get()));
  v1::PartitionLedger ledger;
  ledger.set_partition(version.key.partition.value());
  ledger.set_generation(version.key.generation.value());
  ledger.set_term(version.key.term.value());
  ledger.set_updates(cut.updates);
  ledger.set_marks(cut.marks);
  ledger.set_durable_marks(cut.marks);
  ledger.set_ledger(std::move(cut.ledger));
  ledger.set_oracle(cut.oracle.data(), cut.oracle.size() * sizeof(uint64_t));
  return ledger;
}

absl::StatusOr<VersionInfo> InfoOf(const JobPlan& plan,
                                   const server::VersionSummary& summary,
                                   const std::string& server) {
  EBB_ASSIGN_OR_RETURN(const MarkSet marks,
                       MarkSet::Decode(plan, summary.marks));
  return VersionInfo{summary.key,         server,
                     summary.updates,     marks.examples(),
                     summary.value_bytes, summary.written_us / 1000};
}

// Counts a version that was read whole, `sound` or not.
void AddVerified(const VersionInfo& version, const absl::Status& sound,
                 VerifiedVersions* verified) {
  ++verified->versions;
  if (sound.ok()) return;
  verified->damaged.emplace_back(version, std::string(sound.message()));
}

// The stored versions of one job, without its servers.
class StoredSource : public CheckpointSource {
 public:
  const JobRecord& job() const override { return *record_; }
  JobLine line() const override { return line_; }
  std::vector<std::string> problems() const override { return problems_; }

  absl::StatusOr<VersionArrays> Read(
      const VersionInfo& version,
      const std::vector<std::string>& names) override {
    return ReadFrom(StoreOf(version), *record_, version, names);
  }

  absl::StatusOr<v1::PartitionLedger> Ledger(
      const VersionInfo& version) override {
    return LedgerFrom(StoreOf(version), *record_, version);
  }

 protected:
  // The store that has the version. It outlives the call.
  virtual server::CheckpointStore* StoreOf(const VersionInfo& version) = 0;
  // Takes the chosen one of the jobs found; `nothing` says why there may be
  // none.
  absl::Status Take(const StoredJobs& jobs, const std::string& folder,
                    const std::string& choice, absl::string_view nothing) {
    if (jobs.empty() && !problems_.empty()) {
      return absl::DataLossError(problems_.front());
    }
    if (jobs.empty()) {
      return absl::NotFoundError(absl::StrCat(folder, " ", nothing));
    }
    EBB_ASSIGN_OR_RETURN(const server::StoredJob* job,
                         Choose(jobs, folder, choice));
    record_ = job->record;
    line_ = {job->generation, job->rollback};
    return absl::OkStatus();
  }

  JobRecordPtr record_;
  JobLine line_;
  std::vector<std::string> problems_;
};

class FolderSource final : public StoredSource {
 public:
  static absl::StatusOr<std::unique_ptr<CheckpointSource>> Open(
      const std::string& folder, const std::string& choice) {
    StoredJobs jobs;
    auto source = std::make_unique<FolderSource>();
    source->folder_ = folder;
    for (const fs::path& state : StateFolders(folder)) {
      const std::string name = NameOf(state);
      auto store = server::RocksDbStore::OpenReadOnly(
          {.folder = state.string(), .whole_log = true});
      source->states_ = true;
      if (absl::IsNotFound(store.status())) continue;  // It never started.
      EBB_RETURN_IF_ERROR(store.status());
      EBB_ASSIGN_OR_RETURN(const server::Inventory inventory, (*store)->List());
      for (const server::StoredJob& job : inventory.jobs) {
        const auto [known, is_new] = jobs.try_emplace(job.record->id, job);
        if (!is_new && known->second.generation < job.generation) {
          known->second = job;
        }
      }
      if ((*store)->condition().log_damaged) {
        source->damaged_.push_back(
            {name, state.string(), (*store)->condition().unread_log, {}});
      }
      source->stores_[name] = *std::move(store);
    }
    constexpr absl::string_view kNothing =
        "holds no checkpoint: name the folder of an ebb run, or the "
        "--state-dir of an ebb-ps";
    constexpr absl::string_view kNothingYet =
        "holds no checkpoint: its servers ended before they were given a job, "
        "or the folders that they stored it in are gone";
    const absl::Status taken = source->Take(
        jobs, folder, choice, source->states_ ? kNothingYet : kNothing);
    source->TellDamage();
    if (!taken.ok() && !source->problems_.empty()) {
      // The job that is looked for may have been in what is not read.
      return absl::Status(
          jobs.empty() ? absl::StatusCode::kDataLoss : taken.code(),
          absl::StrCat(taken.message(), ". ", source->problems_.front()));
    }
    EBB_RETURN_IF_ERROR(taken);
    return source;
  }

  std::string WhyNoVersion() const override {
    std::vector<std::string> names;
    for (const auto& [name, store] : stores_) names.push_back(name);
    const std::string copies = CopiesOf(folder_);
    return absl::StrCat(
        "the folder of the server that owns it is missing, or has none yet "
        "(looked at: ",
        absl::StrJoin(names, ", "), "). Name a folder with those of all",
        copies.empty() ? "" : absl::StrCat(", or ", copies, " with the copies"),
        ".");
  }

  absl::StatusOr<std::vector<VersionInfo>> List() override {
    std::vector<VersionInfo> versions;
    for (const auto& [name, store] : stores_) {
      EBB_ASSIGN_OR_RETURN(const auto summaries, store->Summaries(record_->id));
      for (const server::VersionSummary& summary : summaries) {
        EBB_ASSIGN_OR_RETURN(VersionInfo version,
                             InfoOf(record_->plan, summary, name));
        versions.push_back(std::move(version));
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
      AddVerified(version, sound, &verified);
    }
    return verified;
  }

 private:
  server::CheckpointStore* StoreOf(const VersionInfo& version) override {
    return stores_.at(version.server).get();
  }

  // Includes the job's versions, if one is chosen.
  void TellDamage() {
    std::vector<VersionInfo> versions;
    std::optional<int64_t> examples;
    if (record_ != nullptr) {
      examples = record_->plan.examples * record_->plan.epochs;
      // What keeps them from being listed, List() says.
      if (auto listed = List(); listed.ok()) versions = *std::move(listed);
    }
    for (DamagedLog& damaged : damaged_) {
      for (const VersionInfo& version : versions) {
        if (version.server == damaged.server) {
          damaged.versions.push_back(version);
        }
      }
      problems_.push_back(DamagedLogText(damaged, examples, absl::Now()));
    }
  }

  std::string folder_;
  bool states_ = false;  // There are folders of servers.
  std::vector<DamagedLog> damaged_;
  std::map<std::string, std::unique_ptr<server::RocksDbStore>> stores_;
};

// --- A folder or a bucket that servers shared --------------------------------

class SharedSource final : public StoredSource {
 public:
  static absl::StatusOr<std::unique_ptr<CheckpointSource>> Open(
      const std::string& place, const std::string& choice) {
    auto source = std::make_unique<SharedSource>();
    EBB_ASSIGN_OR_RETURN(source->store_, OpenStore(place));
    EBB_ASSIGN_OR_RETURN(const std::vector<server::StoredJob> all,
                         source->store_->JobsOfAll(&source->problems_));
    StoredJobs jobs;
    for (const server::StoredJob& job : all) jobs[job.record->id] = job;
    constexpr absl::string_view kNothing =
        "is a place of --shared-checkpoints, and no server has copied "
        "anything to it yet";
    EBB_RETURN_IF_ERROR(source->Take(jobs, place, choice, kNothing));
    EBB_RETURN_IF_ERROR(source->TellDamage(place));
    return source;
  }

  std::string WhyNoVersion() const override {
    return "no server has copied one there yet";
  }

  absl::StatusOr<std::vector<VersionInfo>> List() override {
    EBB_ASSIGN_OR_RETURN(const auto all, store_->Summaries(record_->id));
    std::vector<VersionInfo> versions;
    for (const auto& [summary, writer] : all) {
      if (summary.marks.empty()) continue;  // Among the problems.
      EBB_ASSIGN_OR_RETURN(
          VersionInfo version,
          InfoOf(record_->plan, summary, ServerName(writer.value())));
      versions.push_back(std::move(version));
    }
    std::ranges::sort(versions, Before);
    return versions;
  }

  absl::StatusOr<VerifiedVersions> Verify() override {
    EBB_ASSIGN_OR_RETURN(const auto all, store_->Summaries(record_->id));
    VerifiedVersions verified;
    for (const auto& [summary, writer] : all) {
      VersionInfo version;
      version.key = summary.key;
      version.server = ServerName(writer.value());
      version.bytes = summary.value_bytes;
      EBB_ASSIGN_OR_RETURN(const auto pool, PoolFor(record_->plan, version));
      const absl::Status sound = store_->Load(summary.key, pool.get()).status();
      if (absl::IsNotFound(sound)) continue;  // Deleted meanwhile.
      AddVerified(version, sound, &verified);
    }
    return verified;
  }

 private:
  server::CheckpointStore* StoreOf(const VersionInfo& /*version*/) override {
    return store_.get();
  }

  static absl::StatusOr<std::unique_ptr<server::SharedCopies>> OpenStore(
      const std::string& place) {
    if (!IsBucket(place)) {
      return server::OpenFolderCheckpoints({.folder = place, .create = false});
    }
    EBB_ASSIGN_OR_RETURN(auto objects, S3Objects::OpenUrl(place));
    return server::ObjectCheckpoints::Open(std::move(objects),
                                           {.probe = false, .create = false});
  }

  // Includes the job's versions, which all lists leave out.
  absl::Status TellDamage(const std::string& place) {
    EBB_ASSIGN_OR_RETURN(const auto all, store_->Summaries(record_->id));
    for (const auto& [summary, writer] : all) {
      if (!summary.marks.empty()) continue;
      const VersionKey& key = summary.key;
      problems_.push_back(absl::StrCat(
          place, ": the version of partition ", key.partition.value(), " that ",
          ServerName(writer.value()), " stored in term ", key.term.value(),
          " as number ", key.sequence,
          " cannot be read, and is not looked at; `ebb checkpoint verify` "
          "says why"));
    }
    return absl::OkStatus();
  }

  std::unique_ptr<server::SharedCopies> store_;
};

// Opens what a folder or a bucket has.
absl::StatusOr<std::unique_ptr<CheckpointSource>> OpenStored(
    const CheckpointPlace& place) {
  if (IsBucket(place.name) || server::HasFolderCheckpoints(place.name)) {
    return SharedSource::Open(place.name, place.job);
  }
  std::error_code error;
  if (fs::is_directory(place.name, error)) {
    auto stored = FolderSource::Open(place.name, place.job);
    const std::string copies = CopiesOf(place.name);
    if (!absl::IsNotFound(stored.status()) || copies.empty()) return stored;
    return SharedSource::Open(copies, place.job);
  }
  if (place.job.empty()) {
    return absl::NotFoundError(
        absl::StrCat("there is no folder ", place.name, IsItPath(place.name)));
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "--job ", place.job,
      " chooses among the jobs in a folder, and there is no folder ",
      place.name, IsItPath(place.name)));
}

// Adds to `no_job`, why there is no job called `name`, that there is no such
// file or folder either: the user may have meant one.
absl::Status NeitherFileNorJob(const std::string& name,
                               const absl::Status& no_job) {
  std::error_code error;
  const bool unknown = absl::IsNotFound(no_job) || absl::IsUnavailable(no_job);
  // With a slash, it was said before; and not every terminal shows other bytes.
  const bool said = absl::StrContains(name, '/') || !IsUtf8(name);
  if (!unknown || said || fs::exists(name, error)) return no_job;
  const std::string near = IsItPath(name);
  return absl::Status(
      no_job.code(),
      absl::StrCat("there is no folder or file ", name,
                   near.empty() ? "; taken" : absl::StrCat(near, " Taken"),
                   " for the name of a job: ", no_job.message()));
}

}  // namespace

bool IsBucket(absl::string_view name) {
  return absl::StartsWith(name, "s3://");
}

absl::StatusOr<FoundJob> FindCheckpoints(const CheckpointPlace& place) {
  const std::string& name = place.name;
  const bool path = IsBucket(name) || absl::StrContains(name, '/') ||
                    name == "." || name == "..";
  std::error_code error;
  const bool folder = fs::is_directory(name, error);
  const bool known = place.access.security != nullptr;
  if (!place.job.empty() || IsBucket(name) || !known || (folder && path)) {
    return OpenStored(place);
  }
  const bool of_cluster = place.access.named && !path;
  absl::Status not_stored;
  if (folder && !of_cluster) {
    auto stored = OpenStored(place);
    // A folder without checkpoints may have the name of a job: that of its
    // data.
    if (stored.ok()) return *std::move(stored);
    if (!absl::IsNotFound(stored.status())) return stored.status();
    not_stored = stored.status();
  }
  auto job = FindJob(place.access, name);
  if (job.ok()) return *std::move(job);
  if (!not_stored.ok()) return not_stored;
  if (!folder) return NeitherFileNorJob(name, job.status());
  if (absl::IsNotFound(job.status())) return OpenStored(place);
  return absl::Status(job.status().code(),
                      absl::StrCat(job.status().message(), "\nhint: ./", name,
                                   " is the folder of this name"));
}

absl::StatusOr<std::unique_ptr<CheckpointSource>> OpenCheckpoints(
    const CheckpointPlace& place) {
  EBB_ASSIGN_OR_RETURN(FoundJob found, FindCheckpoints(place));
  if (const auto* job = std::get_if<v1::GetJobResponse>(&found)) {
    return VersionsOf(*job, place.access);
  }
  return std::get<std::unique_ptr<CheckpointSource>>(std::move(found));
}

absl::StatusOr<std::unique_ptr<CheckpointSource>> VersionsOf(
    const v1::GetJobResponse& job, const ClusterAccess& access,
    absl::Duration keep) {
  EBB_ASSIGN_OR_RETURN(JobRecord record, rpc::FromProto(job.record()));
  EBB_ASSIGN_OR_RETURN(RollbackRecord rollback, rpc::FromProto(job.rollback()));
  return std::make_unique<LiveSource>(
      std::move(record),
      JobLine{Generation(job.summary().generation()), std::move(rollback)},
      ServersOf(job), keep, access.security);
}

absl::StatusOr<std::vector<VersionInfo>> NewestVersions(
    const JobPlan& plan, const JobLine& line,
    const std::vector<VersionInfo>& versions) {
  std::vector<const VersionInfo*> newest(plan.partitions);
  Generation generation = line.generation;
  for (const VersionInfo& version : versions) {
    generation = std::max(generation, version.key.generation);
  }
  for (const VersionInfo& version : versions) {
    const int32_t p = version.key.partition.value();
    if (p < 0 || p >= plan.partitions) continue;
    // Until a partition has a version of the generation it is at the one that
    // the generation began with.
    const VersionKey* from = generation == line.generation
                                 ? line.rollback.Find(version.key.partition)
                                 : nullptr;
    if (version.key.generation != generation &&
        (from == nullptr || version.key != *from)) {
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
          absl::StrCat("no version of partition ", p, " is stored"));
    }
    found.push_back(*newest[p]);
  }
  return found;
}

bool WarnOfDamage(const CheckpointSource& source) {
  const std::vector<std::string> problems = source.problems();
  for (const std::string& problem : problems) {
    std::cerr << "ebb: " << problem << "\n";
  }
  return !problems.empty();
}

}  // namespace ebb::tools
