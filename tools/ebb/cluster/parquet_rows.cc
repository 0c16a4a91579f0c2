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
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/fd.h"
#include "common/program/spawn_setup.h"
#include "common/status_macros.h"

extern char** environ;

namespace ebb::tools {
namespace {

constexpr int kBadFile = 2;
constexpr int kNoPyarrow = 3;

constexpr absl::string_view kNote = "note: ";

// Writes the table of the file argv[1] as CSV. What it says on standard error
// is an error of ebb's, except for lines that are notes.
constexpr char kProgram[] = R"python(
import json
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

def note(what):
    sys.stderr.write("note: " + " ".join(what.split("\n")) + "\n")

# The columns that pandas wrote as the index of a frame: they say where a row
# stood, or what it is called.
def index_of(schema):
    try:
        about = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))
    except ValueError:
        return set()
    named = about.get("index_columns", [])
    return {name for name in named if isinstance(name, str)}

def note_folders(path, names):
    for part in path.split("/")[:-1]:
        name, equals, value = part.partition("=")
        if name and equals and name not in names:
            note(f"the folder {part} gives the rows a value of {name!r}, which "
                 "its files lack: it is not packed; pandas.read_parquet() of the "
                 "folder above has it as a column")

def column_of(array, field, group):
    try:
        return array if array.type == field.type else array.cast(field.type)
    except pa.ArrowException as error:
        fail(f"the column {field.name!r} is of another type ({array.type}) in "
             f"row group {group} than in the file's schema ({field.type}): "
             f"{error}")

try:
    file = parquet.ParquetFile(sys.argv[1])
    index = index_of(file.schema_arrow)
    kept = [i for i, field in enumerate(file.schema_arrow)
            if field.name not in index]
    for name in [name for name in file.schema_arrow.names if name in index]:
        note(f"the column {name!r} is left out: it is the index of the pandas "
             "frame that was written; frame.reset_index() makes a column of it")
    if not kept:
        fail("every column is the index of the pandas frame that was written; "
             "frame.reset_index() makes columns of them")
    note_folders(sys.argv[1], file.schema_arrow.names)
    sys.stderr.flush()
    schema = pa.schema([pa.field(field.name, plain(field)) for field in
                        (file.schema_arrow.field(i) for i in kept)])
    options = csv.WriteOptions(quoting_style="needed")
    with csv.CSVWriter(sys.stdout.buffer, schema, write_options=options) as out:
        for group in range(file.num_row_groups):
            for batch in file.iter_batches(65536, row_groups=[group]):
                out.write_batch(pa.RecordBatch.from_arrays(
                    [column_of(batch.column(i), field, group)
                     for i, field in zip(kept, schema)], schema=schema))
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
  static absl::StatusOr<std::unique_ptr<ParquetRows>> Start(
      std::string path, std::shared_ptr<ParquetNotes> notes) {
    auto rows = std::unique_ptr<ParquetRows>(
        new ParquetRows(std::move(path), std::move(notes)));
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
      if (n > 0) {
        // The reader of the rows may stop before their end.
        if (!std::exchange(began_, true)) TakeNotes();
        return static_cast<size_t>(n);
      }
      end_ = HowItEnded();
    }
    EBB_RETURN_IF_ERROR(end_);
    return 0;
  }

 private:
  ParquetRows(std::string path, std::shared_ptr<ParquetNotes> notes)
      : path_(std::move(path)), notes_(std::move(notes)) {}

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
    TakeNotes();
    if (code == 0) return absl::OkStatus();
    const std::string words = Error();
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

  // Tells of what it said so far.
  void TakeNotes() {
    if (notes_ == nullptr) return;
    const std::string words = Words();
    for (const absl::string_view line : absl::StrSplit(words, '\n')) {
      if (!absl::StartsWith(line, kNote)) continue;
      notes_->emplace(absl::StripPrefix(line, kNote));
    }
  }

  // Returns what it said on standard error without the notes.
  std::string Error() const {
    const std::string words = Words();
    std::vector<absl::string_view> lines = absl::StrSplit(words, '\n');
    std::erase_if(lines, [](absl::string_view line) {
      return absl::StartsWith(line, kNote);
    });
    return absl::StrJoin(lines, "\n");
  }

  // The end of what it said on standard error.
  std::string Words() const {
    constexpr off_t kMost = 4000;
    const off_t bytes = lseek(words_.get(), 0, SEEK_END);
    std::string words(std::clamp<off_t>(bytes, 0, kMost), '\0');
    const ssize_t n = pread(words_.get(), words.data(), words.size(),
                            std::max<off_t>(0, bytes - kMost));
    words.resize(std::max<ssize_t>(0, n));
    return std::string(absl::StripAsciiWhitespace(words));
  }

  const std::string path_;
  const std::shared_ptr<ParquetNotes> notes_;
  bool began_ = false;  // It wrote the first rows.
  Fd rows_;             // The pipe.
  Fd words_;            // A file in memory.
  pid_t process_ = 0;   // 0: it does not run.
  absl::Status end_;    // How it ended.
};

// Every Parquet file begins so, or with PARE if its footer is encrypted:
// https://parquet.apache.org/docs/file-format/
absl::Status CheckMagic(absl::string_view path, data::ByteSource& file) {
  std::array<char, 4> front;
  size_t size = 0;
  while (size < front.size()) {
    EBB_ASSIGN_OR_RETURN(const size_t some,
                         file.Read(std::span(front).subspan(size)));
    if (some == 0) break;
    size += some;
  }
  const absl::string_view magic(front.data(), size);
  if (magic == "PAR1" || magic == "PARE") return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      path,
      ": this is no Parquet file, for it does not begin with PAR1; if it "
      "is a text, give it another name"));
}

}  // namespace

bool IsParquet(absl::string_view path) {
  return absl::EndsWithIgnoreCase(path, ".parquet");
}

data::OpenBytes WithParquet(data::OpenBytes open,
                            std::shared_ptr<ParquetNotes> notes) {
  const auto find = [open](absl::string_view path) {
    return open.FilesOf(path);
  };
  return {
      [open = std::move(open), notes = std::move(notes)](absl::string_view path)
          -> absl::StatusOr<std::unique_ptr<data::ByteSource>> {
        // Says what is wrong with the file itself, as that it is missing.
        auto file = open(path);
        if (!file.ok() || !IsParquet(path)) return file;
        EBB_RETURN_IF_ERROR(CheckMagic(path, **file));
        return ParquetRows::Start(std::string(path), notes);
      },
      find};
}

}  // namespace ebb::tools
