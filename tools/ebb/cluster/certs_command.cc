// `ebb certs`.
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "common/tls/issue.h"
#include "tools/command/command.h"
#include "tools/files/files.h"
#include "tools/text/console.h"

namespace ebb::tools {

namespace {

struct CertsFlags {
  std::string folder;
  std::string role;
  std::string name;
  std::vector<std::string> hosts;
  int days = 365;
};

// The folder is there.
absl::Status WriteCerts(const CertsFlags& flags, CertificateRequest request) {
  if (flags.role.empty()) {
    EBB_RETURN_IF_ERROR(WriteAllRoles(flags.folder, request));
    std::cout << "in " << flags.folder
              << ": an authority, ca.pem, and a certificate and a key for "
                 "each role. Keep ca.key where nobody else reads it: who has "
                 "it can be anybody.\n";
    return absl::OkStatus();
  }
  if (request.name.empty()) request.name = flags.role;
  Identity authority;
  std::error_code error;
  const std::string path = flags.folder + "/ca";
  const bool is_new = !std::filesystem::exists(path + ".pem", error);
  if (!is_new) {
    EBB_ASSIGN_OR_RETURN(authority.certificate, ReadFile(path + ".pem"));
    EBB_ASSIGN_OR_RETURN(authority.key, ReadFile(path + ".key"));
  } else {
    EBB_ASSIGN_OR_RETURN(
        authority, MakeAuthority({.valid = request.valid, .now = request.now}));
  }
  EBB_ASSIGN_OR_RETURN(const Identity made, Issue(authority, request));
  if (is_new) EBB_RETURN_IF_ERROR(WriteIdentity(path, authority));
  const std::string to = absl::StrCat(flags.folder, "/", request.name);
  EBB_RETURN_IF_ERROR(WriteIdentity(to, made));
  std::cout << to << ".pem and " << to << ".key: role " << flags.role
            << ", for " << Count(flags.days, "day") << "\n";
  return absl::OkStatus();
}

absl::Status MakeCerts(const CertsFlags& flags) {
  CertificateRequest request = {.name = flags.name,
                                .hosts = flags.hosts,
                                .valid = absl::Hours(24) * flags.days};
  if (flags.role.empty() && !flags.name.empty()) {
    return absl::InvalidArgumentError("--name needs a --role");
  }
  if (!flags.role.empty()) {
    EBB_ASSIGN_OR_RETURN(request.role, ParseRole(flags.role));
  }
  std::error_code error;
  const bool made = std::filesystem::create_directories(flags.folder, error);
  if (error) {
    return absl::ErrnoToStatus(error.value(), "cannot make " + flags.folder);
  }
  absl::Status written = WriteCerts(flags, std::move(request));
  // Nothing is in it: else it stays.
  if (!written.ok() && made) std::filesystem::remove(flags.folder, error);
  return written;
}

}  // namespace

void AddCertsCommand(CLI::App* app, int* exit_code) {
  CLI::App* command = app->add_subcommand(
      "certs", "Makes an authority and certificates, to try TLS");
  const auto flags = std::make_shared<CertsFlags>();
  command
      ->add_option("--folder", flags->folder,
                   "Folder for them; made if missing")
      ->required();
  command->add_option(
      "--role", flags->role,
      "Make only one certificate, of this role: scheduler, ps, worker, client "
      "or viewer. The folder's authority signs it, if there is one");
  command->add_option("--name", flags->name,
                      "Name of that certificate in error messages (its role)");
  command
      ->add_option("--host", flags->hosts,
                   "DNS name or address to put into the certificates, for "
                   "programs that compare it; ebb does not. May be repeated")
      ->allow_extra_args(false);
  command
      ->add_option("--days", flags->days,
                   "How long they are valid; a new authority is valid for at "
                   "least 10 years")
      ->capture_default_str()
      ->check(CLI::Range(1, 36500));
  command->footer(R"(
Never overwrites existing files. Only you can read the keys.
Example:
  ebb certs --folder tls
  ebb status --scheduler a:7000 --tls-cert tls/viewer.pem \
      --tls-key tls/viewer.key --tls-ca tls/ca.pem)");
  command->callback(
      [flags, exit_code] { *exit_code = Report(MakeCerts(*flags)); });
}

}  // namespace ebb::tools
