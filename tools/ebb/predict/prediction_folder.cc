#include "tools/ebb/predict/prediction_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/status_macros.h"
#include "tools/ebb/job/submission.h"
#include "tools/files/files.h"
#include "tools/text/console.h"
#include "worker/predict/prediction_parts.h"

namespace ebb::tools {

namespace {

namespace fs = std::filesystem;

constexpr char kClaim[] = "_JOB";
constexpr char kSuccess[] = "_SUCCESS";
// Ranges that are told one by one.
constexpr int64_t kMostMissing = 10;
// With which the text of a claim begins.
constexpr absl::string_view kFirstWord = "identity ";

std::string FileIn(const std::string& folder, absl::string_view name) {
  return absl::StrCat(folder, "/", name);
}

// What the claim says: "identity HEX request ID part N".
struct ClaimText {
  std::string identity;
  std::string request_id;
  int64_t part_examples = 0;

  std::string ToString() const {
    return absl::StrCat(kFirstWord, identity, " request ", request_id, " part ",
                        part_examples, "\n");
  }
  static std::optional<ClaimText> Read(const std::string& folder) {
    const auto text = ReadFile(FileIn(folder, kClaim));
    if (!text.ok()) return std::nullopt;
    const std::vector<std::string> words =
        absl::StrSplit(*text, absl::ByAnyChar(" \n"), absl::SkipEmpty());
    constexpr size_t kWords = 6;
    ClaimText claim;
    if (words.size() != kWords ||
        !absl::SimpleAtoi(words[5], &claim.part_examples)) {
      return std::nullopt;
    }
    claim.identity = words[1];
    claim.request_id = words[3];
    return claim;
  }
};

absl::Status Refuse(const std::string& folder, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("--to ", folder, ": ", what));
}

absl::Status RefuseUnknown(const std::string& folder) {
  return Refuse(folder,
                "it is not empty, and what is in it was not begun by `ebb "
                "predict`. Name another folder");
}

absl::Status RefuseOthers(const std::string& folder) {
  return Refuse(folder,
                "it has unfinished predictions of another model, other data "
                "or other parts. Name another folder, or remove this one");
}

absl::Status CannotWrite(const std::string& folder) {
  return absl::ErrnoToStatus(
      errno, absl::StrCat("--to ", folder, ": cannot write ", kClaim));
}

// Makes the file of the claim, empty, if it is not there, and locks it.
absl::StatusOr<Fd> Lock(const std::string& folder,
                        const std::string& identity) {
  constexpr mode_t kMode = 0666;  // Less what the user's mask takes.
  Fd lock(open(FileIn(folder, kClaim).c_str(), O_RDWR | O_CREAT | O_CLOEXEC,
               kMode));
  if (lock.get() < 0) return CannotWrite(folder);
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    const auto claim = ClaimText::Read(folder);
    if (claim && claim->identity != identity) return RefuseOthers(folder);
    return Refuse(folder, "another `ebb predict` writes there");
  }
  struct stat status = {};
  if (fstat(lock.get(), &status) != 0) return CannotWrite(folder);
  if (status.st_nlink == 0) {
    return Refuse(folder,
                  "another `ebb predict` has just removed it. Repeat the "
                  "command");
  }
  return lock;
}

// Replaces what the locked file says. It is on the disk afterwards.
absl::Status WriteClaim(const std::string& folder, const Fd& lock,
                        const ClaimText& claim) {
  const std::string text = claim.ToString();
  const auto size = static_cast<ssize_t>(text.size());
  if (ftruncate(lock.get(), 0) != 0 ||
      pwrite(lock.get(), text.data(), text.size(), 0) != size ||
      fsync(lock.get()) != 0) {
    return CannotWrite(folder);
  }
  const Fd entries(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (entries.get() < 0 || fsync(entries.get()) != 0) {
    return CannotWrite(folder);
  }
  return absl::OkStatus();
}

// Whether the folder has nothing but, perhaps, the file of the claim.
bool HasNothingElse(const std::string& folder, std::error_code& error) {
  auto entry = fs::directory_iterator(folder, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    if (entry->path().filename() != kClaim) return false;
  }
  return !error;
}

absl::Status RemoveFile(const fs::path& path) {
  std::error_code error;
  fs::remove(path, error);
  if (!error) return absl::OkStatus();
  return absl::ErrnoToStatus(error.value(),
                             absl::StrCat("cannot remove ", path.string()));
}

struct Part {
  int64_t first = 0;
  int64_t last = 0;
  std::string file;
};

Part PartOf(const JobPlan& plan, int64_t ordinal) {
  const int64_t first = ordinal * plan.shard_size;
  const int64_t last = std::min(first + plan.shard_size, plan.examples);
  return {first, last, worker::PartFileName(first, last, plan.examples)};
}

}  // namespace

int64_t PredictionFolder::PartExamplesIn(const std::string& path) {
  const auto claim = ClaimText::Read(path);
  return claim ? claim->part_examples : 0;
}

