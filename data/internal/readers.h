// The readers of the single formats. Each takes the opened files of a valid
// spec and gives all examples, whatever the split.
#ifndef EBB_DATA_INTERNAL_READERS_H_
#define EBB_DATA_INTERNAL_READERS_H_

#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "data/encoding.h"
#include "data/internal/input.h"
#include "data/reader.h"
#include "data/source.h"

namespace ebb::data::internal {

absl::StatusOr<std::unique_ptr<Reader>> OpenIdxReader(
    Input images, std::optional<Input> labels);

absl::StatusOr<std::unique_ptr<Reader>> OpenCsvReader(const SourceSpec& spec,
                                                      const Encoding& encoding,
                                                      Input file);

absl::StatusOr<std::unique_ptr<Reader>> OpenLibsvmReader(const SourceSpec& spec,
                                                         Input file);

absl::StatusOr<std::unique_ptr<Reader>> OpenLibffmReader(const SourceSpec& spec,
                                                         Input file);

absl::StatusOr<std::unique_ptr<Reader>> OpenRatingsReader(
    const SourceSpec& spec, Input file);

absl::StatusOr<std::unique_ptr<Reader>> OpenCriteoReader(const SourceSpec& spec,
                                                         Input file);

}  // namespace ebb::data::internal

#endif  // EBB_DATA_INTERNAL_READERS_H_
