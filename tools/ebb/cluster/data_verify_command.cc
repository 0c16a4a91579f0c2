// `ebb data verify`.
#include <cstdint>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "data/pack/packed_set.h"
#include "data/remote_files.h"
#include "data/tokens/token_set.h"
#include "tools/command/command.h"
#include "tools/text/console.h"

namespace ebb::tools {

namespace {

// The sets of a folder: itself, or its parts.
std::vector<std::string> PackedSetsIn(const std::string& folder) {
  std::vector<std::string> sets;
  for (const char* const part : {"train", "test"}) {
    const std::string path = absl::StrCat(folder, "/", part);
    std::error_code ignored;
    if (std::filesystem::exists(path, ignored)) sets.push_back(path);
  }
  if (sets.empty()) sets.push_back(folder);
  return sets;
}

std::string SoundText(int64_t damaged) {
  return damaged == 0 ? "all of them sound"
                      : absl::StrCat(WithCommas(damaged), " damaged");
}

int VerifyTokenSet(const std::string& folder) {
  const auto set = data::tokens::TokenSet::Open(folder);
  if (!set.ok()) return Report(set.status());
  const data::tokens::TokenFooter& footer = set->footer();
  int64_t damaged = 0;
  std::vector<uint32_t> tokens;
  for (int64_t w = 0; w < footer.windows(); ++w) {
    const absl::Status status = set->Read(w, &tokens);
    if (status.ok()) continue;
    Report(status);
    ++damaged;
  }
  std::cout << folder << ": " << Count(footer.sequences, "sequence") << " of "
            << Count(footer.length, "token") << " in "
            << Count(footer.windows(), "window") << ", " << SoundText(damaged)
            << ", id " << set->id() << "\n";
  return damaged == 0 ? kExitGood : kExitFailed;
}

int VerifyPackedSet(const std::string& folder) {
  if (data::tokens::IsTokenSet(folder)) return VerifyTokenSet(folder);
  const auto set = data::pack::PackedSet::Open(
      folder, data::WithRemoteFiles(data::OpenFile, {}));
  if (!set.ok()) return Report(set.status());
  const data::pack::Footer& footer = (*set)->footer();
  int64_t damaged = 0;
  data::pack::Window window;
  for (int64_t w = 0; w < std::ssize(footer.windows); ++w) {
    const absl::Status status = (*set)->Read(w, &window);
    if (status.ok()) continue;
    Report(status);
    ++damaged;
  }
  std::cout << folder << ": " << Count(footer.index.examples, "example")
            << " in " << Count(std::ssize(footer.windows), "window") << ", "
            << SoundText(damaged) << ", id "
            << absl::StrFormat("%016x%016x", (*set)->id().hash_high,
                               (*set)->id().hash_low)
            << "\n";
  return damaged == 0 ? kExitGood : kExitFailed;
}

int VerifyAll(const std::string& folder) {
  int worst = kExitGood;
  for (const std::string& set : PackedSetsIn(folder)) {
    if (VerifyPackedSet(set) != kExitGood) worst = kExitFailed;
  }
  return worst;
}

}  // namespace

void AddDataVerifyCommand(CLI::App* data, int* exit_code) {
  CLI::App* command =
      data->add_subcommand("verify", "Reads a packed set, and finds damage");
  const auto folder = std::make_shared<std::string>();
  command
      ->add_option("DEST", *folder,
                   "Folder of a packed set, or of its train and test")
      ->required();
  command->callback([=] { *exit_code = VerifyAll(*folder); });
  command->footer(R"(
Reads all windows, and compares them with their checksums. Exits 1 if anything
is damaged.
Example:
  ebb data verify shirts.packed)");
}

}  // namespace ebb::tools
