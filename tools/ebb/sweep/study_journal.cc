#include "tools/ebb/sweep/study_journal.h"

#include <fcntl.h>
#include <google/protobuf/struct.pb.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <filesystem>
#include <limits>
#include <system_error>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/fd.h"
#include "common/status_macros.h"
#include "job/base/keys.h"
#include "sweep/trial_file.h"
#include "tools/text/read_json.h"

namespace ebb::tools {

namespace {

using google::protobuf::Struct;
using sweep::Trial;
using sweep::TrialState;

constexpr int32_t kMostEpochs = 1'000'000;
// Lines are read whole, and so is the file.
constexpr int64_t kMostBytes = int64_t{256} << 20;
constexpr char kExample[] =
    "\nhint: {\"trial\": 0, \"epoch\": 1, \"epochs\": 9, \"value\": 0.5} while "
    "it trains, {\"trial\": 0, \"value\": 0.5} at its end, or {\"trial\": 0, "
    "\"failed\": true}";

absl::Status FileError(const std::string& path, absl::string_view what) {
  return absl::UnavailableError(absl::StrCat(
      path, " ", what, ": ", std::generic_category().message(errno),
      "\nhint: --study FILE keeps the study in another place"));
}

// How the first line of each study begins.
constexpr absl::string_view kBegin = "{\"study\": ";

absl::Status NotAStudy() {
  return absl::FailedPreconditionError(
      "the file is not that of a study, and stays as it is\nhint: --study "
      "FILE, another file");
}

// Only one process at a time has it.
class FileLock {
 public:
  static absl::StatusOr<FileLock> Take(int fd, const std::string& path) {
    int locked = 0;
    do {
      locked = flock(fd, LOCK_EX);
    } while (locked != 0 && errno == EINTR);
    if (locked != 0) return FileError(path, "cannot be locked");
    return FileLock(fd);
  }
  FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ~FileLock() {
    if (fd_ >= 0) flock(fd_, LOCK_UN);
  }

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_;
};

// So that the file is there after a crash of the machine.
absl::Status SyncFolderOf(const std::string& path) {
  std::string folder = std::filesystem::path(path).parent_path().string();
  if (folder.empty()) folder = ".";
  const Fd fd(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0 || fsync(fd.get()) != 0) {
    return FileError(path, "cannot be written");
  }
  return absl::OkStatus();
}

template <typename... Args>
absl::Status WrongLine(const Args&... args) {
  return absl::InvalidArgumentError(absl::StrCat(args..., kExample));
}

// A whole number from `least` to `most`. Absent: it is another value.
std::optional<int64_t> WholeIn(const Struct& object, const std::string& key,
                               int64_t least, int64_t most) {
  const double value =
      NumberIn(object, key, std::numeric_limits<double>::quiet_NaN());
  if (!(value >= static_cast<double>(least)) ||
      !(value <= static_cast<double>(most)) || value != std::floor(value)) {
    return std::nullopt;
  }
  return static_cast<int64_t>(value);
}

// Refuses a key that is probably one of a line's, misspelt: what it says would
// be passed over. A line may have further keys of the program's own.
absl::Status CheckKeys(const Struct& object, const std::string& metric) {
  const std::vector<std::string> keys = {"trial", "epoch",  "epochs",
                                         "value", "failed", metric};
  for (const auto& [key, value] : object.fields()) {
    if (std::ranges::count(keys, key) > 0) continue;
    // Names such as best_epoch are near, too, but are not misspelt.
    if (absl::StrContains(key, '_')) continue;
    const std::string near = job::Nearest(key, keys);
    if (near.empty() || object.fields().contains(near)) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        absl::Utf8SafeCEscape(key), ": a line has no such key\nhint: ", near));
  }
  return absl::OkStatus();
}

Json SetOf(const sweep::Choices& choices) {
  Json set = Json::Object();
  for (const auto& [key, value] : choices) set[key] = value;
  return set;
}

}  // namespace

absl::StatusOr<std::unique_ptr<StudyJournal>> StudyJournal::Open(
    const sweep::SweepFile& file, const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC,
                      S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH);
  if (fd < 0) return FileError(path, "cannot be opened");
  std::unique_ptr<StudyJournal> journal(new StudyJournal(file, path, fd));
  EBB_ASSIGN_OR_RETURN(const FileLock lock, FileLock::Take(fd, path));
  EBB_RETURN_IF_ERROR(journal->Read());
  return journal;
}

StudyJournal::~StudyJournal() { close(fd_); }

