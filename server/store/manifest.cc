#include "server/store/manifest.h"

#include <algorithm>
#include <bit>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "protocol/plan_codec.h"
#include "protocol/sealed.h"
#include "protocol/sealed_form.h"

namespace ebb::server {

static_assert(std::endian::native == std::endian::little,
              "floats are stored as they lie in memory");

namespace {

constexpr absl::string_view kManifestMagic = "EBBM";
constexpr uint32_t kManifestVersion = 4;
constexpr absl::string_view kBlockMagic = "EBBB";
constexpr uint32_t kBlockVersion = 1;
constexpr absl::string_view kJobMagic = "EBBS";
constexpr uint32_t kJobVersion = 2;

absl::Status Consistent(const Manifest& manifest) {
  for (const auto& [name, array] : manifest.arrays) {
    int64_t floats = 0;
    for (const StoredBlock& block : array.blocks) {
      if (block.floats < 1 || block.floats > array.floats - floats) {
        return absl::DataLossError(
            absl::StrCat("checkpoint manifest: the blocks of array ", name,
                         " have not its ", array.floats, " floats"));
      }
      floats += block.floats;
      const int64_t first = array.blocks.front().floats;
      if (block.floats > first ||
          (block.floats < first && floats != array.floats)) {
        return absl::DataLossError(
            absl::StrCat("checkpoint manifest: the blocks of array ", name,
                         " have not the same size"));
      }
    }
    if (floats != array.floats) {
      return absl::DataLossError(
          absl::StrCat("checkpoint manifest: the blocks of array ", name,
                       " have ", floats, " floats of its ", array.floats));
    }
  }
  return absl::OkStatus();
}

}  // namespace

template <typename Struct, typename Visitor>
requires std::is_same_v<std::remove_const_t<Struct>, EpochLoss>
void VisitFields(Struct& loss, Visitor&& visit) {
  auto& [loss_sum, examples] = loss;
  visit(loss_sum, examples);
}

template <typename Struct, typename Visitor>
requires std::is_same_v<std::remove_const_t<Struct>, StoredBlock>
void VisitFields(Struct& block, Visitor&& visit) {
  auto& [number, floats, checksum] = block;
  visit(number, floats, checksum);
}

template <typename Struct, typename Visitor>
requires std::is_same_v<std::remove_const_t<Struct>, StoredArray>
void VisitFields(Struct& array, Visitor&& visit) {
  auto& [floats, blocks] = array;
  visit(floats, blocks);
}

// The first version of the form: see VisitForm.
template <typename Struct, typename Visitor>
requires std::is_same_v<std::remove_const_t<Struct>, Manifest>
void VisitFields(Struct& manifest, Visitor&& visit) {
  auto& [key, marks, ledger, updates, oracle, loss, arrays, written_us, rows,
         operations, item_losses] = manifest;
  visit(key, marks, ledger, updates, oracle, loss, arrays);
}

template <typename Struct, typename Form>
requires std::is_same_v<std::remove_const_t<Struct>, Manifest>
void VisitForm(Struct& manifest, Form&& form) {
  form(1, manifest);
  form(2, manifest.written_us);
  form(3, manifest.rows);
  form(4, manifest.operations, manifest.item_losses);
}

std::vector<StoredBlock> Manifest::DistinctBlocks() const {
  std::vector<StoredBlock> all;
  for (const auto& [name, array] : arrays) {
    all.insert(all.end(), array.blocks.begin(), array.blocks.end());
  }
  std::ranges::sort(all, {}, &StoredBlock::number);
  const auto same = [](const StoredBlock& a, const StoredBlock& b) {
    return a.number == b.number;
  };
  all.erase(std::unique(all.begin(), all.end(), same), all.end());
  return all;
}

std::string EncodeManifest(const Manifest& manifest) {
  // A reader that does not know operations can read a manifest without them.
  const bool without =
      manifest.operations.empty() && manifest.item_losses.empty();
  return SealForm(kManifestMagic, without ? 3 : kManifestVersion, manifest);
}

absl::StatusOr<Manifest> DecodeManifest(absl::string_view bytes) {
  Manifest manifest;
  EBB_RETURN_IF_ERROR(UnsealForm(kManifestMagic, kManifestVersion,
                                 "checkpoint manifest", bytes, &manifest)
                          .status());
  EBB_RETURN_IF_ERROR(Consistent(manifest));
  return manifest;
}

SealedBlock SealBlock(std::span<const float> floats) {
  SealedBlock sealed;
  sealed.floats = absl::string_view(
      reinterpret_cast<const char*>(floats.data()), floats.size_bytes());
  sealed.head = SealHead(kBlockMagic, kBlockVersion, floats.size_bytes());
  sealed.checksum = SealChecksum(sealed.head, sealed.floats);
  PutFixed64(sealed.checksum, &sealed.tail);
  return sealed;
}

absl::StatusOr<absl::string_view> UnsealBlock(const StoredBlock& block,
                                              absl::string_view bytes) {
  const std::string what = absl::StrCat("block ", block.number);
  EBB_ASSIGN_OR_RETURN(const absl::string_view floats,
                       Unseal(kBlockMagic, kBlockVersion, what, bytes));
  // It is a sound block; but is it the one the manifest means?
  ByteReader tail(bytes.substr(bytes.size() - kSealTailBytes));
  uint64_t checksum = 0;
  if (!tail.GetFixed64(&checksum) || checksum != block.checksum ||
      floats.size() != block.floats * sizeof(float)) {
    return absl::DataLossError(
        absl::StrCat(what, ": it is not the block that the manifest names"));
  }
  return floats;
}

namespace {

// A stored job, and its record as that is stored.
template <typename Job>
struct StoredJobForm {
  Job& job;
  std::string record;
};

template <typename Struct, typename Form>
void VisitForm(Struct& stored, Form&& form) {
  // Fails to compile when StoredJob gets a member that is not stored.
  auto& [record, generation, rollback, known_servers] = stored.job;
  static_cast<void>(record);
  form(1, stored.record, generation, rollback, known_servers);
  form(2, rollback.rate_factor, rollback.nonfinite);
}

}  // namespace

std::string EncodeStoredJob(const StoredJob& job) {
  return SealForm(
      kJobMagic, kJobVersion,
      StoredJobForm<const StoredJob>{job, EncodeJobRecord(*job.record)});
}

absl::StatusOr<StoredJob> DecodeStoredJob(absl::string_view bytes) {
  StoredJob job;
  StoredJobForm<StoredJob> stored{job, std::string()};
  EBB_RETURN_IF_ERROR(
      UnsealForm(kJobMagic, kJobVersion, "stored job", bytes, &stored)
          .status());
  EBB_RETURN_IF_ERROR(CheckStored("stored job", job.rollback));
  EBB_ASSIGN_OR_RETURN(job.record, DecodeJobRecord(stored.record));
  return job;
}

}  // namespace ebb::server
