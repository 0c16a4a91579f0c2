#include "server/server_admin.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "protocol/marks.h"
#include "rpc/convert.h"
#include "server/job_rule.h"
#include "server/pushed_shape.h"
#include "server/row_arrays.h"
#include "server/version_rows.h"

namespace ebb::server {

namespace {

constexpr int64_t kPieceBytes = int64_t{4} << 20;
constexpr absl::Duration kLongestKeep = absl::Minutes(1);
// How long a write may keep a look at the store waiting.
constexpr absl::Duration kStorageLimit = absl::Seconds(30);

absl::Status NoSuchJob(uint64_t job) {
  return absl::NotFoundError(
      absl::StrCat("this server knows no job with id ", job));
}

// The partitions asked for; none named: all.
template <typename Request>
bool Asked(const Request& request, PartitionId partition) {
  return request.partitions().empty() ||
         std::find(request.partitions().begin(), request.partitions().end(),
                   partition.value()) != request.partitions().end();
}

const StoredJob* FindJob(const Inventory& inventory, JobId id) {
  for (const StoredJob& job : inventory.jobs) {
    if (job.record->id == id) return &job;
  }
  return nullptr;
}

// Sends one array in pieces.
class ArrayWriter {
 public:
  ArrayWriter(std::string name, v1::ElementType type, int64_t element_bytes,
              int64_t first, int64_t elements,
              const rpc::PsAdminHandler::Emit& emit)
      : element_bytes_(element_bytes), emit_(emit) {
    piece_.set_name(std::move(name));
    piece_.set_type(type);
    piece_.set_first(first);
    piece_.set_elements(elements);
  }

  absl::Status Add(absl::string_view bytes) {
    while (!bytes.empty()) {
      std::string& values = *piece_.mutable_values();
      const size_t room = kPieceBytes - values.size();
      const absl::string_view part = bytes.substr(0, room);
      values.append(part.data(), part.size());
      bytes.remove_prefix(part.size());
      if (values.size() == kPieceBytes) EBB_RETURN_IF_ERROR(Flush());
    }
    return absl::OkStatus();
  }

  // An array without elements is one empty piece.
  absl::Status Finish() {
    return sent_ && piece_.values().empty() ? absl::OkStatus() : Flush();
  }

 private:
  absl::Status Flush() {
    EBB_RETURN_IF_ERROR(emit_(piece_));
    sent_ = true;
    piece_.set_offset(piece_.offset() +
                      static_cast<int64_t>(piece_.values().size()) /
                          element_bytes_);
    piece_.clear_values();
    return absl::OkStatus();
  }

  const int64_t element_bytes_;
  const rpc::PsAdminHandler::Emit& emit_;
  v1::ReadVersionResponse piece_;
  bool sent_ = false;
};

template <typename T>
absl::string_view BytesOf(std::span<const T> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}

absl::Status EmitArray(const std::string& name, const CutArray& array,
                       int64_t first, const rpc::PsAdminHandler::Emit& emit) {
  ArrayWriter writer(name, v1::ELEMENT_TYPE_FLOAT32, sizeof(float), first,
                     array.floats, emit);
  for (size_t i = 0; i < array.blocks.size(); ++i) {
    EBB_RETURN_IF_ERROR(writer.Add(BytesOf(array.UsedFloats(i))));
  }
  return writer.Finish();
}

// The arrays of rows, each of which is a whole array of its own.
class RowEmitter final : public ArraySink {
 public:
  explicit RowEmitter(const rpc::PsAdminHandler::Emit& emit) : emit_(emit) {}

  absl::Status Begin(const std::string& name, bool integers,
                     int64_t elements) override {
    EBB_RETURN_IF_ERROR(Finish());
    writer_.emplace(
        name, integers ? v1::ELEMENT_TYPE_UINT64 : v1::ELEMENT_TYPE_FLOAT32,
        static_cast<int64_t>(integers ? sizeof(uint64_t) : sizeof(float)), 0,
        elements, emit_);
    return absl::OkStatus();
  }
  absl::Status Add(absl::string_view bytes) override {
    return writer_->Add(bytes);
  }
  absl::Status Finish() {
    return writer_ ? writer_->Finish() : absl::OkStatus();
  }

