// Reads an input as the fuzz targets of the readers do.
#ifndef EBB_DATA_FUZZ_FUZZING_H_
#define EBB_DATA_FUZZ_FUZZING_H_

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>

#include "data/byte_source.h"
#include "data/reader.h"
#include "data/source.h"

namespace ebb::data {

inline void Require(bool condition) {
  if (!condition) std::abort();
}

// Reads all of `files` as `spec` says and holds every example to the contract
// of Reader. Errors are fine, but they say something.
inline void ReadEverything(const SourceSpec& spec,
                           const std::map<std::string, std::string>& files,
                           const Encoding& encoding = {}) {
  const auto reader = OpenReader(spec, OpenMemory(files), encoding);
  if (!reader.ok()) return Require(!reader.status().message().empty());
  const bool gaps = spec.csv.missing == CsvOptions::Missing::kMean;
  Example example;
  for (;;) {
    const absl::StatusOr<bool> more = (*reader)->Next(&example);
    if (!more.ok()) return Require(!more.status().message().empty());
    if (!*more) break;
    const auto features = static_cast<size_t>((*reader)->features());
    Require(std::isfinite(example.label));
    for (const float value : example.values) {
      Require(std::isfinite(value) || (gaps && std::isnan(value)));
    }
    switch ((*reader)->layout()) {
      case Layout::kBytes:
        Require(example.bytes.size() == features);
        break;
      case Layout::kDense:
        Require(example.values.size() == features);
        break;
      case Layout::kSparse:
        Require(example.values.size() == example.ids.size());
        for (size_t i = 0; i < example.ids.size(); ++i) {
          Require(example.ids[i] > (i == 0 ? -1 : example.ids[i - 1]));
          Require(static_cast<size_t>(example.ids[i]) < features);
        }
        break;
      case Layout::kKeyed:
        Require(example.values.size() == example.keys.size());
        Require(example.fields.size() == example.keys.size());
        for (const Field field : example.fields) Require(field < features);
        break;
    }
  }
  const auto all = FingerprintFiles(spec, OpenMemory(files));
  Require(all.ok() && (*all)[0].fingerprint == (*reader)->Fingerprints()[0]);
}

// Reads a table as what a first pass finds it to be.
inline void ReadText(const SourceSpec& spec,
                     const std::map<std::string, std::string>& files) {
  const auto found = FindEncoding(spec, OpenMemory(files));
  if (!found.ok()) return Require(!found.status().message().empty());
  ReadEverything(spec, files, found->encoding);
}

}  // namespace ebb::data

#endif  // EBB_DATA_FUZZ_FUZZING_H_
