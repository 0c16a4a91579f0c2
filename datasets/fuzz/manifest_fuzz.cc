// Any bytes as the manifest of a data set: no crash, what is accepted is the
// same when encoded again, and no path of it leaves its folder. And as the
// names and ids that come beside it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/match.h"
#include "datasets/manifest.h"

namespace ebb::datasets {
namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

void LookAt(const Manifest& manifest) {
  int64_t chunks = 0;
  int64_t bytes = 0;
  for (size_t i = 0; i < manifest.files().size(); ++i) {
    const DataFile& file = manifest.files()[i];
    Require(CheckPath(file.path).ok());
    Require(!file.path.empty() && file.path.front() != '/');
    Require(!absl::StrContains("/" + file.path + "/", "/../"));
    Require(manifest.Find(file.path) == static_cast<int64_t>(i));
    Require(manifest.first_chunk(static_cast<int64_t>(i)) == chunks);
    chunks += static_cast<int64_t>(file.chunks.size());
    bytes += file.bytes;
  }
  Require(manifest.chunks() == chunks && manifest.total_bytes() == bytes);
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    const Manifest::Place place = manifest.PlaceOf(chunk);
    Require(place.size > 0 && place.size <= kChunkBytes);
    Require(place.offset + place.size <= manifest.files()[place.file].bytes);
    manifest.ChecksumOfChunk(chunk);
  }
}

void Run(const std::string& bytes) {
  // Runs it with its checksum, and with one that is right: else nothing behind
  // it is ever looked at.
  std::string sealed = bytes;
  const Checksum all = ChecksumOf(bytes);
  for (const uint64_t half : {all.high, all.low}) {
    for (int i = 0; i < 8; ++i) {
      sealed.push_back(static_cast<char>(half >> (8 * i)));
    }
  }
  for (const std::string& text : {bytes, sealed}) {
    const auto manifest = Manifest::Decode(text);
    if (!manifest.ok()) {
      Require(!manifest.status().message().empty());
      continue;
    }
    LookAt(*manifest);
    Require(manifest->bytes() == text);
  }
  if (const auto uri = ParseUri(bytes)) {
    Require("ebb://" + uri->set + "/" + uri->path == bytes);
    Require(CheckSetName(uri->set).ok() && CheckPath(uri->path).ok());
  }
  Require(!CheckSetName(bytes).ok() || bytes.find('/') == std::string::npos);
  Require(!CheckSetId(bytes).ok() || bytes.size() == 32);
}

}  // namespace
}  // namespace ebb::datasets

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ebb::datasets::Run(std::string(reinterpret_cast<const char*>(data), size));
  return 0;
}
