# Races and lifetimes: plain programs, built and run in the trees of each sanitizer.
TEST_SUITES += stress
STRESS_SANS := thread address,undefined
STRESS_PROGRAMS := $(patsubst tests/stress/%.c,%,$(wildcard tests/stress/stress_*.c))

$(STRESS_PROGRAMS:%=$(B)/tests/stress/%): $(B)/tests/stress/%: $(B)/tests/stress/%.o $(DAEMON_LIB)
	$(if $(V),,@echo '  LD   $@')
	$(Q)$(CC) $(EXE) $(LDFLAGS) $^ -o $@ $(DAEMON_LIBS)
$(STRESS_PROGRAMS:%=$(B)/tests/stress/%.o): CFLAGS += -fPIE

stress-programs: $(STRESS_PROGRAMS:%=$(B)/tests/stress/%)
.PHONY: stress-programs stress-sanitized
ifeq ($(SAN),)
TEST_PROGRAMS += stress-sanitized
stress-sanitized: | $(PROTO_SRC)
	$(MAKE) SAN=thread stress-programs
	$(MAKE) SAN=address,undefined stress-programs
endif
