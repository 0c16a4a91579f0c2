#include "tools/command/program_arguments.h"

#include "absl/strings/match.h"

namespace ebb::tools {

namespace {

std::vector<std::string>& Taken() {
  static auto& taken = *new std::vector<std::string>;
  return taken;
}

}  // namespace

bool IsProgramFile(absl::string_view file) {
  return absl::EndsWith(file, ".py");
}

int TakeProgramArguments(int argc, const char* const* argv) {
  if (argc < 2 || absl::string_view(argv[1]) != "run") return argc;
  bool program = false;
  for (int i = 2; i < argc; ++i) {
    const absl::string_view word = argv[i];
    if (word == "--") {
      if (!program) return argc;
      Taken().assign(argv + i + 1, argv + argc);
      return i;
    }
    // A job's module is a value: --set model.module=my_model.py.
    program = program || (!absl::StartsWith(word, "-") && IsProgramFile(word) &&
                          !absl::StrContains(word, "="));
  }
  return argc;
}

const std::vector<std::string>& ProgramArguments() { return Taken(); }

}  // namespace ebb::tools
