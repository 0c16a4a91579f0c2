// Tokens of texts and arrays, one after another.
#ifndef EBB_DATA_TOKENS_TOKEN_READER_H_
#define EBB_DATA_TOKENS_TOKEN_READER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "data/byte_source.h"
#include "data/formats/arrays/npy_array.h"

namespace ebb::data::tokens {

enum class TokenKind {
  kText,    // A token is a byte, and a file is a document.
  kNumPy,   // .npy files of uint16 or uint32.
  kUint16,  // Raw numbers, little-endian.
  kUint32,
};

// The token that stands behind each text.
inline constexpr int64_t kEndOfText = 256;

struct TokenSource {
  std::vector<std::string> paths;
  TokenKind kind = TokenKind::kText;
  // The token behind each document; kEndOfText for texts.
  std::optional<int64_t> document_end;
};

// The source that `path` stands for: a file, a folder or a pattern. `dtype` is
// empty, "uint16" or "uint32", for raw numbers; else the names of the files say
// what they are. kInvalidArgument names the file and what to do.
absl::StatusOr<TokenSource> FindTokens(const std::string& path,
                                       const std::string& dtype,
                                       std::optional<int64_t> document_end,
                                       const OpenBytes& open);

// Thread-compatible.
class TokenReader {
 public:
  TokenReader(TokenSource source, OpenBytes open)
      : source_(std::move(source)), open_(std::move(open)) {}

  // Fills the front of `out`, and returns how much of it; 0 only at the end.
  // Tokens of one call are of one file. Blocks on the disk. Errors name the
  // file.
  absl::StatusOr<size_t> Read(std::span<uint32_t> out);

  // The file that the last tokens are of, and the place of the first of them.
  const std::string& path() const { return source_.paths[last_file_]; }
  int64_t place() const { return place_; }

 private:
  absl::Status OpenNext();
  absl::StatusOr<size_t> ReadArray(std::span<uint32_t> out);
  absl::StatusOr<size_t> ReadBytes(std::span<uint32_t> out);
  // Fills raw_ as far as the file goes, at most `bytes`.
  absl::Status FillRaw(size_t bytes);
  absl::Status CheckFront() const;

  TokenSource source_;
  OpenBytes open_;
  size_t next_file_ = 0;
  size_t last_file_ = 0;
  bool is_open_ = false;
  std::unique_ptr<ByteSource> bytes_;
  std::optional<data::internal::NpyArray> array_;
  int64_t rest_ = 0;  // Elements of the array that are not read.
  int64_t done_ = 0;  // Tokens of the file that were read.
  int64_t place_ = 0;
  bool ended_ = false;  // The end of the text was given out.
  std::vector<char> raw_;
  std::vector<int64_t> numbers_;
};

}  // namespace ebb::data::tokens

#endif  // EBB_DATA_TOKENS_TOKEN_READER_H_
