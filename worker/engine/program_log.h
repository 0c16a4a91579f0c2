// The log of an engine, which has no files and no terminal of its own.
#ifndef EBB_WORKER_ENGINE_PROGRAM_LOG_H_
#define EBB_WORKER_ENGINE_PROGRAM_LOG_H_

#include <cstddef>
#include <cstdint>
#include <ctime>

#include "absl/strings/string_view.h"
#include "glog/logging.h"
#include "worker/engine/messages.h"
#include "worker/engine/program_socket.h"

namespace ebb::worker {

// Lines of the log go to the program, which has loggers of its own.
class ProgramLog : public google::LogSink {
 public:
  // `socket` outlives it.
  explicit ProgramLog(const ProgramSocket* socket) : socket_(*socket) {
    // Neither files nor stderr, which is the program's.
    for (int severity = 0; severity < google::NUM_SEVERITIES; ++severity) {
      google::SetLogDestination(severity, "");
    }
    FLAGS_logtostderr = false;
    FLAGS_stderrthreshold = google::GLOG_FATAL;
    google::AddLogSink(this);
  }
  ~ProgramLog() override { google::RemoveLogSink(this); }

  void send(google::LogSeverity severity, const char* /*full_filename*/,
            const char* /*base_filename*/, int /*line*/, const tm* /*time*/,
            const char* message, size_t size) override {
    socket_.Tell(EncodeText({Kind::kLog, static_cast<uint32_t>(severity), 0},
                            absl::string_view(message, size)));
  }

 private:
  const ProgramSocket& socket_;
};

}  // namespace ebb::worker

#endif  // EBB_WORKER_ENGINE_PROGRAM_LOG_H_
