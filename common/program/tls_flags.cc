#include "common/program/tls_flags.h"

namespace ebb {

void AddTlsFlags(CLI::App* app, TlsSettings* settings) {
  const auto file = [app](const char* name, const char* variable,
                          std::string* value, const char* help) {
    app->add_option(name, *value, help)
        ->type_name("FILE")
        ->envname(variable)
        ->group("Security");
  };
  file("--tls-cert", "EBB_TLS_CERT", &settings->files.certificate,
       "Its certificate (PEM), which names its role");
  file("--tls-key", "EBB_TLS_KEY", &settings->files.key,
       "The key of the certificate");
  file("--tls-ca", "EBB_TLS_CA", &settings->files.authority,
       "The authority whose certificates it believes");
  app->add_flag(
         "--insecure", settings->insecure,
         "Allow plain text to other machines, too: only in private networks")
      ->envname("EBB_INSECURE")
      ->group("Security");
}

}  // namespace ebb
