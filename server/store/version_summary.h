// The facts about a stored version in a list.
#ifndef EBB_SERVER_STORE_VERSION_SUMMARY_H_
#define EBB_SERVER_STORE_VERSION_SUMMARY_H_

#include <cstdint>
#include <string>

#include "protocol/plan.h"

namespace ebb::server {

// A version without its values.
struct VersionSummary {
  VersionKey key;
  std::string marks;
  int64_t updates = 0;
  int64_t value_bytes = 0;  // Size of all its values.
  int64_t new_bytes = 0;    // Size of those that no version before it has.
  int64_t written_us = 0;   // By its writer's clock; 0: not known.
};

}  // namespace ebb::server

#endif  // EBB_SERVER_STORE_VERSION_SUMMARY_H_
