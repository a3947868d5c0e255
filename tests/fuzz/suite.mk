# Fuzz targets: fuzz_X.c and the sources named in X_FUZZED.  The suite replays tests/fuzz/corpus/X
# with plain programs; `make fuzz` searches for more with libFuzzer, FUZZ_SECONDS for each target,
# beginning with the corpus; `make fuzz-corpus` reduces what it found to a new corpus.  A file that
# made a target fail (build/fuzz/found/) is added to the corpus and stays there.
TEST_SUITES += fuzz
FUZZ_TARGETS := opening websocket envelope
opening_FUZZED := daemon/first_bytes.c daemon/proxy_header.c
websocket_FUZZED := plugins/websocket/assemble.c
envelope_FUZZED := daemon/envelope.c $(GEN)/signalexchange.pb-c.c
envelope_FUZZ_LIBS := -lprotobuf-c

# --- with any compiler ----------------------------------------------------------------------
FUZZ_REPLAYS := $(FUZZ_TARGETS:%=$(B)/tests/fuzz/replay_%)
TEST_PROGRAMS += $(FUZZ_REPLAYS)
FUZZ_OBJECTS := $(patsubst %.c,$(B)/%.o,$(wildcard tests/fuzz/*.c))
$(FUZZ_OBJECTS): CPPFLAGS += -iquote plugins
$(FUZZ_OBJECTS): | $(PROTO_SRC)
define fuzz_replay_rule
$(B)/tests/fuzz/replay_$(1): $(B)/tests/fuzz/fuzz_$(1).o $(B)/tests/fuzz/fuzz.o \
    $(B)/tests/fuzz/replay.o $(patsubst $(B)/$(GEN)/%,$(B)/gen/%,$($(1)_FUZZED:%.c=$(B)/%.o))
	$(if $(V),,@echo '  LD   $$@')
	$(Q)$$(CC) $$(LDFLAGS) $$^ -o $$@ $$($(1)_FUZZ_LIBS)
endef
$(foreach t,$(FUZZ_TARGETS),$(eval $(call fuzz_replay_rule,$(t))))

fuzz-replays: $(FUZZ_REPLAYS)
ifeq ($(SAN),)
# After the others that build this tree: two makes must not write one file at a time.
TEST_PROGRAMS += fuzz-sanitized
fuzz-sanitized: | $(PROTO_SRC) stress-sanitized
	$(MAKE) SAN=address,undefined fuzz-replays
endif
.PHONY: fuzz-replays fuzz-sanitized

# --- with libFuzzer -------------------------------------------------------------------------
FUZZ_SECONDS ?= 60
FUZZ_CC ?= clang
FUZZ_DIR := build/fuzz
FUZZ_FLAGS := -std=c11 -g -O1 -Wall -Wextra -Werror -fsanitize=fuzzer,address,undefined \
    -fno-sanitize-recover=all -fno-omit-frame-pointer
FUZZ_PROGRAMS := $(FUZZ_TARGETS:%=$(FUZZ_DIR)/fuzz_%)
DEB_FUZZ := clang libclang-rt-dev llvm libprotobuf-c-dev protobuf-c-compiler
deps-fuzz:
	$(call install_missing,$(DEB_FUZZ))

define fuzz_program_rule
$(FUZZ_DIR)/fuzz_$(1): tests/fuzz/fuzz_$(1).c tests/fuzz/fuzz.c tests/fuzz/fuzz.h $($(1)_FUZZED) \
    $(wildcard daemon/*.h plugins/websocket/*.h) | $(PROTO_SRC)
	@mkdir -p $$(@D)
	$$(FUZZ_CC) -D_GNU_SOURCE -Iinclude -iquote daemon -iquote plugins -I$$(GEN) $$(FUZZ_FLAGS) \
	    $$(filter %.c,$$^) -o $$@ $$($(1)_FUZZ_LIBS)
endef
$(foreach t,$(FUZZ_TARGETS),$(eval $(call fuzz_program_rule,$(t))))

fuzz: deps-fuzz
	$(MAKE) $(FUZZ_PROGRAMS)
	FUZZ_SECONDS=$(FUZZ_SECONDS) tests/fuzz/search $(FUZZ_TARGETS)
fuzz-corpus: deps-fuzz
	$(MAKE) $(FUZZ_PROGRAMS)
	tests/fuzz/reduce $(FUZZ_TARGETS)
.PHONY: fuzz fuzz-corpus deps-fuzz
