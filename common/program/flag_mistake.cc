#include "common/program/flag_mistake.h"

#include <stdlib.h>

#include <algorithm>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/nearest.h"

namespace ebb {

namespace {

// Without its dashes; empty: none is near.
std::string NearestFlag(const CLI::App& command, absl::string_view flag) {
  std::vector<std::string> flags;
  for (const CLI::Option* option : command.get_options()) {
    // One without a group is for ebb itself, and in no --help.
    if (option->get_group().empty()) continue;
    const auto& names = option->get_lnames();
    flags.insert(flags.end(), names.begin(), names.end());
  }
  return NearestName(flag, flags);
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

// The command that the first words of the line name.
struct NamedCommand {
  const CLI::App* command = nullptr;
  std::string name;  // "ebb data push".
  int next = 1;      // The first word behind it.
};

NamedCommand CommandOf(const CLI::App& app, int argc, const char* const* argv) {
  NamedCommand named{&app, app.get_name()};
  for (; named.next < argc; ++named.next) {
    const auto commands = named.command->get_subcommands({});
    const auto below =
        std::ranges::find(commands, std::string(argv[named.next]),
                          [](const CLI::App* one) { return one->get_name(); });
    if (below == commands.end()) break;
    named.command = *below;
    absl::StrAppend(&named.name, " ", argv[named.next]);
  }
  return named;
}

}  // namespace

std::string EmptyArgument(const CLI::App& app, int argc,
                          const char* const* argv) {
  const NamedCommand named = CommandOf(app, argc, argv);
  for (int i = named.next; i < argc; ++i) {
    const absl::string_view word = argv[i];
    if (word == "--") break;
    if (!word.empty()) continue;
    const absl::string_view before = argv[i - 1];
    return absl::StrCat(named.name, ": ",
                        absl::StartsWith(before, "-")
                            ? absl::StrCat(before, ": the value")
                            : absl::StrCat("argument ", i),
                        " is empty; is a variable of the shell not set?\n");
  }
  return "";
}

std::string FlagMistake(const CLI::App& app, const CLI::ParseError& error,
                        int argc, const char* const* argv) {
  const auto [command, name, next] = CommandOf(app, argc, argv);
  const std::string flag = Unknown(*command, next, argc, argv);
  std::string text = absl::StrCat(name, ": ");
  if (flag.empty()) {
    absl::StrAppend(&text,
                    WithVariable(*command, Readable(error.what()), argc, argv));
  } else {
    const std::string nearest =
        NearestFlag(*command, absl::string_view(flag).substr(2));
    absl::StrAppend(&text, "there is no flag ", flag,
                    nearest.empty() ? "" : "; is it --", nearest,
                    nearest.empty() ? "" : "?");
  }
  return absl::StrCat(text, "\n", name, " --help has all flags\n");
}

}  // namespace ebb
