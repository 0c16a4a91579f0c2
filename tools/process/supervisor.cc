#include "tools/process/supervisor.h"

#include <signal.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace ebb::tools {

absl::Duration RestartPolicy::WaitAfter(int short_lives) const {
  absl::Duration wait = first_wait;
  for (int i = 1; i < short_lives && wait < longest_wait; ++i) wait *= 2;
  return std::min(wait, longest_wait);
}

bool Orders::MetBy(const ProcessEnd& end) const {
  if (end.signal == SIGKILL) return killed || at_place;
  return asked && (end.clean() || end.signal == SIGTERM);
}

absl::Status Supervisor::Start(absl::string_view daemon,
                               const ProcessSpec& first,
                               const ProcessSpec& later, absl::Time now) {
  auto process = ChildProcess::Start(first);
  if (!process.ok()) return process.status();
  Daemon& entry = daemons_[std::string(daemon)];
  entry = Daemon{};
  entry.later = later;
  entry.process = std::move(*process);
  entry.started = now;
  return absl::OkStatus();
}

absl::Status Supervisor::StartProgram(absl::string_view name,
                                      const ProcessSpec& spec, absl::Time now) {
  absl::Status started = Start(name, spec, spec, now);
  if (started.ok()) Find(name)->program = true;
  return started;
}

void Supervisor::SetLater(absl::string_view daemon, const ProcessSpec& later) {
  if (Daemon* entry = Find(daemon)) entry->later = later;
}

std::vector<DaemonEvent> Supervisor::Poll(absl::Time now) {
  std::vector<DaemonEvent> events;
  for (auto& [name, daemon] : daemons_) {
    if (daemon.process && daemon.process->Poll()) {
      NoticeDeath(name, &daemon, now, &events);
    }
    if (daemon.process && daemon.kill_at <= now) {
      daemon.kill_at = absl::InfiniteFuture();
      Signal(name, SIGKILL);
    }
    if (!daemon.process && daemon.due <= now) {
      StartAgain(name, &daemon, now, &events);
    }
  }
  return events;
}

DaemonEvent Supervisor::Death(const std::string& name, Daemon* daemon) {
  DaemonEvent event{DaemonEvent::Kind::kDied, name, daemon->process->pid(),
                    *daemon->process->Poll()};
  Orders& orders = daemon->orders;
  // Before it comes to its place it may end otherwise, untold.
  if (event.end.signal == SIGKILL && !orders.killed) {
    event.place = daemon->place;
    orders.at_place = !event.place.empty();
  }
  event.told = orders.any();
  event.as_told = orders.MetBy(event.end) || (daemon->program && orders.asked);
  event.finished = daemon->program && event.end.clean();
  return event;
}

void Supervisor::NoticeDeath(const std::string& name, Daemon* daemon,
                             absl::Time now, std::vector<DaemonEvent>* events) {
  DaemonEvent event = Death(name, daemon);
  event.life = now - daemon->started;
  events->push_back(event);
  const bool steady = event.life >= policy_.steady_life;
  daemon->process.reset();
  daemon->kill_at = absl::InfiniteFuture();
  daemon->orders = {};
  if (event.finished) daemon->finished = daemon->stopped = true;
  if (daemon->stopped) return;
  // The codes of a program are its own.
  const auto says = [&](int code) {
    return !daemon->program && event.end.signal == 0 &&
           event.end.exit_code == code;
  };
  if (says(policy_.no_room)) {
    AwaitRoom(daemon, std::move(event), now, events);
    return;
  }
  daemon->no_room_since = absl::InfiniteFuture();
  // A life that was ended by order says nothing about the next.
  daemon->short_lives = steady || event.told ? 1 : daemon->short_lives + 1;
  const bool refused = says(policy_.refusal);
  if (refused || daemon->short_lives > policy_.most_short_lives) {
    event.kind = DaemonEvent::Kind::kGivenUp;
    event.reason = refused
                       ? "it refuses to start"
                       : absl::StrCat("it died ", daemon->short_lives,
                                      " times, each time soon after its start; "
                                      "at last it ",
                                      event.end.ToString());
    events->push_back(std::move(event));
    return;
  }
  daemon->due = std::max(now + policy_.WaitAfter(daemon->short_lives),
                         std::exchange(daemon->back_at, absl::InfinitePast()));
}

void Supervisor::AwaitRoom(Daemon* daemon, DaemonEvent event, absl::Time now,
                           std::vector<DaemonEvent>* events) const {
  constexpr absl::Duration kPause = absl::Seconds(1);
  daemon->no_room_since = std::min(daemon->no_room_since, now);
  if (now - daemon->no_room_since < policy_.room_patience) {
    daemon->due = now + kPause;
    return;
  }
  event.kind = DaemonEvent::Kind::kGivenUp;
  event.reason = absl::StrCat("it could not begin for ",
                              absl::FormatDuration(policy_.room_patience));
  events->push_back(std::move(event));
}

