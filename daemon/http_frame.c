/*
 * What libwebsockets does not look at in a client's frames.  A client must mask them, and a server
 * must close when it does not (RFC 6455, 5.1); libwebsockets takes them as they are and tells
 * nobody.  And frames that come in one read with the request are overwritten by its answer, which
 * it composes in the same buffer; no client may send any before it has the answer (4.1).
 *
 * What it hands over lies in its read buffer, behind the frame's header, so that is where we look.
 * A header that came in an earlier read than its payload cannot be seen and passes: the mask
 * protects proxies from browsers, and not us from anybody.  What stands at the very begin of a read
 * may be the end of a mask instead of a header; only the second such frame in a row is one.
 */
#include "http_private.h"

#include <string.h>

#define MASK_BIT 0x80u
#define MASK_LEN 4
#define FIELD_MAX 9

void http_frame_learn(struct http *http, const struct lws_process_html_args *headers)
{
	const char *end = headers->p + headers->max_len;

	http->read_buffer = (const unsigned char *)end - HTTP_READ_BUFFER;
}

/* The length field of a header, for a payload of that length.  Its own length. */
static size_t length_field(unsigned char field[static FIELD_MAX], size_t payload)
{
	const size_t more = payload < 126 ? 0 : payload < 65536 ? 2 : 8;

	field[0] = (unsigned char)(more == 0 ? payload : more == 2 ? 126 : 127);
	for (size_t i = 0; i < more; i++)
		field[1 + i] = (unsigned char)(payload >> (8 * (more - 1 - i)));
	return 1 + more;
}

/* Whether the header of a data frame with this length field ends right before `payload`. */
static bool header_is(const unsigned char *payload, const unsigned char *field, size_t field_len,
                      bool mask)
{
	const unsigned char *at = payload - (mask ? MASK_LEN : 0) - field_len;

	return at[0] == (field[0] | (mask ? MASK_BIT : 0)) &&
	       memcmp(at + 1, field + 1, field_len - 1) == 0 && (at[-1] & 0x0f) <= 2;
}

enum mask { MASK_UNSEEN, MASK_THERE, MASK_MISSING, MASK_DOUBTFUL };

static enum mask look_for_mask(const unsigned char *payload, size_t seen, size_t whole)
{
	unsigned char field[FIELD_MAX];
	const size_t field_len = length_field(field, whole);

	if (seen >= 1 + field_len + MASK_LEN) {
		if (header_is(payload, field, field_len, true))
			return MASK_THERE;
		return header_is(payload, field, field_len, false) ? MASK_MISSING : MASK_UNSEEN;
	}
	return seen == 1 + field_len && header_is(payload, field, field_len, false) ? MASK_DOUBTFUL
	                                                                            : MASK_UNSEEN;
}

static bool is_unmasked(struct nbs_ws *ws, enum mask mask)
{
	const bool doubted = ws->doubtful;

	if (mask != MASK_UNSEEN)
		ws->doubtful = mask == MASK_DOUBTFUL;
	return mask == MASK_MISSING || (mask == MASK_DOUBTFUL && doubted);
}

const char *http_frame_fault(struct nbs_ws *ws, const void *bytes, size_t len)
{
	const unsigned char *begin = ws->c->http->read_buffer, *payload = bytes;
	const size_t rest = lws_remaining_packet_payload(ws->c->wsi);
	const bool within = payload >= begin && payload < begin + HTTP_READ_BUFFER;
	const bool continues = ws->mid_frame, first = !ws->any_payload;

	ws->mid_frame = rest > 0;
	if (len == 0)
		return NULL;
	ws->any_payload = true;
	if (first && !within)
		return "sent before the answer"; /* kept from the read of the request */
	if (within && !continues &&
	    is_unmasked(ws, look_for_mask(payload, (size_t)(payload - begin), len + rest)))
		return "not masked";
	return NULL;
}
