#include "common/program/daemon_flags.h"

#include <cerrno>
#include <cstring>
#include <iostream>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "common/program/flag_mistake.h"
#include "common/program/size_flag.h"
#include "glog/logging.h"

namespace ebb {

namespace {

// So that all flags fit a screen: one empty line between groups, and room for
// short names and their variables beside what they mean.
class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter() { column_width(42); }

  std::string make_help(const CLI::App* app, std::string name,
                        CLI::AppFormatMode mode) const override {
    return absl::StrReplaceAll(
        CLI::Formatter::make_help(app, std::move(name), mode),
        {{"\n\n\n", "\n\n"}});
  }
};

}  // namespace

void AddDaemonFlags(CLI::App* app, DaemonFlags* flags) {
  app->add_option("--message-limit", flags->message_bytes,
                  "Largest message; give all daemons the same value")
      ->envname("EBB_MESSAGE_LIMIT")
      ->transform(SizeValue())
      ->default_str("512MiB")
      ->group("Network");
  app->add_option("--health-socket", flags->health_socket,
                  "Unix socket to make, where it answers `ebb health`")
      ->envname("EBB_HEALTH_SOCKET")
      ->group("Process");
  app->add_option("--metrics-port", flags->metrics_port,
                  "Port of GET /metrics, in plain HTTP; 0 picks a free one; "
                  "absent: no metrics")
      ->envname("EBB_METRICS_PORT")
      ->check(CLI::Range(0, 65535))
      ->group("Process");
  app->add_option("--metrics-host", flags->metrics_host,
                  "Address of the metrics port; 0.0.0.0: all addresses")
      ->envname("EBB_METRICS_HOST")
      ->capture_default_str()
      ->group("Process");
  AddTlsFlags(app, &flags->tls);
  app->add_option("--die-with-parent", flags->parent,
                  "Die when the process PID, which starts this one, dies")
      ->type_name("PID")
      ->check(CLI::PositiveNumber)
      ->envname("EBB_DIE_WITH_PARENT")
      ->group("Process");
  app->add_option("--kill-at", flags->kill_at)
      ->envname("EBB_KILL_AT")
      ->group("");  // Hidden: for tests.
}

void AddMemoryFlag(CLI::App* app, uint64_t* bytes) {
  app->add_option("--memory", *bytes,
                  "Most memory of the process, e.g. 4GiB; 0: no limit")
      ->envname("EBB_MEMORY")
      ->transform(SizeValue())
      ->default_str("0")
      ->group("Resources");
}

void AddSharedMemoryFlag(CLI::App* app, std::string* mode) {
  app->add_option("--shared-memory", *mode,
                  "auto: share memory instead of the network if worker and "
                  "server run on one machine as one user, both with auto; off: "
                  "always use the network")
      ->envname("EBB_SHARED_MEMORY")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "off"}))
      ->group("Network");
}

void AddBulkFlag(CLI::App* app, std::string* mode) {
  app->add_option("--bulk", *mode,
                  "auto: move pushes and pulls over a TCP connection beside "
                  "gRPC, by TLS where gRPC has it, if worker and server, both "
                  "with auto, share no memory; off: always by gRPC")
      ->envname("EBB_BULK")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "off"}))
      ->group("Network");
}

void AddBulkStreamsFlag(CLI::App* app, int most, int* streams) {
  app->add_option("--bulk-streams", *streams,
                  "Connections that --bulk makes to each server: more than one "
                  "where a link is faster than a connection")
      ->envname("EBB_BULK_STREAMS")
      ->capture_default_str()
      ->check(CLI::Range(1, most))
      ->group("Network");
}

void AddSchedulerFlag(CLI::App* app, std::string* scheduler) {
  app->add_option("--scheduler", *scheduler, "HOST:PORT of the scheduler")
      ->envname("EBB_SCHEDULER")
      ->transform(CLI::Validator(
          [](std::string& text) {
            return TakeFlagAddress(&text, /*listens=*/false);
          },
          ""))
      ->capture_default_str()
      ->group("Network");
}

void AddListenFlag(CLI::App* app, std::string* listen) {
  app->add_option("--listen", *listen,
                  "HOST:PORT to serve at; without HOST: all addresses; port 0 "
                  "picks a free one")
      ->envname("EBB_LISTEN")
      ->transform(CLI::Validator(
          [](std::string& text) {
            if (absl::StartsWith(text, ":")) text = "0.0.0.0" + text;
            return TakeFlagAddress(&text, /*listens=*/true);
          },
          ""))
      ->capture_default_str()
      ->group("Network");
}

void AddAddressFileFlag(CLI::App* app, std::string* path) {
  app->add_option("--address-file", *path,
                  "File to write the address to as soon as it serves")
      ->envname("EBB_ADDRESS_FILE")
      ->group("Network");
}

CLI::Option* AddDurationFlag(CLI::App* app, const char* name,
                             const char* variable, absl::Duration* value,
                             const char* help) {
  return app
      ->add_option_function<std::string>(
          name,
          [value, name](const std::string& text) {
            const std::string wrong = ParseFlagDuration(text, value);
            if (!wrong.empty()) throw CLI::ValidationError(name, wrong);
          },
          help)
      ->envname(variable)
      ->default_str(absl::FormatDuration(*value));
}

int ExitCodeOf(const absl::Status& failed) {
  // A disk may be mounted anew. The folder of another user stays what it is.
  const bool read_only =
      absl::StrContains(failed.message(), std::strerror(EROFS));
  return absl::IsResourceExhausted(failed) || read_only ? kExitNoRoom
                                                        : kExitUsage;
}

int DaemonMain(
    int argc, char** argv, const DaemonName& name,
    absl::FunctionRef<void(CLI::App* app)> add_flags, const DaemonFlags& flags,
    absl::FunctionRef<absl::StatusOr<int>(const StopSignal& stop)> run) {
  ConfigureMalloc();
  SkipMutexChecks();
  FLAGS_logtostderr = true;
  google::InitGoogleLogging(argv[0]);
  CLI::App app(name.summary, name.program);
  app.formatter(std::make_shared<HelpFormatter>());
  app.set_version_flag("--version", name.version);
  add_flags(&app);
  if (const std::string empty = EmptyArgument(app, argc, argv);
      !empty.empty()) {
    std::cerr << empty << std::flush;
    return kExitUsage;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help
    std::cerr << FlagMistake(app, error, argc, argv) << std::flush;
    return kExitUsage;
  }
  const auto fail = [&](const absl::Status& status) {
    std::cerr << name.program << ": " << status.message() << std::endl;
    return ExitCodeOf(status);
  };
  if (flags.parent > 0) {
    const absl::Status alive = DieWithParent(flags.parent);
    if (!alive.ok()) return fail(alive);
  }
  const StopSignal stop;  // Before the first thread.
  const absl::StatusOr<int> exit_code = run(stop);
  return exit_code.ok() ? *exit_code : fail(exit_code.status());
}

}  // namespace ebb
