// The members of tar archives, from the first to the last. It reads ustar, and
// the extensions of POSIX (pax) and GNU for long names and large sizes.
// Decision 0054 says why libarchive does not.
#ifndef EBB_DATA_FORMATS_IMAGES_TAR_MEMBERS_H_
#define EBB_DATA_FORMATS_IMAGES_TAR_MEMBERS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "data/fingerprint.h"
#include "data/formats/input.h"

namespace ebb::data::internal {

struct TarMember {
  std::string name;
  int64_t bytes = 0;
};

class TarMembers {
 public:
  explicit TarMembers(Input archives) : file_(std::move(archives)) {}

  // Sets `*member` to the next file; false at the end of the last archive.
  // Passes over folders, and over what Read() left of the last member.
  // kInvalidArgument, naming archive, member and byte: an archive is cut or
  // damaged, or has a link or a device. What follows cannot be trusted then.
  absl::StatusOr<bool> Next(TarMember* member);

  // Reads the whole content of the member. Called once at most for each.
  absl::Status Read(std::string* bytes);

  // Path of the archive that has the member, and its number among them.
  const std::string& path() const { return file_.path(); }
  int64_t archive() const { return archive_; }
  std::vector<FileFingerprint> Fingerprints() const {
    return file_.Fingerprints();
  }

 private:
  using Block = std::array<char, 512>;

  template <typename... Args>
  absl::Status Bad(const Args&... args) const {
    return absl::InvalidArgumentError(
        absl::StrCat(file_.path(), ": ", args...));
  }
  // "cut".
  absl::Status Cut() const;

  // Reads the header of the next member of this archive; false after the last.
  absl::StatusOr<bool> ReadHeader(Block* header);
  // The next file of this archive.
  absl::StatusOr<bool> NextInArchive(TarMember* member);
  // Takes a text that belongs to the next member.
  absl::Status ReadText(absl::string_view what, int64_t bytes,
                        std::string* text);
  absl::Status TakePax(absl::string_view records);
  absl::Status Skip(int64_t bytes);
  // The end of the archive, after its first block of zeros.
  absl::Status CheckEnd();

  Input file_;
  int64_t archive_ = 0;
  std::string name_;     // The member that was read last, for messages.
  int64_t left_ = 0;     // Bytes of its content that are not read.
  int64_t padding_ = 0;  // Bytes between it and the next header.
  int64_t members_ = 0;  // Headers read of this archive.
  // The headers before a member say this of it; empty: nothing.
  std::string long_name_;
  std::string pax_size_;
};

}  // namespace ebb::data::internal

#endif  // EBB_DATA_FORMATS_IMAGES_TAR_MEMBERS_H_
