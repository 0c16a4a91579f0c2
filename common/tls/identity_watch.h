// Checks whether the files of a running process can still be used. It reads
// them again when they change; the owner logs what is wrong.
//
//   IdentityWatch watch(files, roles);  // Before CheckIdentity.
//   ... every second: if (const auto news = watch.Look(absl::Now())) ...
#ifndef EBB_COMMON_TLS_IDENTITY_WATCH_H_
#define EBB_COMMON_TLS_IDENTITY_WATCH_H_

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/tls/certificate.h"
#include "common/tls/role.h"
#include "common/tls/tls_settings.h"

namespace ebb {

class IdentityWatch {
 public:
  // Watches files; it knows them as they are now.
  IdentityWatch(TlsFiles files, RoleSet roles);

  // CheckIdentity of files that have changed and then stayed as they were from
  // one look to the next: several are replaced one after the other. nullopt:
  // there is nothing new. A mistake is not told twice in a row.
  std::optional<absl::StatusOr<Certificate>> Look(absl::Time now);

 private:
  // All zero: there is no such file.
  struct Stamp {
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = 0;
    int64_t modified_s = 0;
    int64_t modified_ns = 0;
    bool operator==(const Stamp&) const = default;
  };
  using Stamps = std::array<Stamp, 3>;
  static Stamp StampOf(const std::string& path);
  Stamps Read() const;

  TlsFiles files_;
  RoleSet roles_;
  Stamps seen_;
  bool changed_ = false;  // Since the last check.
  // The mistake that was returned last; empty: there is none.
  std::string mistake_;
};

}  // namespace ebb

#endif  // EBB_COMMON_TLS_IDENTITY_WATCH_H_