absl::Status StudyJournal::Read() {
  struct stat info = {};
  if (fstat(fd_, &info) != 0) return FileError(path_, "cannot be read");
  const auto size = static_cast<int64_t>(info.st_size);
  if (size > kMostBytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat(path_, " has ", size, " bytes, more than ", kMostBytes));
  }
  if (size < read_ || info.st_nlink == 0) {
    return absl::DataLossError(absl::StrCat(
        path_,
        " was cut or removed by another program meanwhile\nhint: start "
        "the study anew, in another file (--study FILE)"));
  }
  std::string text(static_cast<size_t>(size - read_), '\0');
  for (size_t done = 0; done < text.size();) {
    const ssize_t some =
        pread(fd_, text.data() + done, text.size() - done,
              static_cast<off_t>(read_) + static_cast<off_t>(done));
    if (some < 0 && errno == EINTR) continue;
    if (some <= 0) return FileError(path_, "cannot be read");
    done += static_cast<size_t>(some);
  }
  const size_t whole = text.rfind('\n') + 1;  // 0: there is no line.
  const absl::string_view rest = absl::string_view(text).substr(whole);
  EBB_RETURN_IF_ERROR(ReadLines(absl::string_view(text).substr(0, whole)));
  // The process that wrote the beginning of a first line died before its
  // answer.
  if (read_ == 0 &&
      rest.substr(0, kBegin.size()) !=
          kBegin.substr(0, std::min(rest.size(), kBegin.size()))) {
    return absl::Status(NotAStudy().code(),
                        absl::StrCat(path_, ": ", NotAStudy().message()));
  }
  // The end of a line that was cut off never had an answer.
  if (!rest.empty() && ftruncate(fd_, static_cast<off_t>(read_)) != 0) {
    return FileError(path_, "cannot be written");
  }
  if (read_ > 0) return absl::OkStatus();
  Json first = Json::Object();
  first["study"] = file_.sweep.name;
  first["definition"] = sweep::DefinitionOf(file_);
  EBB_RETURN_IF_ERROR(Append(first.ToLine()));
  return SyncFolderOf(path_);
}

absl::Status StudyJournal::ReadLines(absl::string_view text) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const absl::Status read = Replay(std::string(text.substr(0, end)));
    if (!read.ok()) {
      return absl::Status(read.code(), absl::StrCat(path_, ":", lines_ + 1,
                                                    ": ", read.message()));
    }
    text.remove_prefix(end + 1);
    read_ += static_cast<int64_t>(end) + 1;
    ++lines_;
  }
  return absl::OkStatus();
}

absl::Status StudyJournal::Replay(const std::string& line) {
  EBB_ASSIGN_OR_RETURN(const Struct object, ParseJsonObject(line, "the line"));
  if (object.fields().contains("study")) {
    if (TextIn(object, "definition") == sweep::DefinitionOf(file_)) {
      return absl::OkStatus();
    }
    return absl::FailedPreconditionError(absl::StrCat(
        "the file is of the study ", TextIn(object, "study"),
        ", with another space, method, seed, metric or job.\nhint: --study "
        "FILE, another file"));
  }
  if (lines_ == 0) return NotAStudy();
  if (!object.fields().contains("ask")) {
    const auto told = ParseTold(line);
    if (!told.ok()) return absl::DataLossError(told.status().message());
    Apply(*told);
    return absl::OkStatus();
  }
  const auto number = WholeIn(object, "ask", 0, sweep::kMostTrials);
  const auto set = object.fields().find("set");
  if (!number || set == object.fields().end() || Find(*number) != nullptr) {
    return absl::DataLossError("the line asks for no trial");
  }
  sweep::Step::Begin begin = {*number, {}};
  for (const auto& [key, value] : set->second.struct_value().fields()) {
    begin.choices[key] = value.string_value();
  }
  study_.Restore(std::move(begin),
                 static_cast<int64_t>(NumberIn(object, "unix_ms", 0)));
  const std::string request = TextIn(object, "request");
  if (!request.empty()) requests_[request] = *number;
  return absl::OkStatus();
}

const Trial* StudyJournal::Find(int64_t number) const {
  const auto at = std::ranges::find(trials(), number, &Trial::number);
  return at == trials().end() ? nullptr : &*at;
}

absl::StatusOr<StudyJournal::Told> StudyJournal::ParseTold(
    absl::string_view line) const {
  const auto parsed = ParseJsonObject(line, "the line");
  if (!parsed.ok()) {
    // Python's json writes them so.
    const bool diverged =
        absl::StrContains(line, "NaN") || absl::StrContains(line, "Infinity");
    if (!diverged) return WrongLine(parsed.status().message());
    return WrongLine(
        "value: NaN and Infinity are no results; say that the trial failed");
  }
  const Struct& object = *parsed;
  const std::string& metric = file_.sweep.metric;
  EBB_RETURN_IF_ERROR(CheckKeys(object, metric));
  const auto trial = WholeIn(object, "trial", 0, sweep::kMostTrials);
  if (!trial || Find(*trial) == nullptr) {
    return WrongLine("trial: nothing asked for a trial of this number");
  }
  Told told{.trial = *trial};
  if (FlagIn(object, "failed")) {
    told.failed = true;
    return told;
  }
  const bool named =
      !object.fields().contains("value") && object.fields().contains(metric);
  const std::string key = named ? metric : "value";
  told.value = NumberIn(object, key, std::numeric_limits<double>::quiet_NaN());
  if (!std::isfinite(*told.value)) {
    return WrongLine(key, ": is missing, or is not a finite number");
  }
  if (!object.fields().contains("epoch")) return told;
  const auto epoch = WholeIn(object, "epoch", 1, kMostEpochs);
  const auto epochs = WholeIn(object, "epochs", 1, kMostEpochs);
  if (!epoch || !epochs || *epoch > *epochs) {
    return WrongLine(
        "epoch: is not a whole number from 1 to epochs, which is "
        "at most ",
        kMostEpochs);
  }
  told.epoch = static_cast<int32_t>(*epoch);
  told.epochs = static_cast<int32_t>(*epochs);
  return told;
}

