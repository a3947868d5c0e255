/*
 * One item of the list at a time.  What a CA would refuse anyway is refused here, where the key of
 * the configuration can be named and nothing has been asked of anybody.
 */
#include "names.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_LEN_MAX 253 /* RFC 1035, 2.3.4, as text without the last dot */
#define LABEL_LEN_MAX 63
/* What a person may have meant as one item, with room for it to be wrong. */
#define ITEM_MAX 512

struct fault {
	char *why;
	size_t size;
	const char *item;
};

static int refuse(const struct fault *f, const char *what)
{
	snprintf(f->why, f->size, "\"%.100s\" %s", f->item, what);
	return -EINVAL;
}

static int check_label(const struct fault *f, const char *label, size_t len)
{
	if (len == 0)
		return refuse(f, "has a dot too many");
	if (len > LABEL_LEN_MAX)
		return refuse(f, "has a part of more than 63 bytes");
	if (label[0] == '-' || label[len - 1] == '-')
		return refuse(f, "has a part that begins or ends with a dash");
	return 0;
}

static int check_characters(const struct fault *f, const char *name)
{
	for (const char *p = name; *p != '\0'; p++) {
		if ((unsigned char)*p >= 0x80)
			return refuse(f, "is not ASCII: an international name is written as its "
			                 "A-labels (xn--...)");
		if (*p == '*')
			return refuse(f, "has a * that is not all of its first part");
		if (*p == '/' || *p == ':' || *p == '@')
			return refuse(f, "is no host name: neither scheme nor port nor path "
			                 "belongs to it");
		if (!(*p >= 'a' && *p <= 'z') && !(*p >= '0' && *p <= '9') && *p != '-' &&
		    *p != '.')
			return refuse(f, "is no host name: letters, digits, dashes and dots only");
	}
	return 0;
}

static int check_name(const struct fault *f, const char *item)
{
	const char *name = strncmp(item, "*.", 2) == 0 ? item + 2 : item, *last = name;
	unsigned labels = 0;
	int r;

	if ((r = check_characters(f, name)) < 0)
		return r;
	if (strlen(item) > NAME_LEN_MAX)
		return refuse(f, "is longer than a host name can be, 253 bytes");
	for (const char *p = name;; p++, labels++) {
		size_t len = strcspn(p, ".");

		last = p;
		if ((r = check_label(f, p, len)) < 0)
			return r;
		if (*(p += len) == '\0')
			break;
	}
	if (labels == 0)
		return refuse(f, "is no full host name: it has no dot");
	if (strspn(last, "0123456789") == strlen(last))
		return refuse(f, "is neither a host name nor an address");
	return 0;
}

/* 1: an address, in its usual form in `text`. */
static int read_address(const struct fault *f, const char *item, char text[INET6_ADDRSTRLEN])
{
	unsigned char bytes[16] = {0};
	char bare[ITEM_MAX];
	size_t len = strlen(item);
	int family = AF_INET;

	snprintf(bare, sizeof(bare), "%s", item);
	if (item[0] == '[' && item[len - 1] == ']')
		snprintf(bare, sizeof(bare), "%.*s", (int)len - 2, item + 1);
	if (inet_pton(AF_INET, item, bytes) != 1) {
		if (inet_pton(AF_INET6, bare, bytes) != 1)
			return 0;
		family = AF_INET6;
	}
	if (memcmp(bytes, (unsigned char[16]){0}, sizeof(bytes)) == 0)
		return refuse(f, "is the address of nobody");
	if (inet_ntop(family, bytes, text, INET6_ADDRSTRLEN) == NULL)
		return -errno;
	return 1;
}

static int append(struct names *names, const struct fault *f, enum acme_kind kind,
                  const char *value)
{
	char *copy;

	for (size_t i = 0; i < names->n; i++)
		if (strcmp(names->ids[i].value, value) == 0)
			return refuse(f, "is there twice");
	if (names->n == NAMES_MAX) {
		snprintf(f->why, f->size, "has more than %d names", NAMES_MAX);
		return -EINVAL;
	}
	if ((copy = strdup(value)) == NULL)
		return -ENOMEM;
	names->ids[names->n++] = (struct acme_identifier){.kind = kind, .value = copy};
	return 0;
}

static int take_item(struct names *names, const struct fault *f, char *item)
{
	char address[INET6_ADDRSTRLEN];
	int r;

	for (char *p = item; *p != '\0'; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p += 'a' - 'A';
	if ((r = read_address(f, item, address)) != 0)
		return r < 0 ? r : append(names, f, ACME_IP, address);
	if ((r = check_name(f, item)) < 0)
		return r;
	return append(names, f, ACME_DNS, item);
}

/* Cuts blanks away at both ends; the next item, or NULL. */
static const char *next_item(const char *p, char item[ITEM_MAX])
{
	size_t len = strcspn(p, ","), from = strspn(p, " \t"), to = len;

	while (to > from && (p[to - 1] == ' ' || p[to - 1] == '\t'))
		to--;
	snprintf(item, ITEM_MAX, "%.*s", (int)(to > from ? to - from : 0), p + from);
	return p[len] == ',' ? p + len + 1 : NULL;
}

int names_parse(struct names *out, const char *list, char *why, size_t size)
{
	char item[ITEM_MAX], shown[ITEM_MAX];
	const struct fault f = {.why = why, .size = size, .item = shown};
	int r = 0;

	out->n = 0;
	if (list[strspn(list, " \t")] == '\0')
		return 0;
	while (list != NULL && r == 0) {
		list = next_item(list, item);
		memcpy(shown, item, sizeof(shown));
		if (item[0] == '\0') {
			snprintf(why, size, "has a comma with nothing beside it");
			r = -EINVAL;
		} else {
			r = take_item(out, &f, item);
		}
	}
	if (r < 0)
		names_free(out);
	return r;
}

void names_free(struct names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free((char *)names->ids[i].value);
	names->n = 0;
}

bool names_equal(const struct names *a, const struct names *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->ids[i].value, b->ids[i].value) != 0)
			return false;
	return true;
}

bool names_have_wildcard(const struct names *names)
{
	for (size_t i = 0; i < names->n; i++)
		if (names->ids[i].value[0] == '*')
			return true;
	return false;
}

bool names_have_address(const struct names *names)
{
	for (size_t i = 0; i < names->n; i++)
		if (names->ids[i].kind == ACME_IP)
			return true;
	return false;
}

void names_text(const struct names *names, const char *between, char *text, size_t size)
{
	/* Of " and 99 more" and NUL. */
	const size_t rest = 16;
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < names->n; i++) {
		const char *value = names->ids[i].value;

		if (len + strlen(between) + strlen(value) + rest > size) {
			snprintf(text + len, size - len, " and %zu more", names->n - i);
			return;
		}
		len +=
		    (size_t)snprintf(text + len, size - len, "%s%s", i > 0 ? between : "", value);
	}
}
