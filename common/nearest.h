// Finds what a misspelt word was probably meant to be.
#ifndef EBB_COMMON_NEAREST_H_
#define EBB_COMMON_NEAREST_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace ebb {

// Returns how many letters are wrong, missing, too many or swapped with their
// neighbour (optimal string alignment). Takes time of the order of a times b.
size_t EditDistance(absl::string_view a, absl::string_view b);

// Returns how many letters of a word of this length may be wrong, so that it is
// still the one that was meant.
size_t MostWrongLetters(size_t letters);

// Returns the candidate of which `text` is probably a misspelling, whatever the
// case of its letters; empty: none. If several are as near, it is the first.
std::string NearestName(absl::string_view text,
                        const std::vector<std::string>& candidates);

// Returns the path of a file or folder of this machine of which `path` is
// probably a misspelling: each name in it that is not there is put right, or
// gets the extension that it lacks. Empty: none is near, or `path` is there.
// Blocks on the disk. Looks at no more than some thousand names of a folder.
std::string NearestPath(const std::string& path);

// Returns "; is it NEAR?" for a message that says that `path` is not there;
// empty: none is near.
std::string IsItPath(const std::string& path);
// Adds that to a status that says that `path` is not there (kNotFound), and
// nothing to any other.
absl::Status WithNearestPath(const absl::Status& status,
                             const std::string& path);

}  // namespace ebb

#endif  // EBB_COMMON_NEAREST_H_
