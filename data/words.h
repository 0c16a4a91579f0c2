// The words of a text: runs of letters, digits and apostrophes.
#ifndef EBB_DATA_WORDS_H_
#define EBB_DATA_WORDS_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "data/encoding.h"

namespace ebb::data {

// Longer runs of letters are passed over.
inline constexpr size_t kLongestWord = 256;  // In bytes.

// Cuts lines into words, one after another.
//
//   cutter.Start(line);  // The line is UTF-8.
//   while (cutter.Next(&word)) ...
//
// A word begins and ends with a letter, a mark on a letter, or a digit. The
// apostrophe U+2019 counts as the one of ASCII. What is a letter is a table of
// ebb, so it is the same on all machines.
class WordCutter {
 public:
  // With `lower_case`, upper-case letters become lower-case ones.
  explicit WordCutter(bool lower_case) : lower_case_(lower_case) {}

  // `line` stays valid while words are taken.
  void Start(absl::string_view line) { rest_ = line; }
  // Sets `*word`, valid until the next call; false at the end of the line.
  bool Next(absl::string_view* word);

 private:
  // Appends the character.
  void Append(uint32_t character);

  const bool lower_case_;
  absl::string_view rest_;
  std::string word_;
};

// InvalidArgument: the line of the file `path` is not UTF-8. The message quotes
// it, and says how to convert the file.
absl::Status CheckUtf8(absl::string_view line, absl::string_view path);

// Counts words in bounded memory.
class WordCounts {
 public:
  // At most this many different words are counted at a time. With more, the
  // rarer half is forgotten, so that the count of a word that comes again later
  // may be too low.
  explicit WordCounts(size_t most) : most_(most) {}

  void Add(absl::string_view word);

  // The words that occurred at least `least_count` times: at most `most_words`,
  // by falling count, and equally frequent ones in the order of their bytes.
  Vocabulary Choose(int64_t least_count, int64_t most_words) const;

  // Words in all, and different ones that are counted now.
  int64_t total() const { return total_; }
  int64_t different() const { return static_cast<int64_t>(counts_.size()); }
  bool forgot() const { return forgot_; }

 private:
  void Forget();

  const size_t most_;
  absl::flat_hash_map<std::string, int64_t> counts_;
  int64_t total_ = 0;
  bool forgot_ = false;
};

}  // namespace ebb::data

#endif  // EBB_DATA_WORDS_H_
