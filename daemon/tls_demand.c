/* What listeners ask of certificates. */
#include "tls_demand.h"

#include "config.h"
#include "declared.h"
#include "log.h"

#include <errno.h>

int tls_demand_check(const struct config *cfg)
{
	int r = 0;

	for (size_t i = 0; i < cfg->n_listeners; i++) {
		if (cfg->listeners[i].tls != CONFIG_TLS_REQUIRED)
			continue;
		log_error("tls",
		          "[listener %s] tls: expected cert-file and cert-key in [tls], or a "
		          "plugin that provides a certificate, for required, got none",
		          cfg->listeners[i].name);
		r = -EINVAL;
	}
	return r;
}

void tls_demand_warn(const struct config *cfg)
{
	for (size_t i = 0; i < cfg->n_listeners; i++)
		if (cfg->listeners[i].tls == CONFIG_TLS_REQUIRED)
			log_warn("tls",
			         "[listener %s] tls: required, but [tls] has no certificate: "
			         "unless a plugin provides one, the daemon will not start",
			         cfg->listeners[i].name);
}

static bool takes_tls(const struct config_listener *l)
{
	return l->tls != CONFIG_TLS_OFF;
}

static bool any_takes_tls(const struct config *cfg, const struct declared *declared)
{
	for (size_t i = 0; i < cfg->n_listeners; i++)
		if (takes_tls(&cfg->listeners[i]))
			return true;
	for (size_t i = 0; i < declared_count(declared); i++)
		if (takes_tls(&declared_at(declared, i)->conf))
			return true;
	return false;
}

void tls_demand_say(const struct config *cfg, const struct declared *declared)
{
	if (*cfg->client_ca != '\0')
		log_warn("tls", "[tls] client-ca: without a certificate nobody is asked for one");
	if (any_takes_tls(cfg, declared))
		log_info("tls", "no certificate ([tls] cert-file, cert-key): plaintext only");
}
