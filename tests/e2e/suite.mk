# The daemon end to end.  notify is what node cannot do itself: a Unix datagram socket.
TEST_SUITES += e2e
TEST_PROGRAMS += $(B)/tests/e2e/notify
$(B)/tests/e2e/notify: tests/e2e/notify.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(EXE) $(LDFLAGS) $< -o $@
