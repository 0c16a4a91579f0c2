#include "tools/ebb/run/local_cluster.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/status_macros.h"
#include "common/steady_time.h"
#include "common/tls/issue.h"
#include "tools/command/owned_program.h"
#include "tools/files/file_end.h"
#include "tools/files/files.h"
#include "tools/process/last_words.h"
#include "tools/process/parent_process.h"
#include "tools/process/tls_process.h"
#include "tools/text/console.h"
#include "tools/text/daemon_names.h"

namespace ebb::tools {

namespace {

namespace fs = std::filesystem;

// A worker drains within 20 s, a server too (their flags); a bit more each.
constexpr absl::Duration kWorkerGrace = absl::Seconds(22);
constexpr absl::Duration kServerGrace = absl::Seconds(25);
// A program, too, has Python to end, and what it started itself.
constexpr absl::Duration kProgramGrace = absl::Seconds(20);
constexpr absl::Duration kSchedulerGrace = absl::Seconds(10);
constexpr absl::Duration kStartLimit = absl::Seconds(20);
// This folder stands for the volume that servers share: any of them may go on
// with what another had.
constexpr absl::string_view kSharedCheckpoints = "shared";
constexpr absl::string_view kAddressFile = "scheduler.address";
constexpr absl::string_view kCertificates = "tls";
constexpr absl::Duration kLook = absl::Milliseconds(2);

// True if the file descriptor `info` (of /proc) is open to write.
bool OpenToWrite(const fs::path& info) {
  const auto text = ReadFile(info.string());
  if (!text.ok()) return false;
  for (absl::string_view line : absl::StrSplit(*text, '\n')) {
    if (!absl::ConsumePrefix(&line, "flags:")) continue;
    const std::string octal(absl::StripAsciiWhitespace(line));
    return (std::strtol(octal.c_str(), nullptr, 8) & O_ACCMODE) != O_RDONLY;
  }
  return false;
}

// How long a slow process stops and goes: short, so that only its speed shows
// it. But a worker emulates computing by waiting, which goes on while it is
// stopped. So it must get through several batches each time. At most a second,
// for leases last three.
absl::Duration CycleOf(double share, absl::Duration batch_time) {
  return std::clamp(10 * batch_time / share, absl::Milliseconds(100),
                    absl::Seconds(1));
}

// A file that may not grow is as good as a disk that is full: the system
// refuses to write, and the daemon has an error (RLIMIT_FSIZE, getrlimit(2)).
void LimitFiles(pid_t pid, bool limited) {
  rlimit limit = {};
  if (prlimit(pid, RLIMIT_FSIZE, nullptr, &limit) != 0) return;
  limit.rlim_cur = limited ? 0 : limit.rlim_max;
  prlimit(pid, RLIMIT_FSIZE, &limit, nullptr);
}

void Append(const std::vector<std::string>& more,
            std::vector<std::string>* words) {
  words->insert(words->end(), more.begin(), more.end());
}

std::string RoleOf(absl::string_view program) {
  absl::ConsumePrefix(&program, "ebb-");  // They are called as their roles.
  return std::string(program);
}

}  // namespace

ProcessSpec LocalCluster::Spec(
    const std::string& daemon, absl::string_view program,
    const std::vector<std::string>& arguments) const {
  ProcessSpec spec;
  spec.argv = {absl::StrCat(options_.program_folder, "/", program),
               "--die-with-parent", absl::StrCat(getpid())};
  spec.argv.insert(spec.argv.end(), arguments.begin(), arguments.end());
  spec.log = folder_.Log(daemon);
  // Whatever they write without being told where falls into the run's folder.
  spec.folder = folder_.path();
  spec.environment = {absl::StrCat("TMPDIR=", folder_.File("tmp"))};
  const TlsFiles files =
      options_.tls ? FilesIn(folder_.File(kCertificates), RoleOf(program))
                   : TlsFiles();
  AddTls(files, &spec);
  return spec;
}

absl::Status LocalCluster::StartOne(const std::string& daemon,
                                    const ProcessSpec& spec) {
  specs_[daemon] = spec;
  return supervisor_.Start(daemon, spec, spec, SteadyNow());
}

bool LocalCluster::Kill(const std::string& daemon, const std::string& then_at) {
  const bool program = options_.program && workers_.contains(daemon);
  if (then_at.empty() || program) return supervisor_.Kill(daemon);
  ProcessSpec next = specs_.at(daemon);
  next.argv.insert(next.argv.end(), {"--kill-at", then_at});
  return supervisor_.KillThenAt(daemon, next, then_at);
}

absl::Status LocalCluster::MakeCertificates() {
  const std::string folder = folder_.File(kCertificates);
  std::error_code error;
  fs::remove_all(folder, error);  // Left by the run that is resumed.
  fs::create_directory(folder, error);
  if (error) {
    return absl::ErrnoToStatus(error.value(), "cannot make " + folder);
  }
  EBB_RETURN_IF_ERROR(WriteAllRoles(folder, {}));
  EBB_ASSIGN_OR_RETURN(
      security_, rpc::Security::Create({.files = FilesIn(folder, "client")},
                                       {Role::kClient}));
  return absl::OkStatus();
}

absl::Status LocalCluster::Start() {
  if (options_.tls) EBB_RETURN_IF_ERROR(MakeCertificates());
  const std::string address_file = folder_.File(kAddressFile);
  std::error_code ignored;
  fs::remove(address_file, ignored);
  // Resumed runs need it, too; servers report if it is missing.
  if (options_.shared_checkpoints.empty()) {
    fs::create_directory(folder_.File(kSharedCheckpoints), ignored);
  }
  EBB_RETURN_IF_ERROR(
      StartOne(kSchedulerName, SchedulerSpec(options_.servers)));
  EBB_RETURN_IF_ERROR(AwaitFile(address_file, kSchedulerName));
  scheduler_front_ = port_.address();
  if (options_.front) {
    EBB_ASSIGN_OR_RETURN(scheduler_front_,
                         options_.front(kSchedulerName, port_.address()));
  }
  for (int i = 0; i < options_.servers; ++i) {
    EBB_RETURN_IF_ERROR(StartServer(i));
  }
  for (int i = 0; options_.awaits_servers && i < options_.servers; ++i) {
    const std::string name = ServerName(i);
    EBB_RETURN_IF_ERROR(AwaitFile(AddressFile(name), name));
  }
  for (int i = 0; i < options_.workers; ++i) {
    EBB_RETURN_IF_ERROR(AddWorker(WorkerName(i)));
  }
  return absl::OkStatus();
}

ProcessSpec LocalCluster::SchedulerSpec(int servers) const {
  std::vector<std::string> arguments = {
      "--listen",       port_.address(),
      "--address-file", folder_.File(kAddressFile),
      "--state-dir",    folder_.State(kSchedulerName),
      "--min-servers",  absl::StrCat(servers),
      "--of-a-run"};
  if (options_.data_sets) {
    arguments.insert(arguments.end(), {"--data-folder", folder_.File("data")});
  }
  Append(options_.scheduler_flags, &arguments);
  return Spec(kSchedulerName, "ebb-scheduler", arguments);
}

void LocalCluster::AwaitServers() {
  const auto servers = std::ranges::count_if(
      servers_, [this](int server) { return Keeps(ServerName(server)); });
  specs_[kSchedulerName] =
      SchedulerSpec(static_cast<int>(std::max<int64_t>(servers, 1)));
  supervisor_.SetLater(kSchedulerName, specs_[kSchedulerName]);
}

absl::Status LocalCluster::AddServer(int server) {
  EBB_RETURN_IF_ERROR(StartServer(server));
  AwaitServers();
  return absl::OkStatus();
}

void LocalCluster::DrainServer(int server) {
  supervisor_.Stop(ServerName(server), SteadyNow() + kServerGrace);
  AwaitServers();
}

absl::Status LocalCluster::StartServer(int server) {
  servers_.insert(server);
  const std::string name = ServerName(server);
  std::vector<std::string> arguments = {"--id",
                                        absl::StrCat(server),
                                        "--scheduler",
                                        scheduler_front_,
                                        "--state-dir",
                                        folder_.State(name),
                                        "--shared-checkpoints",
                                        options_.shared_checkpoints.empty()
                                            ? folder_.File(kSharedCheckpoints)
                                            : options_.shared_checkpoints};
  std::string listen = "127.0.0.1:0";
  if (options_.front) {
    // It must be found behind its front in each of its lives.
    EBB_ASSIGN_OR_RETURN(ReservedPort port, ReservedPort::Reserve());
    listen = port.address();
    server_ports_.push_back(std::move(port));
    EBB_ASSIGN_OR_RETURN(const std::string front, options_.front(name, listen));
    // What is done to the network must be done to what they say.
    arguments.insert(arguments.end(), {"--advertise", front, "--shared-memory",
                                       "off", "--bulk", "off"});
  }
  arguments.insert(arguments.end(), {"--listen", listen});
  if (options_.awaits_servers) {
    std::error_code ignored;
    fs::remove(AddressFile(name), ignored);
    arguments.insert(arguments.end(), {"--address-file", AddressFile(name)});
  }
  AddMemory(&arguments);
  Append(options_.server_flags, &arguments);
  return StartOne(name, Spec(name, "ebb-ps", arguments));
}

void LocalCluster::AddMemory(std::vector<std::string>* arguments) const {
  if (options_.memory_bytes == 0) return;
  arguments->insert(arguments->end(),
                    {"--memory", absl::StrCat(options_.memory_bytes)});
}

absl::Status LocalCluster::AddWorker(const std::string& name) {
  if (options_.program) return AddProgram(name, options_.program);
  workers_.insert(name);
  std::vector<std::string> arguments = {"--scheduler", scheduler_front_,
                                        "--name", name};
  if (!options_.sources.empty()) {
    arguments.insert(arguments.end(), {"--sources", options_.sources});
  }
  for (const std::string& folder : options_.plugin_folders) {
    arguments.insert(arguments.end(), {"--allow-plugins", folder});
  }
  if (!options_.python.empty()) {
    arguments.insert(arguments.end(), {"--python", options_.python});
  }
  AddMemory(&arguments);
  const absl::Duration batch_time = BatchTimeOf(name);
  if (batch_time > absl::ZeroDuration()) {
    arguments.insert(arguments.end(),
                     {"--batch-time", absl::FormatDuration(batch_time)});
  }
  Append(options_.worker_flags, &arguments);
  return StartOne(name, Spec(name, "ebb-worker", arguments));
}

absl::Status LocalCluster::AddProgram(const std::string& name,
                                      const WorkerProgram& program) {
  workers_.insert(name);
  ProcessSpec spec;
  spec.argv = OwnedBy(getpid(), program.argv);
  spec.log = folder_.Log(name);
  spec.folder = program.folder;
  spec.environment = {absl::StrCat("EBB_SCHEDULER=", scheduler_front_),
                      absl::StrCat("EBB_NAME=", name),
                      absl::StrCat("EBB_RUN_NAME=", folder_.path()),
                      absl::StrCat("EBB_LAST_ERROR=", NoteOf(name))};
  spec.base = program.environment;
  specs_[name] = spec;
  return supervisor_.StartProgram(name, spec, SteadyNow());
}

absl::Duration LocalCluster::BatchTimeOf(const std::string& worker) const {
  const auto own = options_.batch_times.find(worker);
  return own == options_.batch_times.end() ? options_.batch_time : own->second;
}

void LocalCluster::RemoveWorker(const std::string& name, absl::Duration grace) {
  if (grace > absl::ZeroDuration()) {
    supervisor_.Stop(name, SteadyNow() + grace);
  } else {
    supervisor_.Remove(name);
  }
}

void LocalCluster::DrainWorker(int worker) {
  RemoveWorker(WorkerName(worker), kWorkerGrace);
}

bool LocalCluster::Terminate(const std::string& daemon, absl::Duration grace) {
  return supervisor_.Terminate(daemon, SteadyNow() + grace);
}

absl::Status LocalCluster::AwaitFile(const std::string& path,
                                     const std::string& daemon) {
  const absl::Time deadline = SteadyNow() + kStartLimit;
  std::error_code ignored;
  while (!fs::exists(path, ignored)) {
    if (signals_.Wait(kLook).interrupts > 0 ||
        (options_.abandoned && options_.abandoned())) {
      return absl::AbortedError("interrupted");
    }
    for (const DaemonEvent& event : Poll()) {
      if (event.kind != DaemonEvent::Kind::kDied) continue;
      return absl::FailedPreconditionError(
          absl::StrCat(event.daemon, " ", event.end.ToString(), ": ",
                       LastWords(event.daemon)));
    }
    if (SteadyNow() > deadline) {
      return absl::FailedPreconditionError(
          absl::StrCat(daemon, " did not serve within ",
                       DurationText(kStartLimit), ": ", LastWords(daemon)));
    }
  }
  return absl::OkStatus();
}

std::vector<DaemonEvent> LocalCluster::Poll() {
  auto events = supervisor_.Poll(SteadyNow());
  ApplyMachines();
  return events;
}

void LocalCluster::ApplyMachines() {
  for (auto& [daemon, machine] : machines_) {
    const pid_t pid = supervisor_.Pid(daemon);
    if (pid == 0) continue;
    if (machine.disk_full && machine.limited != pid) {
      LimitFiles(pid, true);
      machine.limited = pid;
    }
    if (machine.share >= 1 || machine.frozen || machine.slowed == pid) continue;
    const bool worker = workers_.contains(daemon);
    // One that just ended is not there; its next life is.
    slow_motion_
        .Set(pid, machine.share,
             CycleOf(machine.share,
                     worker ? BatchTimeOf(daemon) : absl::ZeroDuration()))
        .IgnoreError();
    machine.slowed = pid;
  }
}

bool LocalCluster::Freeze(const std::string& daemon) {
  const auto machine = machines_.find(daemon);
  if (machine != machines_.end()) {
    machine->second.frozen = true;
    slow_motion_.Clear(std::exchange(machine->second.slowed, 0));
  }
  return supervisor_.Freeze(daemon);
}

bool LocalCluster::Thaw(const std::string& daemon) {
  const auto machine = machines_.find(daemon);
  if (machine != machines_.end()) machine->second.frozen = false;
  const bool thawed = supervisor_.Thaw(daemon);
  ApplyMachines();
  return thawed;
}

bool LocalCluster::Slow(const std::string& daemon, double share) {
  Machine& machine = machines_[daemon];
  slow_motion_.Clear(std::exchange(machine.slowed, 0));
  machine.share = share;
  ApplyMachines();
  return supervisor_.Running(daemon);
}

bool LocalCluster::SetDiskFull(const std::string& daemon, bool full) {
  Machine& machine = machines_[daemon];
  machine.disk_full = full;
  machine.limited = 0;
  if (!full) LimitFiles(supervisor_.Pid(daemon), false);
  ApplyMachines();
  return supervisor_.Running(daemon);
}

absl::Status LocalCluster::StopWorkers(OnDeath on_death,
                                       std::vector<std::string>* problems) {
  // They leave at their own speed, and can write a last version.
  for (const auto& [daemon, machine] : machines_) {
    slow_motion_.Clear(machine.slowed);
    if (machine.disk_full) LimitFiles(supervisor_.Pid(daemon), false);
  }
  machines_.clear();
  const std::vector<std::string> workers(workers_.begin(), workers_.end());
  if (!options_.program) {
    return StopGroup(workers, kWorkerGrace, on_death, problems);
  }
  std::vector<std::string> slow;
  return StopGroup(workers, kProgramGrace, on_death, &slow);
}

absl::Status LocalCluster::Stop(OnDeath on_death,
                                std::vector<std::string>* problems) {
  EBB_RETURN_IF_ERROR(StopWorkers(on_death, problems));
  std::vector<std::string> servers;
  for (const int server : servers_) servers.push_back(ServerName(server));
  // The scheduler before the servers: it would give the partitions of the first
  // that leaves to the others, without their older versions.
  EBB_RETURN_IF_ERROR(
      StopGroup({kSchedulerName}, kSchedulerGrace, on_death, problems));
  return StopGroup(servers, kServerGrace, on_death, problems);
}

absl::Status LocalCluster::StopGroup(const std::vector<std::string>& daemons,
                                     absl::Duration grace, OnDeath on_death,
                                     std::vector<std::string>* problems) {
  for (const std::string& daemon : daemons) supervisor_.Stop(daemon);
  const absl::Time deadline = SteadyNow() + grace;
  bool killed = false;
  const auto running = [this](const std::string& daemon) {
    return supervisor_.Running(daemon);
  };
  for (;;) {
    for (const DaemonEvent& event : Poll()) {
      // A daemon that took too long is reported below.
      if (event.kind != DaemonEvent::Kind::kDied || event.as_told) continue;
      on_death(event);
    }
    if (std::ranges::none_of(daemons, running)) return absl::OkStatus();
    if (SteadyNow() > deadline && !killed) {
      killed = true;
      for (const std::string& daemon : daemons) {
        if (!supervisor_.Kill(daemon)) continue;
        problems->push_back(absl::StrCat(daemon, " did not end within ",
                                         DurationText(grace),
                                         " and was killed"));
      }
    }
    if (signals_.Wait(absl::Milliseconds(50)).interrupts > 0) {
      return absl::AbortedError("interrupted");
    }
  }
}

std::vector<std::string> LocalCluster::StrayFiles() const {
  std::vector<std::string> files;
  const std::string inside = folder_.path() + "/";
  const std::string& shared = options_.shared_checkpoints;
  std::error_code error;
  for (const pid_t pid : supervisor_.Pids()) {
    const fs::path process = fs::path("/proc") / absl::StrCat(pid);
    for (const auto& entry : fs::directory_iterator(process / "fd", error)) {
      std::error_code gone;
      const std::string file = fs::read_symlink(entry.path(), gone).string();
      const bool ours =
          absl::StartsWith(file, inside) ||
          (!shared.empty() && absl::StartsWith(file, shared + "/"));
      // Sockets, pipes and the like have no paths; a memfd has no file.
      if (gone || ours || !absl::StartsWith(file, "/") ||
          absl::StartsWith(file, "/memfd:") ||
          absl::StartsWith(file, "/dev/") || absl::StartsWith(file, "/proc/") ||
          absl::EndsWith(file, " (deleted)")) {
        continue;
      }
      // The daemon may have closed it since, and opened another in its place.
      if (OpenToWrite(process / "fdinfo" / entry.path().filename()) &&
          fs::read_symlink(entry.path(), gone).string() == file) {
        files.push_back(file);
      }
    }
  }
  std::ranges::sort(files);
  files.erase(std::unique(files.begin(), files.end()), files.end());
  return files;
}

std::string LocalCluster::LastWords(absl::string_view daemon) const {
  const std::string words =
      tools::LastWords(ReadLastLines(folder_.Log(daemon)));
  return words.empty() ? "its log does not say why" : words;
}

void AdoptDescendants() { prctl(PR_SET_CHILD_SUBREAPER, 1); }

namespace {

// Returns whether a child ends before the time.
bool EndsBefore(pid_t pid, absl::Time deadline) {
  const auto file = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  if (file < 0) return false;
  pollfd ended = {.fd = file, .events = POLLIN, .revents = 0};
  const absl::Duration left =
      std::max(deadline - SteadyNow(), absl::ZeroDuration());
  const bool before =
      poll(&ended, 1, static_cast<int>(absl::ToInt64Milliseconds(left))) > 0;
  close(file);
  return before;
}

}  // namespace

std::vector<std::string> EndDescendants() {
  // A process whose parent was just killed may need a while to end, too.
  const absl::Time deadline = SteadyNow() + absl::Seconds(5);
  std::vector<std::string> left;
  std::error_code error;
  // Children of children become ours when these die: until there are none.
  for (;;) {
    int status = 0;
    const pid_t reaped = waitpid(-1, &status, WNOHANG);
    if (reaped > 0) continue;
    if (reaped < 0 && errno != EINTR) return left;
    for (const auto& entry : fs::directory_iterator("/proc", error)) {
      int pid = 0;
      if (!absl::SimpleAtoi(entry.path().filename().string(), &pid) ||
          ParentOf(pid) != getpid()) {
        continue;
      }
      if (EndsBefore(pid, deadline)) continue;
      const auto name = ReadFile((entry.path() / "comm").string());
      left.push_back(absl::StrCat(
          pid, " (", name.ok() ? absl::StripTrailingAsciiWhitespace(*name) : "",
          ")"));
      kill(pid, SIGKILL);
      waitpid(pid, &status, 0);
    }
  }
}

}  // namespace ebb::tools
