/* How peers end, for the metrics and the log. */
#ifndef NOTE_H
#define NOTE_H

#include "endings.h"

#include <stdint.h>

struct transport;

/* [conn] Counts it; what a client did wrong is told to the log at a bounded rate, the rest at
 * debug. */
void note_ending(struct transport *t, uint64_t conn, enum ending ending, unsigned code);

#endif
