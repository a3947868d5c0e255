/* All certificates and authorities that a configuration names, read at once. */
#include "certs.h"

#include "config.h"
#include "log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Every file of the configuration in one order, that in which load_all() reads them. */
struct certs_stamp *certs_config_stamps(const struct config *cfg, size_t *n)
{
	struct certs_stamp *stamps = calloc(2 * cfg->n_pairs + 1, sizeof(*stamps));

	*n = 0;
	if (stamps == NULL)
		return NULL;
	for (size_t i = 0; i < cfg->n_pairs; i++) {
		certs_file_stamp(cfg->pairs[i].cert_file, &stamps[(*n)++]);
		certs_file_stamp(cfg->pairs[i].cert_key, &stamps[(*n)++]);
	}
	if (cfg->client_ca[0] != '\0')
		certs_file_stamp(cfg->client_ca, &stamps[(*n)++]);
	return stamps;
}

static int load_all(struct certs_config *config, const struct config *cfg)
{
	int r;

	config->min_version = cfg->tls_min_version;
	config->pairs = calloc(cfg->n_pairs + 1, sizeof(struct certs_pair *));
	config->stamps = calloc(2 * cfg->n_pairs + 1, sizeof(*config->stamps));
	if (config->pairs == NULL || config->stamps == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < cfg->n_pairs; i++) {
		r = certs_load_pair(&config->pairs[i], &cfg->pairs[i],
		                    &config->stamps[config->n_stamps]);
		if (r < 0)
			return r;
		config->n_stamps += 2;
		config->n_pairs++;
	}
	if (cfg->client_ca[0] == '\0')
		return 0;
	return certs_load_authorities(config, cfg->client_ca, &config->stamps[config->n_stamps++]);
}

int certs_config_load(struct certs_config **out, const struct config *cfg)
{
	struct certs_config *config = calloc(1, sizeof(*config));
	int r = config != NULL ? 0 : -ENOMEM;

	if (config != NULL) {
		atomic_init(&config->refs, 1);
		config->min_version = TLS1_2_VERSION;
	}
	if (r == 0 && cfg != NULL)
		r = load_all(config, cfg);
	if (r == -ENOMEM)
		log_error("tls", "no memory for the certificates");
	if (r < 0) {
		certs_config_unref(config);
		return r;
	}
	*out = config;
	return 0;
}

struct certs_config *certs_config_ref(struct certs_config *config)
{
	atomic_fetch_add(&config->refs, 1);
	return config;
}

void certs_config_unref(struct certs_config *config)
{
	if (config == NULL || atomic_fetch_sub(&config->refs, 1) > 1)
		return;
	for (size_t i = 0; i < config->n_pairs; i++)
		certs_pair_unref(config->pairs[i]);
	sk_X509_pop_free(config->authorities, X509_free);
	free(config->pairs);
	free(config->stamps);
	free(config);
}
