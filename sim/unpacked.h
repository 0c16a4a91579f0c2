// The numbers in a payload.
#ifndef EBB_SIM_UNPACKED_H_
#define EBB_SIM_UNPACKED_H_

#include <span>
#include <vector>

#include "common/payload.h"

namespace ebb::sim {

// Returns the whole values, and drops a rest.
template <typename T>
std::vector<T> Unpacked(const Payload& payload) {
  std::vector<T> values(payload.size() / sizeof(T));
  payload.CopyTo(std::as_writable_bytes(std::span(values)));
  return values;
}

}  // namespace ebb::sim

#endif  // EBB_SIM_UNPACKED_H_
