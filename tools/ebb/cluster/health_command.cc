// `ebb health`.
#include <iostream>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/program/daemon.h"
#include "common/program/tls_flags.h"
#include "common/status_macros.h"
#include "common/tls/role.h"
#include "rpc/health.h"
#include "rpc/security.h"
#include "tools/command/command.h"

namespace ebb::tools {

namespace {

struct HealthFlags {
  std::string address;
  bool alive = false;
  std::string role = "scheduler";
  absl::Duration timeout = absl::Seconds(2);
  TlsSettings tls;
};

absl::StatusOr<rpc::Health> Ask(const HealthFlags& flags) {
  // What is said there stays in this machine, so no file needs to be right.
  if (absl::StartsWith(flags.address, "unix:")) {
    return rpc::AskHealth(flags.address, nullptr, Role::kScheduler,
                          flags.timeout);
  }
  EBB_ASSIGN_OR_RETURN(const Role role, ParseRole(flags.role));
  EBB_ASSIGN_OR_RETURN(const rpc::SecurityPtr security,
                       rpc::Security::Create(flags.tls, RoleSet::All()));
  return rpc::AskHealth(flags.address, security.get(), role, flags.timeout);
}

int Health(const HealthFlags& flags) {
  const absl::StatusOr<rpc::Health> health = Ask(flags);
  if (absl::IsInvalidArgument(health.status())) return Report(health.status());
  if (!health.ok()) {
    std::cout << flags.address
              << " does not answer: " << health.status().message() << "\n";
    return kExitFailed;
  }
  if (*health == rpc::Health::kServing) {
    std::cout << "serving\n";
    return kExitGood;
  }
  std::cout << "not serving: it starts, leaves, or has no scheduler\n";
  return flags.alive ? kExitGood : kExitFailed;
}

}  // namespace

void AddHealthCommand(CLI::App* app, int* exit_code) {
  CLI::App* command = app->add_subcommand(
      "health", "Asks a daemon whether it serves, for probes");
  const auto flags = std::make_shared<HealthFlags>();
  command
      ->add_option("ADDRESS", flags->address,
                   "unix:PATH of its --health-socket, or HOST:PORT of its "
                   "--listen")
      ->envname("EBB_HEALTH")
      ->required()
      ->transform(CLI::Validator(
          [](std::string& text) {
            return TakeFlagAddress(&text, /*listens=*/false);
          },
          ""));
  command->add_flag("--alive", flags->alive,
                    "Succeed on any answer, even NOT_SERVING");
  command
      ->add_option(
          "--role", flags->role,
          "Under TLS, the role of the daemon at HOST:PORT: scheduler or ps")
      ->check(CLI::IsMember({"scheduler", "ps"}))
      ->capture_default_str();
  AddDurationFlag(command, "--timeout", &flags->timeout,
                  "Longest time to wait for the answer");
  AddTlsFlags(command, &flags->tls);
  command->footer(R"(
Speaks gRPC's standard health protocol. Servers and workers serve while the
scheduler knows them. Exits 1 if the daemon does not serve, or does not answer.
Example:
  ebb health unix:/run/ebb/health.sock)");
  command->callback([flags, exit_code] { *exit_code = Health(*flags); });
}

}  // namespace ebb::tools
