# The load generator, the yardstick, and what compares them.  As a suite of `make test` it only
# shows that they work; `make bench` measures.
TEST_SUITES += bench
BENCH_PROGRAMS := $(B)/tests/bench/loadgen $(B)/tests/bench/yardstick $(B)/tests/bench/series
TEST_PROGRAMS += $(BENCH_PROGRAMS)

$(B)/tests/bench/loadgen: $(patsubst %,$(B)/tests/bench/%.o, \
    loadgen scenario run swarm peer frame hist procfs)
	$(if $(V),,@echo '  LD   $@')
	$(Q)$(CC) $(EXE) $(LDFLAGS) $^ -o $@ $(shell $(PKG) --libs libnghttp2)

# The yardstick takes its channel arguments from the plugin that it is compared with.
$(B)/tests/bench/yardstick: $(patsubst %,$(B)/%.o,tests/bench/yardstick tests/bench/stream \
    tests/bench/idmap tests/bench/frame plugins/grpc/arguments plugins/grpc/config)
	$(if $(V),,@echo '  LD   $@')
	$(Q)$(CC) $(EXE) $(LDFLAGS) -Wl,--as-needed $^ -o $@ $(shell $(PKG) --libs grpc_unsecure)

$(B)/tests/bench/series: $(B)/tests/bench/series.o
	$(if $(V),,@echo '  LD   $@')
	$(Q)$(CC) $(EXE) $(LDFLAGS) $^ -o $@

$(B)/tests/bench/%.o: CFLAGS += -fPIE

bench: deps-test
	$(MAKE) $(JOBS) all $(BENCH_PROGRAMS) $(B)/tests/plugin/probe.so
	B=$(B) tests/bench/run --full
