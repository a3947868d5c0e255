/*
 * The id that a light peer gives itself, in its request.
 */
#ifndef PEER_ID_H
#define PEER_ID_H

#include <stddef.h>

struct nbs_host;
struct nbs_ws;

/* [conn], in open(): the query parameter `peer`, else the header x-wiretrustee-peer-id.  Its
 * length, which may be 0.  -ENOENT: neither is there.  -ENOSPC: longer than size - 1. */
int peer_id_find(struct nbs_host *host, struct nbs_ws *ws, char *id, size_t size);
/* Puts back the + that a form's decoding made a space, if that is certain: in what is a WireGuard
 * key (44 characters of base64, the last one =) but for spaces. */
void peer_id_mend(char *id, size_t len);

#endif
