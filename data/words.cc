#include "data/words.h"

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "data/bytes/letter_tables.h"
#include "data/bytes/text.h"

namespace ebb::data {
namespace {

constexpr uint32_t kApostrophe = '\'';
constexpr uint32_t kCurlyApostrophe = 0x2019;

// Takes the first character of `*text`, which is UTF-8 and not empty.
uint32_t TakeCharacter(absl::string_view* text) {
  const auto byte = [&](size_t i) {
    return static_cast<uint32_t>(static_cast<unsigned char>((*text)[i]));
  };
  const uint32_t front = byte(0);
  const size_t size = front < 0x80   ? 1
                      : front < 0xe0 ? 2
                      : front < 0xf0 ? 3
                                     : 4;
  uint32_t character = size == 1 ? front : front & (0x7f >> size);
  for (size_t i = 1; i < size && i < text->size(); ++i) {
    character = character << 6 | (byte(i) & 0x3f);
  }
  text->remove_prefix(std::min(size, text->size()));
  return character;
}

// The last element that does not begin after the character; null: there is
// none.
template <typename Range>
const Range* Find(std::span<const Range> ranges, uint32_t character) {
  const auto after = std::upper_bound(
      ranges.begin(), ranges.end(), character,
      [](uint32_t c, const Range& range) { return c < range.first; });
  return after == ranges.begin() ? nullptr : &*(after - 1);
}

bool IsAsciiUpper(uint32_t c) { return c >= 'A' && c <= 'Z'; }

// Returns whether it is a letter, a mark on one, or a digit.
bool IsOfWord(uint32_t c) {
  if (c < 0x80) {
    return IsAsciiUpper(c) || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
  }
  const internal::LetterRange* range =
      Find(std::span(internal::kLetterRanges, internal::kLetterRangeCount), c);
  return range != nullptr && c <= range->last;
}

uint32_t LowerOf(uint32_t c) {
  if (c < 0x80) return IsAsciiUpper(c) ? c + ('a' - 'A') : c;
  const internal::LowerRun* run =
      Find(std::span(internal::kLowerRuns, internal::kLowerRunCount), c);
  if (run == nullptr || c > run->last || (c - run->first) % run->step != 0) {
    return c;
  }
  return static_cast<uint32_t>(static_cast<int32_t>(c) + run->difference);
}

}  // namespace

void WordCutter::Append(uint32_t c) {
  if (lower_case_) c = LowerOf(c);
  const auto tail = [&](int shift) {
    return static_cast<char>(0x80 | (c >> shift & 0x3f));
  };
  if (c < 0x80) {
    word_.push_back(static_cast<char>(c));
  } else if (c < 0x800) {
    word_.append({static_cast<char>(0xc0 | c >> 6), tail(0)});
  } else if (c < 0x10000) {
    word_.append({static_cast<char>(0xe0 | c >> 12), tail(6), tail(0)});
  } else {
    word_.append(
        {static_cast<char>(0xf0 | c >> 18), tail(12), tail(6), tail(0)});
  }
}

bool WordCutter::Next(absl::string_view* word) {
  while (!rest_.empty()) {
    word_.clear();
    // Apostrophes that belong to the word if it goes on.
    size_t apostrophes = 0;
    bool too_long = false;
    while (!rest_.empty()) {
      const uint32_t c = TakeCharacter(&rest_);
      if (c == kApostrophe || c == kCurlyApostrophe) {
        ++apostrophes;
        continue;
      }
      if (!IsOfWord(c)) break;
      if (!word_.empty()) word_.append(apostrophes, '\'');
      apostrophes = 0;
      Append(c);
      too_long = too_long || word_.size() > kLongestWord;
      if (too_long) word_.resize(1);  // It goes on, and takes no memory.
    }
    if (word_.empty() || too_long) continue;
    *word = word_;
    return true;
  }
  return false;
}

void WordCounts::Add(absl::string_view word) {
  ++total_;
  ++counts_[word];
  if (counts_.size() > most_) Forget();
}

// Which words go depends on their counts alone, not on their order in the
// table.
void WordCounts::Forget() {
  forgot_ = true;
  std::vector<int64_t> all;
  all.reserve(counts_.size());
  for (const auto& [word, count] : counts_) all.push_back(count);
  const auto middle = all.begin() + static_cast<int64_t>(all.size() / 2);
  std::nth_element(all.begin(), middle, all.end());
  absl::erase_if(counts_,
                 [&](const auto& one) { return one.second <= *middle; });
}

absl::Status CheckUtf8(absl::string_view line, absl::string_view path) {
  if (internal::IsUtf8Text(line)) return absl::OkStatus();
  return absl::InvalidArgumentError(internal::NotUtf8(line, path));
}

Vocabulary WordCounts::Choose(int64_t least_count, int64_t most_words) const {
  std::vector<std::pair<int64_t, absl::string_view>> all;
  for (const auto& [word, count] : counts_) {
    if (count >= least_count) all.emplace_back(-count, word);
  }
  std::sort(all.begin(), all.end());
  if (static_cast<int64_t>(all.size()) > most_words) all.resize(most_words);
  Vocabulary vocabulary;
  for (const auto& [negative_count, word] : all) {
    vocabulary.words.emplace_back(word);
    vocabulary.counts.push_back(-negative_count);
  }
  return vocabulary;
}

}  // namespace ebb::data
