// `ebb data`.
#include <iostream>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/kill_point.h"
#include "common/program/tls_flags.h"
#include "common/steady_time.h"
#include "datasets/push.h"
#include "tools/command/command.h"
#include "tools/ebb/cluster/access_flags.h"
#include "tools/ebb/cluster/data_place.h"
#include "tools/ebb/cluster/shown_line.h"
#include "tools/text/console.h"
#include "tools/text/json.h"

namespace ebb::tools {

namespace {

struct DataCommandFlags {
  ClusterAccess access;
  std::string folder;
  std::string place;
  std::string name;
  bool verify = false;
  bool quiet = false;
  bool json = false;
  int threads = datasets::PushOptions().threads;
  std::string kill_at;
};

class PushLine {
 public:
  explicit PushLine(bool quiet) : line_(quiet) { line_.BeginStep(); }

  void Show(const datasets::PushProgress& progress) {
    if (progress.sending != sending_) {
      sending_ = progress.sending;
      start_ = SteadyNow();
      line_.BeginStep();
    }
    if (!line_.IsDue()) return;
    const double seconds = absl::ToDoubleSeconds(SteadyNow() - start_);
    const int64_t moved = progress.sending ? progress.sent : progress.done;
    line_.Write(absl::StrCat(
        progress.sending ? "sending " : "reading ", BytesText(progress.done),
        " of ", BytesText(progress.total),
        seconds > 0.5 ? absl::StrCat(", ",
                                     BytesText(static_cast<int64_t>(
                                         static_cast<double>(moved) / seconds)),
                                     "/s")
                      : ""));
  }

  void End() const { line_.End(); }

