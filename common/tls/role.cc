#include "common/tls/role.h"

#include <optional>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace ebb {

namespace {

constexpr absl::string_view kScheme = "ebb:";
constexpr absl::string_view kPrefix = "ebb://role/";

// Quotes what a stranger wrote, for a message: short, printable.
std::string Quoted(absl::string_view text) {
  constexpr size_t kMost = 40;
  return absl::StrCat("\"", absl::CHexEscape(text.substr(0, kMost)),
                      text.size() > kMost ? "...\"" : "\"");
}

std::optional<Role> RoleOfName(absl::string_view name) {
  for (const Role role : kAllRoles) {
    if (name == RoleName(role)) return role;
  }
  return std::nullopt;
}

std::string Names(absl::string_view separator) {
  return absl::StrJoin(kAllRoles, separator, [](std::string* out, Role role) {
    absl::StrAppend(out, RoleName(role));
  });
}

}  // namespace

absl::string_view RoleName(Role role) {
  switch (role) {
    case Role::kScheduler:
      return "scheduler";
    case Role::kServer:
      return "ps";
    case Role::kWorker:
      return "worker";
    case Role::kClient:
      return "client";
    case Role::kViewer:
      return "viewer";
  }
  return "";
}

absl::StatusOr<Role> ParseRole(absl::string_view name) {
  if (const auto role = RoleOfName(name)) return *role;
  return absl::InvalidArgumentError(
      absl::StrCat(Quoted(name), " is no role; there are: ", Names(", ")));
}

std::string RoleUri(Role role) { return absl::StrCat(kPrefix, RoleName(role)); }

absl::StatusOr<Role> RoleOfUris(const std::vector<absl::string_view>& uris) {
  std::optional<Role> found;
  for (const absl::string_view uri : uris) {
    // A scheme's case does not matter (RFC 3986, 3.1), so one in other letters
    // is ours, and wrong.
    if (!absl::StartsWithIgnoreCase(uri, kScheme)) continue;
    const auto role = absl::StartsWith(uri, kPrefix)
                          ? RoleOfName(uri.substr(kPrefix.size()))
                          : std::nullopt;
    if (!role) {
      return absl::PermissionDeniedError(absl::StrCat(
          "the certificate's URI ", Quoted(uri),
          " names no role of ebb; one that does is ", RoleUri(Role::kWorker)));
    }
    if (found) {
      return absl::PermissionDeniedError(
          "the certificate names several roles; it must have one");
    }
    found = role;
  }
  if (found) return *found;
  return absl::PermissionDeniedError(absl::StrCat(
      "the certificate names no role: it has no URI as ",
      RoleUri(Role::kWorker), " among its subject alternative names"));
}

std::string RoleSet::ToString() const {
  std::vector<absl::string_view> names;
  for (const Role role : kAllRoles) {
    if (Has(role)) names.push_back(RoleName(role));
  }
  return names.empty() ? "nobody" : absl::StrJoin(names, " or ");
}

}  // namespace ebb
