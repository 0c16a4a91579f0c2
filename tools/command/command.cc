#include "tools/command/command.h"

#include <filesystem>
#include <iostream>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tools/command/take_duration.h"
#include "tools/files/files.h"

namespace ebb::tools {

namespace {

// How long two cores compile what such a program needs beyond `ebb`.
absl::string_view TimeToBuild(absl::string_view name) {
  return name == "bench" ? "2 to 5 minutes" : "about a minute";
}

}  // namespace

void AddDurationFlag(CLI::App* command, const std::string& name,
                     absl::Duration* value, const std::string& help) {
  command->add_option_function<std::string>(
      name,
      [name, value](const std::string& text) {
        TakeDuration(name, text, value);
      },
      help);
}

void AddJsonFlag(CLI::App* command, bool* json) {
  command->add_flag("--json", *json, "For programs");
}

int Report(const absl::Status& status) {
  if (status.ok()) return kExitGood;
  // Mistakes of a job file begin with its place, as compilers' do.
  const bool place = absl::IsInvalidArgument(status) &&
                     absl::StrContains(status.message(), ".yaml:");
  std::cerr << (place ? "" : "ebb: ") << status.message();
  if (status.message().empty() || status.message().back() != '\n') {
    std::cerr << "\n";
  }
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kPermissionDenied:
      return kExitUsage;
    default:
      return kExitFailed;
  }
}

std::string HowToGet(absl::string_view name) {
  namespace fs = std::filesystem;
  const fs::path build = fs::path(ProgramFolder()).parent_path();
  std::error_code error;
  return absl::StrCat(
      "`ebb ", name, "` is a program of its own: ",
      fs::exists(build / "build.ninja", error)
          ? absl::StrCat("build it by `ninja -C ", build.string(), " ebb-",
                         name, "`, which takes ", TimeToBuild(name),
                         " on two cores")
          : "install the package ebb, which has it");
}

}  // namespace ebb::tools
