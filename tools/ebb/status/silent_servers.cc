#include "tools/ebb/status/silent_servers.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tools/text/daemon_names.h"

namespace ebb::tools {

JobServers ServersOf(const v1::GetJobResponse& job) {
  std::map<int32_t, std::vector<int32_t>> owned;
  for (const auto& place : job.placement().partitions()) {
    owned[place.server()].push_back(place.partition());
  }
  std::map<int32_t, std::vector<int32_t>> awaited;
  for (const auto& place : job.awaited()) {
    awaited[place.server()].push_back(place.partition());
  }
  JobServers servers;
  for (auto& [server, partitions] : awaited) {
    servers.awaited.push_back(
        {server, std::move(partitions), "it is away, or loads them"});
  }
  for (const v1::ServerAddress& server : job.placement().servers()) {
    const auto it = owned.find(server.server());
    if (it == owned.end()) continue;
    servers.there.push_back(
        {server.server(), server.address(), std::move(it->second)});
  }
  return servers;
}

std::string SilentText(const SilentServer& silent) {
  return absl::StrCat(
      "no answer from ",
      silent.server < 0 ? "any server" : ServerName(silent.server), " (",
      PartitionsText(silent.partitions), ")", silent.why.empty() ? "" : ": ",
      silent.why);
}

Json SilentJson(const std::vector<SilentServer>& silent) {
  Json list = Json::List();
  for (const SilentServer& one : silent) {
    Json json = Json::Object();
    json["server"] = one.server < 0 ? Json() : Json(ServerName(one.server));
    json["partitions"] = Json::List();
    for (const int32_t p : one.partitions) json["partitions"].Add(p);
    list.Add(std::move(json));
  }
  return list;
}

std::string PartitionsText(const std::vector<int32_t>& partitions) {
  std::string text = partitions.size() == 1 ? "partition" : "partitions";
  for (size_t i = 0; i < partitions.size(); ++i) {
    const size_t first = i;
    while (i + 1 < partitions.size() &&
           partitions[i + 1] == partitions[i] + 1) {
      ++i;
    }
    absl::StrAppend(&text, first == 0 ? " " : ", ", partitions[first]);
    if (i > first) absl::StrAppend(&text, "-", partitions[i]);
  }
  return text;
}

}  // namespace ebb::tools
