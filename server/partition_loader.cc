#include "server/partition_loader.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/plant.h"
#include "common/status_macros.h"

namespace ebb::server {

namespace {

constexpr absl::Duration kLoadRetry = absl::Seconds(1);

// There is not enough memory, or no store: this does not affect what is stored.
bool MayPass(const absl::Status& status) {
  return absl::IsResourceExhausted(status) || absl::IsUnavailable(status) ||
         absl::IsPermissionDenied(status);
}

}  // namespace

bool PartitionLoader::Begin(PartitionId id, absl::Time now,
                            ServerActions* out) {
  HostedPartition& hosted = job_.partitions[id];
  if (job_.options.shared_folder.empty()) return Load(id, &hosted, now, out);
  List(id, &hosted, out);
  return false;
}

// Others may have written what is newest.
void PartitionLoader::List(PartitionId id, HostedPartition* hosted,
                           ServerActions* out) {
  hosted->listing = true;
  out->push_back(ListVersions{job_.stored.record->id, id});
}

bool PartitionLoader::Listed(PartitionId id,
                             absl::StatusOr<PartitionInventory> inventory,
                             absl::Time now, ServerActions* out) {
  HostedPartition& hosted = job_.partitions[id];
  if (!hosted.listing || hosted.load_waits) return false;  // Granted anew.
  if (!inventory.ok()) {
    LoadLater(&hosted, inventory.status(), now, out);
    return false;
  }
  hosted.listing = false;
  for (const VersionKey& key : inventory->versions) {
    const auto rounds = inventory->rounds.find(key);
    hosted.versions.Found(key, rounds == inventory->rounds.end()
                                   ? std::nullopt
                                   : std::optional(rounds->second));
  }
  return Load(id, &hosted, now, out);
}

bool PartitionLoader::Load(PartitionId id, HostedPartition* hosted,
                           absl::Time now, ServerActions* out) {
  const auto keys =
      hosted->versions.ToLoad(id, job_.stored.generation, job_.stored.rollback);
  hosted->to_load.assign(keys.begin(), keys.end());
  if (keys.empty() && hosted->parent != Term()) {
    out->push_back(LogEvent{
        absl::StrCat("job=", job_.stored.record->name, " partition ",
                     id.value(),
                     " was served before, but has no version here to go on "
                     "from: it begins again from initial values, and its "
                     "examples are computed again"),
        true});
  }
  return LoadNext(id, hosted, now, out);
}

bool PartitionLoader::LoadNext(PartitionId id, HostedPartition* hosted,
                               absl::Time now, ServerActions* out) {
  if (const absl::Status room = job_.MakeRoom(id, hosted); !room.ok()) {
    LoadLater(hosted, room, now, out);
    return false;
  }
  if (!hosted->to_load.empty()) {
    out->push_back(LoadVersion{hosted->to_load.front(), job_.resources.pool});
    return false;
  }
  if (!BeginsWithFile(id)) {
    return BeginWith(id, hosted, std::nullopt, now, out);
  }
  hosted->initial_asked = true;
  out->push_back(FetchInitialValues{
      job_.stored.record->id, id, hosted->term, *job_.resources.initial,
      std::make_shared<const DenseShape>(job_.plan(), id, job_.resources.pool),
      job_.stored.record, job_.resources.rule, job_.resources.pool});
  return false;
}

bool PartitionLoader::BeginsWithFile(PartitionId id) const {
  const std::optional<InitialFile>& file = job_.resources.initial;
  const auto [first, last] = job_.plan().ParameterRange(id);
  return file.has_value() && (first < last || file->row_bytes > 0);
}

bool PartitionLoader::InitialValues(PartitionId id, Term term,
                                    absl::StatusOr<InitialPartition> values,
                                    absl::Time now, ServerActions* out) {
  HostedPartition& hosted = job_.partitions[id];
  if (hosted.term != term || !hosted.initial_asked) return false;
  hosted.initial_asked = false;
  if (values.ok()) {
    return BeginWith(id, &hosted, *std::move(values), now, out);
  }
  if (EBB_PLANTED(initial_values_are_guessed)) {
    return BeginWith(id, &hosted, std::nullopt, now, out);
  }
  LoadLater(&hosted, values.status(), now, out);
  if (!absl::IsResourceExhausted(values.status())) {
    job_.problem_kind = ServerProblem::kInitialValues;
  }
  return false;
}

bool PartitionLoader::BeginWith(PartitionId id, HostedPartition* hosted,
                                std::optional<InitialPartition> initial,
                                absl::Time now, ServerActions* out) {
  auto values = Partition::Create(job_.stored.record, id, job_.resources.rule,
                                  job_.resources.pool, std::move(initial));
  if (values.ok()) {
    Serve(id, hosted, *std::move(values), out);
    return true;
  }
  if (MayPass(values.status())) {
    LoadLater(hosted, values.status(), now, out);
    return false;
  }
  job_.Complain(absl::StrCat("partition ", id.value(), " of job ",
                             job_.stored.record->name,
                             " cannot be created: ", values.status().message()),
                KindOf(values.status()));
  out->push_back(LogEvent{job_.problem});
  return false;
}

void PartitionLoader::LoadLater(HostedPartition* hosted,
                                const absl::Status& why, absl::Time now,
                                ServerActions* out) {
  hosted->load_waits = true;
  retry_at_ = std::min(retry_at_, now + kLoadRetry);
  if (job_.problem == why.message()) return;
  job_.Complain(std::string(why.message()), KindOf(why));
  out->push_back(LogEvent{
      absl::StrCat("partitions of job ", job_.stored.record->name,
                   " cannot be loaded now, trying again: ", job_.problem)});
}

bool PartitionLoader::Loaded(const VersionKey& key, absl::StatusOr<Cut> cut,
                             absl::Time now, ServerActions* out) {
  HostedPartition& hosted = job_.partitions[key.partition];
  if (hosted.values != nullptr || hosted.to_load.empty() ||
      hosted.to_load.front() != key || hosted.load_waits) {
    return false;  // Granted anew meanwhile.
  }
  const auto restore = [&]() -> absl::StatusOr<std::unique_ptr<Partition>> {
    EBB_RETURN_IF_ERROR(cut.status());
    return Partition::FromCut(job_.stored.record, key.partition,
                              job_.resources.rule, job_.resources.pool,
                              *std::move(cut));
  };
  auto values = restore();
  if (!values.ok()) return CannotUse(key, &hosted, values.status(), now, out);
  out->push_back(LogEvent{absl::StrCat(
      "job=", job_.stored.record->name, " partition ", key.partition.value(),
      " goes on from version (", key.term.value(), ", ", key.sequence,
      ") of generation ", key.generation.value(), ": ",
      (*values)->marks().examples(), " examples")});
  Serve(key.partition, &hosted, *std::move(values), out);
  return true;
}

bool PartitionLoader::CannotUse(const VersionKey& key, HostedPartition* hosted,
                                const absl::Status& why, absl::Time now,
                                ServerActions* out) {
  // An older version, or none, would be served, and outrank this one.
  if (MayPass(why)) {
    LoadLater(hosted, why, now, out);
    return false;
  }
  if (absl::IsNotFound(why) && !job_.options.shared_folder.empty() &&
      key.generation == job_.stored.generation) {
    // A former owner, which does not know that yet, has a newer one.
    hosted->versions.Gone(key);
    hosted->to_load.clear();
    hosted->listing = true;
    LoadLater(hosted, why, now, out);
    return false;
  }
  job_.Complain(absl::StrCat("partition ", key.partition.value(), ": version (",
                             key.term.value(), ", ", key.sequence,
                             ") cannot be used: ", why.message(),
                             "; falling back to the one before"),
                ServerProblem::kOther);
  out->push_back(LogEvent{job_.problem});
  ++job_.lost_versions.count;
  job_.lost_versions.last = job_.problem;
  hosted->versions.Damaged(key);
  hosted->changed_versions = true;
  hosted->to_load.pop_front();
  return LoadNext(key.partition, hosted, now, out);
}

void PartitionLoader::Serve(PartitionId id, HostedPartition* hosted,
                            std::unique_ptr<Partition> values,
                            ServerActions* out) {
  hosted->to_load.clear();
  hosted->values = std::move(values);
  hosted->cut_wanted = true;  // The first version of this term.
  job_.Register({id}, out);
}

std::vector<PartitionId> PartitionLoader::TakeDue(absl::Time now) {
  std::vector<PartitionId> due;
  if (now < retry_at_) return due;
  retry_at_ = absl::InfiniteFuture();
  for (auto& [id, hosted] : job_.partitions) {
    if (std::exchange(hosted.load_waits, false)) due.push_back(id);
  }
  return due;
}

bool PartitionLoader::TryAgain(PartitionId id, absl::Time now,
                               ServerActions* out) {
  HostedPartition& hosted = job_.partitions[id];
  if (!hosted.listing) return LoadNext(id, &hosted, now, out);
  List(id, &hosted, out);
  return false;
}

}  // namespace ebb::server