 private:
  const rpc::PsAdminHandler::Emit& emit_;
  std::optional<ArrayWriter> writer_;
};

absl::Status EmitBytes(const std::string& name, v1::ElementType type,
                       int64_t element_bytes, int64_t first,
                       absl::string_view bytes,
                       const rpc::PsAdminHandler::Emit& emit) {
  ArrayWriter writer(name, type, element_bytes, first,
                     static_cast<int64_t>(bytes.size()) / element_bytes, emit);
  EBB_RETURN_IF_ERROR(writer.Add(bytes));
  return writer.Finish();
}

}  // namespace

absl::StatusOr<JobRecordPtr> ServerAdmin::FindRecord(
    uint64_t job, const std::string& /*name*/) {
  JobRecordPtr record;
  shell_->Inspect([&](const ServerCore& core) {
    const auto it = core.jobs().find(JobId(job));
    if (it != core.jobs().end()) record = it->second.stored().record;
  });
  if (record != nullptr) return record;
  EBB_ASSIGN_OR_RETURN(const auto store, open_store_());
  EBB_ASSIGN_OR_RETURN(const Inventory inventory, store->List());
  const StoredJob* stored = FindJob(inventory, JobId(job));
  return stored == nullptr ? nullptr : stored->record;
}

absl::Status ServerAdmin::GetLedgers(const v1::GetLedgersRequest& request,
                                     v1::GetLedgersResponse* response) {
  response->set_server(id_.value());
  response->set_server_session(session_.value());
  shell_->Inspect([&](const ServerCore& core) {
    const auto it = core.jobs().find(JobId(request.job()));
    if (it == core.jobs().end()) return;
    const HostedJob& job = it->second;
    const JobRegistration registration = job.Registration();
    for (const PartitionRegistration& one : registration.partitions) {
      const Partition* values = job.partition(one.partition);
      if (!one.serving || values == nullptr) continue;
      v1::PartitionLedger* ledger = response->add_partitions();
      ledger->set_partition(one.partition.value());
      ledger->set_generation(registration.generation.value());
      ledger->set_term(one.term.value());
      ledger->set_updates(values->tally().updates());
      ledger->set_marks(one.marks);
      ledger->set_durable_marks(one.durable_marks);
      ledger->set_ledger(values->tally().ledger().Encode());
      const absl::string_view oracle = BytesOf(values->tally().oracle());
      ledger->set_oracle(oracle.data(), oracle.size());
    }
  });
  if (response->partitions().empty()) {
    return absl::NotFoundError(absl::StrCat(
        "server ", id_.value(), " serves no partition of job ", request.job()));
  }
  return absl::OkStatus();
}

absl::Status ServerAdmin::ListVersions(const v1::ListVersionsRequest& request,
                                       v1::ListVersionsResponse* response) {
  std::map<VersionKey, RoundSpan> kept;
  if (request.keep_ms() > 0) {
    for (const RoundVersion& version : shell_->KeepVersions(
             JobId(request.job()),
             std::min(absl::Milliseconds(request.keep_ms()), kLongestKeep))) {
      kept[version.key] = version.rounds;
    }
  }
  EBB_ASSIGN_OR_RETURN(const auto store, open_store_());
  EBB_ASSIGN_OR_RETURN(const Inventory inventory, store->List());
  const StoredJob* job = FindJob(inventory, JobId(request.job()));
  if (job == nullptr) return NoSuchJob(request.job());
  EBB_ASSIGN_OR_RETURN(std::vector<VersionSummary> summaries,
                       store->Summaries(job->record->id));
  std::stable_sort(summaries.begin(), summaries.end(),
                   [](const VersionSummary& a, const VersionSummary& b) {
                     return a.key.partition < b.key.partition;
                   });
  response->set_server(id_.value());
  for (size_t i = 0; i < summaries.size(); ++i) {
    const VersionSummary& summary = summaries[i];
    if (!Asked(request, summary.key.partition)) continue;
    const auto rounds = kept.find(summary.key);
    if (request.keep_ms() > 0 && rounds == kept.end()) continue;
    EBB_ASSIGN_OR_RETURN(const MarkSet marks,
                         MarkSet::Decode(job->record->plan, summary.marks));
    const auto& named = job->rollback.versions;
    const bool newest = i + 1 == summaries.size() ||
                        summaries[i + 1].key.partition != summary.key.partition;
    v1::StoredVersion* version = response->add_versions();
    *version->mutable_key() = rpc::ToProto(summary.key);
    version->set_written_unix_ms(summary.written_us / 1000);
    version->set_updates(summary.updates);
    version->set_examples(marks.examples());
    version->set_full_items(marks.full_items());
    if (rounds != kept.end()) {
      version->set_oldest_round(rounds->second.oldest);
      version->set_open_round(rounds->second.open);
    }
    version->set_durable(true);  // It is in the synced store.
    version->set_pinned(newest || std::find(named.begin(), named.end(),
                                            summary.key) != named.end());
    version->set_bytes(summary.value_bytes);
    version->set_bytes_written(summary.new_bytes);
  }
  return absl::OkStatus();
}

absl::Status ServerAdmin::ReadVersion(const v1::ReadVersionRequest& request,
                                      const Emit& emit) {
  EBB_ASSIGN_OR_RETURN(const VersionKey key, rpc::FromProto(request.key()));
  JobRecordPtr record;
  std::shared_ptr<BlockPool> pool;
  absl::StatusOr<Cut> cut = absl::UnknownError("");
  {
    EBB_ASSIGN_OR_RETURN(const auto store, open_store_());
    EBB_ASSIGN_OR_RETURN(const Inventory inventory, store->List());
    const StoredJob* job = FindJob(inventory, key.job);
    if (job == nullptr) return NoSuchJob(key.job.value());
    record = job->record;
    EBB_ASSIGN_OR_RETURN(const auto summaries, store->Summaries(key.job));
    int64_t bytes = 0;
    for (const VersionSummary& summary : summaries) {
      if (summary.key == key) bytes = summary.value_bytes;
    }
    BlockPoolOptions memory;
    memory.name = "memory to read a version";
    memory.block_bytes =
        record->plan.block_floats * static_cast<int64_t>(sizeof(float));
    // Each array may end within a block: of a table of rows some 200 do.
    memory.max_bytes = 4 * bytes + 16384 * memory.block_bytes;
    memory.shared = false;
    EBB_ASSIGN_OR_RETURN(pool, BlockPool::Create(memory));
    cut = store->Load(key, pool.get());
  }
  EBB_RETURN_IF_ERROR(cut.status());
  EBB_ASSIGN_OR_RETURN(const auto rule, JobRule::Create(*record));
  const auto wanted = [&](absl::string_view name) {
    return request.names().empty() ||
           std::find(request.names().begin(), request.names().end(), name) !=
               request.names().end();
  };
  const int64_t first = record->plan.ParameterRange(key.partition).first;
  for (const auto& [stored_name, array] : cut->arrays) {
    const std::string name = rule->PublicName(stored_name);
    if (IsRowArray(name) || !wanted(name)) continue;
    if (rule->trained() != nullptr && IsPushedArray(stored_name)) {
      const std::vector<float> whole = AtPlacesOfValues(
          record->plan, key.partition, *rule->trained(), array);
      EBB_RETURN_IF_ERROR(
          EmitBytes(name, v1::ELEMENT_TYPE_FLOAT32, sizeof(float), first,
                    BytesOf(std::span<const float>(whole)), emit));
      continue;
    }
    EBB_RETURN_IF_ERROR(EmitArray(name, array, first, emit));
  }
  if (!record->plan.sparse_tables.empty()) {
    RowEmitter rows(emit);
    EBB_RETURN_IF_ERROR(
        ReadRows(record->plan, *rule, pool, &*cut, wanted, &rows));
    EBB_RETURN_IF_ERROR(rows.Finish());
  }
  if (wanted("oracle")) {
    EBB_RETURN_IF_ERROR(
        EmitBytes("oracle", v1::ELEMENT_TYPE_UINT64, sizeof(uint64_t),
                  int64_t{key.partition.value()} * record->plan.oracle_width,
                  BytesOf(std::span<const uint64_t>(cut->oracle)), emit));
  }
  if (wanted("marks")) {
    EBB_RETURN_IF_ERROR(
        EmitBytes("marks", v1::ELEMENT_TYPE_UINT8, 1, 0, cut->marks, emit));
  }
  if (wanted("ledger")) {
    EBB_RETURN_IF_ERROR(
        EmitBytes("ledger", v1::ELEMENT_TYPE_UINT8, 1, 0, cut->ledger, emit));
  }
  return absl::OkStatus();
}

// The server deletes versions, and files under our view of the store: what
// fails is looked at once more, by a fresh view. And a view leaves out what it
// cannot read at all, so it is compared with what the server knows.
absl::Status ServerAdmin::VerifyVersions(
    const v1::VerifyVersionsRequest& request,
    v1::VerifyVersionsResponse* response) {
  EBB_ASSIGN_OR_RETURN(const Inventory known, shell_->Stored(kStorageLimit));
  EBB_ASSIGN_OR_RETURN(auto store, open_store_());
  const StoredJob* job = FindJob(known, JobId(request.job()));
  if (job == nullptr) return NoSuchJob(request.job());
  response->set_server(id_.value());
  std::vector<VersionKey> suspects;
  for (const VersionKey& key : known.versions) {
    if (key.job != job->record->id || !Asked(request, key.partition)) continue;
    if (store->Verify(key).ok()) {
      response->set_versions(response->versions() + 1);
    } else {
      suspects.push_back(key);
    }
  }
  EBB_ASSIGN_OR_RETURN(const auto summaries, store->Summaries(job->record->id));
  for (const VersionSummary& summary : summaries) {
    if (!Asked(request, summary.key.partition)) continue;
    response->set_bytes(response->bytes() + summary.value_bytes);
  }
  if (suspects.empty()) return absl::OkStatus();

  EBB_ASSIGN_OR_RETURN(store, open_store_());
  EBB_ASSIGN_OR_RETURN(const Inventory now, shell_->Stored(kStorageLimit));
  for (const VersionKey& key : suspects) {
    const absl::Status sound = store->Verify(key);
    const bool deleted = std::find(now.versions.begin(), now.versions.end(),
                                   key) == now.versions.end();
    if (deleted) continue;
    response->set_versions(response->versions() + 1);
    if (sound.ok()) continue;
    v1::DamagedVersion* damaged = response->add_damaged();
    *damaged->mutable_key() = rpc::ToProto(key);
    damaged->set_problem(std::string(sound.message()));
  }
  return absl::OkStatus();
}

}  // namespace ebb::server
