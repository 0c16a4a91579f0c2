#include "data/tokens/token_packer.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/example_hash.h"
#include "common/status_macros.h"
#include "common/tls/sha256.h"
#include "data/pack/bucket.h"
#include "data/pack/packing_folder.h"
#include "data/pack/running_hash.h"
#include "data/pack/window_writer.h"

namespace ebb::data::tokens {
namespace {

using pack::Bucket;

constexpr uint64_t kShuffleVersion = 4;  // The same as of packed examples.
constexpr uint64_t kSplitVersion = 6;
constexpr int64_t kBytesOfAWindow = int64_t{64} << 20;
constexpr size_t kTokensOfARead = 1 << 16;
// Each has a file that is open, and two sets are written at once.
constexpr int64_t kMostBuckets = 200;

// Runs of 50 batches, and of 10 or 25, fit into it.
int64_t FittingWindow(int64_t most) {
  constexpr uint64_t kRun = 50;
  const auto limit = static_cast<uint64_t>(std::max<int64_t>(1, most));
  return static_cast<int64_t>(limit < kRun
                                  ? std::bit_floor(limit)
                                  : kRun * std::bit_floor(limit / kRun));
}

template <typename... Args>
absl::Status CannotPackTokens(const Args&... args) {
  return absl::InvalidArgumentError(absl::StrCat(args...));
}

uint64_t HashOf(uint64_t version, uint64_t seed, int64_t number) {
  return HashAppend(HashAppend(HashAppend(0, version), seed),
                    static_cast<uint64_t>(number));
}

// The findings of the first pass over the tokens.
struct Survey {
  int64_t tokens = 0;
  uint32_t greatest = 0;
  uint64_t hash = 0;
  std::vector<int64_t> documents;  // Their tokens; empty without boundaries.
  bool any_end = false;            // Some document has its end.
};

// Which tokens go to which set: 0 is the only or the training set, and 1 is
// held out.
struct Division {
  std::vector<uint8_t> by_document;  // Empty: the end is held out.
  int64_t cut = 0;                   // Tokens before the end that is held out.
  std::array<int64_t, 2> tokens = {};
  std::array<int64_t, 2> documents = {};
};

// One set while it is packed.
class Part {
 public:
  Part(std::string name, std::string folder, const std::string& work,
       TokenFooter footer, int64_t memory_bytes)
      : name_(std::move(name)),
        folder_(std::move(folder)),
        footer_(std::move(footer)) {
    const int64_t record =
        footer_.sequence_bytes() + static_cast<int64_t>(sizeof(int64_t));
    const int64_t room = std::max<int64_t>(1, memory_bytes / 2);
    const int64_t buckets = std::clamp<int64_t>(
        footer_.sequences * record / room + 1, 1, kMostBuckets);
    for (int64_t i = 0; i < buckets; ++i) {
      buckets_.emplace_back(absl::StrCat(work, "/", name_, "-", i));
    }
  }

  Part(Part&&) = default;

  absl::Status Add(std::span<const uint32_t> tokens) {
    const auto whole = static_cast<size_t>(footer_.length) + 1;
    while (!tokens.empty()) {
      const size_t count = std::min(tokens.size(), whole - sequence_.size());
      sequence_.insert(sequence_.end(), tokens.begin(),
                       tokens.begin() + static_cast<ptrdiff_t>(count));
      tokens = tokens.subspan(count);
      if (sequence_.size() < whole) break;
      EBB_RETURN_IF_ERROR(AddSequence());
      sequence_ = {sequence_.back()};  // The next one begins with its last.
    }
    return absl::OkStatus();
  }

  absl::StatusOr<PackedTokens> Write(const KillPoints& kill_points);

  const TokenFooter& footer() const { return footer_; }

 private:
  absl::Status AddSequence() {
    record_.assign(sizeof(int64_t), '\0');
    std::memcpy(record_.data(), &sequences_, sizeof(int64_t));
    for (const uint32_t token : sequence_) {
      for (int64_t b = 0; b < footer_.width; ++b) {
        record_.push_back(static_cast<char>(token >> (8 * b)));
      }
    }
    const uint64_t hash = HashOf(kShuffleVersion, footer_.seed, sequences_);
    ++sequences_;
    // The place of the hash among all, in as many steps as there are buckets.
    const auto bucket = static_cast<size_t>(
        (static_cast<unsigned __int128>(hash) * buckets_.size()) >> 64);
    return buckets_[bucket].Add(record_);
  }
  absl::Status WriteBucket(Bucket bucket);
  absl::Status WriteTokenWindow();

