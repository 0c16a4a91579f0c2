#include "tools/ebb/predict/prediction_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <map>
#include <optional>
#include <system_error>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/objects/s3_objects.h"
#include "common/status_macros.h"
#include "tools/ebb/job/submission.h"
#include "tools/files/files.h"
#include "tools/text/console.h"
#include "worker/predict/prediction_parts.h"

namespace ebb::tools {

namespace {

namespace fs = std::filesystem;
using worker::kClaimFirstWord;
using worker::kPredictionClaim;

constexpr char kSuccess[] = "_SUCCESS";
// Ranges that are told one by one.
constexpr int64_t kMostMissing = 10;

std::string FileIn(const std::string& folder, absl::string_view name) {
  return absl::StrCat(folder, "/", name);
}

absl::Status Refuse(const std::string& folder, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("--to ", folder, ": ", what));
}

absl::Status RefuseUnknown(const std::string& folder) {
  return Refuse(folder,
                "it is not empty, and what is in it was not begun by `ebb "
                "predict`. Name another folder");
}

std::string OrNotGiven(const std::string& value) {
  return value.empty() ? "not given" : value;
}

// Which flags differ, with both values.
std::string Differences(const PredictionTerms& then,
                        const PredictionTerms& now) {
  const std::map<std::string, std::string> old(then.flags.begin(),
                                               then.flags.end());
  std::vector<std::string> different;
  for (const auto& [flag, value] : now.flags) {
    const auto before = old.find(flag);
    if (before == old.end() || before->second == value) continue;
    different.push_back(absl::StrCat(flag, " was ", OrNotGiven(before->second),
                                     ", and is ", OrNotGiven(value)));
  }
  return absl::StrJoin(different, "; ");
}

absl::Status RefuseComplete(const std::string& folder,
                            const PredictionTerms& then,
                            const PredictionTerms& now) {
  constexpr absl::string_view kOther =
      ". Name another folder, or remove this one";
  if (then.identity == now.identity) {
    return Refuse(folder, absl::StrCat("it has complete predictions of this "
                                       "model and this data already",
                                       kOther));
  }
  if (then.flags.empty()) {  // An older release made it.
    return Refuse(folder, absl::StrCat("it has complete predictions", kOther));
  }
  const std::string differences = Differences(then, now);
  return Refuse(
      folder,
      differences.empty()
          ? absl::StrCat("it has complete predictions of DATA as it was then: "
                         "its content has changed",
                         kOther)
          : absl::StrCat("it has complete predictions of another command: ",
                         differences, kOther));
}

absl::Status RefuseOthers(const std::string& folder,
                          const PredictionTerms& then,
                          const PredictionTerms& now) {
  if (then.flags.empty()) {  // An older release began it.
    return Refuse(folder,
                  "it has unfinished predictions of another model, other data "
                  "or other parts, or with other columns (--labelled, --id, "
                  "--score). Name another folder, or remove this one");
  }
  const std::string differences = Differences(then, now);
  if (differences.empty()) {
    return Refuse(folder,
                  "it has unfinished predictions of DATA as it was then: its "
                  "content has changed. Name another folder, or remove this "
                  "one");
  }
  return Refuse(
      folder, absl::StrCat("it has unfinished predictions of another command: ",
                           differences,
                           ". Repeat the command that began them, name another "
                           "folder, or remove this one"));
}

absl::Status CannotWrite(const std::string& folder) {
  return absl::ErrnoToStatus(
      errno,
      absl::StrCat("--to ", folder, ": cannot write ", kPredictionClaim));
}

absl::Status RefuseTaken(const std::string& folder) {
  return absl::FailedPreconditionError(absl::StrCat(
      "--to ", folder, ": another `ebb predict` has written over ",
      kPredictionClaim, " meanwhile, so the predictions there may be of both. ",
      "Remove them, and predict anew to an empty place"));
}

// True if the folder is empty, apart from the file of the claim.
bool HasNothingElse(const std::string& folder, std::error_code& error) {
  auto entry = fs::directory_iterator(folder, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    if (entry->path().filename() != kPredictionClaim) return false;
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

std::string PredictionFolder::ClaimText::ToString() const {
  std::string text =
      absl::StrCat(kClaimFirstWord, terms.identity, " request ", request_id,
                   " part ", terms.part_examples, "\n");
  for (const auto& [flag, value] : terms.flags) {
    absl::StrAppend(&text, absl::Utf8SafeCEscape(flag), "\t",
                    absl::Utf8SafeCEscape(value), "\n");
  }
  return text;
}

std::optional<PredictionFolder::ClaimText> PredictionFolder::ClaimText::Read(
    const std::string& folder) {
  const auto text = ReadFile(FileIn(folder, kPredictionClaim));
  return text.ok() ? Parse(*text) : std::nullopt;
}

std::optional<PredictionFolder::ClaimText> PredictionFolder::ClaimText::Parse(
    absl::string_view text) {
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  const std::vector<std::string> words =
      absl::StrSplit(lines[0], ' ', absl::SkipEmpty());
  constexpr size_t kWords = 6;
  ClaimText claim;
  if (words.size() != kWords ||
      !absl::SimpleAtoi(words[5], &claim.terms.part_examples)) {
    return std::nullopt;
  }
  claim.terms.identity = words[1];
  claim.request_id = words[3];
  for (size_t i = 1; i < lines.size(); ++i) {
    const std::vector<std::string> escaped = absl::StrSplit(lines[i], '\t');
    std::string flag, value;
    if (escaped.size() == 2 && absl::CUnescape(escaped[0], &flag) &&
        absl::CUnescape(escaped[1], &value)) {
      claim.terms.flags.emplace_back(flag, value);
    }
  }
  return claim;
}

absl::StatusOr<Fd> PredictionFolder::Lock(const std::string& folder,
                                          const PredictionTerms& terms) {
  constexpr mode_t kMode = 0666;  // Less what the user's mask takes.
  Fd lock(open(FileIn(folder, kPredictionClaim).c_str(),
               O_RDWR | O_CREAT | O_CLOEXEC, kMode));
  if (lock.get() < 0) return CannotWrite(folder);
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    const auto claim = ClaimText::Read(folder);
    if (claim && claim->terms.identity != terms.identity) {
      return RefuseOthers(folder, claim->terms, terms);
    }
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

absl::Status PredictionFolder::WriteClaim(const std::string& folder,
                                          const Fd& lock,
                                          const ClaimText& claim) {
  const std::string text = claim.ToString();
  const auto size = static_cast<ssize_t>(text.size());
  // Over the old text, of which a new name alone differs: a crash between the
  // two must not leave an empty claim.
  if (pwrite(lock.get(), text.data(), text.size(), 0) != size ||
      ftruncate(lock.get(), size) != 0 || fsync(lock.get()) != 0) {
    return CannotWrite(folder);
  }
  const Fd entries(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (entries.get() < 0 || fsync(entries.get()) != 0) {
    return CannotWrite(folder);
  }
  return absl::OkStatus();
}

bool PredictionFolder::IsBucket(absl::string_view path) {
  return absl::StartsWith(path, "s3://");
}

int64_t PredictionFolder::PartExamplesIn(const std::string& path) {
  std::optional<ClaimText> claim;
  if (!IsBucket(path)) {
    claim = ClaimText::Read(path);
  } else if (const auto bucket = S3Objects::OpenUrl(path); bucket.ok()) {
    // Claim tells of errors.
    const auto text = (*bucket)->Get(kPredictionClaim, {});
    if (text.ok()) claim = ClaimText::Parse(text->bytes);
  }
  return claim ? claim->terms.part_examples : 0;
}

absl::StatusOr<PredictionFolder> PredictionFolder::Claim(
    const std::string& path, const PredictionTerms& terms) {
  return IsBucket(path) ? ClaimBucket(path, terms) : ClaimFolder(path, terms);
}

absl::StatusOr<PredictionFolder> PredictionFolder::ClaimBucket(
    const std::string& path, const PredictionTerms& terms) {
  EBB_ASSIGN_OR_RETURN(auto bucket, S3Objects::OpenUrl(path));
  ListOptions any;
  any.most = 2;  // One may be the marker of a folder, which is not listed.
  EBB_ASSIGN_OR_RETURN(const ObjectPage page, bucket->List(any));
  bool goes_on = true;
  if (page.objects.empty()) {
    const ClaimText claim{terms, NewRequestId()};
    const auto created =
        CreateObject(bucket.get(), kPredictionClaim, claim.ToString());
    // Another command may have been faster.
    if (!created.ok() && !absl::IsAlreadyExists(created.status())) {
      return created.status();
    }
    goes_on = !created.ok();
  }
  const auto text = bucket->Get(kPredictionClaim, {});
  if (absl::IsNotFound(text.status())) return RefuseUnknown(path);
  if (!text.ok()) return text.status();
  const auto claim = ClaimText::Parse(text->bytes);
  if (!claim) return RefuseUnknown(path);
  const auto complete = bucket->Get(kSuccess, {});
  if (complete.ok()) return RefuseComplete(path, claim->terms, terms);
  if (!absl::IsNotFound(complete.status())) return complete.status();
  // Also on a server that ignores conditions, where another command may have
  // written over this one's claim.
  if (claim->terms.identity != terms.identity) {
    return RefuseOthers(path, claim->terms, terms);
  }
  return PredictionFolder(path, *claim, goes_on, /*made=*/false, Fd(),
                          std::move(bucket));
}

absl::StatusOr<PredictionFolder> PredictionFolder::ClaimFolder(
    const std::string& path, const PredictionTerms& terms) {
  std::error_code error;
  const bool made = fs::create_directories(path, error);
  const bool fresh = !error && HasNothingElse(path, error);
  if (error) {
    return absl::ErrnoToStatus(
        error.value(), absl::StrCat("--to ", path, ": no folder to write to"));
  }
  // A file that is not of predictions gets no claim beside it.
  if (!fresh && !ClaimText::Read(path)) return RefuseUnknown(path);
  // Two commands may come at once. What is said is read and written by the one
  // that has the lock.
  EBB_ASSIGN_OR_RETURN(Fd lock, Lock(path, terms));
  auto claim = ClaimText::Read(path);
  if (fs::exists(FileIn(path, kSuccess), error)) {
    return RefuseComplete(path, claim.value_or(ClaimText()).terms, terms);
  }
  const bool goes_on = claim.has_value();
  if (!claim) {
    // New, or a command was killed before it had written it.
    EBB_ASSIGN_OR_RETURN(const std::string text,
                         ReadFile(FileIn(path, kPredictionClaim)));
    if (!absl::StartsWith(kClaimFirstWord,
                          text.substr(0, kClaimFirstWord.size()))) {
      return RefuseUnknown(path);
    }
    claim = ClaimText{terms, NewRequestId()};
    EBB_RETURN_IF_ERROR(WriteClaim(path, lock, *claim));
  }
  if (claim->terms.identity != terms.identity) {
    return RefuseOthers(path, claim->terms, terms);
  }
  return PredictionFolder(path, *claim, goes_on, made, std::move(lock),
                          nullptr);
}

absl::Status PredictionFolder::Renew() {
  ClaimText renewed = claim_;
  renewed.request_id = NewRequestId();
  if (bucket_ == nullptr) {
    EBB_RETURN_IF_ERROR(WriteClaim(path_, lock_, renewed));
    claim_ = std::move(renewed);
    return absl::OkStatus();
  }
  const auto read = [&]() -> absl::StatusOr<ClaimText> {
    EBB_ASSIGN_OR_RETURN(const ObjectContent there,
                         bucket_->Get(kPredictionClaim, {}));
    const auto claim = ClaimText::Parse(there.bytes);
    if (!claim) return RefuseUnknown(path_);
    if (claim->terms.identity != claim_.terms.identity) {
      return RefuseOthers(path_, claim->terms, claim_.terms);
    }
    return *claim;
  };
  EBB_ASSIGN_OR_RETURN(const ObjectContent old,
                       bucket_->Get(kPredictionClaim, {}));
  if (old.bytes == claim_.ToString()) {
    const auto put = PutObject(bucket_.get(), kPredictionClaim,
                               renewed.ToString(), {.if_match = old.etag});
    // Aborted: another command was faster.
    if (!put.ok() && !absl::IsAborted(put.status())) return put.status();
  }
  EBB_ASSIGN_OR_RETURN(claim_, read());
  return absl::OkStatus();
}

absl::StatusOr<std::set<std::string>> PredictionFolder::Names() const {
  std::set<std::string> names;
  if (bucket_ != nullptr) {
    EBB_ASSIGN_OR_RETURN(const auto objects, ListAllObjects(bucket_.get(), ""));
    for (const ListedObject& object : objects) names.insert(object.key);
    return names;
  }
  std::error_code error;
  for (const fs::directory_entry& entry :
       fs::directory_iterator(path_, error)) {
    names.insert(entry.path().filename().string());
  }
  if (error) {
    return absl::ErrnoToStatus(error.value(),
                               absl::StrCat("cannot read ", path_));
  }
  return names;
}

absl::StatusOr<std::string> PredictionFolder::Read(
    const std::string& name) const {
  if (bucket_ == nullptr) return ReadFile(FileIn(path_, name));
  EBB_ASSIGN_OR_RETURN(ObjectContent content, bucket_->Get(name, {}));
  return std::move(content.bytes);
}

absl::StatusOr<std::vector<std::string>> PredictionFolder::Settle(
    const JobPlan& plan, const v1::JobStatus& status) const {
  EBB_ASSIGN_OR_RETURN(std::set<std::string> names, Names());
  const auto remove = [&](const std::string& name) {
    names.erase(name);
    // Another command may have put the object.
    return bucket_ != nullptr ? absl::OkStatus()
                              : RemoveFile(FileIn(path_, name));
  };
  for (const std::string& name : std::set<std::string>(names)) {
    if (absl::StartsWith(name, worker::kUnfinishedPart)) {
      EBB_RETURN_IF_ERROR(remove(name));
    }
  }
  for (const v1::SkippedRange& skipped : status.skipped()) {
    EBB_RETURN_IF_ERROR(remove(PartOf(plan, skipped.item().shard()).file));
  }
  std::vector<std::string> missing;
  int64_t untold = 0;
  for (int64_t ordinal = 0; ordinal < plan.items(); ++ordinal) {
    const Part first = PartOf(plan, ordinal);
    if (names.contains(first.file)) continue;
    // Parts that follow each other are told as one range.
    int64_t parts = 1;
    Part last = first;
    while (ordinal + 1 < plan.items()) {
      const Part next = PartOf(plan, ordinal + 1);
      if (names.contains(next.file)) break;
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
    const std::string file = PartOf(plan, ordinal).file;
    EBB_ASSIGN_OR_RETURN(const std::string text, Read(file));
    const absl::Status taken = take(text);
    if (!taken.ok()) {
      return absl::Status(taken.code(), absl::StrCat(FileIn(path_, file), ": ",
                                                     taken.message()));
    }
  }
  return absl::OkStatus();
}

absl::Status PredictionFolder::Finish(const Json& about) const {
  if (bucket_ == nullptr) {
    return WriteFile(FileIn(path_, kSuccess), about.ToString());
  }
  // A server that ignores conditions has let another command in.
  EBB_ASSIGN_OR_RETURN(const std::string text, Read(kPredictionClaim));
  const auto claim = ClaimText::Parse(text);
  if (!claim || claim->terms.identity != claim_.terms.identity) {
    return RefuseTaken(path_);
  }
  return PutObject(bucket_.get(), kSuccess, about.ToString()).status();
}

absl::Status PredictionFolder::Join(const JobPlan& plan,
                                    std::ostream* out) const {
  bool first = true;
  return ReadParts(plan, [&](absl::string_view part) {
    // Names of classes may have line breaks, in quotes.
    if (!first) part.remove_prefix(worker::HeaderLength(part));
    first = false;
    *out << part;
    return absl::OkStatus();
  });
}

absl::Status PredictionFolder::LeaveNothing() const {
  if (bucket_ != nullptr || goes_on_) return absl::OkStatus();
  EBB_ASSIGN_OR_RETURN(std::set<std::string> names, Names());
  for (const std::string& name : std::set<std::string>(names)) {
    if (!absl::StartsWith(name, worker::kUnfinishedPart)) continue;
    EBB_RETURN_IF_ERROR(RemoveFile(FileIn(path_, name)));
    names.erase(name);
  }
  if (names != std::set<std::string>{std::string(kPredictionClaim)}) {
    return absl::OkStatus();
  }
  EBB_RETURN_IF_ERROR(RemoveFile(FileIn(path_, kPredictionClaim)));
  return made_ ? RemoveFile(path_) : absl::OkStatus();
}

absl::Status PredictionFolder::Remove() const {
  std::error_code error;
  fs::remove_all(path_, error);
  if (!error) return absl::OkStatus();
  return absl::ErrnoToStatus(error.value(),
                             absl::StrCat("cannot remove ", path_));
}

}  // namespace ebb::tools
