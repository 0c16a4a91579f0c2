// The mistakes of a job as its rules find them.
#ifndef EBB_JOB_BASE_COMPLAINTS_H_
#define EBB_JOB_BASE_COMPLAINTS_H_

#include <string>
#include <utility>
#include <vector>

#include "job/base/mistake.h"

namespace ebb::job {

// Not thread-safe.
class Complaints {
 public:
  // The source map outlives it.
  explicit Complaints(const SourceMap& sources) : sources_(sources) {}

  // Adds a mistake of the key at `path`: what is wrong, and what would be
  // right.
  void Add(const std::string& path, std::string what, std::string hint) {
    mistakes_.push_back(
        {sources_.Find(path), path, std::move(what), std::move(hint)});
  }
  std::vector<Mistake> Take() { return std::move(mistakes_); }

 private:
  const SourceMap& sources_;
  std::vector<Mistake> mistakes_;
};

}  // namespace ebb::job

#endif  // EBB_JOB_BASE_COMPLAINTS_H_
