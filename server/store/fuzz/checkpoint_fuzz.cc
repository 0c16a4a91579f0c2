// The decoders of a checkpoint store over any bytes: taken as they are, and as
// the body of a sealed record, for no fuzzer guesses a checksum.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/string_view.h"
#include "protocol/plan_codec.h"
#include "protocol/sealed.h"
#include "server/store/internal/blob_records.h"
#include "server/store/internal/folder_layout.h"
#include "server/store/internal/folder_manifest.h"
#include "server/store/manifest.h"

namespace ebb::server {
namespace {

void Check(bool holds) {
  if (!holds) std::abort();
}

// What was decoded is encoded to what decodes to the same.
void DecodeAManifest(absl::string_view bytes) {
  const auto manifest = DecodeManifest(bytes);
  if (!manifest.ok()) return;
  const auto again = DecodeManifest(EncodeManifest(*manifest));
  Check(again.ok());
  // Not ==: a loss may be no number.
  Check(EncodeManifest(*again) == EncodeManifest(*manifest));
  for (const auto& [name, array] : manifest->arrays) {
    int64_t floats = 0;
    for (const StoredBlock& block : array.blocks) floats += block.floats;
    Check(floats == array.floats);
  }
  Check(manifest->DistinctBlocks().size() <= bytes.size());
}

void DecodeAFolderManifest(absl::string_view bytes) {
  const auto manifest = DecodeFolderManifest(bytes);
  if (!manifest.ok()) return;
  const std::string form = EncodeFolderManifest(*manifest);
  const auto again = DecodeFolderManifest(form);
  Check(again.ok() && EncodeFolderManifest(*again) == form);
  for (const StoredBlock& block : manifest->version.DistinctBlocks()) {
    const BlockPlace& place = manifest->places.at(block.number);
    const Pack& pack = manifest->packs.at(place.pack);
    Check(place.offset <= pack.bytes &&
          SealedBlockBytes(block.floats) <= pack.bytes - place.offset);
  }
}

void ParseAName(absl::string_view name) {
  if (const auto term = ParseTermFolder(name)) Check(term->Name() == name);
  if (const auto file = ParseVersionFile(name)) Check(file->Name() == name);
  if (const auto pack = ParsePackFile(name)) Check(PackFile(*pack) == name);
}

void DecodeAJob(absl::string_view bytes) {
  const auto job = DecodeStoredJob(bytes);
  if (!job.ok()) return;
  const auto again = DecodeStoredJob(EncodeStoredJob(*job));
  Check(again.ok() && EncodeStoredJob(*again) == EncodeStoredJob(*job));
}

void DecodeARecord(absl::string_view bytes) {
  const auto record = DecodeJobRecord(bytes);
  if (!record.ok()) return;
  const auto again = DecodeJobRecord(EncodeJobRecord(**record));
  Check(again.ok() && EncodeJobRecord(**again) == EncodeJobRecord(**record));
}

void DecodeAnything(absl::string_view input) {
  DecodeAManifest(input);
  for (const uint32_t version : {1, 2}) {
    DecodeAManifest(Seal("EBBM", version, input));
  }
  DecodeAFolderManifest(input);
  DecodeAFolderManifest(Seal("EBBV", 1, input));
  ParseAName(input);
  DecodeAJob(input);
  DecodeAJob(Seal("EBBS", 1, input));
  DecodeARecord(input);
  DecodeARecord(Seal("EBBJ", 1, input));
  Check(!UnsealBlock({.number = 1, .floats = 3, .checksum = 5}, input).ok() ||
        input.size() == kSealHeadBytes + 12 + kSealTailBytes);
  for (const BlobRecord& record : FindBlobRecords(input)) {
    Check(record.offset + record.size <= input.size());
  }
}

}  // namespace
}  // namespace ebb::server

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ebb::server::DecodeAnything({reinterpret_cast<const char*>(data), size});
  return 0;
}
