// Any bytes as the scheduler's stored state of a job: taken as they are, and
// as the body of a sealed record, for no fuzzer guesses a checksum.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/string_view.h"
#include "protocol/sealed.h"
#include "scheduler/job/job_state.h"

namespace {

// What was decoded is encoded to what decodes to the same.
void Decode(absl::string_view bytes) {
  using ebb::scheduler::JobState;
  const auto state = JobState::Decode(bytes);
  if (!state.ok()) return;
  const auto again = JobState::Decode(state->Encode());
  // Not ==: a loss may be no number.
  if (!again.ok() || again->Encode() != state->Encode()) std::abort();
  if (JobPhaseName(state->phase) == "unknown") std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view input(reinterpret_cast<const char*>(data), size);
  Decode(input);
  for (const uint32_t version : {2, 3, 4, 5, 6}) {
    Decode(ebb::Seal("EBBJ", version, input));
  }
  return 0;
}