void Supervisor::StartAgain(const std::string& name, Daemon* daemon,
                            absl::Time now, std::vector<DaemonEvent>* events) {
  daemon->due = absl::InfiniteFuture();
  auto process = ChildProcess::Start(daemon->next.value_or(daemon->later));
  if (!process.ok()) {
    if (++daemon->short_lives <= policy_.most_short_lives) {
      daemon->due = now + policy_.WaitAfter(daemon->short_lives);
      return;
    }
    DaemonEvent event{DaemonEvent::Kind::kGivenUp, name};
    event.reason = process.status().ToString();
    events->push_back(std::move(event));
    return;
  }
  daemon->next.reset();
  daemon->place = std::exchange(daemon->next_place, "");
  daemon->process = std::move(*process);
  daemon->started = now;
  events->push_back(
      {DaemonEvent::Kind::kStarted, name, daemon->process->pid()});
}

absl::Time Supervisor::NextDue() const {
  absl::Time next = absl::InfiniteFuture();
  for (const auto& [name, daemon] : daemons_) {
    next = std::min({next, daemon.due, daemon.kill_at});
  }
  return next;
}

bool Supervisor::Signal(absl::string_view daemon, int signal) {
  Daemon* entry = Find(daemon);
  if (entry == nullptr || !entry->process || entry->process->Poll()) {
    return false;
  }
  entry->process->Signal(signal);
  if (signal == SIGTERM || signal == SIGINT) {
    entry->orders.asked = true;
    entry->orders.asked_by = signal;
  }
  if (signal == SIGKILL) entry->orders.killed = true;
  return true;
}

bool Supervisor::Kill(absl::string_view daemon, absl::Time back_at) {
  if (!Signal(daemon, SIGKILL)) return false;
  Find(daemon)->back_at = back_at;
  return true;
}

bool Supervisor::Terminate(absl::string_view daemon, absl::Time kill_at) {
  Daemon* entry = Find(daemon);
  if (entry == nullptr) return false;
  const int ask = entry->program ? SIGINT : SIGTERM;
  // Asked twice, a daemon ends at once, whatever it holds. A program that got
  // another signal was asked for something else.
  const bool again =
      entry->orders.asked && (!entry->program || entry->orders.asked_by == ask);
  if (!Signal(daemon, again ? SIGCONT : ask)) return false;
  Signal(daemon, SIGCONT);  // One that stands still would not hear of it.
  entry->kill_at = std::min(entry->kill_at, kill_at);
  return true;
}

bool Supervisor::Freeze(absl::string_view daemon) {
  return Signal(daemon, SIGSTOP);
}

bool Supervisor::Thaw(absl::string_view daemon) {
  return Signal(daemon, SIGCONT);
}

bool Supervisor::KillThenAt(absl::string_view daemon, const ProcessSpec& next,
                            absl::string_view place) {
  if (!Kill(daemon)) return false;
  Daemon* entry = Find(daemon);
  entry->next = next;
  entry->next_place = std::string(place);
  return true;
}

void Supervisor::Stop(absl::string_view daemon, absl::Time kill_at) {
  StartNoMore(daemon);
  // A daemon that is dead already got no order to die.
  Terminate(daemon, kill_at);
}

void Supervisor::Remove(absl::string_view daemon) {
  StartNoMore(daemon);
  Kill(daemon);
}

void Supervisor::StartNoMore(absl::string_view daemon) {
  Daemon* entry = Find(daemon);
  if (entry == nullptr) return;
  entry->stopped = true;
  entry->due = absl::InfiniteFuture();
}

bool Supervisor::Running(absl::string_view daemon) const {
  const Daemon* entry = Find(daemon);
  return entry != nullptr && entry->process.has_value();
}

bool Supervisor::Kept(absl::string_view daemon) const {
  const Daemon* entry = Find(daemon);
  return entry != nullptr && !entry->stopped;
}

bool Supervisor::Finished(absl::string_view program) const {
  const Daemon* entry = Find(program);
  return entry != nullptr && entry->finished;
}

pid_t Supervisor::Pid(absl::string_view daemon) const {
  const Daemon* entry = Find(daemon);
  return entry != nullptr && entry->process ? entry->process->pid() : 0;
}

std::vector<pid_t> Supervisor::Pids() const {
  std::vector<pid_t> pids;
  for (const auto& [name, daemon] : daemons_) {
    if (!daemon.process || daemon.program) continue;
    pids.push_back(daemon.process->pid());
  }
  return pids;
}

std::vector<std::string> Supervisor::Names() const {
  std::vector<std::string> names;
  for (const auto& [name, daemon] : daemons_) {
    if (daemon.process && !daemon.stopped) names.push_back(name);
  }
  return names;
}

const Supervisor::Daemon* Supervisor::Find(absl::string_view name) const {
  const auto it = daemons_.find(name);
  return it == daemons_.end() ? nullptr : &it->second;
}

Supervisor::Daemon* Supervisor::Find(absl::string_view name) {
  const auto it = daemons_.find(name);
  return it == daemons_.end() ? nullptr : &it->second;
}

}  // namespace ebb::tools
