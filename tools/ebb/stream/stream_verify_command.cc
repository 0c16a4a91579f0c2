// `ebb stream verify`.
#include <iostream>
#include <memory>
#include <string>

#include "data/growing/verify.h"
#include "tools/command/command.h"
#include "tools/ebb/stream/stream_place.h"
#include "tools/text/console.h"
#include "tools/text/json.h"

namespace ebb::tools {

namespace {

struct StreamVerifyFlags {
  std::string place;
  bool json = false;
};

int VerifyStream(const StreamVerifyFlags& flags) {
  const auto store = OpenStreamPlace(flags.place, /*make=*/false);
  if (!store.ok()) return Report(store.status());
  const auto report = data::growing::VerifySet(store->get(), nullptr);
  if (!report.ok()) return Report(report.status());
  const bool sound = report->problems.empty();
  if (flags.json) {
    Json json = Json::Object();
    json["sound"] = sound;
    json["objects"] = report->objects;
    json["examples"] = report->examples;
    json["bytes"] = report->bytes;
    json["lowest_number"] = report->lowest;
    json["next_number"] = report->number;
    json["left_out"] = report->totals.left_out;
    json["absent"] = report->totals.absent;
    json["lost"] = report->totals.lost;
    json["ended"] = report->ended;
    Json problems = Json::List();
    for (const std::string& problem : report->problems) problems.Add(problem);
    json["problems"] = problems;
    std::cout << json.ToString();
    return sound ? kExitGood : kExitFailed;
  }
  for (const std::string& problem : report->problems) {
    std::cerr << "error: " << problem << "\n";
  }
  std::cout << flags.place << ": " << Count(report->examples, "example")
            << " in " << Count(report->objects, "object") << ", "
            << BytesText(report->bytes) << ": "
            << (sound ? "numbers and offsets without a gap, all sound"
                      : "damaged")
            << "\n";
  return sound ? kExitGood : kExitFailed;
}

}  // namespace

void AddStreamVerifyCommand(CLI::App* stream, int* exit_code) {
  CLI::App* command = stream->add_subcommand(
      "verify", "Reads all of a growing set, and checks its rules");
  const auto flags = std::make_shared<StreamVerifyFlags>();
  command->add_option("SRC", flags->place, "Folder, or s3://BUCKET/PREFIX")
      ->required();
  AddJsonFlag(command, &flags->json);
  command->callback([=] { *exit_code = VerifyStream(*flags); });
  command->footer(R"(
Numbers and offsets leave no gap and come once, each object follows the one before,
counts add up, and every example can be read. Exits 1 if one of these is not so.
Example:
  ebb stream verify /mnt/clicks)");
}

}  // namespace ebb::tools
