#include "tools/ebb/advise/machine_kinds.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "job/base/mistake.h"

namespace ebb::tools {
namespace {

constexpr char kHeader[] = "kind,role,price,speed,losses,most";
constexpr size_t kColumns = 6;
constexpr size_t kMostKinds = 100;
constexpr double kMostPrice = 1e6;
constexpr double kMostSpeed = 1e4;
constexpr double kMostLosses = 3600;
constexpr double kMostMachines = 20'000;

// Takes the table line by line. Collects mistakes and goes on.
class Reader {
 public:
  explicit Reader(absl::string_view file) : file_(file) {}

  void TakeLine(absl::string_view line) {
    ++line_;
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || line.front() == '#' || full()) return;
    if (!std::exchange(has_header_, true)) {
      if (line != kHeader) {
        Fail(absl::StrCat("the header is ", job::QuoteValue(line)),
             absl::StrCat("the first line is ", kHeader));
      }
      return;
    }
    TakeRow(absl::StrSplit(line, ','));
  }

  absl::StatusOr<MachineKinds> Finish() {
    line_ = 0;
    if (mistakes_.empty() && kinds_.workers.empty()) {
      Fail("the table has no machines for workers",
           "add a row like spot,worker,0.034,1,0.3,64");
    }
    if (mistakes_.empty() && !has_server_) {
      Fail("the table has no machine for servers",
           "add a row like steady,server,0.20,8,,");
    }
    if (!mistakes_.empty()) return mistakes_.Status();
    return std::move(kinds_);
  }

 private:
  bool full() const { return kinds_.workers.size() > kMostKinds; }

  void Fail(std::string what, std::string hint) {
    mistakes_.Add(
        {{std::string(file_), line_}, "", std::move(what), std::move(hint)});
  }

  // `otherwise` where the field is empty.
  double Number(absl::string_view column, absl::string_view text, double least,
                double most, std::optional<double> otherwise) {
    if (text.empty() && otherwise.has_value()) return *otherwise;
    double value = 0;
    if (text.find_first_not_of("0123456789.eE+-") == text.npos &&
        absl::SimpleAtod(text, &value) && value >= least && value <= most) {
      return value;
    }
    Fail(absl::StrCat(column, ": ", job::QuoteValue(text),
                      " is not a number from ", least, " to ", most),
         otherwise.has_value() ? absl::StrCat("empty means ", *otherwise)
                               : "a number, like 0.5");
    return least;
  }

  void TakeRow(std::vector<absl::string_view> fields) {
    if (fields.size() != kColumns) {
      Fail(absl::StrCat("has ", fields.size(), " fields, not ", kColumns),
           absl::StrCat(kHeader, ": spot,worker,0.034,1,0.3,64"));
      return;
    }
    for (absl::string_view& field : fields) {
      field = absl::StripAsciiWhitespace(field);
    }
    if (fields[0].empty()) Fail("kind: is empty", "a name, like spot-4");
    if (fields[1] == "worker") {
      TakeWorker(fields);
    } else if (fields[1] == "server") {
      TakeServer(fields);
    } else {
      Fail(absl::StrCat("role: ", job::QuoteValue(fields[1]), " is not a role"),
           "worker or server");
    }
  }

  void TakeWorker(const std::vector<absl::string_view>& fields) {
    WorkerKind kind{.name = std::string(fields[0])};
    kind.price = Number("price", fields[2], 0, kMostPrice, {});
    kind.speed = Number("speed", fields[3], 1 / kMostSpeed, kMostSpeed, 1);
    if (!fields[4].empty()) {
      kind.losses_per_hour = Number("losses", fields[4], 0, kMostLosses, {});
    }
    kind.most = static_cast<int64_t>(Number("most", fields[5], 1, kMostMachines,
                                            static_cast<double>(kind.most)));
    if (std::ranges::count(kinds_.workers, kind.name, &WorkerKind::name) > 0) {
      Fail(
          absl::StrCat("kind: ", job::QuoteValue(kind.name), " is there twice"),
          "a name of its own for each kind");
    } else if (kinds_.workers.size() == kMostKinds) {
      Fail(absl::StrCat("there are more than ", kMostKinds, " kinds"),
           "leave out those that are never taken");
    }
    kinds_.workers.push_back(std::move(kind));
  }

  void TakeServer(const std::vector<absl::string_view>& fields) {
    if (std::exchange(has_server_, true)) {
      Fail("role: a second kind of server", "one row has the role server");
    }
    kinds_.server.name = std::string(fields[0]);
    kinds_.server.price = Number("price", fields[2], 0, kMostPrice, {});
    kinds_.server.processors =
        Number("speed", fields[3], 1 / kMostSpeed, kMostSpeed, 1);
    if (!fields[4].empty() && fields[4] != "0") {
      Fail(absl::StrCat("losses: ", job::QuoteValue(fields[4]),
                        " of a server: advise knows only servers that stay"),
           "leave it empty");
    }
    if (!fields[5].empty()) {
      Fail("most: is for workers", "leave it empty for a server");
    }
  }

  const absl::string_view file_;
  int line_ = 0;
  bool has_header_ = false, has_server_ = false;
  MachineKinds kinds_;
  job::FirstMistakes mistakes_;
};

}  // namespace

absl::StatusOr<MachineKinds> ReadMachineKinds(absl::string_view text,
                                              absl::string_view file_name) {
  Reader reader(file_name);
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    reader.TakeLine(line);
  }
  return reader.Finish();
}

}  // namespace ebb::tools