absl::StatusOr<PredictionFolder> PredictionFolder::Claim(
    const std::string& path, const std::string& identity,
    int64_t part_examples) {
  std::error_code error;
  fs::create_directories(path, error);
  const bool fresh = !error && HasNothingElse(path, error);
  if (error) {
    return absl::ErrnoToStatus(
        error.value(), absl::StrCat("--to ", path, ": no folder to write to"));
  }
  // A file that is not of predictions gets no claim beside it.
  if (!fresh && !ClaimText::Read(path)) return RefuseUnknown(path);
  // Two commands may come at once. What is said is read and written by the one
  // that has the lock.
  EBB_ASSIGN_OR_RETURN(Fd lock, Lock(path, identity));
  if (fs::exists(FileIn(path, kSuccess), error)) {
    return Refuse(path,
                  "it has complete predictions. Name another folder, or remove "
                  "this one");
  }
  auto claim = ClaimText::Read(path);
  if (!claim) {
    // New, or a command was killed before it had written it.
    EBB_ASSIGN_OR_RETURN(const std::string text,
                         ReadFile(FileIn(path, kClaim)));
    if (!absl::StartsWith(kFirstWord, text.substr(0, kFirstWord.size()))) {
      return RefuseUnknown(path);
    }
    claim = ClaimText{identity, NewRequestId(), part_examples};
    EBB_RETURN_IF_ERROR(WriteClaim(path, lock, *claim));
  }
  if (claim->identity != identity) return RefuseOthers(path);
  return PredictionFolder(path, claim->request_id, std::move(lock));
}

absl::StatusOr<std::vector<std::string>> PredictionFolder::Settle(
    const JobPlan& plan, const v1::JobStatus& status) const {
  std::error_code error;
  for (const fs::directory_entry& entry :
       fs::directory_iterator(path_, error)) {
    const std::string name = entry.path().filename().string();
    if (absl::StartsWith(name, worker::kUnfinishedPart)) {
      EBB_RETURN_IF_ERROR(RemoveFile(entry.path()));
    }
  }
  if (error) {
    return absl::ErrnoToStatus(error.value(),
                               absl::StrCat("cannot read ", path_));
  }
  for (const v1::SkippedRange& skipped : status.skipped()) {
    EBB_RETURN_IF_ERROR(
        RemoveFile(FileIn(path_, PartOf(plan, skipped.item().shard()).file)));
  }
  std::vector<std::string> missing;
  int64_t untold = 0;
  for (int64_t ordinal = 0; ordinal < plan.items(); ++ordinal) {
    const Part first = PartOf(plan, ordinal);
    if (fs::exists(FileIn(path_, first.file), error)) continue;
    // Parts that follow each other are told as one range.
    int64_t parts = 1;
    Part last = first;
    while (ordinal + 1 < plan.items()) {
      const Part next = PartOf(plan, ordinal + 1);
      if (fs::exists(FileIn(path_, next.file), error)) break;
      last = next;
      ++parts;
      ++ordinal;
    }
    if (std::ssize(missing) == kMostMissing) {
      untold += parts;
      continue;
    }
    missing.push_back(absl::StrCat(
        "the predictions of the examples ", WithCommas(first.first + 1), " to ",
        WithCommas(last.last), " are missing (",
        parts == 1 ? first.file
                   : absl::StrCat(parts, " parts, from ", first.file, " on"),
        ")"));
  }
  if (untold > 0) {
    missing.push_back(absl::StrCat(Count(untold, "further part"),
                                   untold == 1 ? " is" : " are", " missing"));
  }
  return missing;
}

absl::Status PredictionFolder::ReadParts(
    const JobPlan& plan,
    absl::FunctionRef<absl::Status(absl::string_view part)> take) const {
  for (int64_t ordinal = 0; ordinal < plan.items(); ++ordinal) {
    const std::string file = FileIn(path_, PartOf(plan, ordinal).file);
    EBB_ASSIGN_OR_RETURN(const std::string text, ReadFile(file));
    const absl::Status taken = take(text);
    if (!taken.ok()) {
      return absl::Status(taken.code(),
                          absl::StrCat(file, ": ", taken.message()));
    }
  }
  return absl::OkStatus();
}

absl::Status PredictionFolder::Finish(const Json& about) const {
  return WriteFile(FileIn(path_, kSuccess), about.ToString());
}

absl::Status PredictionFolder::Join(const JobPlan& plan,
                                    const std::string& file) const {
  return WriteFile(file, [&](std::ostream& out) {
    bool first = true;
    return ReadParts(plan, [&](absl::string_view part) {
      // Names of classes may have line breaks, in quotes.
      if (!first) part.remove_prefix(worker::HeaderLength(part));
      first = false;
      out << part;
      return absl::OkStatus();
    });
  });
}

absl::Status PredictionFolder::Remove() const {
  std::error_code error;
  fs::remove_all(path_, error);
  if (!error) return absl::OkStatus();
  return absl::ErrnoToStatus(error.value(),
                             absl::StrCat("cannot remove ", path_));
}

}  // namespace ebb::tools
