/* Numbers as both formats write them. */
#ifndef NUMBER_H
#define NUMBER_H

struct text;

/* The value of a sample, with as few digits as bring the same double back; without an exponent
 * between 1e-4 and 1e21. */
void number_value(struct text *t, double value);

/*
 * A bound of a histogram, which is text to whoever compares it.  Both formats write it as Go does,
 * in which NetBird's own server and so its dashboards were written: 0.5, 250, 1e+06.  `point`:
 * OpenMetrics wants a whole number to be seen as a float, 250.0.
 */
void number_bound(struct text *t, double bound, int point);

#endif
