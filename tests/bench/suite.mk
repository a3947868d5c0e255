# The load generator, the yardstick, and what compares them.  As a suite of `make test` it only
# shows that they work; `make bench` measures.
TEST_SUITES += bench
BENCH_PROGRAMS := $(patsubst %,$(B)/tests/bench/%,loadgen yardstick yardstick_tls series scrape)
TEST_PROGRAMS += $(BENCH_PROGRAMS)
BENCH_PLUGINS := $(patsubst %,$(B)/tests/plugin/%.so,probe crowd)

$(B)/tests/bench/loadgen: $(patsubst %,$(B)/tests/bench/%.o, \
    loadgen scenario run swarm peer speech_h2 speech_light ws wire frame hist procfs)
	$(if $(V),,@echo '  LD   $@')
	$(Q)$(CC) $(EXE) $(LDFLAGS) $^ -o $@ $(shell $(PKG) --libs libnghttp2 openssl)

# The yardstick takes its channel arguments from the plugin that it is compared with.
YARDSTICK_OBJ := $(patsubst %,$(B)/%.o,$(addprefix tests/bench/,yardstick stream idmap frame) \
    plugins/grpc/arguments plugins/grpc/config)
$(B)/tests/bench/yardstick: $(YARDSTICK_OBJ) $(B)/tests/bench/listen_plain.o
$(B)/tests/bench/yardstick: BENCH_CORE := grpc_unsecure
$(B)/tests/bench/yardstick_tls: $(YARDSTICK_OBJ) $(B)/tests/bench/listen_tls.o
$(B)/tests/bench/yardstick_tls: BENCH_CORE := grpc
$(B)/tests/bench/yardstick $(B)/tests/bench/yardstick_tls:
	$(if $(V),,@echo '  LD   $@')
	$(Q)$(CC) $(EXE) $(LDFLAGS) -Wl,--as-needed $^ -o $@ $(shell $(PKG) --libs $(BENCH_CORE))

$(B)/tests/bench/series: $(B)/tests/bench/series.o
	$(if $(V),,@echo '  LD   $@')
	$(Q)$(CC) $(EXE) $(LDFLAGS) $^ -o $@

$(B)/tests/bench/scrape: $(B)/tests/bench/scrape.o $(B)/tests/bench/hist.o
	$(if $(V),,@echo '  LD   $@')
	$(Q)$(CC) $(EXE) $(LDFLAGS) $^ -o $@

$(B)/tests/bench/%.o: CFLAGS += -fPIE

bench: deps-test
	$(MAKE) $(JOBS) all $(BENCH_PROGRAMS) $(BENCH_PLUGINS)
	B=$(B) tests/bench/run --full
