// Loops over many numbers, for processors of several generations.
#ifndef EBB_DATA_BYTES_WIDE_H_
#define EBB_DATA_BYTES_WIDE_H_

// A function that is compiled twice, once for processors with AVX2. If its
// loops have no branch for each value, the compiler takes several values at
// once. Its source is compiled with -ffp-contract=off: then both give the same
// bits.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define EBB_WIDE __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define EBB_WIDE
#endif

#endif  // EBB_DATA_BYTES_WIDE_H_
