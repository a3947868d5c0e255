# Units, with Criterion: each test_X.c is one program.  What it needs besides the daemon's library
# goes into test_X_OBJ and test_X_LIBS.
TEST_SUITES += unit
UNIT_TESTS := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))
UNIT_PROGRAMS := $(UNIT_TESTS:%=$(B)/tests/unit/%)
TEST_PROGRAMS += $(UNIT_PROGRAMS)

# Messages as protobuf-c writes them, to compare with what the daemon reads.
UNIT_PROTO := $(B)/gen/signalexchange.pb-c.o

$(UNIT_PROGRAMS:%=%.o): CPPFLAGS += -DPLUGIN_DIR='"$(LIBDIR)/netbird-signal"' \
    -DDEFAULT_PLUGINS='"$(DEFAULT_PLUGINS)"'
$(UNIT_PROGRAMS:%=%.o): CFLAGS += -fPIE
$(UNIT_PROGRAMS:%=%.o): | $(PROTO_SRC)

# Of plugins: parts that know nothing of the host, or all of one with a host of the test's.
test_ws_assemble_OBJ := $(B)/plugins/websocket/assemble.o
test_ws_receive_OBJ := $(websocket_OBJ)
test_ws_light_OBJ := $(websocket_OBJ)
test_ws_tunnel_OBJ := $(websocket_OBJ)

define unit_rule
$(B)/tests/unit/$(1): $(B)/tests/unit/$(1).o $$($(1)_OBJ) $(UNIT_PROTO) $(DAEMON_LIB)
	$(if $(V),,@echo '  LD   $$@')
	$(Q)$(CC) $(EXE) $(LDFLAGS) $$^ -o $$@ $(DAEMON_LIBS) -lcriterion -lprotobuf-c $$($(1)_LIBS)
endef
$(foreach t,$(UNIT_TESTS),$(eval $(call unit_rule,$(t))))
