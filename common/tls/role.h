// The roles of a peer. Its certificate names one by one URI among its subject
// alternative names, as ebb://role/worker.
#ifndef EBB_COMMON_TLS_ROLE_H_
#define EBB_COMMON_TLS_ROLE_H_

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ebb {

enum class Role : uint8_t {
  kScheduler,
  kServer,  // "ps".
  kWorker,  // Also a program that joins a job.
  kClient,  // A person or a tool that submits, changes and ends jobs.
  kViewer,  // One that only looks.
};

inline constexpr std::array kAllRoles = {Role::kScheduler, Role::kServer,
                                         Role::kWorker, Role::kClient,
                                         Role::kViewer};

// "scheduler", "ps", "worker", "client", "viewer".
absl::string_view RoleName(Role role);
// InvalidArgument: there is none of this name; it lists them.
absl::StatusOr<Role> ParseRole(absl::string_view name);

// "ebb://role/worker".
std::string RoleUri(Role role);

// The role that a certificate with these URIs has; those of other schemes do
// not count. PermissionDenied: it names none, one that there is not, or
// several; the message has at most a few words of what it says. Compared byte
// by byte: what looks alike is something else.
absl::StatusOr<Role> RoleOfUris(const std::vector<absl::string_view>& uris);

// Several roles.
class RoleSet {
 public:
  constexpr RoleSet() = default;
  constexpr RoleSet(std::initializer_list<Role> roles) {
    for (const Role role : roles) bits_ |= Bit(role);
  }
  static constexpr RoleSet All() {
    RoleSet all;
    for (const Role role : kAllRoles) all.bits_ |= Bit(role);
    return all;
  }

  constexpr bool Has(Role role) const { return (bits_ & Bit(role)) != 0; }
  constexpr bool empty() const { return bits_ == 0; }
  // "client or viewer".
  std::string ToString() const;

 private:
  static constexpr uint8_t Bit(Role role) {
    return static_cast<uint8_t>(1U << static_cast<unsigned>(role));
  }
  uint8_t bits_ = 0;
};

}  // namespace ebb

#endif  // EBB_COMMON_TLS_ROLE_H_
