/* Tells a supervisor how the daemon is: sd_notify(3)'s datagrams, without its library. */
#ifndef NOTIFY_H
#define NOTIFY_H

/* [main] "READY=1", "RELOADING=1\nMONOTONIC_USEC=...", "STOPPING=1".  Does nothing without
 * NOTIFY_SOCKET in the environment. */
void notify_send(const char *state);
/* The message that systemd wants at the begin of a reload (Type=notify-reload). */
void notify_reloading(void);

#endif
