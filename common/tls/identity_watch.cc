#include "common/tls/identity_watch.h"

#include <sys/stat.h>

#include <utility>

namespace ebb {

IdentityWatch::IdentityWatch(TlsFiles files, RoleSet roles)
    : files_(std::move(files)), roles_(roles), seen_(Read()) {}

IdentityWatch::Stamp IdentityWatch::StampOf(const std::string& path) {
  struct stat info = {};
  if (stat(path.c_str(), &info) != 0) return {};
  return {.device = info.st_dev,
          .inode = info.st_ino,
          .size = info.st_size,
          .modified_s = info.st_mtim.tv_sec,
          .modified_ns = info.st_mtim.tv_nsec};
}

IdentityWatch::Stamps IdentityWatch::Read() const {
  return {StampOf(files_.certificate), StampOf(files_.key),
          StampOf(files_.authority)};
}

std::optional<absl::StatusOr<Certificate>> IdentityWatch::Look(absl::Time now) {
  const Stamps stamps = Read();
  if (stamps != seen_) {
    seen_ = stamps;
    changed_ = true;
    return std::nullopt;
  }
  if (!changed_) return std::nullopt;
  changed_ = false;
  absl::StatusOr<Certificate> checked = CheckIdentity(files_, roles_, now);
  std::string mistake(checked.status().message());
  if (!checked.ok() && mistake == mistake_) return std::nullopt;
  mistake_ = std::move(mistake);
  return checked;
}

}  // namespace ebb
