# The daemon end to end.  notify is what node cannot do itself: a Unix datagram socket; acme_client
# is the ACME client of plugins/letsencrypt without a daemon; clock.so is a wall clock to be set.
TEST_SUITES += e2e
TEST_PROGRAMS += $(B)/tests/e2e/notify $(B)/tests/e2e/acme_client $(B)/tests/e2e/clock.so
$(B)/tests/e2e/notify: tests/e2e/notify.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(EXE) $(LDFLAGS) $< -o $@
$(B)/tests/e2e/acme_client: tests/e2e/acme_client.c $(letsencrypt_OBJ)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(EXE) $(LDFLAGS) $(filter %.c %.o,$^) -o $@ $(letsencrypt_LIBS)
# Preloaded, also into programs with a sanitizer: it has none itself.
$(B)/tests/e2e/clock.so: tests/e2e/clock.c
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_GNU_SOURCE -O2 $(WARN) -fPIC -shared $< -o $@
