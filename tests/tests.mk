# The tests.  Each tests/X with a suite.mk is a suite: the fragment adds X to TEST_SUITES and what
# it needs to TEST_PROGRAMS; tests/X/run executes it.  tests/run calls them all and sums up.
TEST_SUITES :=
TEST_PROGRAMS :=

# Plugins that only tests load.
TEST_PLUGINS := $(patsubst tests/plugin/%.c,$(B)/tests/plugin/%.so,$(wildcard tests/plugin/*.c))
TEST_PROGRAMS += $(TEST_PLUGINS)
$(B)/tests/plugin/%.so: tests/plugin/%.c include/netbird-signal/plugin.h
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -fPIC -fvisibility=hidden -shared $< -o $@ -pthread

include $(sort $(wildcard tests/*/suite.mk))

test-programs: all $(TEST_PROGRAMS)
test: deps-test
	$(MAKE) $(JOBS) test-programs
	B=$(B) tests/run $(TEST_SUITES)
.PHONY: test-programs
