#include "scheduler/servers.h"

#include <algorithm>
#include <utility>

#include "scheduler/check_job.h"

namespace ebb::scheduler {

ServerInfo& Servers::Known(ServerId server) {
  ServerInfo& info = servers_[server];
  info.id = server;
  return info;
}

void Servers::Load(ServerId server, std::string shared_folder, absl::Time now) {
  ServerInfo& info = Known(server);
  info.shared_folder = std::move(shared_folder);
  info.since = now;
}

void Servers::LoadStore(ServerId server, std::string store) {
  const auto it = servers_.find(server);
  if (it != servers_.end()) it->second.store = std::move(store);
}

void Servers::Named(ServerId server, absl::Time now) {
  if (!servers_.contains(server)) Known(server).since = now;
}

const ServerInfo& Servers::Register(const RegisterServer& message, LinkId link,
                                    absl::Time now) {
  ServerInfo& info = Known(message.server);
  if (message.session != info.session) {
    info.reports.clear();
    info.store_damage = {};
  }
  info.session = message.session;
  info.address = message.address;
  info.process_id = message.process_id;
  info.link = link;
  info.connected = true;
  info.shared_folder = message.shared_folder;
  info.store = message.store;
  info.empty = !HasData(message);
  info.leaving = message.leaving;
  info.told_to_leave = false;
  info.goodbye = false;
  info.since = now;
  Heard(message.server, now);
  return info;
}

void Servers::Lost(ServerId server, absl::Time now) {
  ServerInfo& info = servers_.at(server);
  info.connected = false;
  info.since = now;
}

void Servers::Heard(ServerId server, absl::Time now) {
  ServerInfo& info = servers_.at(server);
  info.last_heard = now;
  info.challenged_at = absl::InfiniteFuture();
}

void Servers::WantsToLeave(ServerId server) {
  ServerInfo& info = servers_.at(server);
  info.leaving = true;
  info.told_to_leave = false;
}

void Servers::Reports(ServerId server, const ServerStatistics& message,
                      absl::Time now) {
  ServerReport& report = servers_.at(server).reports[message.job];
  report.updates += message.updates;
  report.problem = message.problem;
  report.problem_kind = message.problem_kind;
  if (message.refused_pushes > 0) {
    report.refused_pushes = message.refused_pushes;
    report.refusal = message.refusal;
    report.refused_at = now;
  }
}

void Servers::Challenged(ServerId server, absl::Time now) {
  ServerInfo& info = servers_.at(server);
  info.challenged_at = std::min(info.challenged_at, now);
}

void Servers::RefusedOther(ServerId server, std::string why, absl::Time now) {
  ServerInfo& info = servers_.at(server);
  info.refusal = std::move(why);
  info.refused_at = now;
}

bool Servers::Refuses(ServerId server, SessionId process) {
  return std::exchange(Known(server).refused, process) != process;
}

void Servers::StoodStill(absl::Time now) {
  for (auto& [id, server] : servers_) {
    if (server.challenged_at < now) server.challenged_at = now;
  }
}

void Servers::ForgetReports(JobId job) {
  for (auto& [id, server] : servers_) server.reports.erase(job);
}

}  // namespace ebb::scheduler
