#include "tools/command/external_command.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iostream>
#include <vector>

#include "tools/command/command.h"
#include "tools/command/command_line.h"
#include "tools/command/commands.h"
#include "tools/files/files.h"

namespace ebb::tools {

CLI::App* AddExternalCommand(CLI::App* app, const std::string& name,
                             const std::string& help, char** argv,
                             int* exit_code) {
  CLI::App* command = app->add_subcommand(name, help);
  command->prefix_command();
  command->set_help_flag();
  command->callback([name, argv, exit_code] {
    const std::string program = ProgramFolder() + "/ebb-" + name;
    execv(program.c_str(), argv);
    const int error = errno;
    *exit_code = kExitUsage;
    std::cerr << "ebb: " << program << ": " << std::strerror(error);
    if (error == ENOENT) std::cerr << "\nhint: " << HowToGet(name);
    std::cerr << "\n";
  });
  return command;
}

int ExternalMain(const std::string& name, int argc, char** argv) {
  StartTool(argv[0]);
  std::vector<char*> words(argv, argv + argc);
  std::string word = name;
  if (argc < 2 || argv[1] != name) words.insert(words.begin() + 1, word.data());
  const int count = static_cast<int>(words.size());
  words.push_back(nullptr);
  CLI::App app("", "ebb");
  app.require_subcommand(1);
  int exit_code = kExitGood;
  AddCommands(&app, &exit_code);
  return RunCommandLine(&app, count, words.data(), &exit_code);
}

}  // namespace ebb::tools
