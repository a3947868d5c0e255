/*
 * What listeners ask of certificates.  Judged when the plugins have started, as one of them may
 * provide what the configuration does not have.  All [main].
 */
#ifndef TLS_DEMAND_H
#define TLS_DEMAND_H

struct config;
struct declared;

/* There is no certificate: -EINVAL after a line for each listener that cannot be without. */
int tls_demand_check(const struct config *cfg);
/* The same as a warning, where nobody can say what plugins will provide. */
void tls_demand_warn(const struct config *cfg);
/* There is no certificate: one line if a listener would take TLS. */
void tls_demand_say(const struct config *cfg, const struct declared *declared);

#endif
