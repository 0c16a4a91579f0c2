#include "tools/ebb/cluster/parquet_rows.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/fd.h"
#include "common/program/spawn_setup.h"
#include "common/status_macros.h"

extern char** environ;

namespace ebb::tools {
namespace {

constexpr int kBadFile = 2;
constexpr int kNoPyarrow = 3;

// Writes the table of the file argv[1] as CSV. What it says on standard error
// is an error of ebb's.
constexpr char kProgram[] = R"python(
import sys

if sys.path[:1] == [""]:
    del sys.path[0]  # The folder of the data is no place of modules.

def fail(what, code=2):
    sys.stderr.write(" ".join(str(what).split("\n")))
    sys.stderr.flush()
    sys.exit(code)

try:
    import pyarrow as pa
    import pyarrow.csv as csv
    import pyarrow.parquet as parquet
except ModuleNotFoundError as error:
    if error.name.split(".")[0] != "pyarrow":
        raise
    fail(sys.executable + " has no pyarrow, which reads Parquet files; install "
         "it, as `" + sys.executable + " -m pip install pyarrow` does, or name "
         "another interpreter by EBB_PYTHON", 3)

TAKEN = "; ebb reads numbers, texts, booleans and dates: leave the column out "
TAKEN += "of the file, or make columns of these of it"

def plain(field):
    kind, types = field.type, pa.types
    if types.is_dictionary(kind):
        kind = kind.value_type
    if types.is_nested(kind):
        fail(f"the column {field.name!r} is nested ({kind})" + TAKEN)
    if (types.is_binary(kind) or types.is_large_binary(kind)
            or types.is_fixed_size_binary(kind) or types.is_time(kind)
            or types.is_duration(kind) or types.is_interval(kind)):
        fail(f"the column {field.name!r} has values of type {kind}" + TAKEN)
    if types.is_float16(kind):
        return pa.float32()
    if types.is_decimal(kind) or types.is_null(kind):
        return pa.string()
    return kind

def column_of(array, field, group):
    try:
        return array if array.type == field.type else array.cast(field.type)
    except pa.ArrowException as error:
        fail(f"the column {field.name!r} is of another type ({array.type}) in "
             f"row group {group} than in the file's schema ({field.type}): "
             f"{error}")

try:
    file = parquet.ParquetFile(sys.argv[1])
    schema = pa.schema([pa.field(field.name, plain(field))
                        for field in file.schema_arrow])
    options = csv.WriteOptions(quoting_style="needed")
    with csv.CSVWriter(sys.stdout.buffer, schema, write_options=options) as out:
        for group in range(file.num_row_groups):
            for batch in file.iter_batches(65536, row_groups=[group]):
                out.write_batch(pa.RecordBatch.from_arrays(
                    [column_of(batch.column(i), field, group)
                     for i, field in enumerate(schema)], schema=schema))
    sys.stdout.flush()
except (pa.ArrowException, OSError) as error:
    fail(f"pyarrow cannot read it: {error}")
)python";

std::string Python() {
  const char* const chosen = std::getenv("EBB_PYTHON");
  return chosen == nullptr || *chosen == '\0' ? "python3" : chosen;
}

// The CSV that a process writes. It is ended with its owner.
class ParquetRows : public data::ByteSource {
 public:
  static absl::StatusOr<std::unique_ptr<ParquetRows>> Start(std::string path) {
    auto rows = std::unique_ptr<ParquetRows>(new ParquetRows(std::move(path)));
    std::array<int, 2> ends;
    if (pipe2(ends.data(), O_CLOEXEC) != 0) return rows->SystemError("pipe2");
    rows->rows_ = Fd(ends[0]);
    const Fd writes(ends[1]);
    // Unlike a pipe, it never makes the process wait.
    rows->words_ = Fd(memfd_create("parquet-words", MFD_CLOEXEC));
    if (!rows->words_) return rows->SystemError("memfd_create");
    SpawnSetup setup;
    setup.Duplicate(writes.get(), STDOUT_FILENO);
    setup.Duplicate(rows->words_.get(), STDERR_FILENO);
    setup.CloseFrom(STDERR_FILENO + 1);
    const std::string python = Python();
    const int error = setup.Spawn(python, {python, "-c", kProgram, rows->path_},
                                  environ, &rows->process_);
    if (error != 0) {
      rows->process_ = 0;
      return absl::FailedPreconditionError(absl::StrCat(
          rows->path_, ": Python with pyarrow reads Parquet files, but ",
          python, " cannot be started: ", strerror(error),
          "; install python3, or name another interpreter by EBB_PYTHON"));
    }
    return rows;
  }

