#include "common/program/flag_mistake.h"

#include <stdlib.h>

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace ebb {

namespace {

// How many letters are wrong, missing or too many (Levenshtein).
size_t Distance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t change = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({change, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

// Without its dashes; empty: none is near.
std::string Nearest(const CLI::App& command, absl::string_view flag) {
  std::string nearest;
  size_t least = std::max<size_t>(2, flag.size() / 3) + 1;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      const size_t distance = Distance(flag, name);
      if (distance >= least) continue;
      least = distance;
      nearest = name;
    }
  }
  return nearest;
}

// The first long flag in [from, argc) that the command does not have.
std::string Unknown(const CLI::App& command, int from, int argc,
                    const char* const* argv) {
  for (int i = from; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--") break;
    if (!absl::StartsWith(word, "--")) continue;
    std::string flag = word.substr(0, word.find('='));
    if (command.get_option_no_throw(flag) == nullptr) return flag;
  }
  return "";
}

// CLI11 writes the largest double out where a number has no upper bound.
std::string Readable(const std::string& what) {
  const size_t range = what.find(" not in range ");
  const std::string value_word = "Value ";
  if (const size_t value = what.find(value_word); value != std::string::npos &&
                                                  range != std::string::npos &&
                                                  value < range) {
    const size_t begin = value + value_word.size();
    const std::string given = what.substr(begin, range - begin);
    double number = 0;
    if (!absl::SimpleAtod(given, &number)) {
      return absl::StrCat(what.substr(0, value), given, " is no number");
    }
  }
  return range != std::string::npos &&
                 absl::StrContains(what, " to 17976931348623157")
             ? what.substr(0, range) + " is too small"
             : what;
}

// "--memory: ..." is "--memory (EBB_MEMORY): ..." if the flag is not among the
// words: the user may not know about the variable.
std::string WithVariable(const CLI::App& command, const std::string& what,
                         int argc, const char* const* argv) {
  const std::string flag = what.substr(0, what.find(':'));
  const CLI::Option* option = absl::StartsWith(flag, "--")
                                  ? command.get_option_no_throw(flag)
                                  : nullptr;
  if (option == nullptr || option->get_envname().empty() ||
      getenv(option->get_envname().c_str()) == nullptr ||
      std::any_of(argv, argv + argc, [&](absl::string_view word) {
        return word == flag || absl::StartsWith(word, flag + "=");
      })) {
    return what;
  }
  return absl::StrCat(flag, " (", option->get_envname(), ")",
                      what.substr(flag.size()));
}

}  // namespace

std::string FlagMistake(const CLI::App& app, const CLI::ParseError& error,
                        int argc, const char* const* argv) {
  const CLI::App* command = &app;
  std::string name = app.get_name();
  int next = 1;
  for (; next < argc; ++next) {
    const auto commands = command->get_subcommands({});
    const auto named =
        std::ranges::find(commands, std::string(argv[next]),
                          [](const CLI::App* one) { return one->get_name(); });
    if (named == commands.end()) break;
    command = *named;
    absl::StrAppend(&name, " ", argv[next]);
  }
  const std::string flag = Unknown(*command, next, argc, argv);
  std::string text = absl::StrCat(name, ": ");
  if (flag.empty()) {
    absl::StrAppend(&text,
                    WithVariable(*command, Readable(error.what()), argc, argv));
  } else {
    const std::string nearest =
        Nearest(*command, absl::string_view(flag).substr(2));
    absl::StrAppend(&text, "there is no flag ", flag,
                    nearest.empty() ? "" : "; is it --", nearest,
                    nearest.empty() ? "" : "?");
  }
  return absl::StrCat(text, "\n", name, " --help has all flags\n");
}

}  // namespace ebb
