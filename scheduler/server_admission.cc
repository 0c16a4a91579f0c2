#include "scheduler/server_admission.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/plant.h"
#include "scheduler/check_job.h"

namespace ebb::scheduler {

namespace {

std::string ProcessAt(int64_t id, const std::string& address) {
  return absl::StrCat("process ", id, " at ", address);
}

}  // namespace

// One id is one process: two would take the partitions from each other. A
// living one keeps its place; a process that died and came back before its
// broken connection was noticed has to wait for that, or for the silence.
bool ServerAdmission::MayRegister(LinkId link, const RegisterServer& message,
                                  Context* context) {
  Servers& servers = state_.cluster.servers;
  const auto it = servers.find(message.server);
  if (it == servers.end() || it->second.session == message.session ||
      EBB_PLANTED(second_process_is_let_in)) {
    return true;
  }
  const ServerInfo& server = it->second;
  if (!server.connected) return MayReplace(link, message, server, context);
  const bool owns = std::ranges::any_of(state_.jobs, [&](const auto& job) {
    return job.second->parts().owners.Owned(message.server) > 0;
  });
  if (server.empty && !owns && HasData(message)) {
    // A scheduler without its store could not know whose the place is.
    const std::string why = absl::StrCat(
        ProcessAt(message.process_id, message.address),
        " has the data of server ", message.server.value(),
        ", and this process has nothing; only one process may have its id");
    context->ToServer(server, RefuseServer{true, why});
    context->Log(absl::StrCat("server=", message.server.value(), ": ", why));
    return true;
  }
  const absl::Duration silent = context->now - server.last_heard;
  const std::string here = ProcessAt(server.process_id, server.address);
  const std::string other = ProcessAt(message.process_id, message.address);
  const std::string name = absl::StrCat("server ", message.server.value());
  servers.Challenged(server.id, context->now);
  if (silent >= state_.options.server_ttl &&
      context->now - server.challenged_at >= state_.options.last_word) {
    context->ToServer(
        server,
        RefuseServer{true, absl::StrCat(other, " has taken the place of ", name,
                                        ", which said nothing for ",
                                        absl::FormatDuration(silent),
                                        "; only one process may have its id")});
    context->Log(absl::StrCat(
        "server=", message.server.value(), ": ", here, " said nothing for ",
        absl::FormatDuration(silent), "; ", other, " takes its place"));
    return true;
  }
  servers.RefusedOther(server.id,
                       absl::StrCat(other, " has its id, too, and is refused"),
                       context->now);
  Refuse(link, message,
         absl::StrCat(" is ", here, "; ", server.refusal,
                      ": stop one of the two, or start it with another --id"),
         absl::StrCat(name, " is there already: ", here,
                      ". Stop one of the two, or start this one with another "
                      "--id and --state-dir"),
         context);
  return false;
}

// A broken connection is no dead server. For as long as a living one may take
// to come back, its place is not for a process that has nothing of it: what
// that would begin anew outranks what the other has stored.
bool ServerAdmission::MayReplace(LinkId link, const RegisterServer& message,
                                 const ServerInfo& server, Context* context) {
  const absl::Time free_at =
      std::max(server.since, state_.started) + state_.options.server_ttl;
  if (context->now >= free_at || !LacksWhatItsIdHad(message, server)) {
    return true;
  }
  state_.cluster.servers.RefusedOther(
      server.id,
      absl::StrCat(ProcessAt(message.process_id, message.address),
                   " has its id but not its data, and is let in ",
                   absl::FormatDuration(state_.options.server_ttl),
                   " after the other was lost, or the scheduler started"),
      context->now);
  Refuse(link, message,
         absl::StrCat(" is away, and ", server.refusal,
                      ", unless the other is back"),
         absl::StrCat("server ", message.server.value(),
                      " had partitions of which this process has nothing, and "
                      "may only have lost its connection; if its storage was "
                      "lost, wait for ",
                      absl::FormatDuration(state_.options.server_ttl)),
         context);
  return false;
}

// Without it, it would begin anew what others can go on from.
bool ServerAdmission::HasItsFolder(LinkId link, const RegisterServer& message,
                                   Context* context) {
  if (EBB_PLANTED(server_without_its_folder_is_let_in)) return true;
  for (const auto& [id, job] : state_.jobs) {
    const std::string lacks = job->parts().owners.LacksFolder(message);
    if (lacks.empty()) continue;
    Refuse(link, message, absl::StrCat(" is refused: ", lacks),
           absl::StrCat(lacks,
                        "; start it with them, or wait until others "
                        "that have them take over what it owns"),
           context);
    state_.cluster.servers.RefusedOther(
        message.server,
        absl::StrCat(ProcessAt(message.process_id, message.address),
                     " is refused: ", lacks),
        context->now);
    return false;
  }
  return true;
}

// Said in the log once for each process, which comes again and again.
void ServerAdmission::Refuse(LinkId link, const RegisterServer& message,
                             absl::string_view log, std::string reason,
                             Context* context) {
  if (state_.cluster.servers.Refuses(message.server, message.session)) {
    context->Log(absl::StrCat("server=", message.server.value(), log));
  }
  context->out->push_back(
      SendServer{link, RefuseServer{false, std::move(reason)}});
}

bool ServerAdmission::LacksWhatItsIdHad(const RegisterServer& message,
                                        const ServerInfo& known) const {
  const bool same_store =
      (!message.store.empty() && message.store == known.store &&
       !message.store_damage.any()) ||
      EBB_PLANTED(any_store_is_taken_for_its_own);
  return std::ranges::any_of(state_.jobs, [&](const auto& job) {
    return job.second->parts().owners.LacksWhatItsIdHad(message, same_store,
                                                        state_.gathering);
  });
}

// After a while without any event, this process may have stood still, and what
// a server said meanwhile may come only now.
void ServerAdmission::NoteTime(absl::Time now) {
  if (now - last_event_ >= state_.options.server_ttl / 2) {
    state_.cluster.servers.StoodStill(now);
  }
  last_event_ = now;
}

// While somebody wants a server's place, time is looked at often enough to
// notice if it stood still.
absl::Time ServerAdmission::NextTick() const {
  for (const auto& [id, server] : state_.cluster.servers) {
    if (server.connected && server.challenged_at != absl::InfiniteFuture()) {
      return last_event_ + state_.options.server_ttl / 8;
    }
  }
  return absl::InfiniteFuture();
}

}  // namespace ebb::scheduler
