#include "scheduler/cluster.h"

#include <utility>

namespace ebb::scheduler {

void Context::Tell(EventKind kind, JobId job, std::string text,
                   std::string subject) {
  LogEvent event;
  event.text = std::move(text);
  event.kind = kind;
  event.job = job;
  event.subject = std::move(subject);
  out->emplace_back(std::move(event));
}

}  // namespace ebb::scheduler
