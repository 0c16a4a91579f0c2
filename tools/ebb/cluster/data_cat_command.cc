// `ebb data cat`.
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "data/pack/packed_set.h"
#include "data/reader.h"
#include "data/remote_files.h"
#include "data/tokens/token_set.h"
#include "tools/command/command.h"

namespace ebb::tools {

namespace {

struct CatFlags {
  std::string folder;
  int64_t from = 0;
  int64_t count = 10;
};

// The shortest text that is read back as this number.
std::string NumberText(float value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof(text), value).ptr};
}

std::string RowText(const data::pack::Footer& footer,
                    const data::pack::Window& window, int64_t row) {
  const int64_t features = footer.index.features;
  std::string text;
  if (footer.has_labels) text = NumberText(window.labels[row]);
  const auto add = [&](const auto&... parts) {
    absl::StrAppend(&text, text.empty() ? "" : " ", parts...);
  };
  switch (footer.layout) {
    case data::Layout::kBytes:
      for (int64_t j = 0; j < features; ++j) {
        add(static_cast<int>(window.bytes[row * features + j]));
      }
      break;
    case data::Layout::kDense:
      for (int64_t j = 0; j < features; ++j) {
        add(NumberText(window.values[row * features + j]));
      }
      break;
    case data::Layout::kSparse:
      for (int64_t i = window.offsets[row]; i < window.offsets[row + 1]; ++i) {
        add(window.ids[i] + 1, ":", NumberText(window.values[i]));
      }
      break;
    case data::Layout::kKeyed:
      for (int64_t i = window.offsets[row]; i < window.offsets[row + 1]; ++i) {
        add(window.fields[i], ":", window.keys[i], ":",
            NumberText(window.values[i]));
      }
      break;
  }
  return text;
}

absl::Status CheckFrom(const CatFlags& flags, int64_t examples,
                       absl::string_view what) {
  if (flags.from < examples) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("--from ", flags.from, ": ", flags.folder, " has ", examples,
                   " ", what, ", counted from 0"));
}

int CatTokens(const CatFlags& flags) {
  const auto set = data::tokens::TokenSet::Open(flags.folder);
  if (!set.ok()) return Report(set.status());
  const data::tokens::TokenFooter& footer = set->footer();
  const absl::Status from = CheckFrom(flags, footer.sequences, "sequences");
  if (!from.ok()) return Report(from);
  const int64_t end =
      flags.from + std::min(flags.count, footer.sequences - flags.from);
  std::vector<uint32_t> window;
  int64_t held = -1;
  for (int64_t sequence = flags.from; sequence < end; ++sequence) {
    const int64_t number = sequence / footer.window;
    if (number != held) {
      const absl::Status read = set->Read(number, &window);
      if (!read.ok()) return Report(read);
      held = number;
    }
    const int64_t each = footer.length + 1;
    const auto begin = window.begin() + sequence % footer.window * each;
    std::cout << absl::StrJoin(begin, begin + each, " ") << "\n";
  }
  return kExitGood;
}

int Cat(const CatFlags& flags) {
  if (data::tokens::IsTokenSet(flags.folder)) return CatTokens(flags);
  const auto set = data::pack::PackedSet::Open(
      flags.folder, data::WithRemoteFiles(data::OpenFile, {}));
  if (!set.ok()) return Report(set.status());
  const data::pack::Footer& footer = (*set)->footer();
  const int64_t examples = footer.index.examples;
  const absl::Status from = CheckFrom(flags, examples, "examples");
  if (!from.ok()) return Report(from);
  const int64_t end = flags.from + std::min(flags.count, examples - flags.from);
  data::pack::Window window;
  int64_t held = -1;
  for (int64_t example = flags.from; example < end; ++example) {
    const int64_t number = example / footer.window;
    if (number != held) {
      const absl::Status read = (*set)->Read(number, &window);
      if (!read.ok()) return Report(read);
      held = number;
    }
    std::cout << RowText(footer, window, example % footer.window) << "\n";
  }
  return kExitGood;
}

}  // namespace

void AddDataCatCommand(CLI::App* data, int* exit_code) {
  CLI::App* command =
      data->add_subcommand("cat", "Prints examples of a packed set");
  const auto flags = std::make_shared<CatFlags>();
  command->add_option("DEST", flags->folder, "Folder of the packed set")
      ->required();
  command->add_option("--from", flags->from, "First example, counted from 0")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--count", flags->count, "Examples to print")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->callback([=] { *exit_code = Cat(*flags); });
  command->footer(R"(
A line is the label, if there is one, and the features, before any scale:
numbers, or INDEX:VALUE as in LIBSVM, or FIELD:KEY:VALUE as in libffm. A
line of packed tokens is a sequence: its inputs, and the last target.
Example:
  ebb data cat shirts.packed/train --from 100 --count 3)");
}

}  // namespace ebb::tools
