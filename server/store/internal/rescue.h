// Rescues the sound parts of a damaged database.
#ifndef EBB_SERVER_STORE_INTERNAL_RESCUE_H_
#define EBB_SERVER_STORE_INTERNAL_RESCUE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "server/store/internal/database.h"

namespace ebb::server {

struct Rescued {
  int64_t jobs = 0;
  int64_t versions = 0;
};

// Copies every job and every version that is sound to its last byte from the
// database at `from`, which is not changed, into a new one at `to`. It reads
// each blob file and the log by itself, so damage to one file does not affect
// the data in others. Versions that were deleted not long ago may come back.
//
// Damage in `from` is not an error (in the worst case nothing is copied); being
// unable to write `to` is. `scratch` and `to` must not exist; `scratch` is left
// for the caller to remove.
absl::StatusOr<Rescued> RescueDatabase(const std::string& from,
                                       const std::string& scratch,
                                       const std::string& to,
                                       const DatabaseOptions& options);

}  // namespace ebb::server

#endif  // EBB_SERVER_STORE_INTERNAL_RESCUE_H_
