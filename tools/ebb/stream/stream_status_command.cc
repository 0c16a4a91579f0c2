// `ebb stream status`.
#include <algorithm>
#include <iostream>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "data/growing/chain_search.h"
#include "data/growing/growing_set.h"
#include "tools/command/command.h"
#include "tools/ebb/stream/message_format.h"
#include "tools/ebb/stream/stream_place.h"
#include "tools/text/console.h"
#include "tools/text/json.h"

namespace ebb::tools {

namespace {

using data::growing::About;
using data::growing::ChainTail;

struct StreamStatusFlags {
  std::string place;
  bool json = false;
};

constexpr size_t kMostShownPartitions = 20;

std::string LayoutWord(data::Layout layout) {
  switch (layout) {
    case data::Layout::kBytes:
      return "bytes";
    case data::Layout::kDense:
      return "dense";
    case data::Layout::kSparse:
      return "sparse";
    case data::Layout::kKeyed:
      return "keyed";
  }
  return "";
}

std::string FormatWord(const About& about) {
  const auto format = StoredMessageFormat(about.data_source);
  return format.ok() ? std::string(format->spec.format_word()) : "unknown";
}

void PrintJson(const About& about, const ChainTail& tail, absl::Time now) {
  Json json = Json::Object();
  json["id"] = about.ShortId();
  json["source"] = about.source.ToString();
  json["format"] = FormatWord(about);
  json["layout"] = LayoutWord(about.schema.layout);
  json["features"] = about.schema.features;
  json["has_labels"] = about.schema.has_labels;
  json["on_bad"] =
      about.on_bad == data::growing::OnBad::kStop ? "stop" : "aside";
  json["on_lost"] =
      about.on_lost == data::growing::OnLost::kPause ? "pause" : "skip";
  json["created_unix_ms"] = about.created_unix_ms;
  json["objects"] = tail.place - tail.lowest_place();
  json["lowest_number"] = tail.lowest_number();
  json["next_number"] = tail.number;
  json["ended"] = tail.ended;
  json["left_out"] = tail.totals.left_out;
  json["absent"] = tail.totals.absent;
  json["lost"] = tail.totals.lost;
  if (tail.before) {
    json["newest_unix_ms"] = tail.created_unix_ms;
    json["age_ms"] = absl::ToUnixMillis(now) - tail.created_unix_ms;
  }
  Json partitions = Json::List();
  for (const auto& [partition, end] : tail.ends) {
    Json one = Json::Object();
    one["partition"] = partition;
    one["end"] = end.end;
    partitions.Add(one);
  }
  json["partitions"] = partitions;
  std::cout << json.ToString();
}

void PrintText(const std::string& place, const About& about,
               const ChainTail& tail, absl::Time now) {
  std::cout << place << ": growing set " << about.ShortId() << " of "
            << about.source.ToString() << "\n"
            << "  format   " << FormatWord(about) << ": "
            << LayoutWord(about.schema.layout) << ", "
            << Count(about.schema.features,
                     about.schema.layout == data::Layout::kKeyed ? "field"
                                                                 : "feature")
            << (about.schema.has_labels ? ", labels" : ", no labels") << "\n"
            << "  numbers  " << WithCommas(tail.lowest_number()) << " to "
            << WithCommas(tail.number) << " in "
            << Count(tail.place - tail.lowest_place(), "object")
            << (tail.ended ? "; the set has ended" : "") << "\n";
  if (tail.before) {
    std::cout << "  newest   "
              << AgeText(
                     std::max(absl::ZeroDuration(),
                              now - absl::FromUnixMillis(tail.created_unix_ms)))
              << " ago\n";
  }
  std::cout << "  not in   " << Count(tail.totals.left_out, "message")
            << " left out, " << WithCommas(tail.totals.absent)
            << " without a value, " << WithCommas(tail.totals.lost)
            << " lost\n";
  if (tail.ends.empty()) return;
  TextTable table({"PARTITION", "END"}, {1});
  size_t shown = 0;
  for (const auto& [partition, end] : tail.ends) {
    if (shown++ == kMostShownPartitions) break;
    table.Add({partition, WithCommas(end.end)});
  }
  std::cout << table.ToString();
  if (tail.ends.size() > kMostShownPartitions) {
    std::cout << "and " << tail.ends.size() - kMostShownPartitions
              << " more; --json has all\n";
  }
}

int StreamStatus(const StreamStatusFlags& flags) {
  const auto store = OpenStreamPlace(flags.place, /*make=*/false);
  if (!store.ok()) return Report(store.status());
  const auto about = data::growing::ReadAbout(store->get());
  if (!about.ok()) return Report(about.status());
  const auto tail = data::growing::FindTail(store->get(), about->identity, {});
  if (!tail.ok()) return Report(tail.status());
  const absl::Time now = absl::Now();
  if (flags.json) {
    PrintJson(*about, *tail, now);
  } else {
    PrintText(flags.place, *about, *tail, now);
  }
  return kExitGood;
}

}  // namespace

void AddStreamStatusCommand(CLI::App* stream, int* exit_code) {
  CLI::App* command = stream->add_subcommand(
      "status", "Shows what a growing set has, and how old its newest is");
  const auto flags = std::make_shared<StreamStatusFlags>();
  command->add_option("SRC", flags->place, "Folder, or s3://BUCKET/PREFIX")
      ->required();
  AddJsonFlag(command, &flags->json);
  command->callback([=] { *exit_code = StreamStatus(*flags); });
  command->footer("\nExample:\n  ebb stream status /mnt/clicks");
}

}  // namespace ebb::tools
