// Where the tokens of jobs are that this user submitted: a file each, that
// nobody else can read.
#ifndef EBB_TOOLS_EBB_CLUSTER_TOKEN_FILES_H_
#define EBB_TOOLS_EBB_CLUSTER_TOKEN_FILES_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/ids.h"

namespace ebb::tools {

// ebb/tokens in $XDG_STATE_HOME, or in .local/state of $HOME; empty: there is
// neither.
std::string TokenFolder();

// Of this user's job; empty: there is none in the folder.
std::string KnownToken(const std::string& folder, JobId job);

// For who keeps a token in the file: that all users of the machine can read it;
// empty: they cannot. A group may: so are secrets mounted for those who are not
// root.
std::string TokenFileWarning(const std::string& file);

// The token of a job that is about to be submitted. It is in a file before
// anybody knows its hash: a job without a token that anybody has could only be
// looked at.
class TokenToSubmit {
 public:
  // That of `file`, or a new one in it; without `file`, in the folder, under
  // the submission's name until the job has a number. InvalidArgument: it
  // cannot be read or written, and the message says what to do.
  static absl::StatusOr<TokenToSubmit> Take(const std::string& file,
                                            const std::string& folder,
                                            absl::string_view request_id);

  const std::string& token() const { return token_; }
  // The job is there. Where its token is from now on: an earlier try with the
  // same request may have left one.
  absl::StatusOr<std::string> Keep(JobId job) const;
  // It was refused: nobody needs what was written for it. What an earlier try
  // left stays: the job may be there since.
  void Drop() const;
  // Where it is until Keep.
  const std::string& file() const { return file_; }

 private:
  std::string token_;
  std::string file_;
  std::string folder_;   // Empty: the file was named.
  bool is_new_ = false;  // Of this try.
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_CLUSTER_TOKEN_FILES_H_
