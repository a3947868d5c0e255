/* Text from elsewhere, before it goes to a log or a terminal. */
#ifndef PRINTABLE_H
#define PRINTABLE_H

#include <stddef.h>

/* [any] The length of the UTF-8 sequence at s, of which n > 0 bytes are there, or 0 if it must not
 * be shown as it is: a control character, or no UTF-8. */
size_t printable_length(const char *s, size_t n);

#endif
