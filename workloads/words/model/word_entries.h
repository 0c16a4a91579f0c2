// The entries of an example of word vectors: how a pair of words, and what it
// is told apart from, stand in a batch.
//
// An example is a list of centres. A centre is followed by the words of its
// context, and each of these by the words that were drawn against it:
//
//   field   0       1        2 2 2     1        2 2 2     0       1 ...
//   entry   centre  context  negative  context  negative  centre  context ...
//
// A word has two rows in one table: its vector, for when it is a centre, and
// another for when it is in a context.
#ifndef EBB_WORKLOADS_WORDS_MODEL_WORD_ENTRIES_H_
#define EBB_WORKLOADS_WORDS_MODEL_WORD_ENTRIES_H_

#include <cstdint>

namespace ebb::workloads {

inline constexpr uint16_t kCentreField = 0;
inline constexpr uint16_t kContextField = 1;
inline constexpr uint16_t kNegativeField = 2;
inline constexpr int64_t kWordFields = 3;

// The table, and the keys of the rows of the word with this number. They are
// part of checkpoints.
inline constexpr char kVectorsTable[] = "vectors";
constexpr uint64_t WordKey(uint64_t number) { return number; }
constexpr uint64_t ContextKey(uint64_t number) {
  return number + (uint64_t{1} << 32);
}

}  // namespace ebb::workloads

#endif  // EBB_WORKLOADS_WORDS_MODEL_WORD_ENTRIES_H_
