/* listen_plain.c - the yardstick in plaintext; see listen.h. */
#include "listen.h"

#include <stdio.h>

const int listen_args = 0;
const char listen_usage[] = "";

int listen_on(grpc_server *server, const char *address, char **args)
{
	grpc_server_credentials *plain = grpc_insecure_server_credentials_create();
	int port = grpc_server_add_http2_port(server, address, plain);

	(void)args;
	grpc_server_credentials_release(plain);
	if (port == 0)
		fprintf(stderr, "yardstick: cannot listen on %s\n", address);
	return port;
}