 private:
  ShownLine line_;
  bool sending_ = false;
  absl::Time start_ = SteadyNow();
};

int Push(DataCommandFlags* flags) {
  const std::string name =
      flags->name.empty() ? SetNameOf(flags->folder) : flags->name;
  const absl::Status named = datasets::CheckSetName(name);
  if (!named.ok()) return Report(named);
  const auto kill_points =
      KillPoints::Parse(flags->kill_at, datasets::PushKillPoints());
  if (!kill_points.ok()) return Report(kill_points.status());
  const auto place =
      DataPlace::Open(flags->place, /*to_push=*/true, &flags->access);
  if (!place.ok()) return Report(place.status());
  PushLine line(flags->quiet || flags->json);
  datasets::PushOptions options;
  options.verify = flags->verify;
  options.threads = flags->threads;
  options.kill_points = *kill_points;
  options.progress = [&](const datasets::PushProgress& progress) {
    line.Show(progress);
  };
  const auto pushed =
      datasets::PushFolder(flags->folder, name, place->target(), options);
  line.End();
  if (!pushed.ok()) return Report(pushed.status());
  if (flags->json) {
    Json json = Json::Object();
    json["name"] = name;
    json["id"] = pushed->id;
    json["files"] = pushed->files;
    json["bytes"] = pushed->bytes;
    json["chunks"] = pushed->chunks;
    json["chunks_sent"] = pushed->chunks_sent;
    json["was_there"] = pushed->was_there;
    std::cout << json.ToString();
    return kExitGood;
  }
  if (flags->quiet) return kExitGood;
  std::cout << name << ": " << Count(pushed->files, "file") << ", "
            << BytesText(pushed->bytes)
            << (pushed->was_there
                    ? ", was there already"
                    : absl::StrCat(", sent ", pushed->chunks_sent, " of ",
                                   Count(pushed->chunks, "chunk")))
            << "; jobs name its files " << place->PathOf(name, "...") << "\n";
  return kExitGood;
}

int List(DataCommandFlags* flags) {
  const auto place =
      DataPlace::Open(flags->place, /*to_push=*/false, &flags->access);
  if (!place.ok()) return Report(place.status());
  const auto sets = place->List();
  if (!sets.ok()) return Report(sets.status());
  if (flags->json) {
    Json json = Json::List();
    for (const datasets::SetSummary& set : *sets) {
      Json one = Json::Object();
      one["name"] = set.name;
      one["id"] = set.id;
      one["files"] = set.files;
      one["bytes"] = set.bytes;
      one["published_unix_ms"] = absl::ToUnixMillis(set.published);
      one["pushing"] = set.pushing;
      json.Add(one);
    }
    std::cout << json.ToString();
    return kExitGood;
  }
  TextTable table({"NAME", "STATE", "FILES", "SIZE", "AGE", "ID"}, {2, 3, 4});
  for (const datasets::SetSummary& set : *sets) {
    table.Add({set.name, set.pushing ? "being pushed" : "published",
               WithCommas(set.files), BytesText(set.bytes),
               AgeText(absl::Now() - set.published), set.id});
  }
  std::cout << (table.empty() ? "there are no data sets\n" : table.ToString());
  return kExitGood;
}

int Remove(DataCommandFlags* flags) {
  const auto place =
      DataPlace::Open(flags->place, /*to_push=*/false, &flags->access);
  if (!place.ok()) return Report(place.status());
  const absl::Status removed = place->Remove(flags->name);
  if (!removed.ok()) return Report(removed);
  std::cout << flags->name << " is removed\n";
  return kExitGood;
}

}  // namespace

void AddDataCommand(CLI::App* app, int* exit_code) {
  CLI::App* data = app->add_subcommand(
      "data", "Manages data sets: files that workers fetch by name");
  data->require_subcommand(1);
  data->footer("\nExample:\n  ebb data push fashion-mnist localhost:7000");
  const auto add = [&](const char* name, const char* help,
                       int (*run)(DataCommandFlags*),
                       const std::shared_ptr<DataCommandFlags>& flags) {
    CLI::App* command = data->add_subcommand(name, help);
    AddTlsFlags(command, &flags->access.tls);
    command->callback([=] { *exit_code = run(flags.get()); });
    return command;
  };
  const auto add_place = [](CLI::App* command,
                            const std::shared_ptr<DataCommandFlags>& flags) {
    command
        ->add_option("DEST", flags->place,
                     "Folder that workers can read; or HOST:PORT of a "
                     "scheduler with --data-folder")
        ->envname("EBB_SCHEDULER")
        ->required();
  };

  const auto push = std::make_shared<DataCommandFlags>();
  CLI::App* command =
      add("push", "Publishes a folder as a data set", &Push, push);
  command->add_option("FOLDER", push->folder, "Folder that holds the files")
      ->required();
  add_place(command, push);
  command->add_option("--name", push->name,
                      "Name of the data set; default: that of the folder");
  command->add_flag(
      "--verify", push->verify,
      "Also read the chunks that are there already, and repair damaged ones");
  command->add_option("--threads", push->threads, "Chunks to send at once")
      ->check(CLI::Range(1, 16))
      ->capture_default_str();
  command->add_flag("-q,--quiet", push->quiet, "Print errors only");
  command->add_flag("--json", push->json, "Print JSON, for programs");
  command->add_option("--kill-at", push->kill_at)->group("");
  command->footer(R"(
Files go in chunks of 1 MiB, each with its checksum. Give an interrupted push
again: it continues where it was. Until the push is done, readers have the old
files; then they have all of the new ones. Jobs name a file DEST/NAME/FILE if
DEST is a folder. If DEST is a scheduler, jobs name it ebb://NAME/FILE, and
workers with --data-cache fetch it from there.
Examples:
  ebb data push fashion-mnist localhost:7000
  ebb data push fashion-mnist /mnt/volume)");

  const auto list = std::make_shared<DataCommandFlags>();
  command = add("list", "Lists data sets", &List, list);
  add_place(command, list);
  command->add_flag("--json", list->json, "Print JSON, for programs");
  command->footer("\nExample:\n  ebb data list localhost:7000");

  const auto remove = std::make_shared<DataCommandFlags>();
  command = add("remove", "Removes a data set", &Remove, remove);
  command->add_option("NAME", remove->name, "Name of the data set")->required();
  add_place(command, remove);
  command->footer("\nExample:\n  ebb data remove fashion-mnist localhost:7000");
}

}  // namespace ebb::tools