  const std::string name_;
  const std::string folder_;
  TokenFooter footer_;
  std::vector<Bucket> buckets_;
  std::vector<uint32_t> sequence_;  // The one that is being filled.
  std::string record_;
  int64_t sequences_ = 0;
  std::string window_;  // The bytes of the one that is being written.
};

absl::Status Part::WriteTokenWindow() {
  const std::string path =
      absl::StrCat(folder_, "/", TokenWindowName(std::ssize(footer_.hashes)));
  EBB_RETURN_IF_ERROR(pack::WriteDurably(path, window_));
  footer_.hashes.push_back(Sha256(window_));
  window_.clear();
  return absl::OkStatus();
}

absl::Status Part::WriteBucket(Bucket bucket) {
  if (bucket.bytes() == 0) return absl::OkStatus();
  EBB_RETURN_IF_ERROR(bucket.Flush());
  std::string all(static_cast<size_t>(bucket.bytes()), '\0');
  EBB_ASSIGN_OR_RETURN(const size_t read, bucket.ReadAt(0, all));
  if (read != all.size()) {
    return absl::DataLossError(absl::StrCat(
        folder_, ": a file of sequences became shorter; pack again"));
  }
  const auto bytes = static_cast<size_t>(footer_.sequence_bytes());
  const size_t record = sizeof(int64_t) + bytes;
  struct Place {
    uint64_t hash;
    int64_t number;
    size_t at;
  };
  std::vector<Place> places;
  places.reserve(all.size() / record);
  for (size_t at = 0; at < all.size(); at += record) {
    int64_t number = 0;
    std::memcpy(&number, all.data() + at, sizeof(number));
    places.push_back({HashOf(kShuffleVersion, footer_.seed, number), number,
                      at + sizeof(number)});
  }
  std::ranges::sort(places, [](const Place& a, const Place& b) {
    return std::pair(a.hash, a.number) < std::pair(b.hash, b.number);
  });
  for (const Place& place : places) {
    window_.append(all, place.at, bytes);
    if (window_.size() == static_cast<size_t>(footer_.window) * bytes) {
      EBB_RETURN_IF_ERROR(WriteTokenWindow());
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<PackedTokens> Part::Write(const KillPoints& kill_points) {
  if (sequences_ != footer_.sequences) {
    return absl::InternalError(absl::StrCat(folder_, " got ", sequences_,
                                            " sequences instead of ",
                                            footer_.sequences));
  }
  for (Bucket& one : buckets_) {
    Bucket bucket = std::move(one);
    EBB_RETURN_IF_ERROR(WriteBucket(std::move(bucket)));
    kill_points.Reached("bucket-written");
  }
  if (!window_.empty()) EBB_RETURN_IF_ERROR(WriteTokenWindow());
  EBB_RETURN_IF_ERROR(pack::WriteDurably(
      absl::StrCat(folder_, "/", kTokenFooterName), footer_.Encode()));
  EBB_RETURN_IF_ERROR(pack::SyncFolder(folder_));
  kill_points.Reached("set-written");
  EBB_ASSIGN_OR_RETURN(const TokenSet written, TokenSet::Open(folder_));
  return PackedTokens{.name = name_,
                      .id = written.id(),
                      .bytes = written.bytes(),
                      .footer = footer_};
}

// Reads all tokens and hands them out in pieces of one document at most.
template <typename Function>
absl::Status ForEachPiece(const TokenSource& source, const OpenBytes& open,
                          const PackTokensOptions& options, int64_t total,
                          uint64_t* hash, const Function& take) {
  TokenReader reader(source, open);
  pack::RunningHash running;
  std::vector<uint32_t> tokens(kTokensOfARead);
  int64_t done = 0;
  for (;;) {
    EBB_ASSIGN_OR_RETURN(const size_t count, reader.Read(tokens));
    if (count == 0) break;
    std::span<const uint32_t> rest(tokens.data(), count);
    running.Add(reinterpret_cast<const char*>(rest.data()), rest.size_bytes());
    done += std::ssize(rest);
    while (!rest.empty()) {
      size_t piece = rest.size();
      bool ends = false;
      if (source.document_end) {
        const auto end = std::ranges::find(
            rest, static_cast<uint32_t>(*source.document_end));
        ends = end != rest.end();
        if (ends) piece = static_cast<size_t>(end - rest.begin()) + 1;
      }
      EBB_RETURN_IF_ERROR(take(reader, rest.first(piece), ends));
      rest = rest.subspan(piece);
    }
    if (options.progress && options.progress({total > 0, done, total})) {
      return absl::CancelledError("packing was stopped; nothing was published");
    }
  }
  *hash = running.Get();
  return absl::OkStatus();
}

absl::StatusOr<Survey> SurveyTokens(const TokenSource& source,
                                    const OpenBytes& open,
                                    const PackTokensOptions& options) {
  Survey survey;
  bool within = false;  // A document is not at its end.
  const auto take = [&](const TokenReader& reader,
                        std::span<const uint32_t> piece,
                        bool ends) -> absl::Status {
    const auto greatest = std::ranges::max_element(piece);
    if (options.vocabulary > 0 && *greatest >= options.vocabulary) {
      return CannotPackTokens(
          reader.path(), " has the token ", *greatest,
          ", which is not below --vocabulary ", options.vocabulary,
          "; is it the right file, and are its numbers of the right dtype?");
    }
    survey.greatest = std::max(survey.greatest, *greatest);
    survey.tokens += std::ssize(piece);
    if (!source.document_end) return absl::OkStatus();
    if (!within) survey.documents.push_back(0);
    survey.documents.back() += std::ssize(piece);
    within = !ends;
    survey.any_end = survey.any_end || ends;
    return absl::OkStatus();
  };
  EBB_RETURN_IF_ERROR(
      ForEachPiece(source, open, options, 0, &survey.hash, take));
  if (source.document_end && !survey.any_end) {
    return CannotPackTokens(
        source.paths.front(), " has no token ", *source.document_end,
        ", which --document-end says; name the token that stands behind each "
        "document, or leave it out");
  }
  return survey;
}

Division Divide(const Survey& survey, const PackTokensOptions& options) {
  Division division;
  division.cut = survey.tokens;
  if (!options.split) {
    division.tokens[0] = survey.tokens;
    division.documents[0] = std::ssize(survey.documents);
    return division;
  }
  const auto wanted = static_cast<int64_t>(
      std::llround(*options.split * static_cast<double>(survey.tokens)));
  const auto documents = std::ssize(survey.documents);
  if (documents < 2) {
    division.cut = survey.tokens - wanted;
    division.tokens = {division.cut, wanted};
    division.documents = {documents, documents};  // Both have a part of it.
    return division;
  }
  // Documents in a random order go to the test data until it is large enough.
  // The last one stays.
  std::vector<int64_t> order(survey.documents.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::sort(order, {}, [&](int64_t document) {
    return std::pair(HashOf(kSplitVersion, options.seed, document), document);
  });
  division.by_document.assign(survey.documents.size(), 0);
  for (const int64_t document : order) {
    const bool held_out =
        division.tokens[1] < wanted && division.documents[1] + 1 < documents;
    const int part = held_out ? 1 : 0;
    division.by_document[static_cast<size_t>(document)] =
        static_cast<uint8_t>(part);
    division.tokens[part] += survey.documents[static_cast<size_t>(document)];
    ++division.documents[part];
  }
  return division;
}

absl::StatusOr<TokenFooter> FooterOf(const TokenSource& source,
                                     const PackTokensOptions& options,
                                     const Survey& survey,
                                     const Division& division, int part) {
  TokenFooter footer;
  footer.length = options.length;
  footer.seed = options.seed;
  footer.document_end = source.document_end;
  const int64_t end = source.document_end.value_or(0);
  footer.vocabulary = std::max<int64_t>(
      {options.vocabulary, int64_t{survey.greatest} + 1, end + 1});
  footer.width = footer.vocabulary > 65536 ? 4 : 2;
  footer.documents = division.documents[part];
  const int64_t tokens = division.tokens[part];
  if (tokens < options.length + 1) {
    const char* const what = !options.split ? ""
                             : part == 0    ? "the training data of "
                                            : "the test data of ";
    return CannotPackTokens(
        what, source.paths.front(),
        source.paths.size() > 1
            ? absl::StrCat(" and ", source.paths.size() - 1, " more")
            : "",
        " would have ", tokens, tokens == 1 ? " token" : " tokens",
        ", and a sequence takes ", options.length + 1,
        "; give a smaller --tokens", options.split ? " or another --split" : "",
        ", or more text");
  }
  footer.sequences = (tokens - 1) / options.length;
  footer.left_out = (tokens - 1) % options.length;
  const int64_t each = footer.sequence_bytes();
  footer.window = options.window == 0 ? FittingWindow(kBytesOfAWindow / each)
                                      : options.window;
  if (footer.window > kMostTokenWindowBytes / each) {
    return CannotPackTokens("a window of ", footer.window, " sequences takes ",
                            footer.window, " * ", each, " bytes, and may take ",
                            kMostTokenWindowBytes, "\nhint: --window ",
                            FittingWindow(kBytesOfAWindow / each));
  }
  return footer;
}

absl::Status CheckOptions(const TokenSource& source,
                          const PackTokensOptions& options) {
  if (options.length < 1 || options.length > kMostLength) {
    return CannotPackTokens("--tokens ", options.length,
                            " is not between 1 and ", kMostLength);
  }
  if (options.split && !(*options.split > 0 && *options.split < 1)) {
    return CannotPackTokens("--split ", *options.split,
                            " is not between 0 and 1; --split 0.1 holds out a "
                            "tenth");
  }
  if (options.vocabulary > 0 && source.document_end &&
      *source.document_end >= options.vocabulary) {
    return CannotPackTokens("--vocabulary ", options.vocabulary,
                            " has no room for the end of a document, ",
                            *source.document_end, "; --vocabulary ",
                            *source.document_end + 1, " has");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<PackedTokens>> PackTokens(
    const TokenSource& source, const std::string& folder,
    const PackTokensOptions& options, const OpenBytes& open) {
  EBB_RETURN_IF_ERROR(CheckOptions(source, options));
  EBB_ASSIGN_OR_RETURN(const pack::PackingFolder work,
                       pack::PackingFolder::Begin(folder));
  EBB_ASSIGN_OR_RETURN(const Survey survey,
                       SurveyTokens(source, open, options));
  options.kill_points.Reached("source-read");
  const Division division = Divide(survey, options);
  std::vector<Part> parts;
  for (int i = 0; i < (options.split ? 2 : 1); ++i) {
    EBB_ASSIGN_OR_RETURN(TokenFooter footer,
                         FooterOf(source, options, survey, division, i));
    const std::string name = !options.split ? "" : i == 0 ? "train" : "test";
    EBB_ASSIGN_OR_RETURN(std::string to, work.MakeSet(name));
    parts.emplace_back(name, std::move(to), work.buckets(), std::move(footer),
                       options.memory_bytes);
  }
  int64_t done = 0;
  size_t document = 0;
  uint64_t hash = 0;
  const auto changed = [&] {
    return absl::FailedPreconditionError(absl::StrCat(
        source.paths.front(), " changed while it was packed; pack it again"));
  };
  const auto take = [&](const TokenReader& /*reader*/,
                        std::span<const uint32_t> piece,
                        bool ends) -> absl::Status {
    if (done + std::ssize(piece) > survey.tokens ||
        *std::ranges::max_element(piece) > survey.greatest) {
      return changed();
    }
    const auto before = static_cast<size_t>(
        std::clamp<int64_t>(division.cut - done, 0, std::ssize(piece)));
    done += std::ssize(piece);
    if (!division.by_document.empty()) {
      if (document >= division.by_document.size()) return changed();
      const uint8_t part = division.by_document[document];
      document += ends ? 1 : 0;
      return parts[part].Add(piece);
    }
    EBB_RETURN_IF_ERROR(parts[0].Add(piece.first(before)));
    return before == piece.size() ? absl::OkStatus()
                                  : parts[1].Add(piece.subspan(before));
  };
  EBB_RETURN_IF_ERROR(
      ForEachPiece(source, open, options, survey.tokens, &hash, take));
  if (hash != survey.hash || done != survey.tokens) return changed();
  std::vector<PackedTokens> facts;
  for (Part& part : parts) {
    EBB_ASSIGN_OR_RETURN(PackedTokens packed, part.Write(options.kill_points));
    facts.push_back(std::move(packed));
  }
  EBB_RETURN_IF_ERROR(work.Publish(options.kill_points));
  return facts;
}

}  // namespace ebb::data::tokens
