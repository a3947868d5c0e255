# Races and lifetimes: plain programs and the daemon with its plugins, built in the trees of each
# sanitizer and run there.
TEST_SUITES += stress
STRESS_PROGRAMS := $(patsubst tests/stress/%.c,%,$(wildcard tests/stress/stress_*.c))

$(STRESS_PROGRAMS:%=$(B)/tests/stress/%): $(B)/tests/stress/%: $(B)/tests/stress/%.o $(DAEMON_LIB)
	$(if $(V),,@echo '  LD   $@')
	$(Q)$(CC) $(EXE) $(LDFLAGS) $^ -o $@ $(DAEMON_LIBS)
$(STRESS_PROGRAMS:%=$(B)/tests/stress/%.o): CFLAGS += -fPIE

# The plugin grpc takes long to build and has no business under ThreadSanitizer.
STRESS_PLUGINS := $(if $(filter thread,$(SAN)),$(filter-out %/grpc.so,$(PLUGIN_SO)),$(PLUGIN_SO))
stress-programs: $(STRESS_PROGRAMS:%=$(B)/tests/stress/%) $(B)/netbird-signal $(STRESS_PLUGINS) \
    $(TEST_PLUGINS)
.PHONY: stress-programs stress-sanitized
ifeq ($(SAN),)
TEST_PROGRAMS += stress-sanitized
# After the other that builds one of these trees: two makes must not write one file at a time.
stress-sanitized: | $(PROTO_SRC) e2e-asan-tree
	$(MAKE) SAN=thread stress-programs
	$(MAKE) SAN=address,undefined stress-programs
endif
