// `ebb events`.
#include <iostream>
#include <memory>

#include "tools/command/command.h"
#include "tools/ebb/cluster/asking.h"
#include "tools/ebb/status/event_text.h"

namespace ebb::tools {

namespace {

int Events(const AskingFlags& flags) {
  const auto status = AskStatus(flags);
  if (!status.ok()) return Report(status.status());
  if (flags.json) {
    std::cout << EventsJson(*status).ToString();
  } else if (status->events().empty()) {
    std::cout << "nothing happened since this scheduler started\n";
  } else {
    std::cout << EventsText(*status, status->events_size());
  }
  return kExitGood;
}

}  // namespace

void AddEventsCommand(CLI::App* app, int* exit_code) {
  const auto flags = std::make_shared<AskingFlags>();
  CLI::App* command = AddAsking(
      app, "events", "Prints recent events", flags.get(),
      [flags] { return Events(*flags); }, exit_code);
  command->add_option(
      "JOB", flags->job,
      "Name or number of a job: print only its events and those of daemons; or "
      "the folder of a run that goes on");
  AddJsonFlag(command, &flags->json);
  command->footer(R"(
Events are workers and servers that came, went or fell silent; jobs that were
submitted, paused, scaled, rolled back or ended; quarantines; and evaluations.
Prints the latest 256 since the scheduler started, oldest first.
Example:
  ebb events --scheduler localhost:7000 --json)");
}

}  // namespace ebb::tools
