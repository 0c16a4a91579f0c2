// Packs tokens: cuts them into sequences, puts these in a random order, and
// writes them as sets (docs/formats/tokens.md).
//
//   EBB_ASSIGN_OR_RETURN(const TokenSource source,
//                        FindTokens("corpus.txt", "", std::nullopt, OpenFile));
//   EBB_ASSIGN_OR_RETURN(std::vector<PackedTokens> facts,
//                        PackTokens(source, "corpus", {.length = 1024}));
#ifndef EBB_DATA_TOKENS_TOKEN_PACKER_H_
#define EBB_DATA_TOKENS_TOKEN_PACKER_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/kill_point.h"
#include "data/byte_source.h"
#include "data/tokens/token_reader.h"
#include "data/tokens/token_set.h"

namespace ebb::data::tokens {

struct TokenProgress {
  bool writing = false;  // Else the source is being read.
  int64_t tokens = 0;
  int64_t total = 0;  // 0: not known yet.
};

struct PackTokensOptions {
  int64_t length = 0;           // Inputs of a sequence.
  std::optional<double> split;  // The share of tokens that is held out.
  uint64_t seed = 1;            // The order and the split follow from it.
  // Sequences of a window. 0: 50 times a power of two, so that runs of 50
  // batches fit into it, which takes 64 MiB at most; or a power of two if that
  // is less than 50.
  int64_t window = 0;
  // All tokens must be below it. 0: one more than the greatest token.
  int64_t vocabulary = 0;
  // The memory for sequences to be put in order. Default 256 MiB.
  int64_t memory_bytes = int64_t{256} << 20;
  // Called now and then; true: stop.
  std::function<bool(const TokenProgress&)> progress;
  KillPoints kill_points;  // They are among PackKillPoints().
};

struct PackedTokens {
  std::string name;  // "train", "test", or empty: the only set.
  std::string id;
  int64_t bytes = 0;  // The bytes of all files.
  TokenFooter footer;
};

// Packs into `folder`, which must not be there, or be empty: with a split to
// `folder`/train and `folder`/test. Whole documents are held out if there are
// several, else the end of the tokens. There is all of the sets or nothing, as
// of PackSources(). Blocks on the disk. kInvalidArgument names the file and
// what to do; else the errors of PackSources().
absl::StatusOr<std::vector<PackedTokens>> PackTokens(
    const TokenSource& source, const std::string& folder,
    const PackTokensOptions& options, const OpenBytes& open = OpenFile);

}  // namespace ebb::data::tokens

#endif  // EBB_DATA_TOKENS_TOKEN_PACKER_H_
