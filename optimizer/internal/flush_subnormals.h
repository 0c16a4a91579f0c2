// Arithmetic without subnormal numbers, for as long as an object lives.
#ifndef EBB_OPTIMIZER_INTERNAL_FLUSH_SUBNORMALS_H_
#define EBB_OPTIMIZER_INTERNAL_FLUSH_SUBNORMALS_H_

#include <cstdint>

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

namespace ebb::internal {

// While it lives, this thread reads and makes zeros where single-precision
// numbers would be smaller than 2^-126. Processors compute with such numbers
// some hundred times slower. A slot that decays ends there and stays: rounding
// makes nine tenths of the smallest number the smallest number again.
//
// Compilers may move arithmetic across a change of the mode. So it must be in
// another file, behind a call that is not inlined. On processors other than
// x86 and 64-bit Arm an object does nothing.
class FlushSubnormals {
 public:
  FlushSubnormals() : before_(Mode()) { SetMode(before_ | kFlush); }
  ~FlushSubnormals() { SetMode(before_); }
  FlushSubnormals(const FlushSubnormals&) = delete;
  FlushSubnormals& operator=(const FlushSubnormals&) = delete;

 private:
#if defined(__SSE2__)
  // Flush to zero, and denormals are zeros.
  static constexpr uint64_t kFlush = 0x8040;
  static uint64_t Mode() { return _mm_getcsr(); }
  static void SetMode(uint64_t mode) {
    _mm_setcsr(static_cast<unsigned int>(mode));
  }
#elif defined(__aarch64__)
  static constexpr uint64_t kFlush = uint64_t{1} << 24;
  static uint64_t Mode() {
    uint64_t mode = 0;
    asm volatile("mrs %0, fpcr" : "=r"(mode));
    return mode;
  }
  static void SetMode(uint64_t mode) {
    asm volatile("msr fpcr, %0" : : "r"(mode));
  }
#else
  static constexpr uint64_t kFlush = 0;
  static uint64_t Mode() { return 0; }
  static void SetMode(uint64_t /*mode*/) {}
#endif

  const uint64_t before_;
};

}  // namespace ebb::internal

#endif  // EBB_OPTIMIZER_INTERNAL_FLUSH_SUBNORMALS_H_
