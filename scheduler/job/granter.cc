#include "scheduler/job/granter.h"

#include <map>
#include <utility>

#include "common/plant.h"

namespace ebb::scheduler {

void Granter::GrantAll(Context* context) {
  std::vector<PartitionId> all;
  for (int32_t p = 0; p < job_.placement.size(); ++p) all.emplace_back(p);
  Grant(all, context);
}

void Granter::Grant(const std::vector<PartitionId>& partitions,
                    Context* context) {
  std::map<ServerId, std::vector<PartitionGrant>> grants;
  for (const PartitionId p : partitions) {
    moves_.End(p, context);
    const Ownership& one = job_.placement.at(p);
    const auto server = context->cluster->servers.find(one.owner);
    if (server == context->cluster->servers.end() ||
        !server->second.connected) {
      job_.placement.Unregistered(p);  // Granted when its owner registers.
      continue;
    }
    const Term term = EBB_PLANTED(terms_reused)
                          ? Term(one.drawn.value() + 1)
                          : Term(context->numbers->Draw(context->now));
    owners_.Draw(p, one.owner, server->second.session, term);
    // What it stores from now on is not where the newest was.
    if (job_.state.durable_in[p.value()] != server->second.shared_folder) {
      owners_.SetDurable(p, "", Term());
    }
    grants[one.owner].push_back({p, term, one.parent});
  }
  for (auto& [id, granted] : grants) {
    const ServerInfo& server = context->cluster->servers.at(id);
    Send(server, std::move(granted), context);
    SendNews(server, context);
  }
}

void Granter::TellServers(Context* context) const {
  for (const auto& [id, server] : context->cluster->servers) {
    if (server.connected && owners_.Owned(id) > 0) Send(server, {}, context);
  }
}

void Granter::TellMissed(const ServerInfo& server, Context* context) const {
  Send(server, {}, context);
  SendNews(server, context);
}

// A server that owned no partition has not heard of any view or round yet.
void Granter::SendNews(const ServerInfo& server, Context* context) const {
  view_.Send(server, context);
  if (rounds_.told()) context->ToServer(server, *rounds_.told());
}

void Granter::Send(const ServerInfo& server,
                   std::vector<PartitionGrant> partitions,
                   Context* context) const {
  ebb::Grant grant;
  grant.server = server.id;
  grant.session = server.session;
  grant.record = job_.record;
  grant.generation = job_.state.generation;
  grant.rollback = job_.state.rollback;
  grant.known_servers = context->cluster->ServerIds();
  grant.partitions = std::move(partitions);
  context->ToServer(server, std::move(grant));
}

}  // namespace ebb::scheduler
