// Benchmarks that are programs of Python in ebb's sources: they run clusters
// through `ebb run` and `ebb chaos`, and write pages.
#ifndef EBB_BENCH_COMMAND_SCRIPTS_H_
#define EBB_BENCH_COMMAND_SCRIPTS_H_

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace ebb::tools {

struct BenchScript {
  const char* name;    // Names the command.
  const char* folder;  // In bench/.
  const char* about;   // Its help, in a line.
};
std::span<const BenchScript> BenchScripts();

// If the command line names one of them, this process becomes its program,
// which reads all words from its name on: that in --scripts FOLDER, or else
// that in the sources. The interpreter is what EBB_PYTHON names
// (/usr/bin/python3). Returns the exit code if that fails, having said why;
// nullopt: it names another.
std::optional<int> BecomeScript(int argc, char** argv);
// Becomes the program in bench/FOLDER, with these words.
int BecomeScript(const std::string& folder, std::vector<std::string> words);

}  // namespace ebb::tools

#endif  // EBB_BENCH_COMMAND_SCRIPTS_H_
