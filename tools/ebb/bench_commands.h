// The commands of `ebb bench` that compare ebb with limits of the machine and
// with others (the others are in tools/ebb/command.h).
#ifndef EBB_TOOLS_EBB_BENCH_COMMANDS_H_
#define EBB_TOOLS_EBB_BENCH_COMMANDS_H_

#include "CLI/CLI.hpp"

namespace ebb::tools {

// Each sets `*exit_code` when it runs. The command and the code outlive the
// parse.
void AddBenchJobCommand(CLI::App* bench, int* exit_code);
void AddBenchReportCommand(CLI::App* bench, int* exit_code);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_BENCH_COMMANDS_H_
