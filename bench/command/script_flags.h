// Benchmarks that are programs of Python in ebb's sources.
#ifndef EBB_BENCH_COMMAND_SCRIPT_FLAGS_H_
#define EBB_BENCH_COMMAND_SCRIPT_FLAGS_H_

#include <string>
#include <vector>

#include "tools/command/command.h"

namespace ebb::tools {

// The flags that their commands have in common. The values are the defaults.
struct ScriptFlags {
  int pairs = 7;
  bool quick = false;
  std::vector<std::string> only;
  std::string folder;
  std::string page;
  std::string scripts;  // The folder of the program.

  // Returns the arguments of the program.
  std::vector<std::string> Words() const;
};

// Adds them to a command, with what its footer says of them before
// `examples`. `flags` outlives it. `quick` and `page` describe two of the
// flags.
void AddScriptFlags(CLI::App* command, const std::string& quick,
                    const std::string& page, const std::string& examples,
                    ScriptFlags* flags);

// Replaces this process by the program in `scripts`, called with `words`, by
// the interpreter that EBB_PYTHON names (/usr/bin/python3). It starts the
// daemons beside this program. `usual`: the folder in the sources. Returns the
// exit code if that fails, having said why.
int BecomeScript(const std::string& scripts, const std::string& usual,
                 std::vector<std::string> words);

}  // namespace ebb::tools

#endif  // EBB_BENCH_COMMAND_SCRIPT_FLAGS_H_
