#include "tools/ebb/run/served_cluster.h"

#include <google/protobuf/struct.pb.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <iostream>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "common/status_macros.h"
#include "common/steady_time.h"
#include "tools/ebb/report/run_folder.h"
#include "tools/process/incoming_lines.h"
#include "tools/process/reserved_port.h"
#include "tools/process/signals.h"
#include "tools/process/supervisor.h"
#include "tools/text/daemon_names.h"
#include "tools/text/json.h"
#include "tools/text/read_json.h"

namespace ebb::tools {

namespace {

using google::protobuf::Struct;

// How often it looks whether the parent is there.
constexpr absl::Duration kLookAtParent = absl::Milliseconds(500);

// The last ends that are kept.
constexpr size_t kMaxEnds = 256;

// Words of any bytes, which are in base64: JSON has UTF-8 alone.
absl::StatusOr<std::vector<std::string>> WordsIn(const Struct& object,
                                                 const std::string& key) {
  std::vector<std::string> words;
  for (const auto& value : ListIn(object, key).values()) {
    if (!absl::Base64Unescape(value.string_value(), &words.emplace_back())) {
      return absl::InvalidArgumentError(
          absl::StrCat("a word of ", key, " is not in base64"));
    }
  }
  return words;
}

Json EndOf(const DaemonEvent& event) {
  Json end = Json::Object();
  end["name"] = event.daemon;
  end["pid"] = event.pid;
  end["code"] = event.end.signal != 0 ? -event.end.signal : event.end.exit_code;
  end["life_s"] = absl::ToDoubleSeconds(event.life);
  return end;
}

// Does what requests say. Not thread-safe.
class ServedCluster {
 public:
  // The cluster is not owned, and has started.
  ServedCluster(const LocalClusterOptions& options, LocalCluster* cluster)
      : cluster_(*cluster) {
    names_.insert(kSchedulerName);
    for (int i = 0; i < options.servers; ++i) names_.insert(ServerName(i));
    for (int i = 0; i < options.workers; ++i) names_.insert(WorkerName(i));
    daemons_ = names_;
  }

  // Notes what has happened to the daemons.
  void Poll() {
    for (const DaemonEvent& event : cluster_.Poll()) {
      if (event.kind == DaemonEvent::Kind::kDied) {
        if (ends_.size() == kMaxEnds) ends_.pop_front();
        ends_.push_back(EndOf(event));
      }
      if (event.kind == DaemonEvent::Kind::kGivenUp) {
        given_up_[event.daemon] = event.reason;
      }
    }
  }

  // Returns the answer.
  Json Do(const Struct& request) {
    absl::StatusOr<Json> done = Answer(request);
    Json answer = Json::Object();
    if (done.ok()) {
      answer = *std::move(done);
    } else {
      answer["error"] = done.status().message();
    }
    answer["number"] = static_cast<int64_t>(NumberIn(request, "number", 0));
    return answer;
  }

 private:
  absl::StatusOr<Json> Answer(const Struct& request) {
    const std::string what = TextIn(request, "do");
    const std::string name = TextIn(request, "name");
    if (what == "state") return State();
    Json answer = Json::Object();
    if (what == "signal") {
      const double signal = NumberIn(request, "signal", -1);
      if (!(signal >= 0 && signal <= SIGRTMAX)) {
        return absl::InvalidArgumentError("no signal has this number");
      }
      EBB_RETURN_IF_ERROR(CheckKnown(name));
      answer["sent"] = cluster_.Signal(name, static_cast<int>(signal));
    } else if (what == "add_worker") {
      EBB_RETURN_IF_ERROR(cluster_.AddWorker(name));
      Begin(name);
    } else if (what == "run_program") {
      EBB_ASSIGN_OR_RETURN(auto argv, WordsIn(request, "argv"));
      EBB_ASSIGN_OR_RETURN(const auto folder, WordsIn(request, "folder"));
      EBB_ASSIGN_OR_RETURN(auto environment, WordsIn(request, "environment"));
      if (daemons_.contains(name)) {
        return absl::InvalidArgumentError(
            absl::StrCat(name, " is the name of a daemon"));
      }
      EBB_RETURN_IF_ERROR(
          cluster_.AddProgram(name, {.argv = std::move(argv),
                                     .folder = absl::StrJoin(folder, ""),
                                     .environment = std::move(environment)}));
      Begin(name);
    } else if (what == "stop_program") {
      EBB_RETURN_IF_ERROR(CheckKnown(name));
      cluster_.RemoveWorker(name, absl::InfiniteDuration());
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat("there is no request \"", what, "\""));
    }
    return answer;
  }

