#include "tools/ebb/stream/feeding.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <functional>
#include <iostream>
#include <memory>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/fd.h"
#include "common/status_macros.h"
#include "data/growing/message_decoder.h"
#include "feed/feeder.h"
#include "feed/open_set.h"
#include "tools/command/command.h"
#include "tools/ebb/stream/message_format.h"
#include "tools/ebb/stream/stream_place.h"
#include "tools/text/console.h"
#include "tools/text/json.h"

namespace ebb::tools {

namespace {

// Calls a function at the first SIGINT or SIGTERM. The next one kills the
// process, as ever.
class Interruptions {
 public:
  explicit Interruptions(std::function<void()> interrupted)
      : interrupted_(std::move(interrupted)), over_(eventfd(0, EFD_CLOEXEC)) {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGINT);
    sigaddset(&signals_, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
    signal_ = Fd(signalfd(-1, &signals_, SFD_CLOEXEC));
    thread_ = std::thread([this] { Watch(); });
  }
  ~Interruptions() {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t n = write(over_.get(), &one, sizeof(one));
    thread_.join();
    pthread_sigmask(SIG_UNBLOCK, &signals_, nullptr);
  }

 private:
  void Watch() {
    std::array<pollfd, 2> files = {pollfd{signal_.get(), POLLIN, 0},
                                   pollfd{over_.get(), POLLIN, 0}};
    while (poll(files.data(), files.size(), -1) < 0) {
    }
    if (files[0].revents == 0) return;
    signalfd_siginfo info;
    [[maybe_unused]] const ssize_t n = read(signal_.get(), &info, sizeof(info));
    interrupted_();
    // This thread takes the next one, which ends the process.
    pthread_sigmask(SIG_UNBLOCK, &signals_, nullptr);
    while (poll(&files[1], 1, -1) < 0) {
    }
  }

  const std::function<void()> interrupted_;
  const Fd over_;
  sigset_t signals_;
  Fd signal_;
  std::thread thread_;
};

absl::StatusOr<feed::SetSettings> SettingsOf(const FeedingFlags& flags) {
  using data::growing::OnBad;
  using data::growing::OnLost;
  feed::SetSettings settings;
  if (!flags.format.empty()) {
    EBB_ASSIGN_OR_RETURN(MessageFormat format,
                         ParseMessageFormat(flags.format, flags.set));
    settings.spec = std::move(format.spec);
    settings.data_source = std::move(format.data_source);
  } else if (!flags.set.empty()) {
    return absl::InvalidArgumentError(
        "--set changes how --format reads messages; name the format, too");
  }
  if (!flags.on_bad.empty()) {
    settings.on_bad = flags.on_bad == "stop" ? OnBad::kStop : OnBad::kAside;
  }
  if (!flags.on_lost.empty()) {
    settings.on_lost =
        flags.on_lost == "pause" ? OnLost::kPause : OnLost::kSkip;
  }
  settings.sample = flags.sample;
  return settings;
}

void Print(const FeedingFlags& flags, const data::growing::About& about,
           const feed::FeedProgress& progress) {
  if (flags.json) {
    Json json = Json::Object();
    json["place"] = flags.place;
    json["id"] = about.ShortId();
    json["objects"] = progress.objects;
    json["examples"] = progress.examples;
    json["left_out"] = progress.left_out;
    json["next_number"] = progress.number;
    json["lost_races"] = progress.losses;
    std::cout << json.ToString();
    return;
  }
  if (flags.quiet) return;
  std::cout << flags.place << ": " << Count(progress.examples, "example")
            << " in " << Count(progress.objects, "object");
  if (progress.left_out > 0) {
    std::cout << ", " << Count(progress.left_out, "message") << " left out";
  }
  std::cout << "; the next number is " << WithCommas(progress.number) << "\n";
}

}  // namespace

void AddFeedingFlags(CLI::App* command, FeedingFlags* flags) {
  command->add_option("--format", flags->format,
                      "Format of a message: csv, libsvm, libffm, ratings, "
                      "criteo or json_lines; a set that is there says it");
  command->add_option("--set", flags->set,
                      "Set a key of the format, as csv.label=price");
  command
      ->add_option(
          "--on-bad", flags->on_bad,
          "A new set: a bad message stops the feeder, or is kept aside")
      ->check(CLI::IsMember({"stop", "aside"}));
  command
      ->add_option("--on-lost", flags->on_lost,
                   "A new set: messages that the source deleted pause the "
                   "feeder, or are skipped and named")
      ->check(CLI::IsMember({"pause", "skip"}));
  command
      ->add_option("--sample", flags->sample,
                   "A new set: so many first messages show columns and classes")
      ->check(CLI::Range(int64_t{1}, int64_t{1'000'000}))
      ->capture_default_str();
  AddDurationFlag(command, "--interval", &flags->interval,
                  "Time between two objects; less makes more of them");
  command->add_flag("-q,--quiet", flags->quiet, "Print errors only");
  AddJsonFlag(command, &flags->json);
}

int FeedSet(const FeedingFlags& flags, feed::MessageSource* source) {
  auto settings = SettingsOf(flags);
  if (!settings.ok()) return Report(settings.status());
  const auto store = OpenStreamPlace(flags.place, /*make=*/true);
  if (!store.ok()) return Report(store.status());
  std::atomic<bool> stop = false;
  std::atomic<feed::Feeder*> running = nullptr;
  const Interruptions interruptions([&] {
    stop = true;
    source->Wake();
    if (feed::Feeder* const feeder = running.load()) feeder->Stop();
  });
  settings->stop = &stop;
  bool told = false;
  settings->waiting = [&](int64_t messages) {
    if (flags.quiet || std::exchange(told, true)) return;
    std::cerr << flags.place << " waits for the first "
              << WithCommas(flags.sample) << " messages, to find the schema; "
              << WithCommas(messages) << " came so far (--sample)\n";
  };
  const auto about = feed::OpenOrCreateSet(store->get(), source, *settings);
  if (absl::IsCancelled(about.status())) {
    Report(about.status());
    return kExitInterrupted;
  }
  if (!about.ok()) return Report(about.status());
  const auto format = StoredMessageFormat(about->data_source);
  if (!format.ok()) return Report(format.status());
  data::SourceSpec spec = format->spec;
  spec.label_kind = about->index.classes.empty() ? data::LabelKind::kReal
                                                 : data::LabelKind::kClass;
  const data::growing::MessageDecoder decoder(spec, *about);
  feed::FeederOptions options;
  options.interval = flags.interval;
  options.end_set = flags.end;
  if (!flags.quiet) {
    options.note = [](const std::string& note) {
      std::cerr << "warning: " << note << "\n";
    };
  }
  feed::Feeder feeder(store->get(), source, &*about, &decoder, options);
  running = &feeder;
  if (stop) feeder.Stop();
  const absl::Status fed = feeder.Run();
  running = nullptr;
  Print(flags, *about, feeder.progress());
  return fed.ok() ? kExitGood : Report(fed);
}

}  // namespace ebb::tools
