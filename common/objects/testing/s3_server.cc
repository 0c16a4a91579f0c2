#include "common/objects/testing/s3_server.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

extern char** environ;

namespace ebb {

namespace {

constexpr char kAccessKey[] = "AKIDEXAMPLE";
constexpr char kSecretKey[] = "secret/EXAMPLE+key";

[[noreturn]] void Fail(const char* what) {
  std::perror(what);
  std::abort();
}

void MakePipe(Fd* from, Fd* to) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) Fail("pipe");
  *from = Fd(ends[0]);
  *to = Fd(ends[1]);
}

std::string ReadAll(int fd, bool line) {
  std::string text;
  char c = 0;
  while (read(fd, &c, 1) == 1) {
    text.push_back(c);
    if (line && c == '\n') break;
  }
  return text;
}

}  // namespace

S3Server::S3Server() {
  Fd child_input, output, child_output;
  MakePipe(&child_input, &input_);
  MakePipe(&output, &child_output);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, child_input.get(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, child_output.get(), STDOUT_FILENO);
  std::string python = EBB_PYTHON, server = EBB_S3_SERVER;
  char* arguments[] = {python.data(), server.data(), nullptr};
  errno = posix_spawn(&pid_, EBB_PYTHON, &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (errno != 0) Fail(EBB_PYTHON);
  child_output = Fd();
  if (!absl::SimpleAtoi(ReadAll(output.get(), true), &port_)) {
    Fail("the S3 server of the tests does not start");
  }
}

S3Server::~S3Server() {
  input_ = Fd();
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

S3Server& S3Server::Shared() {
  static S3Server server;
  server.Control("/-/clear", "");
  return server;
}

std::string S3Server::endpoint() const {
  return absl::StrCat("http://127.0.0.1:", port_);
}

std::vector<std::string> S3Server::environment() const {
  return {absl::StrCat("AWS_ACCESS_KEY_ID=", kAccessKey),
          absl::StrCat("AWS_SECRET_ACCESS_KEY=", kSecretKey),
          "AWS_REGION=us-east-1",
          absl::StrCat("AWS_ENDPOINT_URL_S3=", endpoint())};
}

S3Options S3Server::Options(const std::string& prefix) const {
  S3Options options;
  options.bucket = "bucket";
  options.prefix = prefix;
  options.endpoint = endpoint();
  options.retries.first_wait = absl::Milliseconds(1);
  options.retries.longest_wait = absl::Milliseconds(8);
  options.retries.patience = absl::Seconds(5);
  options.environment = [](const char* name) -> std::string {
    const std::map<std::string, std::string> variables = {
        {"AWS_ACCESS_KEY_ID", kAccessKey},
        {"AWS_SECRET_ACCESS_KEY", kSecretKey}};
    const auto it = variables.find(name);
    return it == variables.end() ? "" : it->second;
  };
  return options;
}

std::unique_ptr<S3Objects> S3Server::Open(const std::string& prefix) const {
  auto store = S3Objects::Open(Options(prefix));
  if (!store.ok()) Fail(store.status().ToString().c_str());
  return *std::move(store);
}

void S3Server::SetFaults(const std::string& faults) {
  Control("/-/faults", faults);
}

void S3Server::PutMarker(const std::string& key) { Control("/-/marker", key); }

void S3Server::MakePublic() { Control("/-/public", ""); }

int64_t S3Server::requests() { return Number("/-/count"); }

int64_t S3Server::open_uploads() { return Number("/-/uploads"); }

int64_t S3Server::Number(const std::string& path) {
  const std::string answer = Control(path, "");
  int64_t number = 0;
  if (!absl::SimpleAtoi(answer.substr(answer.rfind('\n') + 1), &number)) {
    Fail("the S3 server of the tests does not answer");
  }
  return number;
}

std::string S3Server::Control(const std::string& path,
                              const std::string& body) {
  const Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port_));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address),
              sizeof(address)) != 0) {
    Fail("connect");
  }
  const std::string request =
      absl::StrCat("POST ", path,
                   " HTTP/1.1\r\nHost: test\r\nConnection: close\r\n"
                   "Content-Length: ",
                   body.size(), "\r\n\r\n", body);
  if (write(fd.get(), request.data(), request.size()) !=
      static_cast<ssize_t>(request.size())) {
    Fail("write");
  }
  return ReadAll(fd.get(), false);
}

}  // namespace ebb
