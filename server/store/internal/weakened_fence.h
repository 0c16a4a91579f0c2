// Rules of the fence of ObjectCheckpoints that a test leaves out, to show that
// it would notice. Only the test's own copy of the code is compiled with
// EBB_WEAKENED_FENCE; everywhere else EBB_WEAKENED(...) is the constant false.
#ifndef EBB_SERVER_STORE_INTERNAL_WEAKENED_FENCE_H_
#define EBB_SERVER_STORE_INTERNAL_WEAKENED_FENCE_H_

#ifdef EBB_WEAKENED_FENCE

#include "absl/strings/string_view.h"

namespace ebb::server {

// The test defines it; empty: none.
absl::string_view WeakenedRule();

}  // namespace ebb::server

#define EBB_WEAKENED(name) (::ebb::server::WeakenedRule() == #name)

#else

#define EBB_WEAKENED(name) false

#endif

#endif  // EBB_SERVER_STORE_INTERNAL_WEAKENED_FENCE_H_
