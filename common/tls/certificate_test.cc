// What is made is what is read, and each mistake with the files is named.
#include "common/tls/certificate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ui.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/testing/test_folder.h"
#include "common/tls/issue.h"
#include "common/tls/testing/odd_certificate.h"

namespace ebb {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class CertificateTest : public ::testing::Test {
 protected:
  CertificateTest() { EXPECT_TRUE(WriteAllRoles(folder_.path(), {}).ok()); }

  TlsFiles Worker() const { return FilesIn(folder_.path(), "worker"); }
  static std::string Contents(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static void Write(const std::string& path, const std::string& text) {
    std::ofstream(path) << text;
  }
  static std::string Mistake(const TlsFiles& files,
                             RoleSet roles = RoleSet::All(),
                             absl::Time now = absl::Now()) {
    const auto checked = CheckIdentity(files, roles, now);
    EXPECT_TRUE(absl::IsInvalidArgument(checked.status()));
    return std::string(checked.status().message());
  }
  // Neither as a certificate, nor as its key, nor as an authority.
  void ExpectNoneOfThese(const std::string& text) const {
    Write(folder_ / "odd", text);
    TlsFiles files = Worker();
    files.certificate = folder_ / "odd";
    EXPECT_THAT(Mistake(files), HasSubstr("--tls-cert"));
    files = Worker();
    files.key = folder_ / "odd";
    EXPECT_THAT(Mistake(files), HasSubstr("--tls-key"));
    files = Worker();
    files.authority = folder_ / "odd";
    EXPECT_THAT(Mistake(files), HasSubstr("--tls-ca"));
    EXPECT_FALSE(ReadCertificate(text).ok());
  }

  const TestFolder folder_;
};

TEST_F(CertificateTest, EveryRoleIsMadeAndRead) {
  for (const Role role : kAllRoles) {
    const TlsFiles files = FilesIn(folder_.path(), std::string(RoleName(role)));

    const auto own = CheckIdentity(files, {role}, absl::Now());

    ASSERT_TRUE(own.ok()) << own.status();
    EXPECT_EQ(*own->role, role);
    EXPECT_EQ(own->name, RoleName(role));
    EXPECT_LT(own->not_before, absl::Now());
    EXPECT_GT(own->not_after, absl::Now() + absl::Hours(24 * 364));
  }
}

TEST_F(CertificateTest, NobodyElseMayReadKeysAndNothingIsWrittenOver) {
  const std::string key = Contents(folder_ / "ca.key");
  struct stat info = {};
  ASSERT_EQ(stat((folder_ / "ca.key").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);

  const absl::Status again = WriteAllRoles(folder_.path(), {});

  EXPECT_TRUE(absl::IsAlreadyExists(again)) << again;
  EXPECT_EQ(Contents(folder_ / "ca.key"), key);
  // Not half of a pair, either.
  std::filesystem::remove(folder_ / "worker.key");
  EXPECT_TRUE(absl::IsAlreadyExists(WriteIdentity(folder_ / "worker", {})));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "worker.key"));
}

TEST_F(CertificateTest, AMissingFileIsNamed) {
  TlsFiles files = Worker();
  files.key = folder_ / "nobody.key";
  EXPECT_THAT(Mistake(files), HasSubstr("--tls-key: cannot read " + files.key +
                                        ": No such file"));
  files = Worker();
  files.authority = folder_.path();
  EXPECT_THAT(Mistake(files), HasSubstr("--tls-ca"));
}

TEST_F(CertificateTest, WhatIsNoPemIsNamed) {
  for (const std::string& text :
       {std::string(), std::string("hello"), std::string(1 << 21, 'x'),
        std::string("-----BEGIN CERTIFICATE-----\nAAAA\n-----END "
                    "CERTIFICATE-----\n"),
        std::string("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END "
                    "PRIVATE KEY-----\n")}) {
    ExpectNoneOfThese(text);
  }
}

TEST_F(CertificateTest, AKeyOfAnotherCertificateIsRefusedAndNotShown) {
  TlsFiles files = Worker();
  files.key = folder_ / "viewer.key";

  const std::string mistake = Mistake(files);

  EXPECT_THAT(mistake, HasSubstr("is not the key of --tls-cert"));
  EXPECT_THAT(mistake, Not(HasSubstr(Contents(files.key).substr(30, 20))));
}

TEST_F(CertificateTest, AnotherAuthorityIsNamed) {
  const auto other = MakeAuthority({});
  ASSERT_TRUE(other.ok()) << other.status();
  Write(folder_ / "other.pem", other->certificate);
  TlsFiles files = Worker();
  files.authority = folder_ / "other.pem";

  EXPECT_THAT(Mistake(files), HasSubstr("was not signed by --tls-ca"));

  // While authorities change, both are believed.
  Write(files.authority, other->certificate + Contents(folder_ / "ca.pem"));
  EXPECT_TRUE(CheckIdentity(files, RoleSet::All(), absl::Now()).ok());
}

TEST_F(CertificateTest, WhatCannotBeReadInTheMiddleIsNamed) {
  const std::string ca = Contents(folder_ / "ca.pem");
  for (const char* garbage :
       {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nAAAA\n"}) {
    // All that is needed is before it: gRPC would take it.
    Write(folder_ / "odd.pem", absl::StrCat(ca, garbage, ca));
    TlsFiles files = Worker();
    files.authority = folder_ / "odd.pem";
    EXPECT_THAT(Mistake(files),
                AllOf(HasSubstr("--tls-ca: in " + files.authority),
                      HasSubstr("certificate number 2 cannot be read")));
    Write(folder_ / "odd.pem",
          absl::StrCat(Contents(Worker().certificate), garbage));
    files = Worker();
    files.certificate = folder_ / "odd.pem";
    EXPECT_THAT(Mistake(files),
                AllOf(HasSubstr("--tls-cert: in " + files.certificate),
                      HasSubstr("certificate number 2 cannot be read")));
  }
  // Words between them are no garbage.
  Write(folder_ / "words.pem", absl::StrCat("first\n", ca, "second\n", ca));
  TlsFiles files = Worker();
  files.authority = folder_ / "words.pem";
  EXPECT_TRUE(CheckIdentity(files, RoleSet::All(), absl::Now()).ok());
}

int asked = 0;

TEST_F(CertificateTest, NobodyIsAskedForAPassword) {
  const std::unique_ptr<UI_METHOD, decltype(&UI_destroy_method)> counting(
      UI_create_method("counting"), &UI_destroy_method);
  UI_method_set_opener(counting.get(), [](UI*) {
    ++asked;
    return 0;
  });
  const UI_METHOD* before = UI_get_default_method();
  UI_set_default_method(counting.get());
  asked = 0;
  for (const char* kind : {"CERTIFICATE", "PRIVATE KEY", "EC PRIVATE KEY"}) {
    const std::string text = absl::StrCat(
        "-----BEGIN ", kind,
        "-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,"
        "00112233445566778899AABBCCDDEEFF\n\nAAAAAAAAAAAAAAAAAAAAAA==\n"
        "-----END ",
        kind, "-----\n");
    ExpectNoneOfThese(text);
    EXPECT_FALSE(Issue({text, text}, {}).ok());
  }
  UI_set_default_method(before);

  EXPECT_EQ(asked, 0);
}

TEST_F(CertificateTest, OneThatMayNotBeUsedForItsRoleIsNamed) {
  const struct {
    Role role;
    const char* usage;
    const char* said;  // Null: it can be used.
  } cases[] = {
      {Role::kServer, "serverAuth", "may not be used to connect to others"},
      {Role::kServer, "clientAuth", "may not be used to be connected to"},
      {Role::kScheduler, "clientAuth", "may not be used to be connected to"},
      {Role::kScheduler, "serverAuth", nullptr},  // It connects to nobody.
      {Role::kWorker, "serverAuth", "may not be used to connect to others"},
      {Role::kClient, "codeSigning", "extended key usage clientAuth"},
      {Role::kServer, "", nullptr},
      {Role::kServer, "codeSigning,serverAuth,clientAuth", nullptr},
  };
  for (const auto& one : cases) {
    const std::string name(RoleName(one.role));
    const TlsFiles of = FilesIn(folder_.path(), name);
    const auto odd =
        SignAnew({Contents(folder_ / "ca.pem"), Contents(folder_ / "ca.key")},
                 {Contents(of.certificate), Contents(of.key)},
                 {.extended_key_usage = one.usage});
    ASSERT_TRUE(odd.ok()) << odd.status();
    TlsFiles files = of;
    files.certificate = folder_ / "odd.pem";
    Write(files.certificate, odd->certificate);
    if (one.said == nullptr) {
      const auto checked = CheckIdentity(files, RoleSet::All(), absl::Now());
      EXPECT_TRUE(checked.ok()) << name << one.usage << checked.status();
    } else {
      EXPECT_THAT(Mistake(files),
                  AllOf(HasSubstr("--tls-cert " + files.certificate),
                        HasSubstr(one.said), HasSubstr("issue it with")))
          << name << one.usage;
    }
  }
}

// A certificate ends when its authority does.
TEST_F(CertificateTest, TheEarliestEndOnTheWayToTheAuthorityCounts) {
  const Identity authority = {Contents(folder_ / "ca.pem"),
                              Contents(folder_ / "ca.key")};
  const absl::Time end =
      absl::FromUnixSeconds(absl::ToUnixSeconds(absl::Now()) + 86400);
  const auto soon = SignAnew(authority, authority, {.not_after = end});
  ASSERT_TRUE(soon.ok()) << soon.status();
  TlsFiles files = Worker();
  files.authority = folder_ / "soon.pem";
  Write(files.authority, soon->certificate);

  const auto own = CheckIdentity(files, RoleSet::All(), absl::Now());

  ASSERT_TRUE(own.ok()) << own.status();
  EXPECT_EQ(own->not_after, end);
  EXPECT_THAT(Mistake(files, RoleSet::All(), end + absl::Seconds(1)),
              HasSubstr("what signed --tls-cert"));
}

TEST_F(CertificateTest, ARoleWithANulIsNone) {
  const auto odd =
      SignAnew({Contents(folder_ / "ca.pem"), Contents(folder_ / "ca.key")},
               {Contents(Worker().certificate), Contents(Worker().key)},
               {.uri = std::string("ebb://role/scheduler\0x", 22)});
  ASSERT_TRUE(odd.ok()) << odd.status();

  const auto read = ReadCertificate(odd->certificate);

  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_TRUE(absl::IsPermissionDenied(read->role.status()));
}

TEST_F(CertificateTest, WhatIsExpiredOrNotYetValidSaysSince) {
  const absl::Time now = absl::Now();

  EXPECT_THAT(Mistake(Worker(), RoleSet::All(), now + absl::Hours(24 * 366)),
              HasSubstr("expired on 20"));
  EXPECT_THAT(Mistake(Worker(), RoleSet::All(), now - absl::Hours(2)),
              HasSubstr("is not valid before 20"));
}

TEST_F(CertificateTest, AnotherRoleThanIsNeededIsNamed) {
  EXPECT_THAT(Mistake(Worker(), {Role::kScheduler}),
              HasSubstr("is of the role worker; here one of scheduler"));
}

TEST_F(CertificateTest, ACertificateOfNobodySaysWhatIsMissing) {
  // An authority has no role.
  TlsFiles files = FilesIn(folder_.path(), "ca");

  EXPECT_THAT(Mistake(files), HasSubstr("names no role"));
}

TEST_F(CertificateTest, OnlyPlainNamesAndHostsAreIssued) {
  const auto authority = MakeAuthority({});
  ASSERT_TRUE(authority.ok()) << authority.status();
  for (const char* name : {"a,b", "a/b", "a b", "\n", "a\x7f", "CN=a"}) {
    EXPECT_TRUE(
        absl::IsInvalidArgument(Issue(*authority, {.name = name}).status()))
        << name;
  }
  for (const char* host :
       {"a,URI:ebb://role/client", "URI:ebb://role/client", "", "a b"}) {
    EXPECT_TRUE(
        absl::IsInvalidArgument(Issue(*authority, {.hosts = {host}}).status()))
        << host;
  }
  const auto made = Issue(*authority, {.role = Role::kServer,
                                       .name = "ps-3",
                                       .hosts = {"::1", "10.0.0.1", "ps-3.x"}});
  ASSERT_TRUE(made.ok()) << made.status();
  const auto read = ReadCertificate(made->certificate);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->name, "ps-3");
  EXPECT_EQ(*read->role, Role::kServer);
}

TEST_F(CertificateTest, OnlyAnAuthorityIssues) {
  const Identity worker = {Contents(folder_ / "worker.pem"),
                           Contents(folder_ / "worker.key")};

  EXPECT_TRUE(absl::IsInvalidArgument(Issue(worker, {}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Issue({}, {}).status()));
}

}  // namespace
}  // namespace ebb