absl::StatusOr<bool> StudyJournal::IsNew(const Told& told) const {
  const Trial& trial = *Find(told.trial);
  if (trial.state != TrialState::kRunning) return false;
  if (!told.epoch) return true;
  if (trial.measured.empty()) return true;
  const int32_t last = trial.measured.back().epochs;
  if (*told.epoch > last) {
    if (told.epochs == trial.epochs) return true;
    return WrongLine("epochs: ", told.epochs, ", and it was ", trial.epochs,
                     " before; how many epochs a trial has does not change");
  }
  const bool known = std::ranges::count(trial.measured, *told.epoch,
                                        &sweep::Measured::epochs) > 0;
  if (known) return false;
  return WrongLine("epoch: ", *told.epoch, " comes after epoch ", last,
                   " was told; epochs are told in their order");
}

void StudyJournal::Apply(const Told& told) {
  if (told.failed) {
    study_.Fail(told.trial);
    return;
  }
  if (told.epoch) {
    study_.Tell(told.trial, *told.epoch, told.epochs, *told.value);
    return;
  }
  study_.Finish(told.trial, *told.value);
}

absl::StatusOr<Json> StudyJournal::Ask(const std::string& request,
                                       int64_t now_unix_ms) {
  EBB_ASSIGN_OR_RETURN(const FileLock lock, FileLock::Take(fd_, path_));
  EBB_RETURN_IF_ERROR(Read());
  Json answer = Json::Object();
  const auto known = requests_.find(request);
  if (!request.empty() && known != requests_.end()) {
    answer["trial"] = known->second;
    answer["set"] = SetOf(Find(known->second)->choices);
    return answer;
  }
  const auto begin = study_.Ask(now_unix_ms);
  if (!begin) {
    answer["trial"] = Json();
    answer["why"] = "the budget is used up, or every point has been tried";
    return answer;
  }
  Json line = Json::Object();
  line["ask"] = begin->number;
  if (!request.empty()) line["request"] = request;
  line["unix_ms"] = now_unix_ms;
  line["set"] = SetOf(begin->choices);
  EBB_RETURN_IF_ERROR(Append(line.ToLine()));
  if (!request.empty()) requests_[request] = begin->number;
  answer["trial"] = begin->number;
  answer["set"] = SetOf(begin->choices);
  return answer;
}

absl::StatusOr<Json> StudyJournal::Tell(absl::string_view line) {
  EBB_ASSIGN_OR_RETURN(const FileLock lock, FileLock::Take(fd_, path_));
  EBB_RETURN_IF_ERROR(Read());
  EBB_ASSIGN_OR_RETURN(const Told told, ParseTold(line));
  EBB_ASSIGN_OR_RETURN(const bool is_new, IsNew(told));
  if (is_new) {
    Json kept = Json::Object();
    kept["trial"] = told.trial;
    if (told.failed) {
      kept["failed"] = true;
    } else {
      if (told.epoch) {
        kept["epoch"] = *told.epoch;
        kept["epochs"] = told.epochs;
      }
      kept["value"] = *told.value;
    }
    EBB_RETURN_IF_ERROR(Append(kept.ToLine()));
    Apply(told);
  }
  Json answer = Json::Object();
  answer["trial"] = told.trial;
  answer["counted"] = is_new;
  answer["go_on"] = Find(told.trial)->state == TrialState::kRunning;
  return answer;
}

absl::Status StudyJournal::Append(const std::string& line) {
  const std::string text = absl::StrCat(line, "\n");
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t some = write(fd_, text.data() + done, text.size() - done);
    if (some < 0 && errno == EINTR) continue;
    if (some <= 0) return FileError(path_, "cannot be written");
    done += static_cast<size_t>(some);
  }
  if (fdatasync(fd_) != 0) return FileError(path_, "cannot be written");
  read_ += static_cast<int64_t>(text.size());
  ++lines_;
  return absl::OkStatus();
}

}  // namespace ebb::tools
