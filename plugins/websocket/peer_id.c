/* The id that a light peer gives itself. */
#include "peer_id.h"

#include <netbird-signal/plugin.h>

#include <errno.h>
#include <stdbool.h>

#define PARAMETER "peer"
#define HEADER "x-wiretrustee-peer-id"
#define KEY_LENGTH 44

static bool is_base64(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '+' || c == '/';
}

void peer_id_mend(char *id, size_t len)
{
	if (len != KEY_LENGTH || id[KEY_LENGTH - 1] != '=')
		return;
	for (size_t i = 0; i < KEY_LENGTH - 1; i++)
		if (id[i] != ' ' && !is_base64(id[i]))
			return;
	for (size_t i = 0; i < KEY_LENGTH - 1; i++)
		if (id[i] == ' ')
			id[i] = '+';
}

int peer_id_find(struct nbs_host *host, struct nbs_ws *ws, char *id, size_t size)
{
	int len = host->ws_query(ws, PARAMETER, id, size);

	if (len == -ENOENT)
		return host->ws_header(ws, HEADER, id, size);
	if (len > 0)
		peer_id_mend(id, (size_t)len);
	return len;
}
