/*
 * The envelope of a message: who sent it, who shall get it.  A strict scan of the serialized
 * EncryptedMessage (proto3 wire format) that copies nothing and never looks into the body.
 */
#ifndef ENVELOPE_H
#define ENVELOPE_H

#include <stddef.h>

struct envelope {
	const char *from, *to; /* point into the scanned bytes; "" when absent */
	size_t from_len, to_len;
};

/*
 * 0 or -EBADMSG.  Refused is what any decoder at the receiving end would choke on: a field cut
 * short, a tag of number 0 or of an unknown wire type, groups, a known field of another wire type,
 * an id that is not UTF-8.  Of repeated ids the last counts, as everywhere in protobuf.
 */
int envelope_scan(struct envelope *e, const void *wire, size_t len);

#endif
