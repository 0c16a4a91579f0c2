// A packed set of token sequences on the disk (docs/formats/tokens.md): its
// footer, and its windows.
//
//   EBB_ASSIGN_OR_RETURN(const TokenSet set, TokenSet::Open("corpus/train"));
//   std::vector<uint32_t> tokens;
//   EBB_RETURN_IF_ERROR(set.Read(0, &tokens));
#ifndef EBB_DATA_TOKENS_TOKEN_SET_H_
#define EBB_DATA_TOKENS_TOKEN_SET_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ebb::data::tokens {

// The footer's file within the folder of the set.
inline constexpr absl::string_view kTokenFooterName = "footer.ebbt";
// The file of the window with this number: "window-00000.ebbt".
std::string TokenWindowName(int64_t window);

// Limits of what a footer may say.
inline constexpr int64_t kMostLength = int64_t{1} << 24;
inline constexpr int64_t kMostTokenWindowBytes = int64_t{1} << 30;
inline constexpr int64_t kMostVocabulary = int64_t{1} << 32;

struct TokenFooter {
  int64_t length = 0;      // Inputs of a sequence, which has one token more.
  int64_t width = 2;       // Bytes of a token: 2 or 4.
  int64_t window = 0;      // Sequences of each window; the last may have fewer.
  int64_t sequences = 0;   // At least 1.
  int64_t vocabulary = 0;  // All tokens are below it.
  // The token behind each document; absent: nothing tells documents apart.
  std::optional<int64_t> document_end;
  int64_t documents = 0;  // Documents of the set; 0: not known.
  int64_t left_out = 0;   // Tokens behind the last sequence.
  uint64_t seed = 0;      // The order of the sequences was drawn from it.
  // The SHA-256 of each window's file, 32 bytes each.
  std::vector<std::string> hashes;

  int64_t sequence_bytes() const { return (length + 1) * width; }
  int64_t windows() const { return (sequences - 1) / window + 1; }
  // The sequences of the window with this number.
  int64_t SequencesOf(int64_t window_number) const;

  std::string Encode() const;
  // Everything in a footer that is returned is consistent. kDataLoss: the bytes
  // are damaged. kFailedPrecondition: a later version wrote them. Errors do not
  // name the file.
  static absl::StatusOr<TokenFooter> Decode(absl::string_view bytes);

  friend bool operator==(const TokenFooter&, const TokenFooter&) = default;
};

// Returns whether the folder has the footer of such a set.
bool IsTokenSet(const std::string& folder);

// Immutable.
class TokenSet {
 public:
  // Reads the footer and compares the sizes of the files of windows. Blocks on
  // the disk. kNotFound: there is no such set. kDataLoss: it is damaged, or not
  // whole. kFailedPrecondition: a later version of the format.
  static absl::StatusOr<TokenSet> Open(const std::string& folder);

  const TokenFooter& footer() const { return footer_; }
  // Names the content: 32 hexadecimal digits.
  const std::string& id() const { return id_; }
  int64_t bytes() const { return bytes_; }  // The bytes of all files.

  // Sets `*tokens` to the sequences of the window, one after another. Compares
  // the checksum. Blocks on the disk. kDataLoss, naming the file and the
  // window: it is damaged.
  absl::Status Read(int64_t window, std::vector<uint32_t>* tokens) const;

 private:
  TokenSet(std::string folder, TokenFooter footer, std::string id,
           int64_t bytes)
      : folder_(std::move(folder)),
        footer_(std::move(footer)),
        id_(std::move(id)),
        bytes_(bytes) {}

  std::string folder_;
  TokenFooter footer_;
  std::string id_;
  int64_t bytes_;
};

}  // namespace ebb::data::tokens

#endif  // EBB_DATA_TOKENS_TOKEN_SET_H_