  absl::Status CheckKnown(const std::string& name) const {
    if (names_.contains(name)) return absl::OkStatus();
    return absl::NotFoundError(absl::StrCat("no process has the name ", name,
                                            "; there are ",
                                            absl::StrJoin(names_, ", ")));
  }

  void Begin(const std::string& name) {
    names_.insert(name);
    given_up_.erase(name);
  }

  Json State() const {
    Json state = Json::Object();
    state["processes"] = Json::Object();
    state["given_up"] = Json::Object();
    state["finished"] = Json::List();
    for (const std::string& name : names_) {
      const pid_t pid = cluster_.Pid(name);
      if (pid != 0) state["processes"][name] = pid;
      if (cluster_.Finished(name)) state["finished"].Add(name);
    }
    for (const auto& [name, why] : given_up_) state["given_up"][name] = why;
    state["ends"] = Json::List();
    for (const Json& end : ends_) state["ends"].Add(end);
    return state;
  }

  LocalCluster& cluster_;                        // Not owned.
  std::set<std::string> names_;                  // All that there ever were.
  std::set<std::string> daemons_;                // These cannot be programs.
  std::map<std::string, std::string> given_up_;  // Why, by name.
  std::deque<Json> ends_;
};

}  // namespace

absl::Status ServeCluster(ServedClusterOptions options, int requests,
                          std::ostream& answers) {
  EBB_ASSIGN_OR_RETURN(SignalWaiter signals, SignalWaiter::Create());
  EBB_ASSIGN_OR_RETURN(ReservedPort port, ReservedPort::Reserve());
  EBB_ASSIGN_OR_RETURN(const RunFolder folder,
                       RunFolder::Open("", options.folder));
  const auto orphaned = [&options] {
    return options.parent != 0 && getppid() != options.parent;
  };
  options.cluster.abandoned = orphaned;
  LocalCluster cluster(options.cluster, std::move(port), &folder, &signals);
  EBB_RETURN_IF_ERROR(cluster.Start());
  ServedCluster served(options.cluster, &cluster);
  const auto write = [&](const Json& answer) {
    answers << answer.ToLine() << std::endl;
  };
  Json first = Json::Object();
  first["number"] = 0;
  first["address"] = cluster.scheduler_address();
  write(first);
  IncomingLines lines(requests);
  while (!lines.over()) {
    const absl::Duration wait =
        std::min(cluster.NextDue() - SteadyNow(), kLookAtParent);
    if (signals.Wait(wait, lines.fd()).interrupts > 0) break;
    if (orphaned()) break;
    served.Poll();
    for (const std::string& line : lines.Take()) {
      // A request may be cut off when its maker is interrupted.
      const auto request = ParseJsonObject(line, "a request");
      if (!request.ok()) {
        std::cerr << "ebb local: " << request.status().message() << std::endl;
        continue;
      }
      if (TextIn(*request, "do") == "end") {
        std::vector<std::string> slow;
        const auto ignore = [](const DaemonEvent&) {};
        // A signal makes it quicker: the destructor kills what is left.
        cluster.Stop(ignore, &slow).IgnoreError();
        return absl::OkStatus();
      }
      write(served.Do(*request));
    }
  }
  return absl::OkStatus();
}

}  // namespace ebb::tools