  ~ParquetRows() override {
    if (process_ == 0) return;
    kill(process_, SIGKILL);
    Reap();
  }
  ParquetRows(const ParquetRows&) = delete;
  ParquetRows& operator=(const ParquetRows&) = delete;

  absl::StatusOr<size_t> Read(std::span<char> out) override {
    while (process_ != 0) {
      const ssize_t n = read(rows_.get(), out.data(), out.size());
      if (n < 0 && errno == EINTR) {
        return absl::CancelledError(absl::StrCat(path_, ": interrupted"));
      }
      if (n < 0) return SystemError("read");
      if (n > 0) return static_cast<size_t>(n);
      end_ = HowItEnded();
    }
    EBB_RETURN_IF_ERROR(end_);
    return 0;
  }

 private:
  explicit ParquetRows(std::string path) : path_(std::move(path)) {}

  absl::Status SystemError(absl::string_view call) const {
    return absl::ErrnoToStatus(errno, absl::StrCat(path_, ": ", call));
  }

  // Waits for the end of the process; how it ended, as waitpid() says.
  int Reap() {
    int how = 0;
    while (waitpid(process_, &how, 0) < 0 && errno == EINTR) {
    }
    process_ = 0;
    return how;
  }

  absl::Status HowItEnded() {
    const int how = Reap();
    const int code = WIFEXITED(how) ? WEXITSTATUS(how) : -1;
    if (code == 0) return absl::OkStatus();
    const std::string words = Words();
    if (code == kBadFile) {
      return absl::InvalidArgumentError(absl::StrCat(path_, ": ", words));
    }
    if (code == kNoPyarrow) {
      return absl::FailedPreconditionError(absl::StrCat(path_, ": ", words));
    }
    return absl::UnavailableError(absl::StrCat(
        path_, ": the Python that reads it ",
        WIFSIGNALED(how) ? absl::StrCat("was killed by signal ", WTERMSIG(how))
                         : absl::StrCat("exited with ", code),
        words.empty() ? "" : ": ", words));
  }

  // The end of what it said on standard error.
  std::string Words() const {
    constexpr off_t kMost = 2000;
    const off_t bytes = lseek(words_.get(), 0, SEEK_END);
    std::string words(std::clamp<off_t>(bytes, 0, kMost), '\0');
    const ssize_t n = pread(words_.get(), words.data(), words.size(),
                            std::max<off_t>(0, bytes - kMost));
    words.resize(std::max<ssize_t>(0, n));
    return std::string(absl::StripAsciiWhitespace(words));
  }

  const std::string path_;
  Fd rows_;            // The pipe.
  Fd words_;           // A file in memory.
  pid_t process_ = 0;  // 0: it does not run.
  absl::Status end_;   // How it ended.
};

}  // namespace

bool IsParquet(absl::string_view path) {
  return absl::EndsWithIgnoreCase(path, ".parquet");
}

data::OpenBytes WithParquet(data::OpenBytes open) {
  const auto find = [open](absl::string_view path) {
    return open.FilesOf(path);
  };
  return {[open = std::move(open)](absl::string_view path)
              -> absl::StatusOr<std::unique_ptr<data::ByteSource>> {
            // Says what is wrong with the file itself, as that it is missing.
            auto file = open(path);
            if (!file.ok() || !IsParquet(path)) return file;
            return ParquetRows::Start(std::string(path));
          },
          find};
}

}  // namespace ebb::tools
