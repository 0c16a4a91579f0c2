// XXH3 (64 bits) of bytes that come piece by piece.
#ifndef EBB_DATA_PACK_RUNNING_HASH_H_
#define EBB_DATA_PACK_RUNNING_HASH_H_

// The library's plain functions take the instructions that every processor of
// its kind has. This header, which is installed only if the library can choose,
// has them take the widest. So the first use of a window takes a quarter less
// time. Readers of other files take the plain ones: with these, parsing became
// slower.
#if defined(__x86_64__) && __has_include(<xxh_x86dispatch.h>)
#include <xxh_x86dispatch.h>
#else
#include <xxhash.h>
#endif

#include <cstddef>
#include <cstdint>
#include <memory>

namespace ebb::data::pack {

class RunningHash {
 public:
  RunningHash() : state_(XXH3_createState()) {
    XXH3_64bits_reset(state_.get());
  }

  void Add(const char* bytes, size_t size) {
    if (size > 0) XXH3_64bits_update(state_.get(), bytes, size);
  }
  uint64_t Get() const { return XXH3_64bits_digest(state_.get()); }

 private:
  struct Free {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  std::unique_ptr<XXH3_state_t, Free> state_;
};

}  // namespace ebb::data::pack

#endif  // EBB_DATA_PACK_RUNNING_HASH_H_
