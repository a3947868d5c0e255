/* listen_tls.c - the yardstick over TLS, as C core does it by itself; see listen.h. */
#include "listen.h"

#include <stdio.h>

#define PEM_MAX 16384

const int listen_args = 2;
const char listen_usage[] = " CERTIFICATE KEY";

static int read_pem(char text[static PEM_MAX], const char *file)
{
	FILE *f = fopen(file, "r");
	size_t len;

	if (f == NULL) {
		perror(file);
		return -1;
	}
	len = fread(text, 1, PEM_MAX - 1, f);
	fclose(f);
	text[len] = '\0';
	return len > 0 ? 0 : -1;
}

int listen_on(grpc_server *server, const char *address, char **args)
{
	static char certificate[PEM_MAX], key[PEM_MAX];
	grpc_ssl_pem_key_cert_pair pair = {.private_key = key, .cert_chain = certificate};
	grpc_server_credentials *tls;
	int port = 0;

	if (read_pem(certificate, args[0]) < 0 || read_pem(key, args[1]) < 0)
		return 0;
	tls = grpc_ssl_server_credentials_create_ex(NULL, &pair, 1,
	                                            GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE, NULL);
	if (tls != NULL) {
		port = grpc_server_add_http2_port(server, address, tls);
		grpc_server_credentials_release(tls);
	}
	if (port == 0)
		fprintf(stderr, "yardstick: cannot listen on %s\n", address);
	return port;
}
