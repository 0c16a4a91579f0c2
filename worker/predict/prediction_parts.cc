#include "worker/predict/prediction_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "common/fd.h"
#include "common/objects/credentials.h"
#include "common/objects/retries.h"
#include "common/objects/s3_objects.h"
#include "common/status_macros.h"
#include "common/steady_time.h"
#include "common/tls/sha256.h"
#include "glog/logging.h"
#include "job/prediction.h"
#include "worker/predict/stepping.h"

namespace ebb::worker {

namespace {

constexpr absl::string_view kS3 = "s3://";
// Within which one request to a bucket is repeated.
constexpr absl::Duration kRequestPatience = absl::Milliseconds(200);

bool MayPass(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
}

absl::StatusOr<std::string> ReadLine(const std::string& path) {
  std::ifstream in(path);
  std::string line;
  if (in.is_open() && std::getline(in, line)) return line;
  return absl::ErrnoToStatus(in.is_open() ? EIO : errno,
                             absl::StrCat("cannot read ", path));
}

absl::Status CannotWrite(const std::string& path, int error = errno) {
  return absl::ErrnoToStatus(
      error, absl::StrCat("cannot write the predictions to ", path));
}

// Names of files in the folder are on the disk then.
absl::Status SyncFolder(const std::string& folder) {
  const Fd entries(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (entries.get() >= 0 && fsync(entries.get()) == 0) return absl::OkStatus();
  return CannotWrite(folder);
}

// A file in a folder that has another name until it is whole. The destructor
// removes one that is not.
class PartFile {
 public:
  static absl::StatusOr<PartFile> Make(const std::string& folder,
                                       const std::string& name) {
    std::string path = absl::StrCat(folder, "/.", name, ".XXXXXX");
    Fd fd(mkostemp(path.data(), O_CLOEXEC));
    if (fd.get() < 0) return CannotWrite(folder);
    return PartFile(folder, absl::StrCat(folder, "/", name), std::move(path),
                    std::move(fd));
  }
  PartFile(PartFile&& other) noexcept
      : folder_(std::move(other.folder_)),
        path_(std::move(other.path_)),
        unfinished_(std::exchange(other.unfinished_, "")),
        fd_(std::move(other.fd_)) {}
  ~PartFile() {
    if (!unfinished_.empty()) unlink(unfinished_.c_str());
  }

  void Add(absl::string_view text) {
    constexpr size_t kPiece = size_t{1} << 20;
    buffer_.append(text.data(), text.size());
    if (buffer_.size() >= kPiece) Flush();
  }

  // Gives the file its name. Both are on the disk then.
  absl::Status Finish() {
    Flush();
    if (error_ != 0) return CannotWrite(path_, error_);
    constexpr mode_t kReadable = 0644;
    if (fchmod(fd_.get(), kReadable) != 0 || fsync(fd_.get()) != 0 ||
        rename(unfinished_.c_str(), path_.c_str()) != 0) {
      return CannotWrite(path_);
    }
    unfinished_.clear();
    return SyncFolder(folder_);
  }

 private:
  PartFile(std::string folder, std::string path, std::string unfinished, Fd fd)
      : folder_(std::move(folder)),
        path_(std::move(path)),
        unfinished_(std::move(unfinished)),
        fd_(std::move(fd)) {}

  void Flush() {
    absl::string_view rest = buffer_;
    while (!rest.empty() && error_ == 0) {
      const ssize_t written = write(fd_.get(), rest.data(), rest.size());
      if (written > 0) {
        rest.remove_prefix(static_cast<size_t>(written));
      } else if (errno != EINTR) {
        error_ = errno;
      }
    }
    buffer_.clear();
  }

  std::string folder_;
  std::string path_;
  std::string unfinished_;  // Its name until it is whole.
  Fd fd_;
  std::string buffer_;
  int error_ = 0;  // The first write that failed has this one.
};

}  // namespace

std::string PartFileName(int64_t first, int64_t last, int64_t examples) {
  constexpr size_t kLeastDigits = 6;
  const auto digits = static_cast<int>(
      std::max(kLeastDigits, absl::StrCat(examples - 1).size()));
  return absl::StrFormat("%s%0*d-%0*d.csv", kPart, digits, first, digits,
                         last - 1);
}

std::string PredictionIdentity(const v1::Job& job, uint64_t layout_hash) {
  const job::PredictionInput input = job::PredictionInputOf(job);
  return absl::BytesToHexString(
      Sha256(absl::StrCat(layout_hash, " ", job.model().sha256(), " ",
                          input.labelled ? 1 : 0, " ", input.id)));
}

absl::StatusOr<std::unique_ptr<PredictionParts>> PredictionParts::Load(
    const v1::Job& job, uint64_t layout_hash, const UserCode& code,
    const data::OpenBytes& open, const BucketPatience& patience) {
  const std::string& path = job.predict().model();
  EBB_ASSIGN_OR_RETURN(ExportedModel model, LoadExport(path));
  const std::string hash = absl::BytesToHexString(Sha256(model.file.bytes()));
  if (hash != job.model().sha256()) {
    return absl::FailedPreconditionError(absl::StrCat(
        path, " is not the model that the job was submitted with: its SHA-256 ",
        "is ", hash, ", not ", job.model().sha256(),
        "; give this machine the same file, or predict anew"));
  }
  auto loaded = CreateExported(model, code);
  if (!loaded.ok()) {
    return absl::Status(loaded.status().code(),
                        absl::StrCat(path, ": ", loaded.status().message()));
  }
  std::unique_ptr<ObjectStore> bucket;
  if (const std::string& to = job.predict().to(); absl::StartsWith(to, kS3)) {
    // A worker that may not use the bucket must say so before it has an item.
    EBB_RETURN_IF_ERROR(
        open(absl::StrCat(absl::StripSuffix(to, "/"), "/", kPredictionClaim))
            .status());
    // Write waits by itself, so that a worker may leave.
    EBB_ASSIGN_OR_RETURN(bucket,
                         S3Objects::OpenUrl(to, ProcessEnvironment,
                                            {.patience = kRequestPatience}));
  }
  return std::unique_ptr<PredictionParts>(
      new PredictionParts(job, layout_hash, open, patience, std::move(model),
                          *std::move(loaded), std::move(bucket)));
}

absl::StatusOr<data::Dataset> PredictionParts::LoadInput(
    const data::Index& index) {
  const job::PredictionInput input = job::PredictionInputOf(job_);
  EBB_ASSIGN_OR_RETURN(
      data::Dataset examples,
      data::Dataset::LoadIndexed(SpecToPredict(model_, input), index, open_));
  extras_.id_column = input.id;
  if (!input.id.empty()) {
    EBB_ASSIGN_OR_RETURN(extras_.ids, ReadIds(model_, input, open_));
  }
  return examples;
}

absl::Status PredictionParts::Write(const data::Dataset& input, int64_t first,
                                    int64_t last,
                                    const WhileWriting& meanwhile) {
  const std::string name = PartFileName(first, last, input.examples());
  extras_.first = first;
  extras_.last = last;
  extras_.step = meanwhile.step;
  const auto write = [&](const std::function<void(absl::string_view)>& add) {
    return WritePredictions(model_, input, loaded_->model.get(), add, extras_);
  };
  if (bucket_ != nullptr) return WriteToBucket(name, meanwhile, write);
  const std::string& folder = job_.predict().to();
  EBB_RETURN_IF_ERROR(
      CheckClaim(ReadLine(absl::StrCat(folder, "/", kPredictionClaim))));
  if (access(absl::StrCat(folder, "/", name).c_str(), F_OK) == 0) {
    // The worker that wrote it may have died before its name was on the disk.
    return SyncFolder(folder);
  }
  EBB_ASSIGN_OR_RETURN(PartFile file, PartFile::Make(folder, name));
  EBB_RETURN_IF_ERROR(write([&](absl::string_view text) { file.Add(text); }));
  return file.Finish();
}

absl::Status PredictionParts::WriteToBucket(
    const std::string& name, const WhileWriting& meanwhile,
    absl::FunctionRef<
        absl::Status(const std::function<void(absl::string_view)>&)>
        write) {
  const auto check_claim = [&]() -> absl::Status {
    auto claim = bucket_->Get(kPredictionClaim, {});
    if (MayPass(claim.status())) return claim.status();
    return CheckClaim(claim.ok()
                          ? absl::StatusOr<std::string>(std::move(claim->bytes))
                          : claim.status());
  };
  bool there = false;
  EBB_RETURN_IF_ERROR(Patiently(meanwhile, [&]() -> absl::Status {
    EBB_RETURN_IF_ERROR(check_claim());
    EBB_ASSIGN_OR_RETURN(const ObjectPage page,
                         bucket_->List({.prefix = name, .most = 1}));
    there = !page.objects.empty() && page.objects.front().key == name;
    return absl::OkStatus();
  }));
  if (there) return absl::OkStatus();
  // An object is put whole.
  std::string whole;
  uint64_t bytes = 0;
  EBB_RETURN_IF_ERROR(write([&](absl::string_view text) {
    bytes += text.size();
    if (bytes <= kMostObjectBytes) whole.append(text.data(), text.size());
  }));
  if (bytes > kMostObjectBytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat(bucket_->place(), name, ": the predictions take ", bytes,
                     " bytes, and an object at most ", kMostObjectBytes,
                     "; make the parts smaller by --part-examples"));
  }
  // The claim may have changed while this was computed, or while it waited.
  return Patiently(meanwhile, [&]() -> absl::Status {
    EBB_RETURN_IF_ERROR(check_claim());
    const absl::Status put = CreateObject(bucket_.get(), name, whole).status();
    // Another worker of these predictions was faster.
    return absl::IsAlreadyExists(put) ? absl::OkStatus() : put;
  });
}

absl::Status PredictionParts::Patiently(const WhileWriting& meanwhile,
                                        absl::FunctionRef<absl::Status()> ask) {
  bool leaves = false;
  RetryOptions options;
  options.patience = std::min(patience_.at_once, patience_.patience);
  options.first_wait = patience_.first_wait;
  options.longest_wait = patience_.longest_wait;
  options.wait = [&](absl::Duration wait) { leaves = !meanwhile.wait(wait); };
  // Workers that lost the bucket at once come back at different times.
  Retries retries(options,
                  static_cast<uint64_t>(absl::ToUnixNanos(SteadyNow())));
  const Stepping stepping(meanwhile.step);
  absl::Status asked;
  do {
    if (leaves) {
      return absl::CancelledError(absl::StrCat(
          "the worker leaves before the bucket answers: ", asked.message()));
    }
    const absl::Time tried = SteadyNow();
    asked = ask();
    if (!MayPass(asked)) {
      outage_.End();
      return asked;
    }
    switch (outage_.Failed(tried, SteadyNow())) {
      case Outage::Next::kGivenUp:
        return outage_.GivenUp(asked);
      case Outage::Next::kBegins:
        LOG(WARNING) << "waits up to " << outage_.patience()
                     << " for the bucket: " << asked.message();
        break;
      case Outage::Next::kGoesOn:
        break;
    }
  } while (retries.Again(std::string(asked.message())));
  return absl::CancelledError(
      absl::StrCat("the bucket does not answer: ", asked.message()));
}

absl::Status PredictionParts::CheckClaim(
    const absl::StatusOr<std::string>& text) const {
  if (text.ok() && absl::StartsWith(*text, claim_)) return absl::OkStatus();
  if (!text.ok() && !absl::IsNotFound(text.status())) return text.status();
  return absl::FailedPreconditionError(absl::StrCat(
      job_.predict().to(),
      text.ok() ? " has other predictions now" : " has no predictions any more",
      ": ", kPredictionClaim,
      text.ok() ? " does not name those of this job" : " is not there",
      "; cancel the job, or predict to another folder"));
}

int64_t PredictionParts::memory_bytes() const {
  // The file is mapped, but predictions look everywhere in it.
  int64_t ids = 0;
  for (const std::string& id : extras_.ids) {
    ids += static_cast<int64_t>(sizeof(id) + id.capacity());
  }
  return static_cast<int64_t>(model_.file.bytes().size() +
                              model_.parameters.size() * sizeof(float)) +
         ids;
}

}  // namespace ebb::worker
